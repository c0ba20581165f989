package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/anthropicsim"
	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/internal/simquota"
)

// Who has no provider's key that serves a route isn't told to name a model of one.
func TestNobodyServesARoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t)
		require.NoError(t, m.Close(t.Context()))
		m.with(t, "GEMINI_KEY_1="+simulatedKey(1), "GEMINI_PROJECT_1=g-1", "ANTHROPIC_KEY_1="+anthropicKey, "ANTHROPIC_PROJECT_1=org-c")
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		for _, body := range []string{`{"model":"auto","input":"Hello"}`, `{"input":"Hello"}`} {
			assert.Equal(t, http.StatusNotImplemented, m.ask(t, "POST", "/openai/v1/responses", body).Code)
		}
	})
}

// A model's name says which provider a request goes to, and what comes there is what was sent:
// byte for byte, but for the provider's name before the model's.
func TestProviderByModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		for _, c := range []struct{ name, path, body, came, model, key string }{
			{"Gemini's", chat, chatOf("gemini-2.5-pro"), "", "gemini-2.5-pro", "1"},
			{"Gemini's, by its name", chat, chatOf("gemini/gemini-2.5-pro"), "", "gemini-2.5-pro", "1"},
			{"OpenAI's", chat, chatOf("gpt-5.5"), chatOf("gpt-5.5"), "openai/gpt-5.5", ""},
			{"OpenAI's, by its name", chat, chatOf("openai/gpt-5.5"), chatOf("gpt-5.5"), "openai/gpt-5.5", ""},
			{"another's that speaks like it", chat, chatOf("llama-4"), chatOf("llama-4"), "groq/llama-4", "300001"},
			{"a response", "/openai/v1/responses", `{"model":"gpt-5.5","input":"Hello","store":false}`, `{"model":"gpt-5.5","input":"Hello","store":false}`, "openai/gpt-5.5", ""},
			{"an embedding", "/openai/v1/embeddings", `{"model":"text-embedding-3-small","input":"Hello"}`, `{"model":"text-embedding-3-small","input":"Hello"}`, "openai/text-embedding-3-small", ""},
			{"Anthropic's", message, messageOf("claude-sonnet-5"), messageOf("claude-sonnet-5"), "anthropic/claude-sonnet-5", "200001"},
			{"Anthropic's, counted", message + "/count_tokens", messageOf("claude-sonnet-5"), messageOf("claude-sonnet-5"), "anthropic/claude-sonnet-5", "200001"},
		} {
			rec := m.ask(t, "POST", c.path, c.body, "Anthropic-Beta", "a-beta", "Authorization", "Bearer whoever")
			require.Equal(t, http.StatusOK, rec.Code, "%s: %s", c.name, rec.Body)
			assert.Equal(t, c.model, rec.Header().Get("X-Fluxgate-Model"), c.name)
			if c.key != "" {
				assert.Equal(t, c.key, rec.Header().Get("X-Fluxgate-Key"), c.name)
			}
			var came string
			switch {
			case c.came == "":
				continue
			case strings.HasPrefix(c.model, "openai/"):
				came = string(m.openai.Requests()[len(m.openai.Requests())-1].Body)
			case strings.HasPrefix(c.model, "groq/"):
				came = string(m.groq.Requests()[len(m.groq.Requests())-1].Body)
			default:
				last := m.anthropic.Requests()[len(m.anthropic.Requests())-1]
				came = string(last.Body)
				assert.Equal(t, "2023-06-01", last.Header.Get("Anthropic-Version"))
				assert.Equal(t, "a-beta", last.Header.Get("Anthropic-Beta"))
			}
			assert.Equal(t, c.came, came, c.name)
		}

		// What no provider of OpenAI's format has a route for stays as it was.
		rec := m.ask(t, "POST", "/openai/v1/responses", `{"model":"gemini-2.5-pro","input":"Hello"}`)
		assert.Equal(t, http.StatusNotImplemented, rec.Code, rec.Body)
		// It is served for a model that is named, and no chain stands for one there.
		rec = m.ask(t, "POST", "/openai/v1/responses", `{"model":"auto","input":"Hello"}`)
		assert.Equal(t, http.StatusBadRequest, rec.Code, rec.Body)
		assert.Contains(t, rec.Body.String(), "which is for chats; name a model that serves this")
		rec = m.ask(t, "POST", "/generate", `{"prompt":"Hello"}`)
		assert.Equal(t, http.StatusOK, rec.Code, rec.Body)

		// What makes things of which nobody would know whose they are isn't served, whatever it is in.
		before := len(m.openai.Requests()) + len(m.anthropic.Requests())
		for _, path := range []string{"/openai/v1/skills", "/openai/v1/assistants", "/openai/v1/threads/x/runs", "/anthropic/v1/skills", "/anthropic/v1/sessions/x/events"} {
			rec = m.ask(t, "POST", path, `{"name":"x"}`)
			assert.Equal(t, http.StatusNotImplemented, rec.Code, rec.Body)
			assert.Contains(t, rec.Body.String(), "isn't told apart here")
		}
		assert.Equal(t, http.StatusNotFound, m.ask(t, "POST", "/openai/v1/things", `{}`).Code)
		assert.Len(t, slices.Concat(m.openai.Requests(), m.anthropic.Requests()), before)

		// A stream passes in its pieces, and is counted.
		rec = m.ask(t, "POST", message, strings.Replace(messageOf("claude-sonnet-5"), "{", `{"stream":true,`, 1))
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		assert.Contains(t, rec.Body.String(), "event: message_stop")

		rec = m.ask(t, "GET", "/openai/v1/models", "", "Authorization", "Bearer whoever")
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		for _, id := range []string{`"openai/gpt-5.5"`, `"groq/llama-4"`, `"auto"`, `"models/gemini-2.5-pro"`} {
			assert.Contains(t, rec.Body.String(), id)
		}
		assert.Contains(t, rec.Body.String(), `"id":"anthropic/claude-sonnet-5"`, "it serves chats in OpenAI's format")
		for _, name := range []string{"claude-sonnet-5", "anthropic/claude-sonnet-5"} {
			rec = m.ask(t, "GET", "/openai/v1/models/"+name, "", "Authorization", "Bearer whoever")
			require.Equal(t, http.StatusOK, rec.Code, rec.Body)
			assert.JSONEq(t, `{"id":"claude-sonnet-5","object":"model","created":1771459200,"owned_by":"anthropic","type":"model","display_name":"claude-sonnet-5","created_at":"2026-02-19T00:00:00Z"}`, rec.Body.String(), name)
		}
		rec = m.ask(t, "GET", "/anthropic/v1/models", "")
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		assert.Contains(t, rec.Body.String(), `"claude-sonnet-5"`)
		rec = m.ask(t, "GET", "/openai/v1/models/openai/gpt-5.5", "", "Authorization", "Bearer whoever")
		assert.Equal(t, http.StatusOK, rec.Code, rec.Body)

		// Metrics say whose each is.
		rec = m.ask(t, "GET", "/metrics", "")
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		for _, labels := range []string{
			`gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="openai/gpt-5.5"`,
			`gen_ai_operation_name="chat",gen_ai_provider_name="anthropic",gen_ai_request_model="anthropic/claude-sonnet-5"`,
			`gen_ai_operation_name="chat",gen_ai_provider_name="groq",gen_ai_request_model="groq/llama-4"`,
			`gen_ai_operation_name="chat",gen_ai_provider_name="gcp.gemini",gen_ai_request_model="gemini-2.5-pro"`,
		} {
			assert.Contains(t, rec.Body.String(), labels)
		}

		// It shows where each is: the chain at Gemini's alone.
		rec = m.ask(t, "GET", "/status?idle=true", "")
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		var status struct {
			Projects []struct {
				Project, Provider string
				Models            []struct{ Model string }
			}
			Keys []struct {
				Index    int `json:"key_index"`
				Provider string
			}
		}
		require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &status))
		organisations := make(map[string]string)
		for _, p := range status.Projects {
			organisations[p.Project] = p.Provider
			for _, x := range p.Models {
				assert.Equal(t, p.Provider != "", strings.HasPrefix(x.Model, p.Provider+"/"), "%s at %s of %q", x.Model, p.Project, p.Provider)
			}
		}
		assert.Equal(t, map[string]string{"g-1": "", "org-a": "openai", "org-b": "openai", "org-c": "anthropic", "org-d": "groq"}, organisations)
		whose := make(map[int]string)
		for _, k := range status.Keys {
			whose[k.Index] = k.Provider
		}
		assert.Equal(t, map[int]string{1: "", 100_001: "openai", 100_002: "openai", 200_001: "anthropic", 300_001: "groq"}, whose)
	})
}

