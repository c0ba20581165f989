package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/devserver"
	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/storage"
)

// googleIAM is what is in front of Gemini for callers without a key: it knows a token,
// and takes the project of its header for the one that the request counts against.
type googleIAM struct {
	gemini http.RoundTripper
	keys   map[string]string // of the simulator, by project
}

func (g googleIAM) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Authorization") != "Bearer ya29.own" || r.URL.Host != "generativelanguage.googleapis.com" {
		return nil, errors.New("not one of ours")
	}
	out := r.Clone(r.Context())
	out.Header.Del("Authorization")
	out.Header.Set("X-Goog-Api-Key", g.keys[r.Header.Get("X-Goog-User-Project")])
	return g.gemini.RoundTrip(out)
}

// Projects without keys are a pool like any other: each has its own quota.
func TestWithoutKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := load(t, "GEMINI_PROJECT_1=search-prod", "GEMINI_PROJECT_2=translate-prod", "FLUXGATE_CHAIN=gemini-2.5-pro", "FLUXGATE_POLICY=off")
		sim := devserver.SimulatorConfig(cfg, 2)
		iam := googleIAM{keys: map[string]string{}}
		for i, project := range []string{"search-prod", "translate-prod"} {
			sim.Keys[i].Project = project
			iam.keys[project] = simulatedKey(i + 1)
		}
		iam.gemini = geminisim.New(sim).Transport()
		token := func(context.Context) (string, error) { return "ya29.own", nil }
		a, err := Start(t.Context(), cfg, Options{Logger: discard, Store: storage.NewMemory(nil), Transport: iam, Token: token})
		require.NoError(t, err)
		defer func() { assert.NoError(t, a.Close(t.Context())) }()
		for range 10 { // five a minute and project
			rec := post(a, "/generate", `{"prompt":"Hello"}`)
			assert.Equal(t, http.StatusOK, rec.Code, rec.Body)
		}
		assert.Equal(t, http.StatusTooManyRequests, post(a, "/generate", `{"prompt":"Hello"}`).Code)

		_, err = Start(t.Context(), cfg, Options{Logger: discard, Store: storage.NewMemory(nil), Transport: iam, Token: func(context.Context) (string, error) {
			return "", errors.New("no default credentials")
		}})
		require.ErrorContains(t, err, "project search-prod has no key, and there is no Google identity to call it by")
		assert.True(t, strings.HasSuffix(err.Error(), "no default credentials"))
	})
}

// Where nobody has keys of Gemini's, whose chain it is, that is said: at the start, to who asks for the chain, and to clients of
// Gemini's; and nothing is asked of Gemini. A model of a provider that there is a key of is served.
func TestWithoutAKeyOfGemini(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said strings.Builder
		m := &mixture{groq: openaisim.New(openaisim.Config{Keys: []openaisim.Key{{Value: groqKey, Project: "org-d"}}, Models: []string{"llama-4"}})}
		m.transport = hosts{"api.groq.com": m.groq.Transport()}
		cfg := load(t, `FLUXGATE_PROVIDERS=[{"name":"groq","base_url":"https://api.groq.com/openai/v1"}]`, "GROQ_KEY_1="+groqKey, "GROQ_PROJECT_1=org-d")
		var logs bytes.Buffer
		log := slog.New(slog.NewTextHandler(&logs, nil))
		a, err := Start(t.Context(), cfg, Options{Logger: log, Report: &said, Store: storage.NewMemory(nil), Transport: m.transport, Local: devserver.New(nil)})
		require.NoError(t, err)
		defer func() { assert.NoError(t, a.Close(t.Context())) }()
		m.App = a
		synctest.Wait()
		assert.Contains(t, said.String(), "  WARNING: gemini-2.5-pro, gemini-2.5-flash, gemini-2.5-flash-lite, gemini-3.1-pro-preview, gemini-3-flash-preview, gemini-3.1-flash-lite-preview: "+
			"never used, there is no key of Gemini. Set one, or a chain of other providers' models (FLUXGATE_CHAIN)\n")
		assert.NotContains(t, logs.String(), "WARN", "nothing is asked of Gemini")

		const nobody = "No key is configured for a provider of the chain: gemini-2.5-pro, gemini-2.5-flash,"
		for _, c := range [][2]string{{chat, chatOf("auto")}, {"/generate", `{"prompt":"Hi"}`}, {"/generate", `{"prompt":"Hi","model":"auto"}`}, {"/plan", `{"tokens":5}`}} {
			rec := m.ask(t, "POST", c[0], c[1])
			assert.Equal(t, http.StatusServiceUnavailable, rec.Code, "%s: %s", c, rec.Body)
			assert.Contains(t, rec.Body.String(), nobody, c)
		}
		rec := m.ask(t, "POST", "/v1beta/models/gemini-2.5-pro:generateContent", `{"contents":[{"parts":[{"text":"Hi"}]}]}`)
		assert.Equal(t, http.StatusServiceUnavailable, rec.Code, rec.Body)
		assert.Contains(t, rec.Body.String(), "1 well, but for another provider,")
		assert.Empty(t, m.groq.Requests()[1:], "but for the one that its key was checked by")
		for _, name := range []string{"llama-4", "groq/llama-4"} {
			assert.Equal(t, http.StatusOK, m.ask(t, "POST", chat, chatOf(name)).Code)
		}
		assert.Equal(t, http.StatusOK, m.ask(t, "POST", "/generate", `{"prompt":"Hi","model":"groq/llama-4"}`).Code)
	})
}
