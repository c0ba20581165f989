package server_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim/faults"
)

const streamPath = "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse"

func write(pieces ...string) func(w io.Writer) error {
	return func(w io.Writer) error {
		for _, piece := range pieces {
			if _, err := io.WriteString(w, piece); err != nil {
				return err
			}
		}
		return nil
	}
}

// first has the first call answered by one function and the others by the
// simulator.
func first(answer func(h heard) *http.Response) func(h heard) *http.Response {
	done := false
	return func(h heard) *http.Response {
		if done || !isCall(h) {
			return nil
		}
		done = true
		return answer(h)
	}
}

const (
	bare    = `{"error":{"code":429,"message":"Resource has been exhausted (e.g. check quota).","status":"RESOURCE_EXHAUSTED"}}`
	pretty  = "{\n  \"error\": {\n    \"code\": 429,\n    \"message\": \"Resource has been exhausted (e.g. check quota).\",\n    \"status\": \"RESOURCE_EXHAUSTED\"\n  }\n}"
	minutes = `{"error":{"code":429,"message":"You exceeded your current quota.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaMetric":"generativelanguage.googleapis.com/generate_content_free_tier_requests","quotaId":"GenerateRequestsPerMinutePerProjectPerModel-FreeTier","quotaDimensions":{"model":"gemini-2.5-pro"},"quotaValue":"2"}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"30s"}]}}`
)

// A 200 that turns out to be an error before anything was said can still be had
// elsewhere, however its bytes are cut.
func TestStreamFailsOverBeforeTheFirstByte(t *testing.T) {
	broken := errors.New("connection reset")
	for name, answer := range map[string]func(w io.Writer) error{
		"event":              write("data: " + bare + "\r\n\r\n"),
		"event in pieces":    write("da", "ta", ": {", `"er`, `ror"`, `:`, ` {"code":429,`, `"status":"RESOURCE_EXHAUSTED"}}`, "\n\n"),
		"named event":        write(": comment\nevent: error\n", "data: "+bare+"\n\n"),
		"list":               write("[" + pretty + "]"),
		"list in pieces":     write("[", "\n", pretty[:20], pretty[20:], "\n]"),
		"object":             write(pretty),
		"reset":              func(io.Writer) error { return broken },
		"reset after spaces": func(w io.Writer) error { _, _ = io.WriteString(w, "\r\n"); return broken },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				up, s := stubbed(first(func(h heard) *http.Response { return stream(h, answer) }))
				s.keys = projects("alpha", "beta")
				w := newWorld(t, s)
				a := w.do("POST", streamPath, hello)
				if strings.HasPrefix(name, "reset") {
					// Nothing was said, but it can't be known that nothing would be: the
					// model is at work, and its work is billed.
					a.failed(http.StatusBadGateway)
					assert.Len(t, up.requests(":streamGenerateContent"), 1)
					return
				}
				require.Equal(t, http.StatusOK, a.Code, a.Body.String())
				assert.Contains(t, a.Body.String(), "candidates")
				assert.NotContains(t, a.Body.String(), "error")
				assert.Len(t, up.requests(":streamGenerateContent"), 2)
			})
		})
	}
}

// Answers that only look like it are answers.
func TestAnswersThatMentionErrors(t *testing.T) {
	for _, answer := range []string{
		`data: {"error": null, "candidates": [{"index":0}]}` + "\n\n",
		`data: {"errors": 1, "candidates": [{"index":0}]}` + "\n\n",
		`[{"candidates":[{"content":{"parts":[{"functionCall":{"args":{"error":{"code":429}}}}]}}]}]`,
		`data: {"candidates":[{"content":{"parts":[{"functionCall":{"args":[{"error":{"code":429}}]}}]}}]}` + "\n\n",
		`data: {"candidates":[{"content":{"parts":[{"text":"data: {\"error\":{\"code\":429}}"}]}}]}` + "\n\n",
		"not JSON at all", "data", "{", `{"err`,
	} {
		synctest.Test(t, func(t *testing.T) {
			_, s := stubbed(first(func(h heard) *http.Response { return stream(h, write(answer)) }))
			w := newWorld(t, s)
			a := w.do("POST", streamPath, hello)
			assert.Equal(t, http.StatusOK, a.Code)
			assert.Equal(t, answer, a.Body.String())
			assert.NotContains(t, w.logs.String(), "mid-answer")
			assert.Nil(t, w.status().Projects[0].Models[0].Block)
		})
	}
}

