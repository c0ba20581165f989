package server_test

import (
	_ "embed"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What gemini-flux's client sends, and what it takes for success, whether or not
// Python is there: see TestGeminiFluxClient for the real one.
func TestGeminiFluxContract(t *testing.T) {
	w := newWorld(t, setup{})
	w.do("POST", "/generate", `{"prompt":"hello","images":[],"files":[],"mode":null,"preferred_key":null,`+
		`"max_tokens":1000,"temperature":0.7,"retry":true}`).ok()
	for _, body := range []string{`{"mode":"flash_only"}`, `{"disable_key":1}`, `{"enable_key":1}`} {
		assert.Equal(t, 200, w.do("POST", "/config", body).Code, body)
	}
	assert.Equal(t, 200, w.do("GET", "/status", "").Code)
}

//go:embed testdata/gemini_flux_client.py
var clientScript string

// gemini-flux's own client, unchanged, against us.
func TestGeminiFluxClient(t *testing.T) {
	t.Parallel()
	python := pythonWith(t, "requests", "gemini_flux")
	w := newWorld(t, setup{
		keys: projects("alpha", "beta"),
		env:  []string{`FLUXGATE_LIMITS={"pro":{"rpm":1},"flash":{"rpm":1}}`},
	})
	server := httptest.NewServer(w.Server)
	defer server.Close()
	cmd := exec.CommandContext(t.Context(), python, "-c", clientScript, server.URL)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Equal(t, "all as before", strings.TrimSpace(string(out)))
	assert.Zero(t, w.sim.Stats().Refused)
}

// pythonWith returns a Python that finds the modules, or skips. They are found
// without being imported: gemini_flux itself wants Google's SDK, its client not.
func pythonWith(t *testing.T, modules ...string) string {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3 with the packages requests and gemini-flux")
	}
	script := "import sys, importlib.util as u; sys.exit(not all(u.find_spec(m) for m in sys.argv[1:]))"
	if err := exec.CommandContext(t.Context(), python, append([]string{"-c", script}, modules...)...).Run(); err != nil {
		t.Skipf("%s lacks %s: pip install requests && pip install --no-deps gemini-flux==1.1.1", python, strings.Join(modules, " or "))
	}
	return python
}
