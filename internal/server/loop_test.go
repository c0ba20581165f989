package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A looped is a transport that leads back to a Fluxgate.
type looped struct {
	next http.RoundTripper
	to   atomic.Pointer[http.Handler] // nil: to Gemini
	sent atomic.Int64
}

// RoundTrip implements http.RoundTripper.
func (l *looped) RoundTrip(r *http.Request) (*http.Response, error) {
	to := l.to.Load()
	if to == nil {
		return l.next.RoundTrip(r)
	}
	l.sent.Add(1)
	in := r.Clone(r.Context())
	in.RequestURI, in.Host = in.URL.RequestURI(), "localhost:8080"
	if in.Body == nil {
		in.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	(*to).ServeHTTP(rec, in)
	resp := rec.Result()
	resp.Request = r
	return resp, nil
}

// A base URL that leads back here, or to another instance or deployment, is found
// out by the first request: it is told what is wrong, is sent nowhere, takes no slot
// and teaches nothing, on every route and whatever guards the other Fluxgate.
func TestRequestsThatComeBack(t *testing.T) {
	t.Parallel()
	routes := []struct{ method, path, body string }{
		{"POST", "/v1beta/models/gemini-2.5-pro:generateContent", hello},
		{"POST", "/v1beta/models/auto:generateContent", hello},
		{"POST", streamPath, hello},
		{"POST", "/v1beta/models/gemini-2.5-pro:countTokens", hello},
		{"POST", "/v1beta/models/gemini-embedding-001:embedContent", `{"content":{"parts":[{"text":"x"}]}}`},
		{"POST", "/v1/chat/completions", chat},
		{"POST", "/openai/v1/embeddings", `{"model":"gemini-embedding-001","input":"x"}`},
		{"POST", "/generate", `{"prompt":"hello"}`},
		{"GET", "/v1beta/models", ""},
		{"GET", "/openai/v1/models", ""},
		{"GET", "/v1beta/files", ""},
		{"POST", "/upload/v1beta/files", `{}`},
		{"POST", "/v1beta/cachedContents", `{"model":"models/gemini-2.5-flash","contents":[]}`},
	}
	for _, guard := range []string{"", "FLUXGATE_ADMIN_TOKENS=alice:" + aliceToken} {
		for _, count := range []string{"exact", "estimate"} {
			t.Run(guard+count, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var l *looped
					w := newWorld(t, setup{
						keys: projects("alpha", "beta"), env: []string{guard, "FLUXGATE_COUNT=" + count, `FLUXGATE_LIMITS={"pro":{"rpm":1}}`},
						wrap: func(next http.RoundTripper) http.RoundTripper {
							l = &looped{next: next}
							return l
						},
					})
					for _, other := range []http.Handler{w.Server, w.instance().Server} {
						l.to.Store(&other)
						for _, route := range routes {
							l.sent.Store(0)
							a := w.do(route.method, route.path, route.body, "X-Goog-Api-Key", aliceToken, "X-Goog-Upload-Command", "start")
							require.Equal(t, http.StatusLoopDetected, a.Code, "%s: %s", route.path, a.Body)
							assert.Contains(t, a.Body.String(), "GOOGLE_GEMINI_BASE_URL", route.path)
							assert.Equal(t, "false", a.Header().Get("X-Should-Retry"), route.path)
							assert.LessOrEqual(t, l.sent.Load(), int64(2), "%s: counted and sent, but once", route.path)
							assert.Zero(t, a.Header().Get("Retry-After"), route.path)
						}
					}
					// Nothing is held against anybody, whose minute has one request.
					l.to.Store(nil)
					for n := range 2 {
						a := w.do("POST", unaryPath, strings.Replace(hello, "hello", fmt.Sprint(n), 1), "X-Goog-Api-Key", aliceToken)
						assert.Equal(t, http.StatusOK, a.Code, a.Body)
					}
					synctestSleep(2 * time.Minute)
					assert.EqualValues(t, 1, w.used("alpha", pro))
					assert.EqualValues(t, 1, w.used("beta", pro))
					assert.NotContains(t, w.logs.String(), "key invalid")
				})
			})
		}
	}
}

