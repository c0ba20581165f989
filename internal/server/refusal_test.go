package server_test

import (
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
	"google.golang.org/genai"

	"fluxgate.dev/fluxgate/storage"
)

// synctestSleep lets virtual time pass.
func synctestSleep(d time.Duration) { time.Sleep(d) }

// oneAMinute is a pool that one request fills.
func oneAMinute(more ...string) setup {
	return setup{env: append([]string{"FLUXGATE_CHAIN=" + pro, `FLUXGATE_LIMITS={"pro":{"rpm":1}}`}, more...)}
}

func TestRefusalSaysTheWaitInEveryForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, oneAMinute())
		w.generate("first", "").ok()
		synctestSleep(20*time.Second + 250*time.Millisecond)
		a := w.generate("second", "")
		// The first one counts for 60.5 s, of which 40.25 s are left.
		assert.Equal(t, 41*time.Second, a.wait())
		assert.Equal(t, "41000", a.Header().Get("Retry-After-Ms"))
		assert.Equal(t, "true", a.Header().Get("X-Should-Retry"))
		assert.NotEmpty(t, a.ticket())
		assert.False(t, a.booked(), "the first refusal keeps nothing")

		f := a.failed(http.StatusTooManyRequests)
		assert.Equal(t, "RESOURCE_EXHAUSTED", f.Status)
		assert.Contains(t, f.Message, "Please retry in 41")
		require.Len(t, f.Details, 3)
		assert.Equal(t, "type.googleapis.com/google.rpc.QuotaFailure", f.Details[0].Type)
		require.Len(t, f.Details[0].Violations, 1)
		v := f.Details[0].Violations[0]
		assert.Equal(t, "GenerateRequestsPerMinutePerProjectPerModel", v.ID)
		assert.Equal(t, "generativelanguage.googleapis.com/generate_requests_per_model", v.Metric)
		assert.Equal(t, pro, v.Dimensions["model"])
		assert.Equal(t, "1", v.Value)
		assert.Equal(t, "type.googleapis.com/google.rpc.RetryInfo", f.Details[1].Type)
		delay, err := time.ParseDuration(f.Details[1].RetryDelay)
		require.NoError(t, err)
		assert.Equal(t, 41*time.Second, delay)
	})
}

// The wait ends at an instant, not some seconds after an answer: what it took
// to write the booking is not waited for twice, and the seconds round up.
func TestRefusalCountsFromTheInstantOfItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{Store: storage.NewMemory(nil)}
		s := oneAMinute("FLUXGATE_SKEW=0s")
		s.store = store
		w := newWorld(t, s)
		w.generate("first", "").ok()
		store.slow = 300 * time.Millisecond
		a := w.generate("second", "", "X-Fluxgate-Book", "true")
		assert.True(t, a.booked())
		assert.Equal(t, "59700", a.Header().Get("Retry-After-Ms"))
		assert.Equal(t, 60*time.Second, a.wait())
	})
}

// Client libraries retry by themselves up to a minute; beyond it they are told
// not to, so that they report the wait instead of trying in vain.
func TestShouldRetryEndsAtAMinute(t *testing.T) {
	for skew, should := range map[string]string{"0s": "true", "1ms": "false"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, oneAMinute("FLUXGATE_SKEW="+skew))
			w.generate("first", "").ok()
			a := w.generate("second", "")
			assert.Equal(t, should, a.Header().Get("X-Should-Retry"), "a wait of %v", a.wait())
		})
	}
}

// Clients act upon Google's quota ids: those per minute are waited for, those
// per day given up on.
func TestRefusalNamesTheLimit(t *testing.T) {
	for _, c := range []struct {
		limits, id, metric, value string
		least                     time.Duration
	}{
		{`{"rpm":1}`, "GenerateRequestsPerMinutePerProjectPerModel", "generate_requests_per_model", "1", time.Minute},
		{`{"tpm":10}`, "GenerateContentInputTokensPerModelPerMinute", "generate_content_input_token_count", "10", time.Minute},
		// It is four in the afternoon in California.
		{`{"rpd":1}`, "GenerateRequestsPerDayPerProjectPerModel", "generate_requests_per_model", "1", 8 * time.Hour},
	} {
		t.Run(c.limits, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, setup{env: []string{"FLUXGATE_COUNT=exact", "FLUXGATE_CHAIN=" + pro, `FLUXGATE_LIMITS={"pro":` + c.limits + `}`}})
				w.generate("one two three four five six", "").ok()
				a := w.generate("six five four three two one", "")
				assert.GreaterOrEqual(t, a.wait(), c.least)
				v := a.failed(http.StatusTooManyRequests).Details[0].Violations[0]
				assert.Equal(t, c.id, v.ID)
				assert.True(t, strings.HasSuffix(v.Metric, "/"+c.metric), v.Metric)
				assert.Equal(t, c.value, v.Value)
			})
		})
	}
}

// The whole point: a caller that honours Retry-After gets in.
func TestReturnGetsIn(t *testing.T) {
	for _, with := range []string{"the same body", "the ticket", "the ticket and another instance", "the same body and another instance"} {
		t.Run(with, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, oneAMinute())
				w.generate("first", "").ok()
				a := w.generate("second", "")
				synctestSleep(a.wait())
				var header []string
				if strings.Contains(with, "ticket") {
					header = []string{"X-Fluxgate-Ticket", a.ticket()}
				}
				if strings.Contains(with, "another instance") {
					w.served = w.instance()
				}
				out := w.generate("second", "", header...).ok()
				if strings.Contains(with, "ticket") || !strings.Contains(with, "another") {
					// Without a ticket another instance can't know of what was never stored.
					assert.InDelta(t, 61, out.WaitApplied, 0.5)
				}
				assert.False(t, out.Retried, "waiting is no retry")
			})
		})
	}
}

