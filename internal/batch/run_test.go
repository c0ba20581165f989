package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOrderIsKeptWhateverComesBackFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, 40)
		f := newFake(func(prompt string, _ int) reply {
			var n int
			_, _ = fmt.Sscanf(prompt, "p%d", &n)
			return reply{after: time.Duration((n*7)%11) * time.Second}
		})
		o := s.options(f)
		o.Token = "sesame"
		summary, err := Run(t.Context(), o)
		require.NoError(t, err)
		s.requireAnswers(40)
		assert.Equal(t, 40, summary.Requests)
		assert.Equal(t, int64(40*7), summary.Tokens)
		assert.NoFileExists(t, s.output+".journal", "a whole job leaves its output only")
		for _, calls := range f.generated() {
			require.Len(t, calls, 1)
			assert.Equal(t, "sesame", calls[0].header.Get("X-Fluxgate-Token"))
			assert.Equal(t, "true", calls[0].header.Get("X-Fluxgate-Book"))
			assert.Empty(t, calls[0].ticket)
		}
		assert.JSONEq(t, `1`, string(s.results()[0].KeyUsed))
	})
}

// Every way a refusal can tell its wait, in the order of preference, in virtual time to the nanosecond.
func TestRefusalsAreObeyedExactly(t *testing.T) {
	const info = `{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[
		{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[]},
		{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"11.769242877s"}]}}`
	for name, c := range map[string]struct {
		reply reply
		want  time.Duration
	}{
		"milliseconds before seconds": {refuse("t", "retry-after-ms", "2345", "Retry-After", "3"), 2345 * time.Millisecond},
		"odd milliseconds":            {refuse("t", "retry-after-ms", "1001"), 1001 * time.Millisecond},
		"seconds":                     {refuse("t", "Retry-After", "17"), 17 * time.Second},
		"until tomorrow":              {refuse("t", "Retry-After", "86400"), 24 * time.Hour},
		"a date":                      {refuse("t", "Retry-After", "Sat, 01 Jan 2000 00:01:30 GMT"), 90 * time.Second},
		"the body":                    {reply{status: 429, body: info}, 11769242877},
		"the body in an array":        {reply{status: 429, body: "[" + info + "]"}, 11769242877},
		"garbage, then the body": {reply{status: 429, body: info, header: map[string]string{
			"retry-after-ms": "NaN", "Retry-After": "soon"}}, 11769242877},
		"now, but not in a busy loop": {refuse("t", "Retry-After", "0"), 100 * time.Millisecond},
		"a 529 that names a wait":     {reply{status: 529, header: map[string]string{"X-Fluxgate-Retry-Ms": "5001", "Retry-After": "6"}}, 5001 * time.Millisecond},
		"a 503 that names a wait":     {reply{status: 503, header: map[string]string{"Retry-After": "5"}}, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSetup(t, 1)
				f := newFake(func(_ string, before int) reply {
					if before == 0 {
						return c.reply
					}
					return reply{}
				})
				summary, err := Run(t.Context(), s.options(f))
				require.NoError(t, err)
				calls := f.generated()["p0"]
				require.Len(t, calls, 2)
				assert.Equal(t, c.want, calls[1].at.Sub(calls[0].at))
				assert.Equal(t, c.reply.header["X-Fluxgate-Ticket"], calls[1].ticket)
				assert.Equal(t, calls[0].body, calls[1].body, "the server knows a returner by its bytes")
				assert.Equal(t, 1, summary.Waits)
				assert.Equal(t, c.want, summary.Waited)
				assert.Equal(t, 1, s.results()[0].Waits)
				assert.InDelta(t, c.want.Seconds(), s.results()[0].WaitedSeconds, 0.001)
			})
		})
	}
}

// Refusals have no limit, each brings its own ticket, and one without a ticket (a proxy's) leaves the last one in force.
func TestTheLastTicketIsReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, 1)
		f := newFake(func(_ string, before int) reply {
			switch {
			case before == 3:
				return reply{status: 429, header: map[string]string{"Retry-After": "1"}}
			case before < 20:
				return refuse(fmt.Sprint("t", before), "Retry-After", "1")
			}
			return reply{}
		})
		summary, err := Run(t.Context(), s.options(f))
		require.NoError(t, err)
		assert.Equal(t, 20, summary.Waits)
		var tickets []string
		for _, c := range f.generated()["p0"] {
			tickets = append(tickets, c.ticket)
		}
		assert.Equal(t, []string{"", "t0", "t1", "t2", "t2", "t4"}, tickets[:6])
	})
}

func TestARefusalThatSaysNothingBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, 1)
		f := newFake(func(_ string, before int) reply {
			if before < 12 {
				return reply{status: 429, body: "slow down"}
			}
			return reply{}
		})
		_, err := Run(t.Context(), s.options(f))
		require.NoError(t, err)
		calls := f.generated()["p0"]
		for i := 1; i < len(calls); i++ {
			pause := calls[i].at.Sub(calls[i-1].at)
			nominal := min(time.Minute, time.Second<<(i-1))
			assert.GreaterOrEqual(t, pause, nominal/2)
			assert.LessOrEqual(t, pause, nominal*3/2)
		}
	})
}

func TestFailuresAreTriedFiveTimesInARow(t *testing.T) {
	for name, fault := range map[string]reply{
		"500":               {status: 500, body: `{"error":{"message":"boom"}}`},
		"503 without wait":  {status: 503, body: `{"error":"boom"}`},
		"broken connection": {err: errors.New("boom")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSetup(t, 2)
				f := newFake(func(prompt string, before int) reply {
					switch {
					case prompt == "p1" && before == 4: // a refusal in between begins a new row
						return refuse("t", "Retry-After", "1")
					case prompt == "p1" && before > 8:
						return reply{}
					}
					return fault
				})
				summary, err := Run(t.Context(), s.options(f))
				require.NoError(t, err, "a failed request is no failure of the job")
				assert.Equal(t, 1, summary.Failed)
				calls := f.generated()
				assert.Len(t, calls["p0"], 5)
				assert.Len(t, calls["p1"], 10)
				results := s.results()
				assert.Equal(t, "boom", results[0].Error)
				assert.Equal(t, fault.status, results[0].Status)
				assert.NotNil(t, results[1].Response)
				assert.FileExists(t, s.output+".journal", "what failed can be tried again")
			})
		})
	}
}

// A failure that names a wait is tried as often as one that doesn't, but not before.
func TestFailuresAreTriedWhenTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, 1)
		f := newFake(func(string, int) reply {
			return reply{status: 500, header: map[string]string{"X-Fluxgate-Retry-Ms": "61000"}, body: `{"error":{"message":"boom"}}`}
		})
		summary, err := Run(t.Context(), s.options(f))
		require.NoError(t, err)
		assert.Equal(t, 1, summary.Failed)
		calls := f.generated()["p0"]
		require.Len(t, calls, 5)
		for i := 1; i < len(calls); i++ {
			assert.Equal(t, 61*time.Second, calls[i].at.Sub(calls[i-1].at))
		}
	})
}

func TestTimeoutIsPerExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, 1)
		f := newFake(func(_ string, before int) reply {
			switch before {
			case 0:
				return refuse("t", "Retry-After", "3600") // a wait longer than the timeout isn't cut short by it
			case 1:
				return reply{after: time.Hour}
			}
			return reply{after: 59 * time.Second}
		})
		o := s.options(f)
		o.Timeout = time.Minute
		_, err := Run(t.Context(), o)
		require.NoError(t, err)
		s.requireAnswers(1)
		assert.Len(t, f.generated()["p0"], 3)
	})
}

func TestTheCallersFaultsFailOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, 5)
		faults := map[string]reply{
			"p0": {status: 400, body: `{"error":{"code":400,"message":"never fits: sesame","status":"INVALID_ARGUMENT"}}`},
			"p1": {status: 404},
			"p2": {status: 413, body: `{"error":"too large"}`},
			"p3": {body: "<html>a portal</html>"},
		}
		f := newFake(func(prompt string, _ int) reply { return faults[prompt] })
		o := s.options(f)
		o.Token = "sesame"
		summary, err := Run(t.Context(), o)
		require.NoError(t, err)
		assert.Equal(t, 4, summary.Failed)
		assert.Equal(t, 5, summary.Requests)
		results := s.results()
		assert.Equal(t, "never fits: REDACTED", results[0].Error, "a token that the server echoes stays out of the file")
		assert.Equal(t, 400, results[0].Status)
		assert.Equal(t, "404 Not Found", results[1].Error)
		assert.Equal(t, "too large", results[2].Error)
		assert.Contains(t, results[3].Error, "isn't one of /generate")
		assert.NotNil(t, results[4].Response)
		for prompt, calls := range f.generated() {
			assert.Len(t, calls, 1, prompt)
		}
	})
}

