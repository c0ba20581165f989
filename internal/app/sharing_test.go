package app

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/anthropicsim"
	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/internal/simquota"
	"fluxgate.dev/fluxgate/scheduler"
)

// claude replaces what stands for Anthropic by one that has several models of a class, and fast mode.
func (m *mixture) claude(limits, fast []simquota.Limit) {
	m.anthropic = anthropicsim.New(anthropicsim.Config{
		Keys:   []anthropicsim.Key{{Value: anthropicKey, Project: "org-c"}},
		Models: []string{"claude-opus-4-8", "claude-opus-4-5", "claude-opus-4-5-20251101", "claude-opus-5", "claude-haiku-4-5", "claude-haiku-4-5-20251001"},
		Limits: map[string][]simquota.Limit{"": limits}, Fast: fast, Latency: 2 * time.Second,
	})
	m.transport["api.anthropic.com"] = m.anthropic.Transport()
}

func bodyOf(model, more string) string {
	return `{"model":"` + model + `","max_tokens":100,` + more + `"messages":[{"role":"user","content":"` + strings.Repeat("word ", 20) + `"}]}`
}

// TestModelsThatShareLimits: what two models of a class are sent, by whichever of their names, is
// counted together, so that none is refused that could be foreseen, and what is told is when there
// is room for either.
func TestModelsThatShareLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		m.claude([]simquota.Limit{simquota.PerMinute(simquota.Requests, 10), simquota.PerMinute(simquota.InputTokens, 100_000), simquota.PerMinute(simquota.OutputTokens, 100_000)}, nil)
		models := []string{"claude-opus-4-8", "claude-opus-4-5", "claude-opus-4-5-20251101"}
		for _, model := range models { // their limits are known from now on
			require.Equal(t, http.StatusOK, m.ask(t, "POST", message, bodyOf(model, "")).Code)
		}
		var served atomic.Int64
		begin := time.Now()
		var callers sync.WaitGroup
		for i := range 24 {
			callers.Go(func() {
				for time.Since(begin) < time.Hour {
					rec := m.ask(t, "POST", message, bodyOf(models[i%3], ""))
					if rec.Code == http.StatusOK {
						served.Add(1)
						continue
					}
					if !assert.Equal(t, http.StatusTooManyRequests, rec.Code, rec.Body) {
						return
					}
					seconds, err := strconv.Atoi(rec.Header().Get("Retry-After"))
					assert.NoError(t, err)
					time.Sleep(time.Duration(seconds) * time.Second)
				}
			})
		}
		callers.Wait()
		assert.Zero(t, m.anthropic.Ledger().Total().Refused, "foreseeable refusals")
		assert.GreaterOrEqual(t, served.Load(), int64(540), "nine tenths of what the limit lets through in an hour; mostly it is 98 of 100")
		for _, r := range m.anthropic.Requests() {
			assert.Contains(t, models, r.Model, "each is asked for by its own name")
		}
		rec := m.ask(t, "POST", message, bodyOf("claude-opus-5", ""))
		assert.Equal(t, http.StatusOK, rec.Code, "it has limits of its own: %s", rec.Body)
	})
}

