package app

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/anthropicsim"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/devserver"
	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/internal/simquota"
	"fluxgate.dev/fluxgate/storage"
)

// hosts carries requests to the simulated provider of their host.
type hosts map[string]http.RoundTripper

func (h hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	to, ok := h[r.URL.Host]
	if !ok {
		return nil, fmt.Errorf("nobody is at %s", r.URL.Host)
	}
	return to.RoundTrip(r)
}

// A mixture is an app over three simulated providers and a fourth that speaks like OpenAI.
type mixture struct {
	*App
	gemini    *geminisim.Server
	openai    *openaisim.Server
	groq      *openaisim.Server
	anthropic *anthropicsim.Server
	transport hosts
	logs      *bytes.Buffer
	cfg       *config.Config
	store     storage.Store
}

const (
	openAIKey    = "sk-proj-of-the-test-0001"
	otherKey     = "sk-proj-of-the-test-0002"
	groqKey      = "gsk_of_the_test_0001"
	anthropicKey = "sk-ant-of-the-test-0001"
)

func mix(t *testing.T, env ...string) *mixture { return mixReported(t, nil, env...) }

// mixReported is mix with a startup report.
func mixReported(t *testing.T, report io.Writer, env ...string) *mixture {
	t.Helper()
	cfg := load(t, append([]string{
		"GEMINI_KEY_1=" + simulatedKey(1), "GEMINI_PROJECT_1=g-1", "FLUXGATE_POLICY=off", "FLUXGATE_CHAIN=gemini-2.5-pro",
		"OPENAI_KEY_1=" + openAIKey, "OPENAI_PROJECT_1=org-a", "OPENAI_KEY_2=" + otherKey, "OPENAI_PROJECT_2=org-b",
		"ANTHROPIC_KEY_1=" + anthropicKey, "ANTHROPIC_PROJECT_1=org-c", "GROQ_KEY_1=" + groqKey, "GROQ_PROJECT_1=org-d",
		`FLUXGATE_PROVIDERS=[{"name":"groq","base_url":"https://api.groq.com/openai/v1","models":["llama-*"]}]`,
	}, env...)...)
	sim := devserver.SimulatorConfig(cfg, 1)
	sim.Keys[0].Project = "g-1"
	perMinute := func(n int64) map[string][]simquota.Limit {
		return map[string][]simquota.Limit{"": {simquota.PerMinute(simquota.Requests, n)}}
	}
	m := &mixture{
		gemini: geminisim.New(sim), logs: new(bytes.Buffer),
		openai: openaisim.New(openaisim.Config{
			Keys: []openaisim.Key{{Value: openAIKey, Project: "org-a"}, {Value: otherKey, Project: "org-b"}}, Limits: perMinute(10),
		}),
		groq:      openaisim.New(openaisim.Config{Keys: []openaisim.Key{{Value: groqKey, Project: "org-d"}}, Models: []string{"llama-4"}, Limits: perMinute(10)}),
		anthropic: anthropicsim.New(anthropicsim.Config{Keys: []anthropicsim.Key{{Value: anthropicKey, Project: "org-c"}}, Limits: perMinute(10)}),
	}
	m.transport = hosts{
		"generativelanguage.googleapis.com": m.gemini.Transport(), "api.openai.com": m.openai.Transport(),
		"api.anthropic.com": m.anthropic.Transport(), "api.groq.com": m.groq.Transport(),
	}
	m.cfg, m.store = cfg, storage.NewMemory(nil)
	m.App = m.instance(t, report)
	t.Cleanup(func() {
		for _, key := range []string{openAIKey, otherKey, groqKey, anthropicKey} {
			assert.NotContains(t, m.logs.String(), key, "the value of a key is in the log")
		}
	})
	return m
}

// with starts an app for a configuration, over what stands for the providers.
func (m *mixture) with(t *testing.T, env ...string) *mixture {
	t.Helper()
	m.logs, m.cfg, m.store = new(bytes.Buffer), load(t, append(env, "FLUXGATE_POLICY=off")...), storage.NewMemory(nil)
	m.App = m.instance(t, nil)
	return m
}

// instance starts another instance over the same store.
func (m *mixture) instance(t *testing.T, report io.Writer) *App {
	t.Helper()
	log := slog.New(slog.NewTextHandler(m.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	a, err := Start(t.Context(), m.cfg, Options{Logger: log, Report: report, Store: m.store, Transport: m.transport})
	require.NoError(t, err)
	return a
}

func (m *mixture) ask(t *testing.T, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, "http://localhost"+path, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	m.ServeHTTP(rec, r)
	for _, key := range []string{openAIKey, otherKey, groqKey, anthropicKey} {
		assert.NotContains(t, rec.Body.String(), key)
	}
	return rec
}

const (
	chat    = "/openai/v1/chat/completions"
	message = "/anthropic/v1/messages"
)

func chatOf(model string) string {
	return `{ "model" : "` + model + `", "messages":[{"role":"user","content":"Hello"}],"unheard_of":[1,2]}`
}

func messageOf(model string) string {
	return `{ "model" : "` + model + `", "max_tokens":16,"messages":[{"role":"user","content":"Hello"}],"unheard_of":[1,2]}`
}

// headers keeps the headers of what is sent, keys included.
type headers struct {
	http.RoundTripper
	mu   sync.Mutex
	sent []http.Header
}

func (h *headers) RoundTrip(r *http.Request) (*http.Response, error) {
	h.mu.Lock()
	h.sent = append(h.sent, r.Header.Clone())
	h.mu.Unlock()
	return h.RoundTripper.RoundTrip(r)
}

// withHeaders adds headers to answers.
type withHeaders struct {
	http.RoundTripper
	header http.Header
}

func (h withHeaders) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := h.RoundTripper.RoundTrip(r)
	if err == nil {
		maps.Copy(resp.Header, h.header)
	}
	return resp, err
}