// The limits that the start tells of are those of Gemini's chain, on Gemini's projects.
func TestOtherProvidersAreIntroduced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said strings.Builder
		m := mixReported(t, &said, "GEMINI_TIER_1=free", `FLUXGATE_LIMITS={"openai/gpt-5.5":{"rpm":500},"projects":{"org-c":{"anthropic/claude-sonnet-5":{"tpm":30000}}}}`,
			`FLUXGATE_PROVIDERS=[{"name":"groq","base_url":"https://api.groq.com/openai/v1","models":["llama-*"]},{"name":"anthropic","limits":[{"of":"at_a_time","most":4,"project":"org-c"},{"of":"requests","most":60,"burst":1}]}]`)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		assert.Contains(t, said.String(), "provider openai: https://api.openai.com/v1, format openai, keys: 2; its models are openai/…\n")
		assert.Contains(t, said.String(), "limits of each project (free tier), and where they come from:\n  gemini-2.5-pro ")
		assert.NotContains(t, said.String(), "limits of org-")
		assert.Contains(t, said.String(), "limits of openai that are named (others are learned from what its answers say):\n  gpt-5.5                          rpm=500 (FLUXGATE_LIMITS)\n")
		assert.Contains(t, said.String(), "limits of anthropic that are named (others are learned from what its answers say):\n  each model on org-c              4 requests at a time (FLUXGATE_PROVIDERS)\n"+
			"  each model                       60 requests/1m, 1 at once (FLUXGATE_PROVIDERS)\n  claude-sonnet-5 on org-c         tpm=30000 (FLUXGATE_LIMITS)\n")
		assert.Contains(t, said.String(), "limits of groq: none is named, so they are learned from what its answers say\n")
		assert.NotContains(t, said.String(), "never used")

		said.Reset()
		m.cfg = load(t, "GEMINI_KEY_1="+simulatedKey(1), "FLUXGATE_POLICY=off", "FLUXGATE_CHAIN=gemini-2.5-flash,openai/gpt-5.5")
		alone := m.instance(t, &said)
		assert.NoError(t, alone.Close(t.Context()))
		assert.Contains(t, said.String(), "  WARNING: openai/gpt-5.5 is never used: there is no key of openai. Set one, or leave it out of the chain\n")
	})
}