// Prove, then promise: whoever comes back and still finds no room is booked, and
// any instance honours the booking against whoever else turns up.
func TestReturnIsBookedAndHonouredByAnyInstance(t *testing.T) {
	for _, ticket := range []bool{false, true} {
		t.Run(fmt.Sprint("ticket=", ticket), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, oneAMinute())
				other := w.instance()
				w.generate("first", "").ok()
				told := w.generate("patient", "")
				require.False(t, told.booked())
				synctestSleep(told.wait())
				w.generate("walks in just before", "").ok()
				header := func(a answer) []string {
					if ticket {
						return []string{"X-Fluxgate-Ticket", a.ticket()}
					}
					return nil
				}
				booked := w.generate("patient", "", header(told)...)
				require.True(t, booked.booked())
				synctestSleep(booked.wait())
				assert.Positive(t, ask(t, other, "POST", "/generate", body("walks in", "")).wait(), "the slot is kept")
				out := ask(t, other, "POST", "/generate", body("patient", ""), header(booked)...).ok()
				assert.InDelta(t, 122, out.WaitApplied, 1, "since the first refusal")
			})
		})
	}
}

// A caller that comes early is told the rest, and keeps its slot.
func TestEarlyReturnIsToldTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, oneAMinute())
		w.generate("first", "").ok()
		a := w.generate("second", "", "X-Fluxgate-Book", "TRUE")
		require.True(t, a.booked())
		synctestSleep(a.wait() / 2)
		again := w.generate("second", "", "X-Fluxgate-Ticket", a.ticket())
		assert.True(t, again.booked())
		synctestSleep(again.wait())
		w.generate("second", "", "X-Fluxgate-Ticket", again.ticket()).ok()
	})
}

// A ticket of another deployment, or a broken one, must not lock its caller out:
// signing keys are lost with a store.
func TestForeignTicketCountsAsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, oneAMinute())
		for _, ticket := range []string{"nonsense", strings.Repeat("A", 66), "%%%"} {
			a := w.generate("hello "+ticket, `"max_wait":0`, "X-Fluxgate-Ticket", ticket)
			assert.Contains(t, []int{http.StatusOK, http.StatusTooManyRequests}, a.Code)
		}
	})
}

func TestDeleteTicketGivesTheSlotBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, oneAMinute())
		w.generate("first", "").ok()
		a := w.generate("second", "", "X-Fluxgate-Book", "true")
		require.True(t, a.booked())
		synctestSleep(a.wait())
		assert.Positive(t, w.generate("third", "").wait())
		gone := w.do("DELETE", "/tickets/"+a.ticket(), "")
		assert.Equal(t, http.StatusNoContent, gone.Code)
		assert.Empty(t, gone.Body.String())
		w.generate("fourth", "").ok()

		w.do("DELETE", "/tickets/"+a.ticket(), "").failed(http.StatusNotFound)
		f := w.do("DELETE", "/tickets/nonsense", "").failed(http.StatusBadRequest)
		assert.NotContains(t, f.Message, "header", "there is none to leave out")
	})
}

// The Go SDK reads our refusal as it reads Google's.
func TestGenaiReadsTheRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, oneAMinute())
		w.generate("first", "").ok()
		refusal := w.generate("second", "")
		client, err := genai.NewClient(t.Context(), &genai.ClientConfig{
			APIKey: "any", Backend: genai.BackendGeminiAPI,
			HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				resp := refusal.Result()
				resp.Request = r
				return resp, nil
			})},
		})
		require.NoError(t, err)
		_, err = client.Models.GenerateContent(t.Context(), pro, genai.Text("second"), nil)
		var e genai.APIError
		require.ErrorAs(t, err, &e)
		assert.Equal(t, http.StatusTooManyRequests, e.Code)
		assert.Equal(t, "RESOURCE_EXHAUSTED", e.Status)
		require.Len(t, e.Details, 3)
		assert.Equal(t, "61.000s", e.Details[1]["retryDelay"])
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	return f(r)
}

// Many callers at once are told different times, and Gemini never says no.
func TestCrowdIsServedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{"FLUXGATE_CHAIN=" + pro, `FLUXGATE_LIMITS={"pro":{"rpm":5}}`}})
		done := make(chan int)
		const callers = 20
		for i := range callers {
			go func() {
				refusals := 0
				for {
					a := w.generate(fmt.Sprint("caller ", i), "")
					if a.Code != http.StatusTooManyRequests {
						assert.Equal(t, http.StatusOK, a.Code)
						done <- refusals
						return
					}
					refusals++
					ms, _ := strconv.Atoi(a.Header().Get("Retry-After-Ms"))
					time.Sleep(time.Duration(ms) * time.Millisecond)
				}
			}()
		}
		for range callers {
			assert.LessOrEqual(t, <-done, 2, "told twice at most: once unbooked, once booked")
		}
		assert.Zero(t, w.sim.Stats().Refused)
		assert.EqualValues(t, callers, w.sim.Stats().Accepted)
	})
}
