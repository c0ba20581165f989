package server_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
	"fluxgate.dev/fluxgate/internal/race"
)

func replaceBody(resp *http.Response, old, with string) {
	text, _ := io.ReadAll(resp.Body)
	text = bytes.ReplaceAll(text, []byte(old), []byte(with))
	resp.Body = io.NopCloser(bytes.NewReader(text))
	resp.ContentLength = int64(len(text))
}

func jsonResponse(r *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// Without a limit of tokens, more bytes than a model takes tokens are still few enough
// tokens, as a rule.
func TestLongTextWithoutLimitsIsCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{
			env: []string{`FLUXGATE_LIMITS={"pro":{"tpm":-1}}`},
			sim: func(c *geminisim.Config) { c.Limits[pro] = geminisim.Limits{RPM: 5, TPM: -1, RPD: 100} },
		})
		w.generate(strings.Repeat("word ", 300_000), `"model":"`+pro+`"`).ok()
		assert.EqualValues(t, 1, w.sim.Stats().Counted)
	})
}

// Which requests are worth a round trip to countTokens.
func TestWhatIsCounted(t *testing.T) {
	t.Parallel()
	small := "a short prompt"
	// The tightest model of the chain, flash-lite, has 250,000 TPM for 15 RPM.
	bound := strings.Repeat("x", 250_000/15)
	image := fmt.Sprintf(`"images":[%q]`, base64.StdEncoding.EncodeToString([]byte(png)))
	for _, c := range []struct {
		count, what, prompt, members string
		counted                      int64
	}{
		{"auto", "small text", small, "", 0},
		{"auto", "text at the bound", bound, "", 0},
		{"auto", "text beyond it", bound + "x", "", 1},
		{"auto", "text beyond it with the system instruction", bound, `"system":"x"`, 1},
		{"auto", "a model with a wider bound", bound + "x", `"model":"gemini-2.5-pro"`, 0},
		{"auto", "an image", small, image, 1},
		{"exact", "small text", small, "", 1},
		{"exact", "an image", small, image, 1},
		{"estimate", "small text", small, "", 0},
		{"estimate", "large text", strings.Repeat("word ", 100_000), "", 0},
		{"estimate", "an image", small, image, 0},
	} {
		t.Run(c.count+" "+c.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, setup{env: []string{"FLUXGATE_COUNT=" + c.count}})
				w.generate(c.prompt, c.members).ok()
				assert.Equal(t, c.counted, w.sim.Stats().Counted)
			})
		})
	}
}

// countTokens sees all that will be sent: what it doesn't see would be missing
// from the reservation.
func TestCountSeesEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{"FLUXGATE_COUNT=exact"}})
		data := base64.StdEncoding.EncodeToString([]byte(png))
		out := w.generate("look at this", fmt.Sprintf(`"images":[%q],"files":[%q],"system":"be very brief"`, data, data)).ok()
		sent := w.calendar("alpha", pro).Sent
		require.Len(t, sent, 1)
		assert.Equal(t, out.TokensUsed, sent[0].Tokens)
	})
}

// Who returns is as large as it was told: by any instance if it has a ticket.
func TestReturnIsNotCountedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, oneAMinute("FLUXGATE_COUNT=exact"))
		other := w.instance()
		w.generate("first", "").ok()
		require.EqualValues(t, 1, w.sim.Stats().Counted)
		a := w.generate("second", "")
		require.EqualValues(t, 2, w.sim.Stats().Counted)
		w.generate("second", "")
		assert.EqualValues(t, 2, w.sim.Stats().Counted, "by its body")
		synctestSleep(a.wait())
		ask(t, other, "POST", "/generate", body("second", ""), "X-Fluxgate-Ticket", a.ticket()).ok()
		assert.EqualValues(t, 2, w.sim.Stats().Counted, "by its ticket")
	})
}

// A ticket says nothing about another request.
func TestTicketOfAnotherRequestIsNoSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, oneAMinute("FLUXGATE_COUNT=exact"))
		w.generate("first", "").ok()
		a := w.generate("second", "")
		synctestSleep(a.wait())
		counted := w.sim.Stats().Counted
		w.generate(strings.Repeat("another ", 500), "", "X-Fluxgate-Ticket", a.ticket()).ok()
		assert.Equal(t, counted+1, w.sim.Stats().Counted)
	})
}

