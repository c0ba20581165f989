package app

import (
	"encoding/json"
	"errors"
	"net/http"

	"fluxgate.dev/fluxgate/internal/build"
)

// ErrNoKeys means that no key is configured, and nothing stands in for one.
var ErrNoKeys = errors.New("no key is configured: set GEMINI_KEY_1, OPENAI_KEY_1, ANTHROPIC_KEY_1 or FLUXGATE_KEYS_SECRET (fluxgate serve with FLUXGATE_DEMO=true answers from simulators)")

// WithoutKeys answers everything with 503 and the reason, GET /health too: a server that
// nobody gave keys is up and of no use, which whoever watches it should see.
func WithoutKeys() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isHealth(r) {
			writeHealth(w, http.StatusServiceUnavailable, "no key is configured")
			return
		}
		text, _ := json.Marshal(ErrNoKeys.Error()) // a string can be marshalled
		writeJSON(w, http.StatusServiceUnavailable, `{"error":{"code":503,"message":`+string(text)+`,"status":"UNAVAILABLE"}}`)
	})
}

func isHealth(r *http.Request) bool {
	return r.URL.Path == "/health" && (r.Method == http.MethodGet || r.Method == http.MethodHead)
}

// writeHealth answers GET /health where there is no server yet, as the server's own does.
func writeHealth(w http.ResponseWriter, code int, status string) {
	text, _ := json.Marshal(struct {
		Status string `json:"status"`
		build.Info
	}{status, build.Of()}) // it can be marshalled
	writeJSON(w, code, string(text))
}