// Limits of other providers' models can be set while it runs, by the names that settings have.
func TestOtherProvidersLimitedAtRunTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t, "FLUXGATE_ADMIN_TOKENS=root:0123456789abcdef-root")
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		root := []string{"X-Fluxgate-Token", "0123456789abcdef-root"}
		const limits = `{"openai/gpt-5.5":{"rpm":2},"projects":{"org-c":{"anthropic/claude-sonnet-5":{"rpm":3}}}}`
		rec := m.ask(t, "POST", "/config", `{"limits":`+limits+`}`, root...)
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		var told struct {
			Limits map[string]any `json:"limits"`
		}
		require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &told))
		assert.Equal(t, map[string]any{"openai/gpt-5.5": map[string]any{"rpm": 2.0}, "org-c/anthropic/claude-sonnet-5": map[string]any{"rpm": 3.0}}, told.Limits)
		again, err := json.Marshal(told)
		require.NoError(t, err)
		for range 2 {
			rec = m.ask(t, "POST", "/config", string(again), root...)
			require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		}
		for _, c := range []struct {
			path, body string
			room       int
		}{{chat, chatOf("gpt-5.5"), 4}, {message, messageOf("claude-sonnet-5"), 3}} { // two organisations, and one
			for i := range c.room {
				rec := m.ask(t, "POST", c.path, c.body, root...)
				require.Equal(t, http.StatusOK, rec.Code, "%d: %s", i, rec.Body)
			}
			rec := m.ask(t, "POST", c.path, c.body, root...)
			assert.Equal(t, http.StatusTooManyRequests, rec.Code, rec.Body)
		}
		assert.Zero(t, m.openai.Ledger().Total().Refused)
		require.Equal(t, http.StatusOK, m.ask(t, "POST", "/reset", `{"key":100001}`, root...).Code)
		assert.Contains(t, m.ask(t, "GET", "/status", "", root...).Body.String(), "key 100001 of openai reset: blocks and learned limits of org-a forgotten")
	})
}

