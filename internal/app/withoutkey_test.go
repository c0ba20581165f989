package app

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/devserver"
	"fluxgate.dev/fluxgate/internal/geminisim"
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
