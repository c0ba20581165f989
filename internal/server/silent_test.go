package server_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
)

// silent are successes that say nothing, in each format: no body, no candidate, and
// no reason for that. (An empty body and an empty list are captured; the others are
// what the format allows.)
var silent = map[string][]string{
	unaryPath: {"", "\r\n", "{}", `{"candidates":[]}`, "{\n  \"candidates\": [\n    {}\n  ]\n}", `{"usageMetadata":{"promptTokenCount":4,"totalTokenCount":4},"modelVersion":"gemini-2.5-pro"}`},
	streamPath: {"", "\r\n", "data: {\"usageMetadata\": {\"promptTokenCount\": 4}}\r\n\r\n", "data: {}\n\ndata: {\"candidates\":[]}\n\n",
		": ping\n\n"},
	strings.TrimSuffix(streamPath, "?alt=sse"): {"", "[]", "[\n]", `[{"usageMetadata":{}},{"candidates":[]}]`},
	"/openai/v1/chat/completions":              {"", "{}", `{"id":"x","object":"chat.completion","choices":[],"usage":{"prompt_tokens":4}}`, "data: [DONE]\n\n"},
	"/generate":                                {"", "{}", `{"candidates":[]}`, `{"candidates":[{}]}`},
}

func bodyFor(path string) string {
	switch {
	case strings.HasPrefix(path, "/openai"):
		return chat
	case path == "/generate":
		return body("hello", "")
	}
	return hello
}

// A success that says nothing is no answer: another project gives one, and where there
// is none the caller is told so. It stays charged where it was sent.
func TestSilentAnswersAreHadElsewhere(t *testing.T) {
	for path, answers := range silent {
		for _, text := range answers {
			synctest.Test(t, func(t *testing.T) {
				up, s := stubbed(first(func(heard) *http.Response { return respond(http.StatusOK, text) }))
				s.keys = projects("alpha", "beta")
				w := newWorld(t, s)
				a := w.do("POST", path, bodyFor(path))
				require.Equal(t, http.StatusOK, a.Code, "%s %q: %s", path, text, a.Body.String())
				assert.NotEqual(t, text, a.Body.String())
				calls := 0
				for _, h := range up.requests("") {
					if isCall(h) {
						calls++
					}
				}
				assert.Equal(t, 2, calls)
				assert.EqualValues(t, 1, w.used("alpha", pro))
				assert.EqualValues(t, 1, w.used("beta", pro))
			})
			synctest.Test(t, func(t *testing.T) {
				_, s := stubbed(func(h heard) *http.Response {
					if !isCall(h) {
						return nil
					}
					return respond(http.StatusOK, text)
				})
				w := newWorld(t, s)
				a := w.do("POST", path, bodyFor(path))
				require.Equal(t, http.StatusBadGateway, a.Code, "%s %q: %s", path, text, a.Body.String())
				assert.Contains(t, a.Body.String(), "without an answer")
				assert.Contains(t, w.logs.String(), "NO_ANSWER")
			})
		}
	}
}