// Whoever comes as often as it is told is refused by nobody but Fluxgate, in the format of its
// route, and waits exactly as long as it says.
func TestOtherProvidersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t, `FLUXGATE_LIMITS={"openai/gpt-5.5":{"rpm":10},"anthropic/claude-sonnet-5":{"rpm":10}}`)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		for _, c := range []struct {
			path, body string
			room       int
			kind       string
		}{
			{chat, chatOf("gpt-5.5"), 20, `"type":"rate_limit_error"`}, // two organisations
			{message, messageOf("claude-sonnet-5"), 10, `{"type":"error","error":{"type":"rate_limit_error","message":`},
		} {
			for range 3 {
				for i := range c.room {
					rec := m.ask(t, "POST", c.path, c.body)
					require.Equal(t, http.StatusOK, rec.Code, "%d: %s", i, rec.Body)
				}
				rec := m.ask(t, "POST", c.path, c.body)
				require.Equal(t, http.StatusTooManyRequests, rec.Code, rec.Body)
				assert.Contains(t, rec.Body.String(), c.kind)
				seconds, err := strconv.Atoi(rec.Header().Get("Retry-After"))
				require.NoError(t, err)
				time.Sleep(time.Duration(seconds) * time.Second)
			}
		}
		assert.Zero(t, m.openai.Ledger().Total().Refused)
		assert.Zero(t, m.anthropic.Ledger().Total().Refused)
	})
}

// Anthropic's clients have a caller's token in X-Api-Key, on Anthropic's routes alone; it goes to
// nobody.
func TestTokensOfAnthropicsClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const token = "0123456789abcdef"
		m := mix(t, "FLUXGATE_TOKENS=alice:"+token)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		sent := &headers{RoundTripper: m.transport["api.anthropic.com"]}
		m.transport["api.anthropic.com"] = sent
		for _, c := range []struct {
			method, path, body, header, value string
			status                            int
		}{
			{"POST", message, messageOf("claude-sonnet-5"), "X-Api-Key", token, http.StatusOK},
			{"POST", message + "/count_tokens", messageOf("claude-sonnet-5"), "X-Api-Key", token, http.StatusOK},
			{"GET", "/anthropic/v1/models", "", "X-Api-Key", token, http.StatusOK},
			{"POST", message, messageOf("claude-sonnet-5"), "Authorization", "Bearer " + token, http.StatusOK},
			{"POST", message, messageOf("claude-sonnet-5"), "X-Api-Key", "fedcba9876543210", http.StatusUnauthorized},
			{"POST", message, messageOf("claude-sonnet-5"), "Api-Key", token, http.StatusUnauthorized},
			{"POST", chat, chatOf("gpt-5.5"), "X-Api-Key", token, http.StatusUnauthorized},
		} {
			rec := m.ask(t, c.method, c.path, c.body, c.header, c.value)
			assert.Equal(t, c.status, rec.Code, "%+v: %s", c, rec.Body)
		}
		assert.Len(t, sent.sent, 4)
		for _, header := range sent.sent {
			assert.Equal(t, anthropicKey, header.Get("X-Api-Key"))
			assert.NotContains(t, fmt.Sprint(header), token)
		}
		assert.Empty(t, m.openai.Requests())
		assert.NotContains(t, m.logs.String(), token)
	})
}

