package admission_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// fullPool returns a bench of several callers with one project of five requests a minute,
// all used.
func fullPool(t *testing.T) *bench {
	b := sharedPool(t, 5)
	for range 5 {
		b.granted(b.others())
	}
	return b
}

// sharedPool returns a bench of several callers with one project of so many requests a
// minute.
func sharedPool(t *testing.T, rpm int64) *bench {
	b := newBench(t, storage.NewMemory(time.Now), []string{"p"})
	unlimited := scheduler.Unlimited
	b.rules.Policy = scheduler.NewPolicy([]string{first}, map[string]scheduler.Override{first: {RPM: &rpm, TPM: &unlimited, RPD: &unlimited}})
	ctl, err := admission.New(t.Context(), admission.Options{
		Store: b.shared, Shared: true, Rules: func(storage.Control) *scheduler.Rules { return b.rules },
	})
	require.NoError(t, err)
	b.Controller = ctl
	return b
}

// A caller without limits that sends eighty requests at once, whether it asks for
// bookings or not, leaves another that asks once a second its half, from the first window
// on.
func TestFloodLeavesOthersTheirShare(t *testing.T) {
	const minutes = 10
	for _, book := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := fullPool(t)
			type waiting struct {
				req admission.Request
				at  scheduler.Instant
			}
			var flood []waiting
			ask := func(req admission.Request) (granted bool, next scheduler.Instant) {
				grant, wait := b.admit(req)
				if grant != nil {
					return true, 0
				}
				return false, wait.Start
			}
			for range 80 {
				req := b.request()
				req.Book = book
				_, at := ask(req)
				flood = append(flood, waiting{req, at})
			}
			began, n, floods := b.Now(), 0, 0
			earliest := time.Duration(0)
			next := make([]admission.Request, 5)
			for i := range next {
				next[i] = b.others()
			}
			for b.Now().Sub(began) < minutes*time.Minute {
				time.Sleep(time.Second)
				for i := range flood {
					if w := &flood[i]; w.at != 0 && w.at <= b.Now() {
						granted, at := ask(w.req)
						if w.at = at; granted {
							floods++
						}
					}
				}
				for i := range next {
					if granted, _ := ask(next[i]); granted {
						if n++; n == 1 {
							earliest = b.Now().Sub(began)
						}
						next[i] = b.others()
					}
				}
			}
			t.Logf("booking %v: the other is served %d times, first after %v; the flood %d", book, n, earliest, floods)
			assert.GreaterOrEqual(t, n, 15)
			assert.LessOrEqual(t, earliest, 190*time.Second, "two windows later than alone")
			assert.GreaterOrEqual(t, floods, 20)
		})
	}
}

// A caller that is alone books a window ahead, so who comes next waits a window longer than
// alone at most; and one slot in any case, however far ahead it fits.
func TestBookingsLeaveRoomForWhoComesNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fullPool(t)
		for range 80 {
			req := b.request()
			req.Book = true
			b.admit(req)
		}
		assert.Equal(t, 5, b.bookings("p"), "those of a window")
		assert.LessOrEqual(t, b.left(b.refused(b.others())), 2*scheduler.Window+2*scheduler.DefaultHold)
	})
	synctest.Test(t, func(t *testing.T) {
		b := fullPool(t)
		for range 10 {
			req := b.others()
			req.Book = true
			b.admit(req)
		}
		time.Sleep(time.Second)
		mine := b.request()
		mine.Book = true
		assert.Greater(t, b.left(b.refused(mine)), scheduler.Window)
		assert.Equal(t, 6, b.bookings("p"))
	})
}

// A slot that was lost, since its holder didn't come, is none that the caller has: one more it
// books however far ahead that fits.
func TestALostBookingIsNoBooking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := sharedPool(t, 1)
		b.granted(b.others())
		lost := b.booked(b.request())
		b.until(lost.Start + 5001)
		b.granted(b.others())
		b.booked(b.others())
		next := b.request()
		next.Book = true
		wait := b.refused(next)
		assert.Greater(t, b.left(wait), scheduler.Window+scheduler.DefaultHold)
		assert.True(t, wait.Booked)
	})
}

// Where others wait, of what comes back in vain only what is large for its caller is kept a
// slot; and for a caller that is ahead of others nothing is.
func TestOnlyWhatIsLargeIsBookedBesideOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := sharedPool(t, 8)
		taken := func(n int) {
			for range n {
				req := b.others()
				req.Over = true
				b.granted(req)
			}
		}
		taken(8)
		large, small := b.request(), b.request()
		large.Demand.Requests = 4
		for _, req := range []admission.Request{large, small} {
			b.refused(req)
		}
		even := b.others()
		b.refused(even)
		time.Sleep(62 * time.Second)
		taken(8)
		assert.True(t, b.refused(large).Booked)
		assert.False(t, b.refused(small).Booked)
		assert.False(t, b.refused(even).Booked, "it had sixteen")
		assert.Equal(t, 1, b.bookings("p"))
	})
}

