package functiontest

import (
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/emulator/emulatortest"
)

// programVariable names a program of the function that somebody else has built:
// .ci/buildpack-build, from the archive that is uploaded.
const programVariable = "FLUXGATE_TEST_FUNCTION"

// The function as it is deployed starts, and answers from Firestore's documents
// and Gemini.
func TestAsDeployed(t *testing.T) {
	program := os.Getenv(programVariable)
	if program == "" {
		t.Skip(programVariable + " names no program: .ci/buildpack-build builds one, and runs this")
	}
	host := emulatortest.Host(t)
	url, sim := gemini(t)
	const token = "a-token-of-the-function-test"
	f := startProgram(t, program, "K_SERVICE=fluxgate", "LISTEN_HOST=127.0.0.1", "FLUXGATE_STORE=firestore",
		"FIRESTORE_EMULATOR_HOST="+host, "GOOGLE_CLOUD_PROJECT="+emulatortest.Project(t), "FLUXGATE_TOKENS=test:"+token,
		"GEMINI_KEY_1="+keyValue, "GOOGLE_GEMINI_BASE_URL="+url)
	resp, body := f.ask(http.MethodGet, "/health", "")
	assert.Equal(t, http.StatusOK, resp.StatusCode, body)
	resp, body = f.ask(http.MethodPost, "/generate", `{"prompt":"Hello"}`)
	assert.Equal(t, http.StatusUnauthorized, resp.StatusCode, body)
	resp, body = f.ask(http.MethodPost, "/generate?key="+token, `{"prompt":"Hello"}`)
	assert.Equal(t, http.StatusOK, resp.StatusCode, body)
	assert.Contains(t, body, `"response":"Hillu"`)
	assert.EqualValues(t, 1, sim.Stats().Accepted)
	resp, body = f.ask(http.MethodGet, "/status?key="+token, "")
	assert.Equal(t, http.StatusOK, resp.StatusCode, body)
	assert.Regexp(t, `"writes":[1-9]`, body, "the store isn't Firestore")
	require.NotContains(t, f.stderr.String(), keyValue)
	require.NotContains(t, f.stderr.String(), token)
}
