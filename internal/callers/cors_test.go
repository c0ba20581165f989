package callers

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

const app = "https://app.example"

// answer sends a request through CORS and returns the response, and whether it
// got past.
func answer(origins []string, method string, headers ...string) (*http.Response, bool) {
	passed := false
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		passed = true
		w.Header().Add("Vary", "Accept-Encoding")
		w.WriteHeader(http.StatusTeapot)
	})
	r := request("/v1beta/models", headers...)
	r.Method = method
	w := httptest.NewRecorder()
	CORS(origins, next).ServeHTTP(w, r)
	return w.Result(), passed
}

func corsHeaders(h http.Header) []string {
	var names []string
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			names = append(names, name)
		}
	}
	return names
}

func TestCORSIsOff(t *testing.T) {
	resp, passed := answer(nil, http.MethodOptions, "Origin: "+app, "Access-Control-Request-Method: POST")
	assert.True(t, passed)
	assert.Empty(t, corsHeaders(resp.Header))
	assert.Equal(t, []string{"Accept-Encoding"}, resp.Header.Values("Vary"))
}

func TestCORSRequests(t *testing.T) {
	for _, tt := range []struct {
		name    string
		origins []string
		headers []string
		allowed string
	}{
		{"an origin that is named", []string{"https://other.example", app}, []string{"Origin: " + app}, app},
		{"one that isn't", []string{app}, []string{"Origin: https://evil.example"}, ""},
		{"one that contains it", []string{app}, []string{"Origin: " + app + ".evil.example"}, ""},
		{"the same over http", []string{app}, []string{"Origin: http://app.example"}, ""},
		{"another port", []string{app}, []string{"Origin: " + app + ":8443"}, ""},
		{"a sandboxed page", []string{app}, []string{"Origin: null"}, ""},
		{"not a page", []string{app}, nil, ""},
		{"every origin", []string{"*"}, []string{"Origin: https://any.example"}, "https://any.example"},
		{"every origin, but not a page", []string{"*"}, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, passed := answer(tt.origins, http.MethodPost, tt.headers...)
			assert.True(t, passed, "who may read the answer is the browser's to decide")
			assert.Equal(t, http.StatusTeapot, resp.StatusCode)
			assert.Equal(t, tt.allowed, resp.Header.Get("Access-Control-Allow-Origin"))
			assert.Equal(t, []string{"Origin", "Accept-Encoding"}, resp.Header.Values("Vary"), "a cache must not mix origins")
			assert.Empty(t, resp.Header.Get("Access-Control-Allow-Credentials"))
			if tt.allowed == "" {
				assert.Empty(t, corsHeaders(resp.Header))
				return
			}
			exposed := strings.Split(resp.Header.Get("Access-Control-Expose-Headers"), ", ")
			for _, name := range []string{"Retry-After", "Retry-After-Ms", "X-Fluxgate-Ticket", "X-Fluxgate-Booked", "X-Fluxgate-Key",
				"X-Fluxgate-Model", "X-Fluxgate-Wait", "X-Goog-Upload-Url", "X-Request-Id"} {
				assert.Contains(t, exposed, name)
			}
		})
	}
}

func TestCORSPreflight(t *testing.T) {
	const wanted = "authorization, content-type,x-goog-api-key,x-stainless-retry-count"
	resp, passed := answer([]string{app}, http.MethodOptions, "Origin: "+app,
		"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: "+wanted)
	assert.False(t, passed, "a preflight carries no token, so it must not come as far as authentication")
	assert.Equal(t, http.StatusNoContent, resp.StatusCode)
	assert.Equal(t, app, resp.Header.Get("Access-Control-Allow-Origin"))
	assert.Equal(t, wanted, resp.Header.Get("Access-Control-Allow-Headers"))
	assert.Contains(t, resp.Header.Get("Access-Control-Allow-Methods"), "DELETE")
	assert.Equal(t, "7200", resp.Header.Get("Access-Control-Max-Age"))
	assert.Contains(t, strings.Join(resp.Header.Values("Vary"), ", "), "Origin, Access-Control-Request-Method")

	resp, passed = answer([]string{app}, http.MethodOptions, "Origin: https://evil.example",
		"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: "+wanted)
	assert.False(t, passed)
	assert.Equal(t, http.StatusNoContent, resp.StatusCode)
	assert.Empty(t, corsHeaders(resp.Header), "the browser takes that for a no")

	// What is repeated goes into a header of ours.
	for _, odd := range []string{"a\tb", "a:b", `a"b`, strings.Repeat("a", 5000)} {
		resp, _ = answer([]string{app}, http.MethodOptions, "Origin: "+app, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: "+odd)
		assert.Empty(t, resp.Header.Get("Access-Control-Allow-Headers"), odd)
	}

	// An OPTIONS that is no preflight is somebody's request.
	_, passed = answer([]string{app}, http.MethodOptions, "Origin: "+app)
	assert.True(t, passed)
	_, passed = answer([]string{app}, http.MethodOptions, "Access-Control-Request-Method: POST")
	assert.True(t, passed)
}