// A count that fails is no reason to refuse: the request is estimated.
func TestCountFails(t *testing.T) {
	for name, fail := range map[string]func(*http.Request) (*http.Response, error){
		"500": func(r *http.Request) (*http.Response, error) {
			return jsonResponse(r, 500, `{"error":{"code":500,"message":"no","status":"INTERNAL"}}`), nil
		},
		"429": func(r *http.Request) (*http.Response, error) {
			return jsonResponse(r, 429, `{"error":{"code":429,"message":"no","status":"RESOURCE_EXHAUSTED"}}`), nil
		},
		"400": func(r *http.Request) (*http.Response, error) {
			return jsonResponse(r, 400, `{"error":{"code":400,"message":"Invalid JSON payload received. Unknown name","status":"INVALID_ARGUMENT"}}`), nil
		},
		"400, location": func(r *http.Request) (*http.Response, error) {
			return jsonResponse(r, 400, `{"error":{"code":400,"message":"User location is not supported for the API use.","status":"FAILED_PRECONDITION"}}`), nil
		},
		"401": func(r *http.Request) (*http.Response, error) { return jsonResponse(r, 401, missing), nil },
		"403": func(r *http.Request) (*http.Response, error) {
			return jsonResponse(r, 403, `{"error":{"code":403,"message":"The caller does not have permission","status":"PERMISSION_DENIED"}}`), nil
		},
		"404, the model": func(r *http.Request) (*http.Response, error) {
			return jsonResponse(r, 404, `{"error":{"code":404,"message":"models/x is not found for API version v1beta, or is not supported for countTokens.","status":"NOT_FOUND"}}`), nil
		},
		"404, the route": func(r *http.Request) (*http.Response, error) { return jsonResponse(r, 404, ``), nil },
		"413":            func(r *http.Request) (*http.Response, error) { return jsonResponse(r, 413, `<html>`), nil },
		"reset":          func(r *http.Request) (*http.Response, error) { return nil, io.EOF },
		"nonsense": func(r *http.Request) (*http.Response, error) {
			return jsonResponse(r, 200, `{"totalTokens":"many"}`), nil
		},
		"hang": func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var names []string
				for i := range 20 {
					names = append(names, fmt.Sprint("project-", i))
				}
				asked := 0
				w := newWorld(t, setup{keys: projects(names...), env: []string{"FLUXGATE_COUNT=exact"}, wrap: func(next http.RoundTripper) http.RoundTripper {
					return rawRoundTripper(func(r *http.Request) (*http.Response, error) {
						if strings.HasSuffix(r.URL.Path, ":countTokens") {
							asked++
							return fail(r)
						}
						return next.RoundTrip(r)
					})
				}})
				start := time.Now()
				w.generate("hello", "").ok()
				assert.Less(t, time.Since(start), time.Minute, "counting doesn't eat the request's time")
				assert.LessOrEqual(t, asked, 3, "not every key in turn")
				assert.Greater(t, asked, 0)
			})
		})
	}
}

// A key that turns out to be invalid when tokens are counted is marked, and the
// next one counts.
func TestCountMarksInvalidKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{keys: projects("alpha", "beta"), env: []string{"FLUXGATE_COUNT=exact"}})
		w.sim.SetKeyState(key(1, "").Value, credentials.Leaked)
		for i := range 8 { // whichever key counts first
			assert.Equal(t, 2, w.generate(fmt.Sprint("prompt ", i), `"model":"gemini-2.5-flash"`).ok().KeyUsed)
		}
		assert.Equal(t, "leaked", w.status().Keys[0].Reason)
		assert.EqualValues(t, 8, w.sim.Stats().Counted)
		assert.LessOrEqual(t, count(w.asked(keyOf), credentials.Fingerprint(key(1, "").Value)), 1)
	})
}

// The first model of a chain may be retired, or unknown to an older upstream.
func TestCountGoesDownTheChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{
			env: []string{"FLUXGATE_COUNT=exact", "FLUXGATE_CHAIN=gemini-0-gone,gemini-2.5-flash"},
			wrap: func(next http.RoundTripper) http.RoundTripper {
				return rawRoundTripper(func(r *http.Request) (*http.Response, error) {
					if strings.Contains(r.URL.Path, "gemini-0-gone") {
						return jsonResponse(r, 404, `{"error":{"code":404,"message":"This model models/gemini-0-gone is no longer available.","status":"NOT_FOUND"}}`), nil
					}
					return next.RoundTrip(r)
				})
			},
		})
		assert.Equal(t, flash, w.generate("hello", "").ok().ModelUsed)
		assert.EqualValues(t, 1, w.sim.Stats().Counted)
	})
}

// An under-estimate is put right before the next request is admitted.
func TestSettleTakesTheRealCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{"FLUXGATE_COUNT=estimate"}})
		prompt := strings.Repeat("!", 1000) // one token each, estimated at half
		w.generate(prompt, "").ok()
		sent := w.calendar("alpha", pro).Sent
		require.Len(t, sent, 1)
		assert.EqualValues(t, 1000, sent[0].Tokens)
	})
}

// The same for a model that is pinned, and for bodies of all formats, large enough to
// be counted.
func TestACountNeverDecides(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	big := strings.Repeat("word ", 100_000)
	for name, answer := range map[string]struct {
		status int
		body   string
	}{
		"400": {400, `{"error":{"code":400,"message":"Invalid JSON payload received.","status":"INVALID_ARGUMENT"}}`},
		"404": {404, `{"error":{"code":404,"message":"models/gemini-2.5-pro is not found for API version v1beta, or is not supported for countTokens.","status":"NOT_FOUND"}}`},
	} {
		for _, request := range []struct{ path, body string }{
			{"/generate", body(big, "")},
			{"/generate", body(big, `"model":"gemini-2.5-pro"`)},
			{"/v1beta/models/gemini-2.5-pro:generateContent", strings.Replace(hello, "hello", big, 1)},
			{"/v1beta/openai/chat/completions", strings.Replace(chat, "hello", big, 1)},
		} {
			t.Run(name+" "+request.path, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					counts := 0
					_, s := stubbed(func(h heard) *http.Response {
						if !strings.HasSuffix(h.path, ":countTokens") {
							return nil
						}
						counts++
						return respond(answer.status, answer.body)
					})
					s.env = []string{"FLUXGATE_COUNT=exact"}
					w := newWorld(t, s)
					a := w.do("POST", request.path, request.body)
					require.Equal(t, http.StatusOK, a.Code, a.Body.String())
					assert.Positive(t, counts)
					assert.NotEmpty(t, w.calendar("alpha", pro).Sent, "no model was given up for it")
				})
			})
		}
	}
}
