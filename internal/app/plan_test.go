package app

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/internal/remote"
	"fluxgate.dev/fluxgate/internal/simquota"
	"fluxgate.dev/fluxgate/internal/terminal"
)

// plan asks when a request could go.
func (m *mixture) plan(t *testing.T, body string) (p remote.Plan) {
	t.Helper()
	rec := m.ask(t, "POST", "/plan", body)
	require.Equal(t, http.StatusOK, rec.Code, rec.Body)
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &p))
	return p
}

// A plan of other providers' models knows all that a request would weigh on: what plan says it waits is what the
// request is told, by number of tokens or by its body, of a model or of a chain across providers; and what is printed
// says which limit it is.
func TestPlanOfOtherProviders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := openaisim.Key{Value: groqKey, Project: "org-d"}
		groq := openaisim.New(openaisim.Config{Keys: []openaisim.Key{key}, Models: []string{"llama-4"}, Dialect: openaisim.Cerebras, Counting: openaisim.CountSum,
			Limits: map[string][]simquota.Limit{"": {simquota.PerMinute(simquota.Requests, 30), {Dimension: simquota.Requests, Amount: 3, Per: time.Hour, Kind: simquota.Sliding}}}})
		openai := openaisim.New(openaisim.Config{Keys: []openaisim.Key{{Value: openAIKey, Project: "org-a"}}, Models: []string{"gpt-5.5"}})
		m := &mixture{transport: hosts{"cerebras.test": groq.Transport(), "api.openai.com": openai.Transport()}}
		m.with(t, `FLUXGATE_PROVIDERS=[{"name":"cerebras","base_url":"https://cerebras.test/v1","models":["llama-*"]}]`,
			"CEREBRAS_KEY_1="+groqKey, "CEREBRAS_PROJECT_1=org-d", "OPENAI_KEY_1="+openAIKey, "OPENAI_PROJECT_1=org-a")
		defer func() { assert.NoError(t, m.Close(t.Context())) }()

		p := m.plan(t, `{"tokens":500,"model":"cerebras/llama-4"}`)
		require.NotNil(t, p.Best)
		assert.Equal(t, "org-d", p.Best.Project)
		assert.EqualValues(t, 500, p.Tokens)
		for range 3 {
			rec := m.ask(t, "POST", chat, chatOf("cerebras/llama-4"))
			require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		}
		told := m.ask(t, "POST", chat, chatOf("cerebras/llama-4"))
		require.Equal(t, http.StatusTooManyRequests, told.Code)
		for name, body := range map[string]string{
			"tokens": `{"tokens":500,"model":"cerebras/llama-4"}`, "a bare name": `{"tokens":500,"model":"llama-4"}`,
			"a prompt": `{"prompt":"Hello","model":"cerebras/llama-4"}`, "a chat": chatOf("cerebras/llama-4"),
		} {
			p = m.plan(t, body)
			require.NotNil(t, p.Best, name)
			assert.Equal(t, told.Header().Get("Retry-After"), seconds(p.Best.Start.Sub(p.Now)), name)
			assert.Equal(t, "rpm", p.Best.Cause, name)
			assert.Equal(t, "cerebras/llama-4 in 1h", p.Best.Of, name)
			printed := terminal.Plan(&p, terminal.Style{Width: 120})
			assert.Contains(t, printed, "cerebras/llama-4 on org-d", name)
			assert.Contains(t, printed, "requests (cerebras/llama-4 in 1h)", name)
			assert.False(t, strings.Contains(printed, "gemini"), printed)
		}
		var status struct {
			Projects []struct {
				Project string
				Models  []struct {
					Free map[string]time.Time `json:"next_free"`
				}
			}
		}
		require.NoError(t, json.Unmarshal(m.ask(t, "GET", "/status", "").Body.Bytes(), &status))
		for _, project := range status.Projects {
			for _, x := range project.Models {
				assert.GreaterOrEqual(t, x.Free["1000"].Sub(p.Now), 59*time.Minute, "/status knows it too")
			}
		}
		var shown remote.Status
		require.NoError(t, json.Unmarshal(m.ask(t, "GET", "/status", "").Body.Bytes(), &shown))
		assert.Regexp(t, `org-d +cerebras/llama-4 in 1h +3/3 l`, terminal.Status(&shown, terminal.StatusOptions{}, terminal.Style{Width: 160}))
		p = m.plan(t, `{"tokens":500,"model":"openai/gpt-5.5"}`)
		assert.Empty(t, p.Best.Cause)
		assert.Equal(t, p.Now, *p.Best.Start)
	})
}

// A plan reckons with the outputs that its caller had, like the request, in whatever format it is asked.
func TestPlanKnowsItsCallersOutputs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t, "FLUXGATE_TOKENS=alice:0123456789-alice,bob:0123456789-bob00",
			`FLUXGATE_PROVIDERS=[{"name":"groq","base_url":"https://api.groq.com/openai/v1","models":["llama-*"]},{"name":"anthropic","limits":[{"of":"output_tokens","most":800}]}]`)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		as := map[string][]string{"alice": {"X-Fluxgate-Token", "0123456789-alice"}, "bob": {"X-Fluxgate-Token", "0123456789-bob00"}}
		for name, text := range map[string]string{"alice": strings.Repeat("a long story ", 40), "bob": "Hi"} {
			for range 3 {
				rec := m.ask(t, "POST", chat, strings.Replace(chatOf("groq/llama-4"), "Hello", text, 1), as[name]...)
				require.Equal(t, http.StatusOK, rec.Code, rec.Body)
			}
		}
		for i, text := range []string{"write 5 tokens", "write 200 tokens"} {
			for range 3 {
				rec := m.ask(t, "POST", message, strings.NewReplacer("Hello", text, `"max_tokens":16`, `"max_tokens":800`).Replace(messageOf("claude-sonnet-5")), as[[]string{"bob", "alice"}[i]]...)
				require.Equal(t, http.StatusOK, rec.Code, rec.Body)
			}
		}
		plan := func(name, body string) remote.Plan {
			rec := m.ask(t, "POST", "/plan", body, as[name]...)
			require.Equal(t, http.StatusOK, rec.Code, rec.Body)
			var p remote.Plan
			require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &p))
			return p
		}
		body := chatOf("groq/llama-4")
		assert.Greater(t, plan("alice", body).Tokens, plan("bob", body).Tokens+50)
		// A prompt always says how much it may put out, which Groq counts; and what others count of it is what is put out.
		body = `{"prompt":"Hello","model":"groq/llama-4"}`
		assert.Equal(t, plan("alice", body).Tokens, plan("bob", body).Tokens)
		body = `{"prompt":"Hello","model":"anthropic/claude-sonnet-5"}`
		late, soon := plan("alice", body), plan("bob", body)
		require.NotNil(t, late.Best.Start)
		require.NotNil(t, soon.Best.Start)
		assert.Equal(t, soon.Now, *soon.Best.Start)
		assert.Greater(t, *late.Best.Start, late.Now)
	})
}

// seconds is a duration in whole seconds, rounded up, as Retry-After has it.
func seconds(d time.Duration) string {
	b, _ := json.Marshal(int64((d + time.Second - 1) / time.Second))
	return string(b)
}
