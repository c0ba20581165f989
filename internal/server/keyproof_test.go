package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/race"
)

const missing = `{"error":{"code":401,"message":"Request is missing required authentication credential.","status":"UNAUTHENTICATED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"CREDENTIALS_MISSING","domain":"googleapis.com"}]}}`

// accused are the ways in which an answer calls a key invalid, or seems to.
var accused = []struct {
	name   string
	status int
	body   string
}{
	{"credentials missing", 401, missing},
	{"token type", 401, `{"error":{"code":401,"message":"Request had invalid authentication credentials.","status":"UNAUTHENTICATED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"ACCESS_TOKEN_TYPE_UNSUPPORTED"}]}}`},
	{"401 of a proxy", 401, ``},
	{"blocked", 403, `{"error":{"code":403,"message":"Requests to this API are blocked.","status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_SERVICE_BLOCKED"}]}}`},
	{"not valid", 400, `{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}`},
}

// eight is a pool of eight projects with a key each.
func eight() []geminisim.Key {
	var names []string
	for i := range 8 {
		names = append(names, fmt.Sprint("project-", i))
	}
	return projects(names...)
}

// invalidKeys counts the keys that are marked.
func (w *world) invalidKeys() (n int) {
	for _, k := range w.status().Keys {
		if k.Status == "invalid" {
			n++
		}
	}
	return n
}

// One answer condemns no key, on no path on which keys are marked: the same key
// has to fail on a free call too.
func TestAKeyIsCondemnedByAFreeCallOnly(t *testing.T) {
	t.Parallel()
	paths := map[string]struct {
		ask     func(w *world) answer
		matches string
	}{
		"/generate":    {func(w *world) answer { return w.generate("hello", "") }, pro + ":generateContent"},
		"native":       {func(w *world) answer { return w.do("POST", "/v1beta/models/gemini-2.5-pro:generateContent", hello) }, ":generateContent"},
		"OpenAI":       {func(w *world) answer { return w.do("POST", "/v1beta/openai/chat/completions", chat) }, "chat/completions"},
		"countTokens":  {func(w *world) answer { return w.do("POST", "/v1beta/models/gemini-2.5-pro:countTokens", hello) }, ":countTokens"},
		"sizing":       {func(w *world) answer { return w.generate(strings.Repeat("word ", 100_000), "") }, ":countTokens"},
		"cached":       {func(w *world) answer { return w.do("POST", "/v1beta/cachedContents", `{"contents":[]}`) }, "cachedContents"},
		"validation":   {func(w *world) answer { return w.do("POST", "/validate", "") }, ":countTokens"},
		"one model":    {func(w *world) answer { return w.generate("hello", "") }, pro + ":"},
		"model's info": {func(w *world) answer { return w.do("GET", "/v1beta/models/gemini-2.5-pro", "") }, "models/" + pro},
	}
	for name, path := range paths {
		for _, a := range race.First(1, accused...) {
			t.Run(name+" "+a.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					up, s := stubbed(func(h heard) *http.Response {
						if strings.Contains(h.path, path.matches) {
							return respond(a.status, a.body)
						}
						return nil
					})
					s.keys = eight()
					w := newWorld(t, s)
					said := path.ask(w)
					assert.Contains(t, []int{200, 503}, said.Code, "the caller's own credentials aren't at fault")
					assert.Zero(t, w.invalidKeys())
					up.answer = nil
					synctestSleep(10 * 60e9)
					for i := range 8 {
						assert.Equal(t, i+1, w.generate("hello", fmt.Sprintf(`"preferred_key":%d`, i+1)).ok().KeyUsed)
					}
				})
			})
		}
	}
}