// Where more callers wait than there are projects, none is booked anything, whether it asks for
// that or not, but for one that has had less than others by the largest request that waits.
func TestOnlyWhoIsFarBehindIsBookedInACrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := sharedPool(t, 8)
		of := func(caller string) admission.Request {
			req := b.request()
			req.Caller = caller
			return req
		}
		taken := func(callers ...string) {
			for _, caller := range callers {
				req := of(caller)
				req.Over = true
				b.granted(req)
			}
		}
		taken("c", "c", "a", "a", "a", "b", "b", "b")
		waiting := map[string]admission.Request{"a": of("a"), "b": of("b"), "c": of("c")}
		var start scheduler.Instant
		for _, caller := range []string{"a", "b", "c"} {
			start = b.refused(waiting[caller]).Start
		}
		b.until(start)
		taken("a", "a", "a", "a", "a", "a", "b", "b")
		assert.False(t, b.refused(waiting["b"]).Booked, "it had hardly less than the average")
		asks := of("b")
		asks.Book = true
		assert.False(t, b.refused(asks).Booked)
		assert.True(t, b.refused(waiting["c"]).Booked, "it had next to nothing")
		assert.Equal(t, 1, b.bookings("p"))
	})
}

// A crowd is requests that wait, each of which comes back when it is told to.
type crowd struct {
	*bench
	waiting []*waiter
	served  map[string]int // by caller
	refused int            // that came when they were told to
}

type waiter struct {
	req admission.Request
	at  scheduler.Instant
}

// join has a request ask.
func (c *crowd) join(req admission.Request) *waiter {
	w := &waiter{req: req}
	c.ask(w)
	c.waiting = append(c.waiting, w)
	return w
}

// ask has a request ask, and a new one of its caller follow it when it is served.
func (c *crowd) ask(w *waiter) {
	for {
		grant, wait := c.admit(w.req)
		if grant == nil {
			w.at = wait.Start
			return
		}
		c.served[w.req.Caller]++
		next := c.request()
		next.Caller = w.req.Caller
		w.req = next
	}
}

// run lets time pass.
func (c *crowd) run(until scheduler.Instant) {
	for c.Now() < until {
		next := until
		for _, w := range c.waiting {
			next = min(next, w.at)
		}
		c.until(next)
		for _, w := range c.waiting {
			if w.at <= c.Now() && c.Now() < until {
				was := w.req.Hash
				if c.ask(w); w.req.Hash == was {
					c.refused++
				}
			}
		}
	}
}

// On a single project, too, two callers that wait all the time get as much from the first
// window on for which both wait, though one was there before the other.
func TestTurnsOnOneProject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := sharedPool(t, 8)
		for range 8 {
			b.granted(b.request())
		}
		c := &crowd{bench: b, served: make(map[string]int)}
		for range 16 {
			c.join(b.request())
		}
		for range 16 {
			c.join(b.others())
		}
		c.run(b.Now() + 50_000)
		clear(c.served)
		for i := range 10 {
			c.run(b.Now() + 61_000)
			t.Logf("after %d windows: %v, %d refused when they were told to come", i+1, c.served, c.refused)
			assert.InDelta(t, c.served["alice"], c.served["bob"], 4, "half a window")
		}
		assert.GreaterOrEqual(t, c.served["alice"]+c.served["bob"], 72, "of eighty")
		assert.LessOrEqual(t, c.refused, 160, "two for each that is served")
	})
}

// So do three, which are more than there are projects, so that little is booked.
func TestTurnsOfACrowdOnOneProject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := sharedPool(t, 9)
		c := &crowd{bench: b, served: make(map[string]int)}
		callers := []string{"a", "b", "c"}
		for _, caller := range callers {
			for range 16 {
				req := b.request()
				req.Caller = caller
				c.join(req)
			}
		}
		c.run(b.Now() + 50_000)
		clear(c.served)
		for i := range 10 {
			c.run(b.Now() + 61_000)
			t.Logf("after %d windows: %v, %d refused when they were told to come", i+1, c.served, c.refused)
			for _, caller := range callers {
				assert.InDelta(t, (c.served["a"]+c.served["b"]+c.served["c"])/3, c.served[caller], 4)
			}
		}
		assert.GreaterOrEqual(t, c.served["a"]+c.served["b"]+c.served["c"], 81, "of ninety")
	})
}

