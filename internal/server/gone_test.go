package server_test

import (
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// refusalBody returns a captured refusal of upstream's, by its file's name, and its
// status.
func refusalBody(t testing.TB, name string) (int, string) {
	t.Helper()
	text, err := os.ReadFile("../upstream/gemini/testdata/" + name + ".json")
	require.NoError(t, err)
	status, err := strconv.Atoi(name[:3])
	require.NoError(t, err)
	return status, string(text)
}

// The wordings in which a model is gone.
var goneWordings = []string{"404_unknown", "404_gone", "404_deprecated", "429_limit_zero_message", "429_limit_zero_value"}

// refusing returns a stub's answer that refuses the model in those words, on every
// project.
func refusing(t testing.TB, model, wording string) func(h heard) *http.Response {
	status, text := refusalBody(t, wording)
	return func(h heard) *http.Response {
		if isCall(h) && (strings.Contains(h.path, "/"+model+":") || strings.Contains(string(h.body), `"model":"`+model+`"`)) {
			return respond(status, text)
		}
		return nil
	}
}

// A model that is gone is gone in every wording: the chain goes on, on every route
// that has one.
func TestAModelThatIsGoneIsNotTheEndOfTheChain(t *testing.T) {
	t.Parallel()
	for _, wording := range goneWordings {
		for _, request := range []struct{ name, gone, path, body, fallback string }{
			{"auto", pro, "/v1beta/models/auto:generateContent", hello, ""},
			{"auto, streamed", pro, "/v1beta/models/auto:streamGenerateContent?alt=sse", hello, ""},
			{"auto, OpenAI", pro, "/v1beta/openai/chat/completions", strings.Replace(chat, pro, "auto", 1), ""},
			{"/generate", pro, "/generate", body("hello", ""), ""},
			{"fallback", pro, "/v1beta/models/gemini-2.5-pro:generateContent", hello, "chain"},
			{"fallback, OpenAI", pro, "/v1beta/openai/chat/completions", chat, "chain"},
			{"fallback from none of the chain", "gemini-1-old", "/v1beta/models/gemini-1-old:generateContent", hello, "chain"},
		} {
			t.Run(wording+" "+request.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					up, s := stubbed(refusing(t, request.gone, wording))
					s.keys = projects("alpha", "beta")
					w := newWorld(t, s)
					for range 3 {
						var header []string
						if request.fallback != "" {
							header = []string{"X-Fluxgate-Fallback", request.fallback}
						}
						a := w.do("POST", request.path, request.body, header...)
						require.Equal(t, http.StatusOK, a.Code, a.Body.String())
					}
					var calls int
					for _, h := range up.all {
						if isCall(h) {
							calls++
						}
					}
					most := 3 + 2 // each project is asked once
					if request.gone != pro && wording == "404_unknown" {
						most = 3 + 3 // nothing is kept of a name that may be a slip
					}
					assert.LessOrEqual(t, calls, most)
				})
			})
		}
	}
}

// Who names the model gets what Google said of it, however often, and no other model
// is touched.
func TestAPinnedModelThatIsGone(t *testing.T) {
	for _, wording := range goneWordings {
		t.Run(wording, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				status, text := refusalBody(t, wording)
				_, s := stubbed(refusing(t, pro, wording))
				s.keys = projects("alpha", "beta")
				w := newWorld(t, s)
				for range 3 {
					a := w.do("POST", "/v1beta/models/gemini-2.5-pro:generateContent", hello)
					assert.Equal(t, status, a.Code)
					assert.JSONEq(t, text, a.Body.String())
					assert.Empty(t, a.Header().Get("Retry-After"), "waiting doesn't help")
				}
				assert.Equal(t, flash, w.generate("hello", `"model":"gemini-2.5-flash"`).ok().ModelUsed)
				assert.Zero(t, w.invalidKeys())
			})
		})
	}
}

// What the chain found out of a model is told to those who name it.
func TestWhatTheChainFoundOut(t *testing.T) {
	for _, wording := range append(goneWordings, "403_permission") {
		t.Run(wording, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				status, text := http.StatusForbidden, `{"error":{"code":403,"message":"The caller does not have permission","status":"PERMISSION_DENIED"}}`
				up, s := stubbed(func(h heard) *http.Response {
					if isCall(h) && strings.Contains(h.path, "/"+pro+":") {
						return respond(status, text)
					}
					return nil
				})
				if wording != "403_permission" {
					status, text = refusalBody(t, wording)
				}
				s.keys = projects("alpha")
				w := newWorld(t, s)
				assert.Equal(t, http.StatusOK, w.do("POST", "/v1beta/models/auto:generateContent", hello).Code)
				sent := len(up.all)
				for range 2 {
					a := w.do("POST", "/v1beta/models/gemini-2.5-pro:generateContent", hello)
					assert.Equal(t, status, a.Code)
					assert.JSONEq(t, text, a.Body.String())
				}
				assert.Len(t, up.all, sent, "it is known")
			})
		})
	}
}

// Projects of one owner have the same permissions: that none has one is found out by
// some of them, not by every model on each.
func TestNoPermissionAnywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up, s := stubbed(func(h heard) *http.Response {
			if isCall(h) {
				return respond(http.StatusForbidden, `{"error":{"code":403,"message":"The caller does not have permission","status":"PERMISSION_DENIED"}}`)
			}
			return nil
		})
		var names []string
		for i := range 20 {
			names = append(names, "project-"+strconv.Itoa(i))
		}
		s.keys = projects(names...)
		w := newWorld(t, s)
		w.do("POST", "/v1beta/models/auto:generateContent", hello)
		var calls int
		for _, h := range up.all {
			if isCall(h) {
				calls++
			}
		}
		assert.Equal(t, 16, calls)
	})
}

// That a model doesn't embed says nothing of whether it generates.
func TestAModelIsNotGoneForAnotherMethod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.do("POST", "/v1beta/models/gemini-2.5-pro:embedContent", `{"content":{"parts":[{"text":"x"}]}}`).failed(http.StatusNotFound)
		assert.Equal(t, pro, w.generate("hello", "").ok().ModelUsed)
	})
}

// So it goes on for what is only counted.
func TestCountsGoOnBehindAModelThatIsGone(t *testing.T) {
	for _, wording := range []string{"404_gone", "404_unknown", "404_deprecated"} {
		t.Run(wording, func(t *testing.T) {
			status, text := refusalBody(t, wording)
			_, s := stubbed(func(h heard) *http.Response {
				if strings.Contains(h.path, pro) {
					return respond(status, text)
				}
				return nil
			})
			w := newWorld(t, s)
			a := w.do("POST", "/v1beta/models/auto:countTokens", hello)
			assert.Equal(t, http.StatusOK, a.Code, a.Body)
			w.do("POST", "/v1beta/models/"+pro+":countTokens", hello).failed(status)
		})
	}
}
