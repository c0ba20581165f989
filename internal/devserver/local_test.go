package devserver

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/emulator"
	"fluxgate.dev/fluxgate/internal/emulator/emulatortest"
)

func load(t *testing.T, env ...string) *config.Config {
	t.Helper()
	cfg, err := config.Load(t.Context(), env)
	require.NoError(t, err)
	return cfg
}

// The configuration that is returned is the one to use, and the one that was
// given stays as it was.
func TestGemini(t *testing.T) {
	var report bytes.Buffer
	l := New(&report)
	given := load(t)
	used, err := l.Providers(given)
	require.NoError(t, err)
	assert.Empty(t, given.Keys)
	require.Len(t, used.Keys, simulatedKeys+2*simulatedOrganisations)
	assert.Contains(t, report.String(), "*** NO KEY IS CONFIGURED: answers come from a SIMULATED Gemini with 8 keys on "+used.BaseURL+".\n")

	status := func(key string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, used.BaseURL+"/v1beta/models", nil)
		require.NoError(t, err)
		req.Header.Set("X-Goog-Api-Key", key)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	for _, key := range used.Keys[:simulatedKeys] {
		assert.Equal(t, http.StatusOK, status(key.Value.Reveal()))
	}
	assert.NotEqual(t, http.StatusOK, status("another-key"))

	require.NoError(t, l.Close())
	_, err = net.Dial("tcp", strings.TrimPrefix(used.BaseURL, "http://"))
	assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	assert.NoError(t, l.Close(), "closing twice is harmless")
}

// It has keys of the others too, which they know.
func TestOthers(t *testing.T) {
	var report bytes.Buffer
	l := New(&report)
	used, err := l.Providers(load(t))
	require.NoError(t, err)
	defer func() { assert.NoError(t, l.Close()) }()
	require.Len(t, used.Keys, simulatedKeys+2*simulatedOrganisations)
	assert.Contains(t, report.String(), "*** OpenAI and Anthropic are SIMULATED too, with 2 keys each, on "+used.OpenAIBaseURL+" and "+used.AnthropicBaseURL+".\n")
	for _, key := range used.Keys[simulatedKeys:] {
		url := map[string]string{"openai": used.OpenAIBaseURL + "/models", "anthropic": used.AnthropicBaseURL + "/v1/models"}[key.Provider]
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+key.Value.Reveal())
		req.Header.Set("Anthropic-Version", "2023-06-01")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusOK, resp.StatusCode, key.Index)
	}
}

// Whoever wants no report gets none.
func TestGeminiWithoutReport(t *testing.T) {
	l := New(nil)
	_, err := l.Providers(load(t))
	require.NoError(t, err)
	assert.NoError(t, l.Close())
}

func TestSimulatorHasTheConfiguredLimits(t *testing.T) {
	sim := SimulatorConfig(load(t, `FLUXGATE_LIMITS={"pro":{"rpm":7,"tpm":-1}}`, "FLUXGATE_CHAIN=gemini-2.5-pro"), 3)
	require.Len(t, sim.Keys, 3)
	assert.Equal(t, "simulated-key-3", sim.Keys[2].Value, "as the simulator's help has it")
	require.Len(t, sim.Limits, 1)
	assert.EqualValues(t, 7, sim.Limits["gemini-2.5-pro"].RPM)
	assert.EqualValues(t, -1, sim.Limits["gemini-2.5-pro"].TPM)
	assert.EqualValues(t, 100, sim.Limits["gemini-2.5-pro"].RPD)
}

func TestMissingForFirestore(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, name := range []string{"JAVA_HOME", "CLOUDSDK_ROOT_DIR", "CLOUDSDK_ROOT"} {
		t.Setenv(name, "")
	}
	l := New(nil)
	assert.ErrorContains(t, l.MissingForFirestore(), "gcloud components install cloud-firestore-emulator")
	_, err := l.Firestore(t.Context())
	assert.ErrorIs(t, err, emulator.ErrNotInstalled)
	assert.Empty(t, os.Getenv(emulatorVariable))
	assert.NoError(t, l.Close(), "nothing was started")
}

// Google's client finds the emulator while it runs, and not afterwards.
func TestFirestore(t *testing.T) {
	emulatortest.SkipShort(t)
	var report bytes.Buffer
	l := New(&report)
	emulatortest.Require(t, l.MissingForFirestore())
	t.Setenv(emulatorVariable, "") // restored when the test ends
	host, err := l.Firestore(t.Context())
	require.NoError(t, err)
	assert.NoError(t, emulator.Check(t.Context(), host))
	assert.Equal(t, host, os.Getenv(emulatorVariable))
	assert.Equal(t, "store: starting the Firestore emulator\n", report.String())

	require.NoError(t, l.Close())
	assert.Error(t, emulator.Check(t.Context(), host))
	_, set := os.LookupEnv(emulatorVariable)
	assert.False(t, set)
}

// Everything is stopped, even if something can't be; last first.
func TestCloseGoesOn(t *testing.T) {
	var order []int
	broken := errors.New("it can't be stopped")
	l := New(nil)
	for i := range 3 {
		l.stops = append(l.stops, func() error {
			order = append(order, i)
			if i == 1 {
				return broken
			}
			return nil
		})
	}
	assert.ErrorIs(t, l.Close(), broken)
	assert.Equal(t, []int{2, 1, 0}, order)
}
