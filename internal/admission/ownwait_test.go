package admission_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// wide returns a bench of a caller with so many requests a minute, whose project is in nobody's way.
func wide(t *testing.T, store storage.Store, rpm int64) *bench {
	b := limited(t, store, rpm, "p")
	unlimited := scheduler.Unlimited
	b.rules.Policy = scheduler.NewPolicy([]string{first}, map[string]scheduler.Override{first: {RPM: &unlimited, TPM: &unlimited, RPD: &unlimited}})
	return b
}

// again is the same request, come once more.
func (b *bench) again(req admission.Request) admission.Request {
	req.Limit = b.CallerLimit(req.Caller, req.Demand)
	return req
}

// ownWait has a request refused for its caller's own limits.
func (b *bench) ownWait(req admission.Request) *admission.Wait {
	b.Helper()
	grant, wait := b.admit(b.again(req))
	require.NotNil(b, wait, "admitted: %+v", grant)
	require.Equal(b, req.Caller, wait.Caller)
	return wait
}

// The requests of a caller with one request a minute are told times one behind the other, and each goes at its own.
func TestOwnWaitsAreToldOneBehindTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 80
		b := wide(t, storage.NewMemory(time.Now), 1)
		b.granted(b.mine())
		requests, told := make([]admission.Request, n), make([]scheduler.Instant, n)
		for i := range requests {
			requests[i] = b.mine()
			wait := b.ownWait(requests[i])
			told[i] = wait.Start
			assert.Equal(t, time.Duration(i+1)*61*time.Second, b.left(wait))
		}
		wait, err := b.CallerLimit("alice", scheduler.Demand{Tokens: 10}).Check(t.Context())
		require.NoError(t, err)
		assert.Equal(t, (n+1)*61*time.Second, b.left(wait), "as one more would be told")
		for i, req := range requests {
			b.until(told[i])
			b.granted(b.again(req))
		}
		for i := range 3 { // who came counts for those that come next
			assert.Equal(t, time.Duration(i+1)*61*time.Second, b.left(b.ownWait(b.mine())))
		}
	})
}

// Some come a little late, and those behind them are told the rest: nobody loses its place by that, and a new one that
// comes meanwhile doesn't take it.
func TestOwnWaitsStandBesideLateReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := wide(t, storage.NewMemory(time.Now), 1)
		b.granted(b.mine())
		requests, told := make([]admission.Request, 8), make([]scheduler.Instant, 8)
		for i := range requests {
			requests[i] = b.mine()
			told[i] = b.ownWait(requests[i]).Start
		}
		for i, req := range requests {
			b.until(told[i])
			b.ownWait(b.mine()) // it hasn't been told this time
			time.Sleep(time.Duration(1-i%2) * 900 * time.Millisecond)
			grant, wait := b.admit(b.again(req))
			for grant == nil {
				require.LessOrEqual(t, b.left(wait), 8*time.Second)
				b.until(wait.Start)
				grant, wait = b.admit(b.again(req))
			}
			assert.Less(t, b.Now().Sub(told[i]), 8*time.Second)
		}
	})
}

// Who comes before its time is told the same again, however many do, and goes at it.
func TestOwnWaitIsToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := wide(t, storage.NewMemory(time.Now), 1)
		b.granted(b.mine())
		requests, told := make([]admission.Request, 20), make([]scheduler.Instant, 20)
		for i := range requests {
			requests[i] = b.mine()
			told[i] = b.ownWait(requests[i]).Start
		}
		for range 3 {
			time.Sleep(13700 * time.Millisecond)
			for i, req := range requests {
				assert.Equal(t, told[i], b.ownWait(req).Start)
			}
		}
		for i, req := range requests {
			b.until(told[i])
			b.granted(b.again(req))
		}
	})
}

// An earlier time is told where there is room by then, and who never comes is soon in nobody's way.
func TestOwnWaitOfWhoNeverReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := wide(t, storage.NewMemory(time.Now), 1)
		b.granted(b.mine())
		var last admission.Request
		for range 10 {
			last = b.mine()
			b.ownWait(last)
		}
		time.Sleep(62500 * time.Millisecond) // the first is a second overdue
		b.granted(b.again(last))
		// Nobody else returns. A request a minute goes all the same.
		for range 10 {
			served := false
			for range 65 {
				time.Sleep(time.Second)
				if grant, _ := b.admit(b.mine()); grant != nil {
					served = true
				}
			}
			assert.True(t, served)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		b := wide(t, storage.NewMemory(time.Now), 1)
		// Bursts of requests that never return: what the next is told comes down.
		for range 9 {
			for range 9 {
				b.admit(b.mine())
			}
			time.Sleep(10 * 62 * time.Second)
		}
		b.granted(b.mine())
		for range 9 {
			b.ownWait(b.mine())
		}
		assert.Less(t, b.left(b.ownWait(b.mine())), 5*62*time.Second)
	})
}