// What was used of other providers is what their simulators charged, to the token, of every
// organisation and model and on every route that answers with tokens, and so is what of it was thought and cached. Of
// what Anthropic's caches held its ledger knows nothing.
func TestUsageIsTheProvidersLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t, `FLUXGATE_PRICES={"openai/gpt-5.5":{"input":2,"output":8,"cached":0.5},"anthropic/claude-sonnet-5":{"input":3,"output":15,"cached":0.3},"groq/llama-4":{"input":0.1,"output":0.2},"openai/text-embedding-3-small":{"input":0.02,"output":0}}`)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		text := func(i int) string { return fmt.Sprint("Hello number ", i, strings.Repeat(" again", i%23)) }
		ordered := func(i int) string { return text(i) + fmt.Sprintf(": think %d tokens, cached %d tokens", i%11, i%3) }
		kept := strings.Repeat("what is kept ", 400)
		bodies := []func(i int) (path, body string){
			func(i int) (string, string) {
				return chat, `{"model":"gpt-5.5","messages":[{"role":"user","content":"` + ordered(i) + `"}]}`
			},
			func(i int) (string, string) {
				return chat, `{"model":"gpt-5.5","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"` + ordered(i) + `"}]}`
			},
			func(i int) (string, string) {
				return "/openai/v1/responses", `{"model":"gpt-5.5","input":"` + ordered(i) + `","store":false}`
			},
			func(i int) (string, string) {
				return "/openai/v1/responses", `{"model":"gpt-5.5","stream":true,"input":"` + ordered(i) + `","store":false}`
			},
			func(i int) (string, string) {
				return "/openai/v1/embeddings", `{"model":"text-embedding-3-small","input":"` + text(i) + `"}`
			},
			func(i int) (string, string) {
				return chat, `{"model":"llama-4","messages":[{"role":"user","content":"` + text(i) + `"}]}`
			},
			func(i int) (string, string) {
				return message, `{"model":"claude-sonnet-5","max_tokens":64,"messages":[{"role":"user","content":"` + text(i) + `"}]}`
			},
			func(i int) (string, string) {
				return message, `{"model":"claude-sonnet-5","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"` + text(i) + `"}]}`
			},
			func(i int) (string, string) {
				return message, `{"model":"claude-sonnet-5","max_tokens":64,"system":[{"type":"text","text":"` + kept + `","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"` + text(i) + `"}]}`
			},
			func(i int) (string, string) {
				return chat, `{"model":"claude-sonnet-5","max_tokens":64,"messages":[{"role":"user","content":"` + text(i) + `"}]}`
			},
		}
		const rounds = 25
		var thoughts, cached int64 // that OpenAI was asked for
		for i := range rounds * len(bodies) {
			path, body := bodies[i%len(bodies)](i)
			if strings.Contains(body, "think") {
				thoughts, cached = thoughts+int64(i%11), cached+int64(i%3)
			}
			for {
				rec := m.ask(t, "POST", path, body)
				if rec.Code == http.StatusTooManyRequests {
					ms, err := strconv.ParseInt(rec.Header().Get("X-Fluxgate-Retry-Ms"), 10, 64)
					require.NoError(t, err)
					time.Sleep(time.Duration(ms) * time.Millisecond)
					continue
				}
				require.Equal(t, http.StatusOK, rec.Code, "%s: %s", path, rec.Body)
				break
			}
		}
		rec := m.ask(t, "GET", "/usage?window=24h&by=project,model", "")
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		var report struct {
			Rows []struct {
				Project, Model string
				Requests       int64
				Input          int64 `json:"input_tokens"`
				Output         int64 `json:"output_tokens"`
				Thoughts       int64 `json:"thought_tokens"`
				Cached         int64 `json:"cached_tokens"`
				Unmetered      int64
				Dollars        float64
			}
			Total struct{ Unpriced int64 }
		}
		require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &report))
		require.Len(t, report.Rows, 6, rec.Body)
		prices := map[string][3]float64{"openai/gpt-5.5": {2, 8, 0.5}, "anthropic/claude-sonnet-5": {3, 15, 0.3}, "groq/llama-4": {0.1, 0.2}, "openai/text-embedding-3-small": {0.02, 0}}
		var requests int64
		for _, r := range report.Rows {
			provider, model, _ := strings.Cut(r.Model, "/")
			ledger := map[string]*simquota.Ledger{"openai": m.openai.Ledger(), "groq": m.groq.Ledger(), "anthropic": m.anthropic.Ledger()}[provider]
			used := ledger.Used(r.Project, model)
			input := r.Input
			switch r.Model {
			case "openai/gpt-5.5":
				thoughts, cached = thoughts-r.Thoughts, cached-r.Cached
			case "anthropic/claude-sonnet-5":
				assert.Positive(t, r.Cached)
				input -= r.Cached
			}
			assert.Equal(t, []int64{used[simquota.Requests], used[simquota.InputTokens], used[simquota.OutputTokens]},
				[]int64{r.Requests, input, r.Output + r.Thoughts}, "%s of %s", r.Model, r.Project)
			assert.Zero(t, r.Unmetered, r.Model)
			p := prices[r.Model]
			dollars := (float64(r.Input-r.Cached)*p[0] + float64(r.Output+r.Thoughts)*p[1] + float64(r.Cached)*p[2]) / 1e6
			assert.InDelta(t, dollars, r.Dollars, 1e-9, r.Model)
			requests += r.Requests
		}
		assert.EqualValues(t, rounds*len(bodies), requests)
		assert.Zero(t, thoughts, "of OpenAI's that were asked for, and weren't told")
		assert.Zero(t, cached, "of OpenAI's that were asked for, and weren't told")
		assert.Zero(t, report.Total.Unpriced)
	})
}