// A slot that nobody comes for is somebody else's a second later, and those that never
// return are waited for less and less.
func TestNoShowsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fullPool(t)
		began := b.Now()
		for range 20 {
			b.refused(b.request()) // at 61, 122, 183 and 244 s
		}
		b.until(began + 62_001)
		for range 5 {
			b.granted(b.others())
		}
		b.until(began + 130_000)
		for _, req := range []admission.Request{b.request(), b.others()} {
			if grant, wait := b.admit(req); grant == nil {
				assert.LessOrEqual(t, b.left(wait), 2*scheduler.Window, "ten of ten didn't come")
			}
		}
	})
}

// Where many wait, who comes some seconds late, but within the hold, is waited for as long as it came late
// before; who came in time before only for a second, as anybody where few do.
func TestWhoComesLateIsWaitedFor(t *testing.T) {
	for _, c := range []struct {
		late   time.Duration
		others int
		waited bool
	}{{0, 2, false}, {3 * time.Second, 2, true}, {3 * time.Second, 1, false}} {
		synctest.Test(t, func(t *testing.T) {
			b := sharedPool(t, 1)
			b.granted(b.others())
			mine := b.request()
			wait := b.refused(mine)
			b.until(wait.Start.Add(c.late))
			b.granted(mine)
			mine = b.request()
			wait = b.refused(mine)
			var next admission.Request
			for i := range c.others {
				for _, had := range []bool{true, false} { // more than the caller that comes late
					req := b.request()
					req.Caller, req.Over = fmt.Sprint("another ", i), had
					if grant, _ := b.admit(req); grant != nil {
						require.NoError(t, b.Settle(t.Context(), grant, 10, time.Now()))
					} else if i == 0 {
						next = req
					}
				}
			}
			b.until(wait.Start + 2500)
			if !c.waited {
				b.granted(next)
				return
			}
			b.wait(next)
			b.until(wait.Start.Add(c.late))
			b.granted(mine)
		})
	}
}

// A caller that is alone isn't kept from what nobody comes for by what it was told else. Which of the
// slots that are left are kept is drawn, as their IDs are, so that one caller in a thousand finds fewer
// than fifteen of twenty free: it holds for nearly all of two hundred, and more for all together.
func TestNoShowsKeepNothingFree(t *testing.T) {
	race.Skip(t)
	const callers = 200
	all, few := 0, 0
	for range callers {
		synctest.Test(t, func(t *testing.T) {
			b := sharedPool(t, 20)
			for range 20 {
				b.granted(b.request())
			}
			began := b.Now()
			for range 60 {
				b.refused(b.request()) // at 61, 122 and 183 s
			}
			b.until(began + 62_001)
			free := 0
			for range 20 {
				if grant, _ := b.admit(b.request()); grant != nil {
					free++
				}
			}
			if all += free; free < 15 {
				few++
			}
		})
	}
	assert.GreaterOrEqual(t, all, 18*callers, "of twenty each")
	assert.LessOrEqual(t, few, 5, "fewer than fifteen of twenty")
}

// Who asks for a booking at its first refusal, beside somebody who was told a time before and has had no more, isn't booked that:
// who was told it comes then, and goes.
func TestWhoAsksForABookingTakesNothingThatWasTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := sharedPool(t, 1)
		b.granted(b.request())
		told := b.others()
		at := b.refused(told).Start
		time.Sleep(time.Second)
		asks := b.request()
		asks.Book = true
		wait := b.wait(asks)
		assert.True(t, wait.Booked)
		assert.GreaterOrEqual(t, wait.Start.Sub(at), scheduler.Window)
		b.until(at)
		b.granted(told)
		b.until(wait.Start)
		assert.True(t, b.granted(asks).Booked)
	})
}

// Nor does one that comes back and asks for a booking, if it has had more.
func TestWhoComesBackForABookingTakesNothingThatWasTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := sharedPool(t, 4)
		for _, req := range []admission.Request{b.others(), b.request(), b.others(), b.request()} {
			b.granted(req)
			time.Sleep(10 * time.Second)
		}
		mine, theirs := b.request(), b.others()
		at := b.refused(mine).Start
		assert.Equal(t, at, b.refused(theirs).Start, "it has had less")
		b.until(at)
		mine.Book = true
		wait := b.refused(mine)
		assert.True(t, wait.Booked)
		assert.Equal(t, 10*time.Second, b.left(wait))
		b.granted(theirs)
		b.until(wait.Start)
		assert.True(t, b.granted(mine).Booked)
	})
}