// At each of several instances those are told different times that come to it; what another tells it doesn't know.
// Whoever comes is served as the limits allow, and the others are told what is left.
func TestOwnWaitsAtTwoInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := storage.NewMemory(time.Now)
		instances := []*bench{wide(t, shared, 1), wide(t, shared, 1)}
		instances[1].hash = 1 << 20
		instances[0].granted(instances[0].mine())
		type waiting struct {
			b     *bench
			req   admission.Request
			start scheduler.Instant
		}
		var all []*waiting
		for i := range 20 {
			b := instances[i%2]
			req := b.mine()
			wait := b.ownWait(req)
			assert.Equal(t, time.Duration(i/2+1)*61*time.Second, b.left(wait))
			all = append(all, &waiting{b, req, wait.Start})
		}
		began := instances[0].Now()
		for len(all) > 0 {
			next := 0
			for i, w := range all {
				if w.start < all[next].start {
					next = i
				}
			}
			w := all[next]
			w.b.until(w.start)
			if grant, wait := w.b.admit(w.b.again(w.req)); grant != nil {
				all = append(all[:next], all[next+1:]...)
			} else {
				w.start = wait.Start
			}
		}
		assert.Less(t, instances[0].Now().Sub(began), 22*61*time.Second, "one a minute goes")
	})
}

// A request that is refused for its caller's own limits is on no project's waitlist.
func TestOwnWaitsAreNoProjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limited(t, storage.NewMemory(time.Now), 1, "p")
		other := b.mine()
		other.Models = []string{second}
		b.granted(other)
		for range 10 {
			b.ownWait(b.mine())
		}
		b.granted(b.others())
		assert.Equal(t, 61*time.Second, b.left(b.refused(b.others())))
	})
}

// A caller's own requests break no booking of its own either, wherever they come: what fills its minute is kept until the
// hold is over, and is used by whoever comes then.
func TestOwnBookingIsKept(t *testing.T) {
	for _, several := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			shared := storage.NewMemory(time.Now)
			b := limited(t, shared, 1, "p", "q")
			there := b
			if several {
				there = limited(t, shared, 1, "p", "q")
				there.hash = 1 << 20
			}
			b.granted(b.others())
			b.granted(b.others())
			held := b.mine()
			booked := b.booked(held)
			other := func() admission.Request {
				req := there.mine()
				req.Models = []string{second}
				return req
			}
			time.Sleep(10 * time.Second)
			before := b.writes()
			assert.Greater(t, there.ownWait(other()).Start, booked.Start, "it would be in the way")
			assert.Equal(t, before, b.writes())
			planned, err := there.CallerLimit("alice", scheduler.Demand{Tokens: 10}).Check(t.Context())
			require.NoError(t, err)
			require.NotNil(t, planned)
			assert.Greater(t, planned.Start, booked.Start)
			place := there.CallerLimit("alice", scheduler.Demand{Requests: 1})
			wait, err := place.Take(t.Context(), 1)
			require.NoError(t, err)
			require.NotNil(t, wait, "nor does what takes no slot of a project's")
			assert.Greater(t, wait.Start, booked.Start)
			b.until(booked.Start + 20)
			assert.Greater(t, there.ownWait(other()).Start, booked.Start)
			time.Sleep(4 * time.Second)
			assert.True(t, b.granted(b.again(held)).Booked)
		})
	}
}

// A booking that nobody comes for, or that is given back, is in nobody's way.
func TestOwnBookingIsKeptNoLonger(t *testing.T) {
	for _, released := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			shared := storage.NewMemory(time.Now)
			b, there := limited(t, shared, 1, "p"), limited(t, shared, 1, "p")
			b.granted(b.others())
			booked := b.booked(b.mine())
			if released {
				_, err := b.Release(t.Context(), b.ticket(booked), b.pool)
				require.NoError(t, err)
			} else {
				b.until(booked.Start + 5001)
			}
			there.hash = 1 << 20
			req := there.mine()
			req.Models = []string{second}
			there.granted(req)
		})
	}
}

// A booking that another instance made newer than the view is kept too.
func TestOwnBookingNewerThanTheView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := storage.NewMemory(time.Now)
		b := limited(t, shared, 1, "p", "q")
		view := slowView{&stale{shared, map[string]*scheduler.Project{}}}
		there := limited(t, view, 1, "p", "q")
		b.granted(b.others())
		b.granted(b.others())
		_, err := view.View(t.Context(), []string{"caller=alice", "p", "q"})
		require.NoError(t, err)
		held := b.mine()
		booked := b.booked(held)
		there.hash = 1 << 20
		time.Sleep(10 * time.Second)
		req := there.mine()
		req.Models = []string{second}
		assert.Greater(t, there.ownWait(req).Start, booked.Start)
		b.until(booked.Start)
		assert.True(t, b.granted(b.again(held)).Booked)
	})
}