// The mark is that of RFC 8586, among those of others who are on the way. A probe of
// the platform's asks for a process, whatever it has come by.
func TestMarkOfWhatWasSent(t *testing.T) {
	for value, want := range map[string]int{
		"fluxgate": http.StatusLoopDetected, "Fluxgate; v=1": http.StatusLoopDetected, "cloudflare, fluxgate;a=\"b\"": http.StatusLoopDetected,
		"cloudflare": http.StatusOK, "not-fluxgate": http.StatusOK, "fluxgate2": http.StatusOK, "": http.StatusOK,
	} {
		w := newWorld(t, setup{})
		a := w.do("POST", unaryPath, hello, "CDN-Loop", value)
		assert.Equal(t, want, a.Code, value)
		if want != http.StatusOK {
			w.untouched()
			assert.Equal(t, http.StatusOK, w.do("GET", "/health", "", "CDN-Loop", value).Code)
		}
	}
	// A stranger's marks don't go upstream, and ours does.
	up, s := stubbed(nil)
	w := newWorld(t, s)
	require.Equal(t, http.StatusOK, w.do("POST", unaryPath, hello, "CDN-Loop", "cloudflare").Code)
	assert.Equal(t, []string{"fluxgate"}, up.only(t, "").header["Cdn-Loop"])
}

// What upstream says beside an error passes with it: when to come back, and how it
// was served. Of an answer it is the latter; a Retry-After there says nothing.
func TestHeadersOfErrorsPass(t *testing.T) {
	const tier = "X-Gemini-Service-Tier"
	for _, path := range []string{unaryPath, streamPath, "/v1beta/models/gemini-2.5-pro:countTokens", "/openai/v1/chat/completions", "/generate", "/v1beta/models", "/v1beta/files", "/upload/v1beta/files"} {
		method, body := "POST", hello
		switch {
		case strings.HasPrefix(path, "/openai"):
			body = chat
		case path == "/generate":
			body = `{"prompt":"hello"}`
		case !strings.Contains(path, ":") && !strings.HasPrefix(path, "/upload"):
			method, body = "GET", ""
		}
		for _, status := range []int{http.StatusServiceUnavailable, http.StatusNotFound, http.StatusBadRequest} {
			_, s := stubbed(func(heard) *http.Response {
				return respond(status, fmt.Sprintf(`{"error":{"code":%d,"message":"no","status":"X"}}`, status), "Retry-After", "17", tier, "standard", "Set-Cookie", "a=b")
			})
			s.env = []string{"FLUXGATE_COUNT=estimate"}
			w := newWorld(t, s)
			a := w.do(method, path, body, "X-Goog-Upload-Command", "start")
			require.Equal(t, status, a.Code, "%s: %s", path, a.Body)
			assert.Equal(t, "17", a.Header().Get("Retry-After"), "%s %d", path, status)
			assert.Equal(t, "standard", a.Header().Get(tier), "%s %d", path, status)
			assert.Empty(t, a.Header().Get("Set-Cookie"))
		}
	}
	_, s := stubbed(func(heard) *http.Response {
		return respond(http.StatusOK, golden(t, "native.response.json"), tier, "standard", "Retry-After", "17")
	})
	a := newWorld(t, s).do("POST", unaryPath, hello)
	assert.Equal(t, "standard", a.Header().Get(tier))
	assert.Empty(t, a.Header().Get("Retry-After"))
	// An answer that came from elsewhere has nothing of the error before it.
	n := 0
	_, s = stubbed(func(h heard) *http.Response {
		if n++; n == 1 {
			return respond(http.StatusServiceUnavailable, "", "Retry-After", "17", tier, "standard")
		}
		return respond(http.StatusOK, golden(t, "native.response.json"))
	})
	s.keys = projects("alpha", "beta")
	a = newWorld(t, s).do("POST", unaryPath, hello)
	require.Equal(t, http.StatusOK, a.Code)
	assert.Empty(t, a.Header().Get(tier))
	assert.Empty(t, a.Header().Get("Retry-After"))
}