// A stream that broke off with a 429 has taught as much as one that never began:
// the client gets the error, and nobody is sent into the same wall.
func TestStreamBreaksOffWithALesson(t *testing.T) {
	for name, answer := range map[string]struct{ text, end string }{
		"events":          {event("one") + "data: " + minutes + "\r\n\r\n", "data: " + minutes + "\r\n\r\n"},
		"list":            {`[{"candidates":[{"index":0}]}` + "\n,\r\n" + minutes + "\n]", minutes + "\n]"},
		"list, cut short": {`[{"candidates":[{"index":0}]},` + minutes, minutes},
		"bare":            {event("one") + minutes, minutes},
		"bare and pretty": {event("one") + strings.ReplaceAll(minutes, ",", ",\n  ") + "\n", "]}}\n"},
		"bare in a list":  {event("one") + "[" + minutes + "\n]\n", "\n]\n"},
		"OpenAI's end":    {event("one") + "data: " + minutes + "\n\ndata: [DONE]\n\n", "data: [DONE]\n\n"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, s := stubbed(first(func(h heard) *http.Response { return stream(h, write(answer.text)) }))
				s.env = []string{"FLUXGATE_CHAIN=" + pro}
				w := newWorld(t, s)
				a := w.do("POST", streamPath, hello)
				assert.Equal(t, http.StatusOK, a.Code)
				assert.Equal(t, answer.text, a.Body.String(), "to the byte")
				assert.True(t, strings.HasSuffix(a.Body.String(), answer.end))
				model := w.status().Projects[0].Models[0]
				require.NotNil(t, model.Block)
				assert.Equal(t, "upstream_minute", model.Block.Cause)
				assert.Equal(t, "learned", model.RPM.Source)
				assert.EqualValues(t, 2, model.RPM.Limit)
				assert.EqualValues(t, 1, w.used("alpha", pro), "it stays charged")
				assert.Positive(t, w.do("POST", streamPath, `{"contents":[{"parts":[{"text":"next"}]}]}`).wait())
			})
		})
	}
}

// The same from the simulator, whose error isn't written for this test.
func TestSimulatedStreamBreaksOff(t *testing.T) {
	for _, path := range []string{streamPath, strings.TrimSuffix(streamPath, "?alt=sse")} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, setup{})
			w.sim.FailNext(1, faults.StreamBroken429)
			a := w.do("POST", path, hello)
			assert.Equal(t, http.StatusOK, a.Code)
			assert.Contains(t, a.Body.String(), "RESOURCE_EXHAUSTED")
			require.NotNil(t, w.status().Projects[0].Models[0].Block, a.Body.String())
			assert.Equal(t, "upstream_bare", w.status().Projects[0].Models[0].Block.Cause)
		})
	}
}

// What was used is known from as much of an answer as there was, and the rest
// of what was reserved comes free.
func TestStreamSettlesWithTheLastUsage(t *testing.T) {
	long := strings.Repeat("x", 70<<10)
	for name, answer := range map[string]string{
		"last event":              event("one") + strings.ReplaceAll(event("two"), ": 7", ": 90"),
		"usage before a long end": `{"usageMetadata":{"promptTokenCount": 90},"candidates":[{"content":{"parts":[{"text":"` + long + long + long + `"}]}}]}`,
		"usage in the middle":     `{"candidates":[{"content":{"parts":[{"text":"` + long + `"}]}}],"usageMetadata":{"promptTokenCount": 90},"x":"` + long + long + `"}`,
		"many events":             strings.Repeat(event(long), 8) + strings.ReplaceAll(event(long), ": 7", ": 90"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, s := stubbed(first(func(h heard) *http.Response { return stream(h, write(answer)) }))
				w := newWorld(t, s)
				a := w.do("POST", streamPath, hello)
				require.Equal(t, answer, a.Body.String())
				model := w.status().Projects[0].Models[0]
				assert.EqualValues(t, 90, model.TPM.Used, "of what was sent less was known before")
			})
		})
	}
}