// What goes wrong at one organisation is served by another of that provider, and never by
// another provider.
func TestOtherProvidersFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		m.openai.SetKey(openaisim.Key{Value: openAIKey, Project: "org-a", State: openaisim.Revoked})
		const invalid = `"what":"key 100001 of openai is invalid: `
		rec := m.ask(t, "GET", "/status", "")
		for n := 0; n < 4 || !strings.Contains(rec.Body.String(), invalid); n++ { // which is asked first is by chance
			require.Less(t, n, 100)
			rec = m.ask(t, "POST", chat, strings.Replace(chatOf("gpt-5.5"), "Hello", fmt.Sprint("Hello ", n), 1))
			require.Equal(t, http.StatusOK, rec.Code, rec.Body)
			assert.Equal(t, "100002", rec.Header().Get("X-Fluxgate-Key"))
			time.Sleep(20 * time.Second)
			rec = m.ask(t, "GET", "/status", "")
		}
		m.openai.SetKey(openaisim.Key{Value: otherKey, Project: "org-b", State: openaisim.Revoked})
		rec = m.ask(t, "POST", chat, chatOf("gpt-5.5"))
		assert.Equal(t, http.StatusServiceUnavailable, rec.Code, rec.Body)
		assert.NotContains(t, rec.Body.String(), "Incorrect API key")

		// What is the caller's own mistake comes back as the provider says it.
		rec = m.ask(t, "POST", message, messageOf("claude-of-nobody"))
		assert.Equal(t, http.StatusNotFound, rec.Code, rec.Body)
		assert.Contains(t, rec.Body.String(), `"not_found_error"`)
		m.anthropic.FailNext(4, anthropicsim.Overloaded)
		rec = m.ask(t, "POST", message, messageOf("claude-sonnet-5"))
		assert.Equal(t, 529, rec.Code, rec.Body)
		assert.Contains(t, rec.Body.String(), "overloaded_error")

		// What ends an answer that had begun is known for a failure.
		m.anthropic.FailNext(1, anthropicsim.OverloadedStream)
		rec = m.ask(t, "POST", message, strings.Replace(messageOf("claude-sonnet-5"), "{", `{"stream":true,`, 1))
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		assert.Contains(t, m.logs.String(), `msg="upstream failed in mid-answer"`)
		assert.Zero(t, m.gemini.Stats().Accepted)
	})
}

// A name that the provider doesn't know leaves nothing behind, whatever else its answer says.
func TestNamesOfNobodyLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		openAI := m.transport["api.openai.com"]
		m.transport["api.openai.com"] = withHeaders{openAI, http.Header{"X-Ratelimit-Limit-Tokens": {"5000"}, "X-Ratelimit-Remaining-Tokens": {"4000"}}}
		rec := m.ask(t, "POST", chat, chatOf("openai/of-nobody"))
		require.Equal(t, http.StatusNotFound, rec.Code, rec.Body)
		rec = m.ask(t, "GET", "/status?idle=true", "")
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		var status struct {
			Projects []struct{ Models []struct{ Model string } }
		}
		require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &status))
		require.Len(t, status.Projects, 5)
		for _, p := range status.Projects {
			for _, x := range p.Models {
				assert.Equal(t, "gemini-2.5-pro", x.Model)
			}
		}
	})
}
