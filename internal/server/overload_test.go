package server_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// overloadedRoutes are requests that take a slot, in every format.
var overloadedRoutes = []struct{ path, body string }{
	{"/generate", body("hello", "")},
	{"/generate", body("hello", `"retry":false`)},
	{"/v1beta/models/auto:generateContent", hello},
	{unaryPath, hello},
	{streamPath, hello},
	{"/v1beta/openai/chat/completions", chat},
	{"/v1/chat/completions", chat},
}

// told requires an error of a status that says by every header that clients read how long to
// wait, and returns that.
func (a answer) told(status int) time.Duration {
	a.t.Helper()
	require.Equal(a.t, status, a.Code, a.Body.String())
	exact := a.millis("X-Fluxgate-Retry-Ms")
	assert.Equal(a.t, fmt.Sprint(int((exact+time.Second-1)/time.Second)), a.Header().Get("Retry-After"))
	return exact
}

// Where Gemini has no capacity its words pass, and beside them when to come back: after 5 s, and
// longer and longer as long as nothing is served. Clients of OpenAI's and Anthropic's SDKs, which
// try any 5xx again, do so then and not after half a second.
func TestOverloadSaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	for _, request := range overloadedRoutes {
		for _, keys := range []int{1, 16} {
			t.Run(fmt.Sprint(request.path, keys), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					up, s := stubbed(nil)
					s.keys = many(keys)
					s.env = []string{`FLUXGATE_LIMITS={"pro":{"rpm":1000,"rpd":1000}}`}
					w := newWorld(t, s)
					fail := func(header ...string) answer {
						up.answer = func(h heard) *http.Response {
							if !isCall(h) {
								return nil
							}
							status, text := refusalBody(t, "503_high_demand")
							return respond(status, text, header...)
						}
						a := w.do("POST", request.path, request.body)
						assert.Contains(t, a.Body.String(), "This model is currently experiencing high demand.")
						return a
					}
					for _, pause := range []time.Duration{5, 10, 20, 40, 60, 60} {
						a := fail()
						assert.Equal(t, pause*time.Second, a.told(http.StatusServiceUnavailable))
						assert.Equal(t, "true", a.Header().Get("X-Should-Retry"))
						assert.Empty(t, a.ticket(), "nothing is kept")
						synctestSleep(pause * time.Second)
					}
					assert.Equal(t, 17*time.Second, fail("Retry-After", "17").told(http.StatusServiceUnavailable), "what upstream said goes before it")
					up.answer = nil
					require.Equal(t, http.StatusOK, w.do("POST", request.path, request.body).Code, "nobody is kept away")
					assert.Equal(t, 5*time.Second, fail().told(http.StatusServiceUnavailable), "it was served since")
					synctestSleep(6 * time.Minute)
					assert.Equal(t, 5*time.Second, fail().told(http.StatusServiceUnavailable), "the last is long ago")
				})
			})
		}
	}
}

// Requests that are under way at once meet one overload, not many.
func TestOverloadOfManyAtOnceIsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := stubbed(func(h heard) *http.Response {
			if !isCall(h) {
				return nil
			}
			synctestSleep(time.Second)
			status, text := refusalBody(t, "503_high_demand")
			return respond(status, text)
		})
		s.keys = many(16)
		w := newWorld(t, s)
		answers := make(chan answer, 10)
		for i := range 10 {
			go func() { answers <- w.do("POST", "/generate", body(fmt.Sprint(i), "")) }()
		}
		for range 10 {
			assert.Equal(t, 5*time.Second, (<-answers).told(http.StatusServiceUnavailable))
		}
	})
}

// A project whose minute was used up by what failed has room later than after the pause, and the
// wait is the later of both. Of any other failure it is all that is known: where there is room
// upstream's words pass as they are.
func TestFailureWithoutRoomSaysWhenThereIs(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]time.Duration{"503_high_demand": 5 * time.Second, "500_internal": 0, "504_deadline": 0} {
		for _, request := range overloadedRoutes {
			for rpm, want := range map[int]time.Duration{1: 61 * time.Second, 1000: wait} {
				t.Run(fmt.Sprint(name, request.path, rpm), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						_, s := stubbed(func(h heard) *http.Response {
							if !isCall(h) {
								return nil
							}
							status, text := refusalBody(t, name)
							return respond(status, text)
						})
						s.keys = many(1)
						s.env = []string{"FLUXGATE_CHAIN=" + pro, fmt.Sprintf(`FLUXGATE_LIMITS={"pro":{"rpm":%d}}`, rpm)}
						a := newWorld(t, s).do("POST", request.path, request.body)
						status, _ := refusalBody(t, name)
						if want == 0 {
							assert.Equal(t, status, a.Code)
							for _, name := range []string{"Retry-After", "Retry-After-Ms", "X-Fluxgate-Retry-Ms", "X-Should-Retry"} {
								assert.Empty(t, a.Header().Get(name), name)
							}
							return
						}
						assert.Equal(t, want, a.told(status))
					})
				})
			}
		}
	}
}

// What may have been served isn't said to be worth another try.
func TestWhatMayHaveBeenServedNamesNoWait(t *testing.T) {
	for _, text := range []string{"upstream connect error or disconnect/reset before headers", `{"message":"Service Unavailable"}`} {
		_, s := stubbed(func(h heard) *http.Response {
			if !isCall(h) {
				return nil
			}
			return respond(http.StatusServiceUnavailable, text)
		})
		s.env = []string{`FLUXGATE_LIMITS={"pro":{"rpm":1}}`}
		a := newWorld(t, s).do("POST", unaryPath, hello)
		assert.Equal(t, http.StatusServiceUnavailable, a.Code)
		assert.Empty(t, a.Header().Get("Retry-After"))
		assert.Empty(t, a.Header().Get("X-Fluxgate-Retry-Ms"))
	}
}

// What takes no slot meets the same overload, and is told 5 s as of a key that can't be had.
func TestOverloadOfFreeRequests(t *testing.T) {
	_, s := stubbed(func(h heard) *http.Response {
		status, text := refusalBody(t, "503_high_demand")
		return respond(status, text)
	})
	w := newWorld(t, s)
	for _, request := range []struct{ method, path, body string }{
		{"GET", "/v1beta/models", ""}, {"POST", "/v1beta/models/gemini-2.5-pro:countTokens", hello}, {"GET", "/v1beta/openai/models", ""}, {"GET", "/v1beta/files/abc", ""},
	} {
		a := w.do(request.method, request.path, request.body)
		require.Equal(t, http.StatusServiceUnavailable, a.Code, request.path)
		assert.Equal(t, "5", a.Header().Get("Retry-After"), request.path)
		assert.Equal(t, "5000", a.Header().Get("Retry-After-Ms"), request.path)
	}
}