// TestFastModeHasLimitsOfItsOwn: a refusal of fast mode, and what its headers say, is nothing to the
// model's other requests, and theirs is nothing to it.
func TestFastModeHasLimitsOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		m.claude([]simquota.Limit{simquota.PerMinute(simquota.Requests, 20), simquota.PerMinute(simquota.InputTokens, 100_000), simquota.PerMinute(simquota.OutputTokens, 100_000)},
			[]simquota.Limit{simquota.PerMinute(simquota.InputTokens, 300), simquota.PerMinute(simquota.OutputTokens, 100_000)})
		const fast = `"speed":"fast",`
		ask := func(more string) int { return m.ask(t, "POST", message, bodyOf("claude-opus-5", more)).Code }
		served := 0
		for ask(fast) == http.StatusOK {
			served++
		}
		refused := func() int { return m.anthropic.Fast().Total().Refused }
		assert.Zero(t, refused(), "what is used was known")
		assert.GreaterOrEqual(t, served, 4)
		assert.Equal(t, http.StatusOK, ask(""), "nothing is used of the others")
		time.Sleep(2 * time.Minute)
		m.anthropic.Fast().Add(time.Now(), "org-c", "claude-opus-5", simquota.Amounts{simquota.InputTokens: 300})
		require.Equal(t, http.StatusTooManyRequests, ask(fast))
		assert.Equal(t, 1, refused(), "nobody could know that somebody else uses it")
		for range 20 {
			assert.Equal(t, http.StatusOK, ask(""))
		}
		require.Equal(t, http.StatusTooManyRequests, ask(""))
		assert.Zero(t, m.anthropic.Ledger().Total().Refused)
		time.Sleep(2 * time.Minute)
		for range 20 {
			assert.Equal(t, http.StatusOK, ask(""))
		}
		assert.Equal(t, http.StatusTooManyRequests, m.ask(t, "POST", chat, bodyOf("claude-opus-5", fast)).Code)
		assert.Zero(t, m.anthropic.Ledger().Total().Refused, "OpenAI's format has no fast mode, and Anthropic counts such a chat as any")
		status := m.ask(t, "GET", "/status", "").Body.String()
		_, own, _ := strings.Cut(status, `"model":"anthropic/claude-opus-5:fast",`)
		assert.Contains(t, own[:min(len(own), 300)], `"tpm":{"limit":300,`, "as its own headers say: %s", status)
	})
}

// TestAModelThatIsCalledFast: the headers of a model whose own name ends so are believed as any other's.
func TestAModelThatIsCalledFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		m.openai = openaisim.New(openaisim.Config{
			Keys: []openaisim.Key{{Value: openAIKey, Project: "org-a"}, {Value: otherKey, Project: "org-b"}}, Models: []string{"m:fast"},
			Limits: map[string][]simquota.Limit{"": {simquota.PerMinute(simquota.Requests, 2)}},
		})
		m.transport["api.openai.com"] = m.openai.Transport()
		served := 0
		for m.ask(t, "POST", chat, chatOf("openai/m:fast")).Code == http.StatusOK {
			served++
		}
		assert.Equal(t, 4, served, "two of each organisation")
		assert.Zero(t, m.openai.Ledger().Total().Refused)
	})
}

// TestAModelIsGoneAlone: that one of the models that share their limits isn't to be had, or not by this
// organisation, is nothing to the others, and a chain goes on with them; even if it is the one by whose name they are counted.
func TestAModelIsGoneAlone(t *testing.T) {
	for gone, there := range map[string]string{
		"claude-opus-4-8": "claude-opus-4-5", "claude-haiku-4-5": "claude-haiku-4-5-20251001", "claude-haiku-4-5-20251001": "claude-haiku-4-5",
	} {
		synctest.Test(t, func(t *testing.T) {
			m := mix(t, "FLUXGATE_CHAIN=anthropic/"+gone+",anthropic/"+there+",gemini-2.5-pro")
			defer func() { assert.NoError(t, m.Close(t.Context())) }()
			m.claude([]simquota.Limit{simquota.PerMinute(simquota.Requests, 50)}, nil)
			m.anthropic.SetModels(there)
			for range 3 {
				rec := m.ask(t, "POST", chat, chatOf("auto"))
				assert.Equal(t, http.StatusOK, rec.Code, rec.Body)
				assert.Equal(t, "anthropic/"+there, rec.Header().Get("X-Fluxgate-Model"))
			}
			asked := 0
			for _, r := range m.anthropic.Requests() {
				if r.Model == gone {
					asked++
				}
			}
			assert.Equal(t, 1, asked, "it is known to be gone")
			assert.Equal(t, http.StatusOK, m.ask(t, "POST", message, bodyOf(there, "")).Code)
			before := len(m.anthropic.Requests())
			rec := m.ask(t, "POST", message, bodyOf(gone, ""))
			assert.Equal(t, http.StatusNotFound, rec.Code, "as upstream said: %s", rec.Body)
			assert.Len(t, m.anthropic.Requests(), before, "it isn't asked again")
			plan := m.ask(t, "POST", "/plan", `{"tokens":10,"model":"anthropic/`+gone+`"}`).Body.String()
			assert.Contains(t, plan, `"model":"anthropic/`+gone+`","start":null,"wait_ms":null,"cause":"unavailable"`)
		})
	}
}

