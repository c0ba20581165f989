package server_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/scheduler"
)

// breaking returns a transport that answers calls as fail does and leaves the rest to
// the simulator, and a count of the calls.
func breaking(n *int, fail func(r *http.Request) (*http.Response, error)) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return rawRoundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method != http.MethodPost || strings.HasSuffix(r.URL.Path, ":countTokens") {
				return next.RoundTrip(r)
			}
			*n++
			return fail(r)
		})
	}
}

// taken has upstream read the whole request before it fails.
func taken(err error) func(r *http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		_, _ = io.Copy(io.Discard, r.Body)
		return nil, err
	}
}

// answering has upstream read the whole request and answer.
func answering(status int, body string, end error) func(r *http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		_, _ = io.Copy(io.Discard, r.Body)
		resp := jsonResponse(r, status, body)
		if end != nil {
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(body), &failingReader{end}))
		}
		return resp, nil
	}
}

type failingReader struct{ err error }

func (f *failingReader) Read([]byte) (int, error) { return 0, f.err }

// The ways in which a request ends without an answer, and whether it may have been
// served and billed.
var breaks = []struct {
	name   string
	fail   func(r *http.Request) (*http.Response, error)
	served bool
	own    bool // only /generate reads so much of the answer before it passes any
}{
	{"reset after the request", taken(syscall.ECONNRESET), true, false},
	{"closed after the request", taken(io.EOF), true, false},
	{"not HTTP", taken(errors.New("malformed HTTP response")), true, false},
	{"cut within the answer", answering(200, `{"candidates":[{"content"`, io.ErrUnexpectedEOF), true, true},
	{"truncated", answering(200, `{"candidates":[{"content"`, nil), true, true},
	{"a page", answering(200, `<html>welcome</html>`, nil), true, true},
	{"a gateway's page", answering(502, `<html>bad gateway</html>`, nil), true, false},
	{"refused", func(*http.Request) (*http.Response, error) { return nil, syscall.ECONNREFUSED }, false, false},
	{"reset within the request", func(r *http.Request) (*http.Response, error) {
		_, _ = io.CopyN(io.Discard, r.Body, 5)
		return nil, syscall.ECONNRESET
	}, false, false},
	{"overloaded", answering(503, `{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}`, nil), false, false},
	{"internal", answering(500, `{"error":{"code":500,"message":"An internal error has occurred.","status":"INTERNAL"}}`, nil), false, false},
	{"another gateway's JSON", answering(504, `{"message":"Endpoint request timed out"}`, nil), true, false},
	{"a gateway whose connection broke", answering(503, `upstream connect error or disconnect/reset before headers. reset reason: connection termination`, nil), true, false},
	{"canceled", answering(499, `{"error":{"code":499,"message":"The operation was cancelled.","status":"CANCELLED"}}`, nil), true, false},
	{"a gateway that is busy", answering(503, `<html>busy</html>`, nil), false, false},
}

// What may have been served and billed is not sent again by itself, on no route;
// what can't have been is, on another project.
func TestWhatMayHaveBeenServedIsNotSentAgain(t *testing.T) {
	t.Parallel()
	for _, route := range []struct{ name, path, body string }{
		{"generate", "/generate", body("hello", `"model":"gemini-2.5-pro"`)},
		{"generate without retry", "/generate", body("hello", `"model":"gemini-2.5-pro","retry":false`)},
		{"generate with retry", "/generate", body("hello", `"model":"gemini-2.5-pro","retry":true`)},
		{"native", "/v1beta/models/gemini-2.5-pro:generateContent", hello},
		{"stream", "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse", hello},
		{"OpenAI", "/v1beta/openai/chat/completions", chat},
	} {
		for _, setting := range []string{"", "FLUXGATE_RESEND=true"} {
			for _, b := range breaks {
				if b.own && route.path != "/generate" {
					continue
				}
				t.Run(route.name+" "+setting+" "+b.name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						sends := 0
						s := setup{keys: projects("a", "b", "c", "d"), wrap: breaking(&sends, b.fail)}
						if setting != "" {
							s.env = []string{setting}
						}
						w := newWorld(t, s)
						a := w.do("POST", route.path, route.body)
						again := !b.served || setting != "" || strings.Contains(route.body, `"retry":true`)
						want := 1
						if again && !strings.Contains(route.body, `"retry":false`) || b.served && setting != "" && !strings.Contains(route.body, `"retry":false`) {
							want = 3
						}
						assert.Equal(t, want, sends)
						assert.GreaterOrEqual(t, a.Code, 499)
						var used int64
						for _, project := range []string{"a", "b", "c", "d"} {
							used += w.used(project, pro)
						}
						if b.name == "refused" || b.name == "reset within the request" {
							assert.Zero(t, used, "it never got there")
						} else {
							assert.EqualValues(t, want, used, "what was sent counts")
						}
					})
				})
			}
		}
	}
}

// It counts against the caller's own limits like an answer, since it may be billed
// like one.
func TestWhatMayHaveBeenServedCountsForItsCaller(t *testing.T) {
	for _, b := range breaks[:2] {
		synctest.Test(t, func(t *testing.T) {
			sends := 0
			w := newWorld(t, setup{
				keys: projects("a", "b"), wrap: breaking(&sends, b.fail),
				env: []string{"FLUXGATE_TOKENS=alice:0123456789abcdef", `FLUXGATE_CALLERS={"alice":{"rpd":1}}`},
			})
			w.generate("hello", "", "Authorization", "Bearer 0123456789abcdef").failed(http.StatusBadGateway)
			assert.GreaterOrEqual(t, w.generate("more", "", "Authorization", "Bearer 0123456789abcdef").wait(), scheduler.Window)
			assert.Equal(t, 1, sends)
		})
	}
}

// What costs nothing and changes nothing is asked again elsewhere all the same; what
// makes something isn't.
func TestFreeRequestsThatBreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sends := 0
		w := newWorld(t, setup{keys: projects("a", "b", "c", "d"), wrap: func(http.RoundTripper) http.RoundTripper {
			return rawRoundTripper(func(r *http.Request) (*http.Response, error) {
				sends++
				_, _ = io.Copy(io.Discard, r.Body)
				return nil, syscall.ECONNRESET
			})
		}})
		w.do("POST", "/v1beta/models/gemini-2.5-pro:countTokens", hello).failed(http.StatusBadGateway)
		assert.Equal(t, 3, sends)
		w.do("POST", "/v1beta/cachedContents", `{"model":"models/gemini-2.5-pro","contents":[]}`).failed(http.StatusBadGateway)
		assert.Equal(t, 4, sends)
	})
	// What makes something may have made it before it failed.
	synctest.Test(t, func(t *testing.T) {
		sends := 0
		_, s := stubbed(func(heard) *http.Response {
			sends++
			return respond(http.StatusServiceUnavailable, `{"error":{"code":503,"message":"no","status":"UNAVAILABLE"}}`)
		})
		s.keys = projects("a", "b", "c", "d")
		w := newWorld(t, s)
		w.do("POST", "/v1beta/models/gemini-2.5-pro:countTokens", hello).failed(http.StatusServiceUnavailable)
		assert.Equal(t, 3, sends)
		w.do("POST", "/v1beta/cachedContents", `{"model":"models/gemini-2.5-pro","contents":[]}`).failed(http.StatusServiceUnavailable)
		assert.Equal(t, 4, sends)
	})
}
