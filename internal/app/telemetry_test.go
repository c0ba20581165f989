package app

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/storage"
)

// Deployed, every line of a request says in Cloud Logging's words how severe it is
// and which trace it belongs to.
func TestLogLinesCarryTheTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, sim := withKeys(t, 1, "K_SERVICE=gate", "GOOGLE_CLOUD_PROJECT=acme", "FLUXGATE_STORE=memory", "FLUXGATE_TOKENS=alice:0123456789abcdef")
		var log bytes.Buffer
		store := storage.NewMemory(nil)
		a, err := Start(t.Context(), cfg, Options{Logger: NewLogger(&log, cfg), Transport: sim.Transport(), Store: store})
		require.NoError(t, err)
		defer func() { require.NoError(t, a.Close(t.Context())) }()
		log.Reset()
		r := httptest.NewRequest("POST", "/generate", strings.NewReader(`{"prompt":"hello"}`))
		r.Header.Set("X-Goog-Api-Key", "0123456789abcdef")
		r.Header.Set("X-Cloud-Trace-Context", "105445aa7843bc8bf206b12000100000/255;o=1")
		a.ServeHTTP(httptest.NewRecorder(), r)
		a.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/nowhere", nil))

		var messages []string
		for line := range strings.Lines(log.String()) {
			var got map[string]any
			require.NoError(t, json.Unmarshal([]byte(line), &got), line)
			messages = append(messages, got["message"].(string))
			if got["message"] == "failed" {
				assert.Equal(t, "WARNING", got["severity"])
				assert.NotContains(t, line, "logging.googleapis.com", "it came without a trace")
				continue
			}
			assert.Equal(t, "INFO", got["severity"])
			assert.Equal(t, "projects/acme/traces/105445aa7843bc8bf206b12000100000", got["logging.googleapis.com/trace"], line)
			assert.Equal(t, "00000000000000ff", got["logging.googleapis.com/spanId"], line)
			assert.Equal(t, true, got["logging.googleapis.com/trace_sampled"], line)
		}
		assert.Equal(t, []string{"request", "selected", "response", "failed"}, messages)
	})
}