// What only one project says is served by another, and no other model waits.
func TestAnUnconfirmedKeyCostsOneTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		up, s := stubbed(func(h heard) *http.Response {
			if isCall(h) {
				if calls++; calls == 1 {
					return respond(401, missing)
				}
			}
			return nil
		})
		s.keys = projects("alpha", "beta")
		w := newWorld(t, s)
		assert.True(t, w.generate("hello", `"preferred_key":1`).ok().Retried)
		assert.Equal(t, 2, calls)
		assert.Len(t, up.requests("/models"), 1, "confirmed once, for free")
		assert.Equal(t, 1, w.generate("hello", `"preferred_key":1,"model":"gemini-2.5-flash"`).ok().KeyUsed)
	})
}

// Where keys are refused that pass the free call it is most likely the route's doing: a request is sent three times at most,
// on every route, with each kind of accusation and beside an overload, and the caller isn't told that its own key is at fault.
// A project that serves is found by the next requests, for those that refused are left alone.
func TestAccusedKeysAreTriedThreeTimes(t *testing.T) {
	t.Parallel()
	const overload = `{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}`
	for _, a := range race.First(1, accused...) {
		for _, overloaded := range []int{0, 1, 2} { // of three answers
			for _, request := range []struct{ path, body string }{
				{"/generate", body("hello", "")},
				{"/v1beta/models/auto:generateContent", hello},
				{streamPath, hello},
				{"/v1beta/openai/chat/completions", chat},
				{"/v1beta/models/auto:generateContent", grounded["google_search"].body},
			} {
				t.Run(fmt.Sprint(a.name, overloaded, request.path), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						sends, serves := 0, ""
						up, s := stubbed(nil)
						up.answer = func(h heard) *http.Response {
							if !isCall(h) || serves != "" && strings.HasSuffix(h.header.Get("X-Goog-Api-Key")+h.header.Get("Authorization"), serves) {
								return nil
							}
							if sends++; sends%3 < overloaded {
								return respond(503, overload)
							}
							return respond(a.status, a.body)
						}
						s.keys = many(16)
						w := newWorld(t, s)
						said := w.do("POST", request.path, request.body)
						assert.Equal(t, http.StatusServiceUnavailable, said.Code, said.Body.String())
						assert.Equal(t, 3, sends)
						assert.Zero(t, w.invalidKeys())
						if overloaded > 0 {
							return // those that were overloaded aren't left alone
						}
						synctestSleep(10 * time.Second) // what is left alone is so for 5
						sends, serves = 0, s.keys[15].Value
						for n := 0; w.do("POST", request.path, request.body).Code != http.StatusOK; n++ {
							require.Less(t, n, 5, "three of fifteen each time")
							if request.body == grounded["google_search"].body {
								break // of which each is left alone for 30 s
							}
						}
						assert.LessOrEqual(t, sends, 15)
					})
				})
			}
		}
	}
}

// What accuses a key that a free call finds valid, in answer to a request with more than text, may be about that request alone:
// it goes to another key, and the accused one serves others at once.
func TestAnAccusedKeyServesTheNext(t *testing.T) {
	const image = `{"contents":[{"parts":[{"text":"what is this?"},{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}}]}]}`
	for _, a := range race.First(1, accused...) {
		t.Run(a.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked []string
				up, s := stubbed(nil)
				up.answer = func(h heard) *http.Response {
					if !isCall(h) {
						return nil
					}
					asked = append(asked, h.header.Get("X-Goog-Api-Key"))
					if len(asked) == 1 {
						return respond(a.status, a.body)
					}
					return nil
				}
				s.keys = many(2)
				w := newWorld(t, s)
				said := w.do("POST", "/v1beta/models/gemini-2.5-pro:generateContent", image)
				require.Equal(t, http.StatusOK, said.Code, said.Body.String())
				require.Len(t, asked, 2)
				assert.NotEqual(t, asked[0], asked[1])
				for i := range 6 { // of which the other key's project has four left
					require.Equal(t, http.StatusOK, w.do("POST", "/v1beta/models/gemini-2.5-pro:generateContent", hello).Code, i)
				}
				assert.Contains(t, asked[2:], asked[0], "it is left alone by nobody")
				assert.Zero(t, w.invalidKeys())
			})
		})
	}
}