// TestBuildsThatCountModelsApart: a build that doesn't know which models share their limits counts each by
// its own name. Beside one, what both send of a model is within its limit; once there is none any more, what
// it has left behind holds nobody up.
func TestBuildsThatCountModelsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		m.claude([]simquota.Limit{simquota.PerMinute(simquota.Requests, 50), simquota.PerMinute(simquota.InputTokens, 100_000), simquota.PerMinute(simquota.OutputTokens, 100_000)}, nil)
		const model = "claude-opus-4-8"
		ask := func(model string) int { return m.ask(t, "POST", message, bodyOf(model, "")).Code }
		require.Equal(t, http.StatusOK, ask("claude-opus-4-5"), "its limits are known")
		time.Sleep(2 * time.Minute)
		apply := func(x scheduler.Change) {
			_, err := m.admission.Apply(t.Context(), "org-c", x)
			require.NoError(t, err)
		}
		apply(scheduler.RecordRefusal{Model: "anthropic/" + model, Limits: scheduler.Limits{RPM: 10}})
		for id := range uint64(8) {
			apply(scheduler.Reserve{Model: "anthropic/" + model, ID: id + 1, Demand: scheduler.Demand{Tokens: 10}})
		}
		assert.Equal(t, http.StatusOK, ask(model))
		assert.Equal(t, http.StatusOK, ask(model))
		assert.Equal(t, http.StatusTooManyRequests, ask(model), "the other build has sent eight of ten")
		assert.Equal(t, http.StatusOK, ask("claude-opus-4-5"))
		time.Sleep(26 * time.Hour)
		for range 20 {
			assert.Equal(t, http.StatusOK, ask(model))
		}
		states, err := m.admission.View(t.Context(), []string{"org-c"})
		require.NoError(t, err)
		sent, _ := states[0].Calendar("anthropic/"+model).InWindow(m.admission.Rules(), m.admission.Now())
		assert.Zero(t, sent, "it is counted there no more")
	})
}

// TestPlanAndSettingsOfSharedLimits: a plan names models as they were asked for, and a limit that is set
// of one by its own name holds for all that share it.
func TestPlanAndSettingsOfSharedLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		m.claude([]simquota.Limit{simquota.PerMinute(simquota.Requests, 50)}, nil)
		rec := m.ask(t, "POST", "/config", `{"limits":{"anthropic/claude-opus-4-8":{"rpm":2,"tpm":-1}}}`)
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		ask := func(model string) int { return m.ask(t, "POST", message, bodyOf(model, "")).Code }
		require.Equal(t, http.StatusOK, ask("claude-opus-4-8"))
		require.Equal(t, http.StatusOK, ask("claude-opus-4-5-20251101"))
		plan := func(model string) string {
			return m.ask(t, "POST", "/plan", `{"tokens":10,"model":"anthropic/`+model+`"}`).Body.String()
		}
		assert.Contains(t, plan("claude-opus-4-5"), `"model":"anthropic/claude-opus-4-5","start":`)
		assert.Contains(t, plan("claude-opus-4-5"), `"cause":"rpm","limits":{"rpm":2,`)
		assert.Contains(t, plan("claude-opus-5"), `"wait_ms":0`)
		require.Equal(t, http.StatusTooManyRequests, ask("claude-opus-4-5"))
		assert.Contains(t, m.ask(t, "GET", "/usage?by=model", "").Body.String(), `"model":"anthropic/claude-opus-4-5"`)
		assert.NotContains(t, m.ask(t, "GET", "/usage?by=model", "").Body.String(), "claude-opus-4.x", "what is refused is counted by the name of what is answered")
		status := m.ask(t, "GET", "/status", "").Body.String()
		assert.Contains(t, status, `"model":"anthropic/claude-opus-4.x"`)
		assert.NotContains(t, status, `"model":"anthropic/claude-opus-4-8"`)
	})
}