func TestWhatMeetsEveryRequestStopsTheJob(t *testing.T) {
	for name, c := range map[string]struct {
		fault  reply
		status int
		calls  int
	}{
		"401":       {reply{status: 401, body: `{"error":{"message":"who are you"}}`}, 401, 1},
		"403":       {reply{status: 403}, 403, 1},
		"no server": {reply{err: &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("refused")}}, 0, 5},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSetup(t, 10)
				f := newFake(func(prompt string, _ int) reply {
					if prompt == "p1" {
						return c.fault
					}
					return reply{after: time.Hour}
				})
				o := s.options(f)
				o.Concurrency = 2
				begin := time.Now()
				_, err := Run(t.Context(), o)
				var stopped *StoppedError
				require.ErrorAs(t, err, &stopped)
				assert.Equal(t, c.status, stopped.Status)
				assert.Less(t, time.Since(begin), time.Minute, "at once: the other request would take an hour")
				assert.Len(t, f.generated()["p1"], c.calls)
				assert.Len(t, f.generated(), 2, "nothing more is begun")
				assert.Contains(t, s.stderr.String(), "run the same command again")

				// With the fault gone the same command does the rest.
				_, err = Run(t.Context(), s.options(newFake(nil)))
				require.NoError(t, err)
				s.requireAnswers(10)
			})
		})
	}
}

// So does what meets all requests at once, or the only one: it isn't that they failed one by one.
func TestWhatMeetsTheLastRequestIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		fault  reply
		status int
		says   string
	}{
		"401":       {reply{status: 401, body: `{"error":{"message":"who are you"}}`}, 401, ""},
		"no server": {reply{err: &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("refused")}}, 0, "can't connect to https://fluxgate.test yet, trying again: dial tcp: refused\n"},
	} {
		for _, requests := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s, requests: %d", name, requests), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newSetup(t, requests)
					o := s.options(newFake(func(string, int) reply { return c.fault }))
					_, err := Run(t.Context(), o)
					var stopped *StoppedError
					require.ErrorAs(t, err, &stopped)
					assert.Equal(t, c.status, stopped.Status)
					assert.Contains(t, s.stderr.String(), c.says)
					assert.LessOrEqual(t, strings.Count(s.stderr.String(), "yet, trying again"), 1, "once, however many requests")
				})
			})
		}
	}
}

func TestConcurrencyCountsWaitingRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, 6)
		f := newFake(func(_ string, before int) reply {
			if before == 0 {
				return refuse("t", "Retry-After", "10")
			}
			return reply{after: time.Second}
		})
		o := s.options(f)
		o.Concurrency = 2
		summary, err := Run(t.Context(), o)
		require.NoError(t, err)
		// Three rounds of two: were waiting requests not counted, all six would go in the first.
		assert.Equal(t, 33*time.Second, summary.Elapsed)
		assert.Equal(t, 60*time.Second, summary.Waited)
		f.mu.Lock()
		defer f.mu.Unlock()
		for i, c := range f.calls {
			assert.Contains(t, []string{fmt.Sprint("p", i/4*2), fmt.Sprint("p", i/4*2+1)}, c.prompt)
		}
	})
}

func TestSummaryAndProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, 4)
		f := newFake(func(prompt string, before int) reply {
			if prompt == "p2" && before == 0 {
				return refuse("t", "Retry-After", "25")
			}
			return reply{after: 5 * time.Second}
		})
		o := s.options(f)
		o.Progress = ProgressAuto // no terminal: plain lines
		o.Concurrency = 1
		_, err := Run(t.Context(), o)
		require.NoError(t, err)
		lines := strings.Split(strings.TrimSpace(s.stderr.String()), "\n")
		assert.Equal(t, "requests=4 failed=0 truncated=0 waits=1 tokens=28 elapsed=45s", lines[len(lines)-1])
		assert.Contains(t, s.stderr.String(), " 50%  2/4  6.0 req/min  42 tok/min  waiting 1 (next 15s)  ETA 20s\n")
	})
}