// Silence that was produced all the same may have been billed: it isn't sent again.
func TestProducedSilenceIsNotSentAgain(t *testing.T) {
	for path, text := range map[string]string{
		unaryPath:                     `{"candidates":[],"usageMetadata":{"promptTokenCount":4,"thoughtsTokenCount":900}}`,
		streamPath:                    "data: {\"usageMetadata\": {\"candidatesTokenCount\": 9}}\r\n\r\n",
		"/openai/v1/chat/completions": `{"choices":[],"usage":{"prompt_tokens":4,"completion_tokens":9}}`,
		"/generate":                   `{"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":9}}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			calls := 0
			_, s := stubbed(func(h heard) *http.Response {
				if !isCall(h) {
					return nil
				}
				calls++
				return respond(http.StatusOK, text)
			})
			s.keys = projects("alpha", "beta")
			w := newWorld(t, s)
			a := w.do("POST", path, bodyFor(path))
			assert.Equal(t, http.StatusBadGateway, a.Code, "%s: %s", path, a.Body.String())
			assert.Equal(t, 1, calls, path)
		})
	}
}

// What is made after its answer may have begun although that says nothing, and costs dollars: it isn't begun again.
func TestWhatGoesOnIsNotBegunTwice(t *testing.T) {
	for path, body := range map[string]string{
		"/v1beta/models/veo-3:predictLongRunning": `{"instances":[{"prompt":"a dog"}]}`,
		"/openai/v1/videos":                       `{"model":"veo-3","prompt":"a dog"}`,
	} {
		for _, text := range []string{"", "\r\n"} {
			synctest.Test(t, func(t *testing.T) {
				up, s := stubbed(func(heard) *http.Response { return respond(http.StatusOK, text) })
				s.keys = projects("alpha", "beta")
				w := newWorld(t, s)
				a := w.do("POST", path, body)
				assert.Equal(t, http.StatusBadGateway, a.Code, "%s: %s", path, a.Body.String())
				assert.Len(t, up.requests(""), 1, path)
			})
		}
	}
}

// Silence that only the end of the connection ends may be what is left of an answer: it
// isn't sent again.
func TestSilenceOfUnknownLengthIsNotSentAgain(t *testing.T) {
	t.Parallel()
	for _, path := range []string{unaryPath, streamPath, "/openai/v1/chat/completions", "/generate"} {
		for _, text := range append([]string{"data: {\"usageMetadata\":{\"promptTokenCount\":3}}\n\n"}, silent[path]...) {
			for _, change := range []struct {
				name string
				make func(*http.Response)
				want int
			}{
				{"unknown", func(*http.Response) {}, 1},
				{"HTTP/1.0", func(r *http.Response) { r.Proto, r.ProtoMinor = "HTTP/1.0", 0 }, 1},
				{"unpacked by the transport", func(r *http.Response) { r.Uncompressed = true }, 1},
				{"packed", func(r *http.Response) {
					r.Header.Set("Content-Encoding", "gzip")
					r.Body = io.NopCloser(strings.NewReader(packed(t, "gzip", text)))
				}, 1},
				{"chunked", func(r *http.Response) { r.TransferEncoding = []string{"chunked"} }, 2},
				{"HTTP/2", func(r *http.Response) { r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0 }, 2},
			} {
				if path == "/generate" && strings.HasPrefix(text, "data:") {
					continue // no answer to that
				}
				synctest.Test(t, func(t *testing.T) {
					calls := 0
					_, s := stubbed(func(h heard) *http.Response {
						if !isCall(h) {
							return nil
						}
						if calls++; calls > 1 {
							return nil
						}
						resp := respond(http.StatusOK, text)
						resp.ContentLength = -1
						change.make(resp)
						return resp
					})
					s.keys = projects("alpha", "beta")
					w := newWorld(t, s)
					a := w.do("POST", path, bodyFor(path))
					assert.Equal(t, change.want, calls, "%s %q: %s", path, text, change.name)
					if change.want == 1 {
						assert.Equal(t, http.StatusBadGateway, a.Code, "%s %q: %s", path, text, change.name)
					}
				})
			}
		}
	}
}

// What has a reason for its silence, or was asked for less, or isn't known to be whole,
// passes as it is.
func TestAnswersWithoutWordsPass(t *testing.T) {
	for text, path := range map[string]string{
		`{"promptFeedback":{"blockReason":"SAFETY"}}`:    unaryPath,
		`{"candidates":[{"finishReason":"MAX_TOKENS"}]}`: unaryPath,
		`{"usageMetadata":{"promptTokenCount":4}}`:       unaryPath + "?fields=usageMetadata",
		"\n\x02{}":        unaryPath + "?$alt=proto",
		`{"candidates":[`: unaryPath,
		`{"x":"` + strings.Repeat("x", 5000) + `"}`:                        unaryPath, // nobody holds so much back
		"data: {\"promptFeedback\": {\"blockReason\": \"OTHER\"}}\r\n\r\n": streamPath,
		"data: {\"candidates\": [{\"finishReason\": \"SAFETY\"}]}\r\n\r\n": streamPath,
		`{"choices":[{"finish_reason":"content_filter","index":0}]}`:       "/openai/v1/chat/completions",
		"data: {\"choices\":[{\"delta\":{}}]}\n\ndata: [DONE]\n\n":         "/openai/v1/chat/completions",
		`{}`: "/v1beta/models/gemini-2.5-pro:countTokens",
	} {
		_, s := stubbed(func(heard) *http.Response { return respond(http.StatusOK, text) })
		w := newWorld(t, s)
		a := w.do("POST", path, bodyFor(path))
		assert.Equal(t, http.StatusOK, a.Code, "%s: %s", text, a.Body.String())
		assert.Equal(t, text, a.Body.String())
	}
}

// Events that say nothing before an error don't make it a late one.
func TestErrorsAfterSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := stubbed(first(func(h heard) *http.Response {
			return stream(h, write("data: {\"usageMetadata\":{}}\n\n", "data: "+minutes+"\n\n"))
		}))
		s.keys = projects("alpha", "beta")
		w := newWorld(t, s)
		a := w.do("POST", streamPath, hello)
		require.Equal(t, http.StatusOK, a.Code)
		assert.NotContains(t, a.Body.String(), "error")
		assert.Contains(t, w.logs.String(), "class=minute")
		blocked := 0
		for _, p := range w.status().Projects {
			for _, m := range p.Models {
				if m.Block != nil {
					assert.Equal(t, "upstream_minute", m.Block.Cause)
					blocked++
				}
			}
		}
		assert.Equal(t, 1, blocked, "it teaches what it says, of where it came from")
	})
}

// A project that is silent to whatever another answers is left alone for the model, for
// longer and longer; it is tried from time to time, and used again once it answers. Where
// all are silent nobody is left alone: it is the request's fault, or the model's.
func TestASilentProjectIsLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		up, s := stubbed(nil)
		asked := map[string]int{}
		up.answer = func(h heard) *http.Response {
			if !isCall(h) {
				return nil
			}
			key := h.header.Get("X-Goog-Api-Key")
			asked[key]++
			if key == s.keys[0].Value {
				return respond(http.StatusOK, "{}")
			}
			return nil
		}
		s.keys = projects("alpha", "beta")
		s.env = []string{"FLUXGATE_CHAIN=" + pro, `FLUXGATE_LIMITS={"pro":{"rpm":-1,"rpd":-1}}`}
		w := newWorld(t, s)
		for range 600 {
			w.generate("hello", "").ok()
			synctestSleep(time.Second)
		}
		// Twice, and then after 5, 10, 20, 40, 80, 160 and 300 s.
		assert.LessOrEqual(t, asked[s.keys[0].Value], 10)
		assert.Empty(t, w.calendar("alpha", flash).Block)
		up.answer = nil
		synctestSleep(10 * time.Minute)
		used := map[int]bool{}
		for range 60 {
			used[w.generate("hello", "").ok().KeyUsed] = true
		}
		assert.Len(t, used, 2)
	})
	synctest.Test(t, func(t *testing.T) {
		_, s := stubbed(func(h heard) *http.Response {
			if isCall(h) && strings.Contains(string(h.body), "nothing to say") {
				return respond(http.StatusOK, "{}")
			}
			return nil
		})
		s.keys = projects("alpha", "beta")
		s.env = []string{"FLUXGATE_CHAIN=" + pro, `FLUXGATE_LIMITS={"pro":{"rpm":-1,"rpd":-1}}`}
		w := newWorld(t, s)
		for range 20 {
			w.generate("nothing to say", "").failed(http.StatusBadGateway)
			w.generate("hello", "").ok()
		}
		for _, project := range []string{"alpha", "beta"} {
			assert.Empty(t, w.calendar(project, pro).Block)
		}
	})
}

// Only two silences in a row to what another answers leave a project alone: one may be chance, and an answer between
// them begins anew.
func TestTwoSilencesInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := false
		_, s := stubbed(func(h heard) *http.Response {
			if isCall(h) && silent && h.header.Get("X-Goog-Api-Key") == key(1, "").Value {
				return respond(http.StatusOK, "{}")
			}
			return nil
		})
		s.keys = projects("alpha", "beta")
		s.env = []string{`FLUXGATE_LIMITS={"pro":{"rpm":-1,"rpd":-1}}`}
		w := newWorld(t, s)
		asked := 0
		ask := func(says bool) {
			silent = !says
			want := 1
			if silent {
				want = 2
			}
			asked++
			assert.Equal(t, want, w.generate(fmt.Sprint("hello ", asked), `"preferred_key":1,"model":"gemini-2.5-pro"`).ok().KeyUsed)
		}
		ask(false)
		ask(true)
		ask(false)
		assert.Empty(t, w.calendar("alpha", pro).Block)
		ask(false)
		assert.Equal(t, scheduler.ByBare, w.calendar("alpha", pro).Block.Cause)
	})
}