// TestSharedLimitsThatAreNamed: an operator names which models of a provider share their limits, as an
// organisation's own page says.
func TestSharedLimitsThatAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t)
		m.openai = openaisim.New(openaisim.Config{
			Keys: []openaisim.Key{{Value: openAIKey, Project: "org-a"}}, Models: []string{"gpt-5.5", "gpt-5.5-mini", "o3"}, Shared: map[string]string{"gpt-5.5-mini": "gpt-5.5"},
			Limits: map[string][]simquota.Limit{"": {simquota.PerMinute(simquota.Requests, 10), simquota.PerMinute(simquota.Tokens, 100_000)}}, Latency: 2 * time.Second,
		})
		m.transport["api.openai.com"] = m.openai.Transport()
		require.NoError(t, m.Close(t.Context()))
		m.with(t, "OPENAI_KEY_1="+openAIKey, "OPENAI_PROJECT_1=org-a", `FLUXGATE_PROVIDERS=[{"name":"openai","shared":[["gpt-5.5","gpt-5.5-mini*"]]}]`)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		for _, model := range []string{"gpt-5.5", "gpt-5.5-mini"} {
			require.Equal(t, http.StatusOK, m.ask(t, "POST", chat, chatOf(model)).Code)
		}
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				rec := m.ask(t, "POST", chat, chatOf([]string{"gpt-5.5", "gpt-5.5-mini"}[i%2]))
				assert.Contains(t, []int{http.StatusOK, http.StatusTooManyRequests}, rec.Code, rec.Body)
			})
		}
		all.Wait()
		assert.Zero(t, m.openai.Ledger().Total().Refused)
		assert.Equal(t, http.StatusOK, m.ask(t, "POST", chat, chatOf("o3")).Code)

		var said strings.Builder
		again := m.instance(t, &said)
		assert.NoError(t, again.Close(t.Context()))
		assert.Contains(t, said.String(), "  gpt-5.5-mini*                    counted together as gpt-5.5 (FLUXGATE_PROVIDERS)\n")
	})
}

// TestLongContextsHaveLimitsOfTheirOwn: what is larger than a model's tokens of a minute goes at once, where it
// counts on others, and changes nothing of the model's.
func TestLongContextsHaveLimitsOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t)
		require.NoError(t, m.Close(t.Context()))
		tokens := func(n int64) []simquota.Limit {
			return []simquota.Limit{simquota.PerMinute(simquota.Requests, 500), simquota.PerMinute(simquota.Tokens, n)}
		}
		m.openai = openaisim.New(openaisim.Config{
			Keys: []openaisim.Key{{Value: openAIKey, Project: "org-a"}}, Models: []string{"gpt-4.1"},
			Limits: map[string][]simquota.Limit{"gpt-4.1": tokens(30_000), "gpt-4.1" + openaisim.LongContext: tokens(200_000)},
		})
		m.transport["api.openai.com"] = m.openai.Transport()
		m.with(t, "OPENAI_KEY_1="+openAIKey, "OPENAI_PROJECT_1=org-a")
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		ask := func(tokens int) int {
			return m.ask(t, "POST", chat, `{"model":"gpt-4.1","max_tokens":50,"messages":[{"role":"user","content":"`+strings.Repeat("word", tokens)+`"}]}`).Code
		}
		for range 4 {
			require.Equal(t, http.StatusOK, ask(100))
		}
		assert.Equal(t, http.StatusOK, ask(150_000))
		assert.Equal(t, http.StatusTooManyRequests, ask(150_000))
		assert.Equal(t, http.StatusOK, ask(100))
		assert.Equal(t, http.StatusTooManyRequests, ask(100_000), "it is no long one, and more than a minute has")
		assert.Zero(t, m.openai.Ledger().Total().Refused)
		status := m.ask(t, "GET", "/status", "").Body.String()
		assert.Contains(t, status, `"model":"openai/gpt-4.1:long"`)
	})
}

