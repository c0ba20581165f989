package app

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/internal/simquota"
)

// Where requests go is what the operator configured: no answer leads elsewhere, and no administrator says another at run
// time. All that is sent has the mark of a Fluxgate, what it asks by itself too.
func TestBaseURLsStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t, "FLUXGATE_ADMIN_TOKENS=root:0123456789abcdef-root", `FLUXGATE_CALLERS={"root":{"rpm":-1}}`)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		root := []string{"X-Fluxgate-Token", "0123456789abcdef-root"}
		var redirects atomic.Bool
		asked := &requestCounts{of: make(map[string]int)}
		for host, inner := range m.transport {
			m.transport[host] = roundTripper(func(r *http.Request) (*http.Response, error) {
				asked.add(host + " " + r.Method + " " + r.URL.Path)
				assert.Equal(t, []string{"fluxgate"}, r.Header["Cdn-Loop"], r.URL)
				if redirects.Load() {
					return &http.Response{StatusCode: http.StatusTemporaryRedirect, Header: http.Header{"Location": {"https://evil.test/"}}, Body: http.NoBody, Request: r}, nil
				}
				return inner.RoundTrip(r)
			})
		}
		m.transport["evil.test"] = roundTripper(func(r *http.Request) (*http.Response, error) {
			t.Errorf("%s %s was sent", r.Method, r.URL)
			return nil, http.ErrServerClosed
		})
		for _, body := range []string{
			`{"base_url":"https://evil.test"}`, `{"openai_base_url":"https://evil.test"}`, `{"OPENAI_BASE_URL":"https://evil.test"}`,
			`{"providers":[{"name":"groq","base_url":"https://evil.test"}]}`, `{"FLUXGATE_PROVIDERS":"[]"}`, `{"mode":"both","base_url":"https://evil.test"}`,
		} {
			rec := m.ask(t, "POST", "/config", body, root...)
			assert.Equal(t, http.StatusBadRequest, rec.Code, "%s: %s", body, rec.Body)
		}
		for _, redirected := range []bool{false, true} {
			redirects.Store(redirected)
			asked.clear()
			for _, c := range []struct{ method, path, body, host string }{
				{"POST", chat, chatOf("gpt-5.5"), "api.openai.com"},
				{"POST", chat, chatOf("llama-4"), "api.groq.com"},
				{"POST", message, messageOf("claude-sonnet-5"), "api.anthropic.com"},
				{"POST", message + "/count_tokens", messageOf("claude-sonnet-5"), "api.anthropic.com"},
				{"POST", "/generate", `{"prompt":"Hello","model":"groq/llama-4"}`, "api.groq.com"},
				{"POST", "/generate", `{"prompt":"Hello","model":"claude-sonnet-5"}`, "api.anthropic.com"},
				{"GET", "/anthropic/v1/models", "", "api.anthropic.com"},
			} {
				before := asked.to(c.host)
				rec := m.ask(t, c.method, c.path, c.body, root...)
				want := http.StatusOK
				if redirected {
					want = http.StatusBadGateway
				}
				assert.Equal(t, want, rec.Code, "%s: %s", c.path, rec.Body)
				assert.Empty(t, rec.Header().Get("Location"))
				assert.Greater(t, asked.to(c.host), before, c.path)
			}
			rec := m.ask(t, "POST", "/validate", "", root...)
			require.Equal(t, http.StatusOK, rec.Code, rec.Body)
			for _, own := range []string{"api.openai.com GET /v1/models", "api.groq.com GET /openai/v1/models", "api.anthropic.com GET /v1/models"} {
				assert.Positive(t, asked.to(own), "%s in %v", own, asked.of)
			}
		}
	})
}

// requestCounts counts requests by host, method and path. Several may be made at once.
type requestCounts struct {
	mu sync.Mutex
	of map[string]int
}

func (c *requestCounts) add(request string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of[request]++
}

func (c *requestCounts) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.of)
}