// What was finished at once says nothing of the rest, which waits.
func TestETAIsNoLessThanTheWaits(t *testing.T) {
	for name, c := range map[string]struct {
		s    snapshot
		want time.Duration
	}{
		"nothing is known":                    {snapshot{Summary: Summary{Total: 9}}, 0},
		"all of it waits":                     {snapshot{Summary: Summary{Total: 30}, waiting: 10, lastReturn: time.Minute}, 3 * time.Minute},
		"four at once, eleven wait":           {snapshot{Summary: Summary{Total: 15, Requests: 4, Elapsed: 10 * time.Second}, waiting: 11, lastReturn: 170 * time.Second}, 170 * time.Second},
		"four at once, as many as wait again": {snapshot{Summary: Summary{Total: 26, Requests: 4, Elapsed: 10 * time.Second}, waiting: 11, lastReturn: 170 * time.Second}, 340 * time.Second},
		"it has run for longer than they wait": {
			snapshot{Summary: Summary{Total: 40, Requests: 20, Elapsed: 10 * time.Minute}, waiting: 10, lastReturn: 5 * time.Minute}, 10 * time.Minute,
		},
		"none waits": {snapshot{Summary: Summary{Total: 40, Requests: 20, Elapsed: time.Minute}}, time.Minute},
	} {
		eta, known := c.s.eta()
		assert.Equal(t, c.want, eta, name)
		assert.Equal(t, c.want > 0, known, name)
	}
}

func TestQuietLeavesTheSummary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, 1)
		o := s.options(newFake(func(string, int) reply { return reply{after: time.Minute} }))
		o.Quiet, o.Progress = true, ProgressPlain
		_, err := Run(t.Context(), o)
		require.NoError(t, err)
		assert.Equal(t, "requests=1 failed=0 truncated=0 waits=0 tokens=7 elapsed=1m0s\n", s.stderr.String())
	})
}

func TestAnOutageIsShownOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, 3)
		f := newFake(func(_ string, before int) reply {
			if before < 4 {
				return reply{status: 503, body: `{"error":"no usable key"}`, header: map[string]string{"Retry-After": "30"}}
			}
			return reply{}
		})
		_, err := Run(t.Context(), s.options(f))
		require.NoError(t, err)
		assert.Equal(t, 1, strings.Count(s.stderr.String(), "no usable key"))
	})
}

func TestStandardOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, 5)
		f := newFake(func(prompt string, _ int) reply {
			if prompt == "p0" {
				return reply{after: time.Minute}
			}
			return reply{}
		})
		o := s.options(f)
		var out strings.Builder
		o.Output, o.Stdout = "-", &out
		_, err := Run(t.Context(), o)
		require.NoError(t, err)
		var indexes []int
		for line := range strings.Lines(out.String()) {
			var r Result
			require.NoError(t, json.Unmarshal([]byte(line), &r))
			indexes = append(indexes, r.Index)
		}
		assert.Equal(t, []int{0, 1, 2, 3, 4}, indexes)
	})
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// A job whose results go nowhere must not spend the quota.
func TestABrokenOutputStopsTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, 50)
		f := newFake(func(string, int) reply { return reply{after: time.Second} })
		o := s.options(f)
		o.Output, o.Stdout, o.Concurrency = "-", brokenWriter{}, 2
		_, err := Run(t.Context(), o)
		assert.ErrorContains(t, err, "broken pipe")
		assert.Less(t, len(f.generated()), 8)
	})
}

// The client is shared by all workers; run under the race detector this is what finds unguarded state.
func TestManyWorkers(t *testing.T) {
	s := newSetup(t, 300)
	var mu sync.Mutex
	inFlight, most := 0, 0
	f := newFake(func(_ string, before int) reply {
		mu.Lock()
		inFlight++
		most = max(most, inFlight)
		mu.Unlock()
		defer func() {
			mu.Lock()
			inFlight--
			mu.Unlock()
		}()
		if before == 0 {
			return refuse("t", "retry-after-ms", "1")
		}
		return reply{}
	})
	o := s.options(f)
	o.Concurrency = 16
	synctest.Test(t, func(t *testing.T) {
		summary, err := Run(context.Background(), o)
		require.NoError(t, err)
		assert.Equal(t, 300, summary.Waits)
	})
	s.requireAnswers(300)
	assert.LessOrEqual(t, most, 16)
}

func TestTokenIsNeverPrinted(t *testing.T) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		assert.NotContains(t, fmt.Sprintf(verb, Options{Token: "sesame"}), "sesame", verb)
	}
}

// A redirect would take the token along, and make a GET of the POST.
func TestRedirectsAreNotFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, 1)
		f := newFake(func(string, int) reply {
			return reply{status: http.StatusFound, header: map[string]string{"Location": "https://elsewhere.test/generate"}}
		})
		o := s.options(f)
		o.Token = "sesame"
		summary, err := Run(t.Context(), o)
		require.NoError(t, err)
		assert.Equal(t, 1, summary.Failed)
		assert.Contains(t, s.results()[0].Error, "is the URL right?")
		assert.Len(t, f.calls, 1)
	})
}