// TestBuildsBesideLimitsThatAreNamed: where an operator has named limits nothing is learned, and a build that counts each model
// by itself is seen by what it has sent.
func TestBuildsBesideLimitsThatAreNamed(t *testing.T) {
	for _, c := range []struct {
		every     time.Duration
		named, on string
	}{
		{time.Second, `FLUXGATE_LIMITS={"anthropic/claude-opus-4-8":{"rpm":10}}`, ""},
		{time.Minute, `FLUXGATE_LIMITS={"anthropic/claude-opus-4-8":{"rpd":10}}`, ""},
		{time.Minute, `FLUXGATE_PROVIDERS=[{"name":"anthropic","limits":[{"of":"requests","most":10,"per":"1h"}]}]`, scheduler.OfWindow("anthropic/claude-opus-4-8", time.Hour)},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := mix(t, c.named)
			defer func() { assert.NoError(t, m.Close(t.Context())) }()
			m.claude([]simquota.Limit{simquota.PerMinute(simquota.Requests, 50)}, nil)
			for id := range uint64(8) {
				other := scheduler.Reserve{Model: "anthropic/claude-opus-4-8", ID: id + 1, Demand: scheduler.Demand{Tokens: 10}}
				if c.on != "" {
					other.Also = []scheduler.Weight{{On: c.on}}
				}
				result, err := m.admission.Apply(t.Context(), "org-c", other)
				require.NoError(t, err)
				require.Equal(t, scheduler.Admitted, result.Verdict)
				time.Sleep(c.every)
			}
			served := 0
			for m.ask(t, "POST", message, bodyOf("claude-opus-4-8", "")).Code == http.StatusOK {
				served++
			}
			assert.Equal(t, 2, served, "the other build has sent eight of ten: %s", c.named)
		})
	}
}

// TestATrialCountsWithThoseThatShareItsLimits: a request that tries a key that was spent counts as those with the project's other
// keys do, on the limits that its model shares, and on those beside them.
func TestATrialCountsWithThoseThatShareItsLimits(t *testing.T) {
	const shared = `FLUXGATE_PROVIDERS=[{"name":"openai","shared":[["gpt-4o","gpt-4o-2024-*"]]`
	for _, env := range [][]string{
		{shared + `}]`, `FLUXGATE_LIMITS={"openai/gpt-4o":{"rpm":4}}`},
		{shared + `,"limits":[{"of":"requests","most":4,"per":"1h","model":"gpt-4o"}]}]`},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := mix(t, append(env, "OPENAI_PROJECT_2=org-a")...)
			defer func() { assert.NoError(t, m.Close(t.Context())) }()
			inner, spent, tried := m.transport["api.openai.com"], true, false
			refusal := answering(http.StatusTooManyRequests, `{"error":{"message":"Your project has reached its spend limit.","type":"insufficient_quota","param":null,"code":"project_spend_limit_exceeded"}}`)
			answer := answering(http.StatusOK, `{"object":"chat.completion","choices":[{"message":{"role":"assistant","content":"Hello"}}],"usage":{"prompt_tokens":2,"completion_tokens":2,"total_tokens":4}}`)
			m.transport["api.openai.com"] = roundTripper(func(r *http.Request) (*http.Response, error) {
				switch {
				case r.Method != http.MethodPost:
					return inner.RoundTrip(r)
				case spent && r.Header.Get("Authorization") == "Bearer "+openAIKey:
					tried = true
					return refusal.RoundTrip(r)
				}
				return answer.RoundTrip(r)
			})
			for !tried {
				require.Equal(t, http.StatusOK, m.ask(t, "POST", chat, chatOf("gpt-5.5")).Code)
				time.Sleep(20 * time.Second)
			}
			spent = false
			time.Sleep(6 * time.Minute)
			served := 0
			for m.ask(t, "POST", chat, chatOf("openai/gpt-4o-2024-08-06")).Code == http.StatusOK {
				served++
			}
			assert.Contains(t, m.logs.String(), "depleted project tried")
			assert.Equal(t, 4, served, "%q", env)
		})
	}
}