// An upstream that falls silent is cut: before the first byte with a 504, since
// it may have served the request; after it by breaking the connection.
func TestStreamStalls(t *testing.T) {
	for name, stall := range map[string]func(h heard) *http.Response{
		// A model that thinks says nothing, for as long as the timeout allows.
		"before its header": func(h heard) *http.Response {
			<-h.r.Context().Done()
			return nil
		},
		"before its first byte": func(h heard) *http.Response {
			return stream(h, func(io.Writer) error { <-h.r.Context().Done(); return h.r.Context().Err() })
		},
		"before it says anything": func(h heard) *http.Response {
			return stream(h, func(w io.Writer) error {
				_, _ = io.WriteString(w, "\r\n[")
				<-h.r.Context().Done()
				return h.r.Context().Err()
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				up, s := stubbed(first(stall))
				s.keys = projects("alpha", "beta")
				s.env = []string{"FLUXGATE_IDLE_TIMEOUT=20s", "FLUXGATE_TIMEOUT=90s"}
				w := newWorld(t, s)
				start := time.Now()
				a := w.do("POST", streamPath, hello)
				want := 90 * time.Second
				if name == "before it says anything" {
					want = 20 * time.Second // it has begun
				}
				assert.Equal(t, want, time.Since(start))
				assert.Equal(t, "DEADLINE_EXCEEDED", a.failed(http.StatusGatewayTimeout).Status)
				assert.Len(t, up.requests(":streamGenerateContent"), 1, "it is not sent again")
				assert.EqualValues(t, 1, w.used("alpha", pro)+w.used("beta", pro), "it stays charged")
			})
		})
	}
	t.Run("in the middle", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, s := stubbed(first(func(h heard) *http.Response {
				return stream(h, func(w io.Writer) error {
					for i := range 3 {
						_, _ = io.WriteString(w, event(fmt.Sprint(i)))
						time.Sleep(15 * time.Second) // slow is not silent
					}
					<-h.r.Context().Done()
					return h.r.Context().Err()
				})
			}))
			s.env = []string{"FLUXGATE_IDLE_TIMEOUT=20s"}
			w := newWorld(t, s)
			start := time.Now()
			// A recorder has no connection to break: what is left is this panic.
			assert.PanicsWithValue(t, http.ErrAbortHandler, func() { w.do("POST", streamPath, hello) })
			assert.Equal(t, 50*time.Second, time.Since(start))
			assert.EqualValues(t, 1, w.used("alpha", pro))
			assert.EqualValues(t, 7, w.status().Projects[0].Models[0].TPM.Used, "settled with what it had said")
		})
	})
}

// An answer that isn't a stream may take its time to begin, up to the timeout,
// and then no longer than a stream to go on.
func TestUnaryMayThink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := stubbed(func(h heard) *http.Response {
			if !isCall(h) {
				return nil
			}
			select {
			case <-time.After(3 * time.Minute):
				return respond(http.StatusOK, golden(t, "native.response.json"))
			case <-h.r.Context().Done():
				return nil
			}
		})
		s.env = []string{"FLUXGATE_IDLE_TIMEOUT=20s", "FLUXGATE_TIMEOUT=4m"}
		w := newWorld(t, s)
		a := w.do("POST", unaryPath, hello)
		assert.Equal(t, http.StatusOK, a.Code)
	})
	synctest.Test(t, func(t *testing.T) {
		_, s := stubbed(first(func(h heard) *http.Response {
			return stream(h, func(w io.Writer) error {
				_, _ = io.WriteString(w, `{"candidates":[{"content":`)
				<-h.r.Context().Done()
				return h.r.Context().Err()
			})
		}))
		s.env = []string{"FLUXGATE_IDLE_TIMEOUT=20s"}
		w := newWorld(t, s)
		start := time.Now()
		assert.PanicsWithValue(t, http.ErrAbortHandler, func() { w.do("POST", unaryPath, hello) })
		assert.Equal(t, 20*time.Second, time.Since(start))
	})
}

// A count that breaks off must not end as if it were whole either: it has a
// handler of its own.
func TestFreeAnswerBreaksOff(t *testing.T) {
	_, s := stubbed(func(h heard) *http.Response {
		return stream(h, func(w io.Writer) error {
			_, _ = io.WriteString(w, `{"totalTok`)
			return io.ErrUnexpectedEOF
		})
	})
	w := newWorld(t, s)
	assert.PanicsWithValue(t, http.ErrAbortHandler, func() {
		w.do("POST", "/v1beta/models/gemini-2.5-pro:countTokens", hello)
	})
}

// A model's stream ends with its request, whatever length upstream tells of it: the caller would be back at that length,
// before it is kept that the stream ended with a refusal. What isn't a stream has its length.
func TestStreamsEndWithTheirRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := event("one") + minutes
		_, s := stubbed(first(func(heard) *http.Response {
			return respond(http.StatusOK, text, "Content-Type", "text/event-stream")
		}))
		s.keys = projects("alpha", "beta")
		w := newWorld(t, s)
		a := w.do("POST", streamPath, hello)
		assert.Equal(t, text, a.Body.String(), "to the byte")
		assert.Empty(t, a.Header().Get("Content-Length"))
		a = w.do("POST", unaryPath, hello)
		assert.Equal(t, strconv.Itoa(a.Body.Len()), a.Header().Get("Content-Length"))
	})
}