// to returns how many there were to a host, or of one kind.
func (c *requestCounts) to(what string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for request, times := range c.of {
		if request == what || strings.HasPrefix(request, what+" ") {
			n += times
		}
	}
	return n
}

// TestCompletionsAndModerations: what is older than chats goes to the provider of its model byte for byte, and counts there. What
// may be said or not is asked of OpenAI's model for that where none is named, as OpenAI does; Gemini alone has neither.
func TestCompletionsAndModerations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		for _, c := range []struct{ path, body, model, want string }{
			{"/openai/v1/completions", `{ "prompt":"Hello", "model":"gpt-5.5","max_tokens":9,"suffix":"?"}`, "gpt-5.5", `"text":"Answer to: Hello"`},
			{"/v1/completions", `{"model":"gpt-5.5","prompt":["Hello","you"],"stream":true,"stream_options":{"include_usage":true}}`, "gpt-5.5", "data: [DONE]"},
			{"/openai/v1/moderations", `{"input":  "Hello"}`, "omni-moderation-latest", `"flagged":false`},
			{"/v1beta/openai/moderations", `{"input":["Hello"],"model":"omni-moderation-latest"}`, "omni-moderation-latest", `"flagged":false`},
		} {
			rec := m.ask(t, "POST", c.path, c.body)
			assert.Equal(t, http.StatusOK, rec.Code, rec.Body)
			assert.Contains(t, rec.Body.String(), c.want)
			sent := m.openai.Requests()
			last := sent[len(sent)-1]
			assert.Equal(t, c.body, string(last.Body), "as it came")
			assert.Equal(t, c.model, last.Model)
			assert.Equal(t, "openai/"+c.model, rec.Header().Get("X-Fluxgate-Model"), "by which it was scheduled")
		}
		rec := m.ask(t, "POST", "/openai/v1/completions", `{"prompt":"Hello"}`, "X-Fluxgate-Provider", "openai")
		assert.Equal(t, http.StatusBadRequest, rec.Code, rec.Body)
		// A model that can't be read is none that would be taken where none is named.
		sent := len(m.openai.Requests())
		for _, model := range []string{`7`, `""`, `"` + strings.Repeat("x", 600) + `"`} {
			rec = m.ask(t, "POST", "/openai/v1/moderations", `{"input":"Hello","model":`+model+`}`, "X-Fluxgate-Provider", "openai")
			assert.Equal(t, http.StatusBadRequest, rec.Code, rec.Body)
		}
		assert.Len(t, m.openai.Requests(), sent)
		rec = m.ask(t, "POST", "/openai/v1/moderations", `{"input":"Hello"}`, "X-Fluxgate-Provider", "gemini")
		assert.Equal(t, http.StatusNotImplemented, rec.Code, rec.Body)
	})
}

// A key of another provider is validated by the list of that one's models, which is free.
func TestValidationOfOtherProviders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t, "FLUXGATE_ADMIN_TOKENS=root:0123456789abcdef-root")
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		m.openai.SetKey(openaisim.Key{Value: otherKey, Project: "org-b", State: openaisim.Revoked})
		rec := m.ask(t, "POST", "/validate", "", "X-Fluxgate-Token", "0123456789abcdef-root")
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		var report struct {
			Keys []struct {
				Index    int `json:"key_index"`
				Provider string
				Status   string
			}
		}
		require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &report))
		found := make(map[int]string)
		for _, k := range report.Keys {
			found[k.Index] = k.Provider + " " + k.Status
		}
		assert.Equal(t, map[int]string{1: " healthy", 100_001: "openai healthy", 100_002: "openai invalid", 200_001: "anthropic healthy", 300_001: "groq healthy"}, found, rec.Body)
		for _, ledger := range []*simquota.Ledger{m.openai.Ledger(), m.groq.Ledger(), m.anthropic.Ledger()} {
			assert.Zero(t, ledger.Total().Accepted, "it costs nothing")
		}
	})
}