// What a caller's limits have room for beside its bookings goes.
func TestRoomBesideOwnBookings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limited(t, storage.NewMemory(time.Now), 2, "p")
		b.granted(b.others())
		held := b.mine()
		booked := b.booked(held)
		req := b.mine()
		req.Models = []string{second}
		b.granted(req)
		b.until(booked.Start + 500)
		assert.True(t, b.granted(b.again(held)).Booked)
		there := limited(t, b.shared, 2, "q") // which may not take it for a booking that is to come
		there.hash = 1 << 20
		there.granted(there.mine())
	})
}

// A holder that comes for its booking in vain has it still, at every instance.
func TestOwnBookingIsKeptThatWasAskedForInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{Store: storage.NewMemory(time.Now)}
		b, there := limited(t, store, 1, "p"), limited(t, store, 1, "q")
		b.granted(b.others())
		held := b.mine()
		booked := b.booked(held)
		b.until(booked.Start + 100)
		store.armed.Store(true)
		_, _, err := b.Admit(t.Context(), b.again(held))
		require.ErrorIs(t, err, storage.ErrUnavailable)
		time.Sleep(time.Second)
		there.hash = 1 << 20
		assert.Greater(t, there.ownWait(there.mine()).Start, booked.Start)
		assert.True(t, b.granted(b.again(held)).Booked)
	})
}

// failing is a store that can't write a project, once.
type failing struct {
	storage.Store
	armed atomic.Bool
}

func (s *failing) Apply(ctx context.Context, rules *scheduler.Rules, id string, change scheduler.Change) (scheduler.Result, error) {
	if id == "p" && s.armed.CompareAndSwap(true, false) {
		return scheduler.Result{}, storage.ErrUnavailable
	}
	return s.Store.Apply(ctx, rules, id, change)
}

// What takes no slot of a project's waits in the same line, and goes at its time.
func TestPlacesWithoutASlotWaitInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := wide(t, storage.NewMemory(time.Now), 1)
		take := func(hash uint64) *admission.Wait {
			wait, err := b.CallerLimit("alice", scheduler.Demand{Requests: 1}).Take(t.Context(), hash)
			require.NoError(t, err)
			return wait
		}
		require.Nil(t, take(1))
		last := b.mine()
		told := b.ownWait(last).Start
		waits := []*admission.Wait{take(2), take(3)}
		assert.Equal(t, 122*time.Second, b.left(waits[0]))
		assert.Equal(t, 183*time.Second, b.left(waits[1]))
		b.until(told)
		assert.NotNil(t, take(4))
		b.granted(b.again(last))
		for i, wait := range waits {
			b.until(wait.Start)
			assert.Nil(t, take(uint64(i+2)))
		}
	})
}

// What is told for a caller's own limits leaves room for what it has booked.
func TestOwnWaitsBesideBookings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limited(t, storage.NewMemory(time.Now), 2, "p")
		b.granted(b.others())
		held := b.mine()
		booked := b.booked(held)
		require.Equal(t, 61*time.Second, b.left(booked))
		for hash := range uint64(2) { // her minute is used up
			wait, err := b.CallerLimit("alice", scheduler.Demand{Requests: 1}).Take(t.Context(), hash+1)
			require.NoError(t, err)
			require.Nil(t, wait)
		}
		next, last := b.mine(), b.mine()
		next.Models, last.Models = []string{second}, []string{second}
		assert.Equal(t, 61*time.Second, b.left(b.ownWait(next)))
		assert.Equal(t, 122*time.Second, b.left(b.ownWait(last)))
		b.until(booked.Start)
		b.granted(b.again(next))
	})
}

// A holder that comes early goes where there is room, for it gives its booking up.
func TestOwnBookingIsNotInItsOwnWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limited(t, storage.NewMemory(time.Now), 1, "p", "q")
		grants := []*admission.Grant{b.granted(b.others()), b.granted(b.others())}
		held := b.mine()
		booked := b.booked(held)
		free := grants[0]
		if free.Project == booked.Project {
			free = grants[1]
		}
		time.Sleep(10 * time.Second)
		b.Cancel(free, false)
		time.Sleep(10 * time.Second)
		held.Ticket = b.ticket(booked)
		b.granted(b.again(held))
	})
}

// What a project promised a request isn't in its way either where its caller's own limits have it wait.
func TestPromiseIsNotInItsOwnWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limited(t, storage.NewMemory(time.Now), 1, "p")
		b.granted(b.others())
		req := b.mine()
		require.Empty(t, b.refused(req).Caller)
		time.Sleep(10 * time.Second)
		other := b.mine()
		other.Models = []string{second}
		b.granted(other)
		time.Sleep(10 * time.Second)
		assert.Equal(t, 51*time.Second, b.left(b.ownWait(req)))
	})
}

// Those of a batch of equal prompts are as many requests: each has its time.
func TestEqualRequestsHaveOwnWaitsEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := wide(t, storage.NewMemory(time.Now), 1)
		req := b.mine()
		b.granted(b.again(req))
		var told []scheduler.Instant
		for range 5 {
			told = append(told, b.ownWait(req).Start)
		}
		for i, start := range told {
			require.Equal(t, told[0].Add(time.Duration(i)*61*time.Second), start)
			b.until(start)
			b.granted(b.again(req))
		}
	})
}
