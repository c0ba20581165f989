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

// limited returns a bench whose caller alice may send so many requests a minute.
func limited(t *testing.T, store storage.Store, rpm int64, projects ...string) *bench {
	return limitedTo(t, store, scheduler.Override{RPM: &rpm}, projects...)
}

func limitedTo(t *testing.T, store storage.Store, alice scheduler.Override, projects ...string) *bench {
	b := newBench(t, store, projects)
	ctl, err := admission.New(t.Context(), admission.Options{
		Store: store, Shared: true, Rules: func(storage.Control) *scheduler.Rules { return b.rules },
		Callers: map[string]scheduler.Override{"alice": alice},
	})
	require.NoError(t, err)
	b.Controller = ctl
	return b
}

// mine returns a request of alice's, with its place in her limits.
func (b *bench) mine() admission.Request {
	req := b.request()
	req.Limit = b.CallerLimit("alice", req.Demand)
	return req
}

// others returns a request of somebody without limits.
func (b *bench) others() admission.Request {
	req := b.request()
	req.Caller = "bob"
	return req
}

// Of what the projects and the caller's own limits say the strictest counts, in one
// decision.
func TestTheLongerWaitIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limited(t, storage.NewMemory(time.Now), 1, "p", "q")
		require.NotNil(t, b.granted(b.mine()))

		// Her own minute is used up, a project is free.
		req := b.mine()
		wait := b.refused(req)
		assert.Equal(t, "alice", wait.Caller)
		assert.Equal(t, scheduler.ByRPM, wait.Cause)
		assert.EqualValues(t, 1, wait.Limit.RPM)
		assert.Empty(t, wait.Ticket)
		assert.Empty(t, wait.Project)
		assert.Equal(t, 61*time.Second, b.left(wait))

		// Others use one project and book the other: hers is over sooner than theirs.
		time.Sleep(30 * time.Second)
		b.granted(b.others())
		time.Sleep(10 * time.Second)
		b.booked(b.others())
		req.Book = true
		wait = b.refused(b.again(req))
		assert.Empty(t, wait.Caller, "the projects' wait is the longer one")
		assert.NotEmpty(t, wait.Ticket)
		assert.False(t, wait.Booked, "she couldn't use it yet")
		assert.Equal(t, 1, b.bookings("p")+b.bookings("q"), "that of the others")
		assert.Equal(t, 51*time.Second, b.left(wait), "hers alone would be 21 s")

		// Once her own limits let her, she is served at the told time.
		b.until(wait.Start)
		req.Ticket, req.Limit = b.ticket(wait), b.CallerLimit("alice", req.Demand)
		b.granted(req)
	})
}

func TestCallersLimitFitsNever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storage.NewMemory(time.Now)
		b := newBench(t, store, []string{"p"})
		rpd := int64(0)
		ctl, err := admission.New(t.Context(), admission.Options{
			Store: store, Shared: true, Rules: func(storage.Control) *scheduler.Rules { return b.rules },
			Callers: map[string]scheduler.Override{"alice": {RPD: &rpd}},
		})
		require.NoError(t, err)
		b.Controller = ctl
		_, _, err = b.Admit(t.Context(), b.mine())
		require.ErrorIs(t, err, admission.ErrCallerTooLarge)
		b.granted(b.others())
	})
}

// A place in the caller's limits is taken once for a request, however often it is
// admitted, and given back if nothing came of it.
func TestCallersPlaceIsTakenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limited(t, storage.NewMemory(time.Now), 1, "p", "q")
		req := b.mine()
		b.granted(req)
		b.granted(req) // it failed over
		req.Limit.GiveBack()
		next := b.mine()
		next.Models = []string{second}
		b.granted(next)
		next.Limit.Settle(10)
		next.Limit.GiveBack() // it was used
		again := b.mine()
		again.Models = []string{second}
		assert.Equal(t, "alice", b.refused(again).Caller)
	})
}

// rival is a store in which another request of alice's is faster, once.
type rival struct {
	storage.Store
	armed atomic.Bool
}

func (s *rival) Apply(ctx context.Context, rules *scheduler.Rules, id string, change scheduler.Change) (scheduler.Result, error) {
	if _, reserves := change.(scheduler.Reserve); reserves && id == "caller=alice" && s.armed.CompareAndSwap(true, false) {
		if _, err := s.Store.Apply(ctx, rules, id, scheduler.Reserve{Model: "all", ID: 7, Demand: scheduler.Demand{Tokens: 1}}); err != nil {
			return scheduler.Result{}, err
		}
	}
	return s.Store.Apply(ctx, rules, id, change)
}

// Later implements storage.Store: what is given back isn't yet.
func (s *rival) Later(*scheduler.Rules, string, scheduler.Change) {}

// Requests that are too many for their caller's own limits have no slot of a project, not
// even until it is given back.
func TestLostPlaceTakesNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &rival{Store: storage.NewMemory(time.Now)}
		b := limited(t, store, 1, "p")
		store.armed.Store(true)
		wait := b.refused(b.mine())
		assert.Equal(t, "alice", wait.Caller)
		assert.Equal(t, wait.Start.Add(61*time.Second), b.refused(b.mine()).Start, "the next is told another time")
		b.granted(b.others()) // the only slot of the only project
	})
}

// A holder whose place is lost so keeps its booking.
func TestLostPlaceKeepsTheBooking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &rival{Store: storage.NewMemory(time.Now)}
		b := limited(t, store, 1, "p")
		b.granted(b.others())
		req := b.mine()
		booked := b.booked(req)
		b.until(booked.Start)
		store.armed.Store(true)
		req.Ticket, req.Limit = b.ticket(booked), b.CallerLimit("alice", req.Demand)
		assert.Equal(t, "alice", b.refused(req).Caller)
		assert.Equal(t, 1, b.bookings("p"))
	})
}

// A holder that comes early has no use for a place in its limits, so it costs no write.
func TestEarlyHolderTakesNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limited(t, storage.NewMemory(time.Now), 1, "p")
		b.granted(b.others())
		req := b.mine()
		booked := b.booked(req)
		before := b.writes()
		for range 5 {
			time.Sleep(10 * time.Second)
			req.Ticket, req.Limit = b.ticket(booked), b.CallerLimit("alice", req.Demand)
			again := b.wait(req)
			assert.True(t, again.Booked)
			assert.Equal(t, booked.Start, again.Start)
		}
		assert.Equal(t, before, b.writes())
		b.until(booked.Start)
		b.granted(req)
	})
}

// taken is a store in which somebody else takes the slot of a project, once.
type taken struct {
	storage.Store
	armed atomic.Bool
}

func (s *taken) Apply(ctx context.Context, rules *scheduler.Rules, id string, change scheduler.Change) (scheduler.Result, error) {
	if r, reserves := change.(scheduler.Reserve); reserves && id == "p" && s.armed.CompareAndSwap(true, false) {
		r.ID++
		if _, err := s.Store.Apply(ctx, rules, id, r); err != nil {
			return scheduler.Result{}, err
		}
	}
	return s.Store.Apply(ctx, rules, id, change)
}

// A request whose slot is lost has used nothing of its caller's limits.
func TestLostSlotGivesThePlaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &taken{Store: storage.NewMemory(time.Now)}
		b := limited(t, store, 1, "p")
		store.armed.Store(true)
		assert.Empty(t, b.refused(b.mine()).Caller)
		next := b.mine()
		next.Models = []string{second}
		b.granted(next)
	})
}

// A request whose slot is lost is promised no more than its caller's own limits let it use.
func TestLostSlotPromisesNoMoreThanLimitsAllow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &taken{Store: storage.NewMemory(time.Now)}
		b := limited(t, store, 1, "p")
		others, kept := b.others(), b.mine()
		others.Models, kept.Models = []string{second}, []string{second}
		b.granted(others)
		booked := b.booked(kept)
		store.armed.Store(true)
		wait := b.refused(b.mine())
		assert.Equal(t, "alice", wait.Caller)
		assert.GreaterOrEqual(t, wait.Start, booked.Start.Add(scheduler.Window))
	})
}

// A holder whose own limits demand a wait keeps its booking: its slot is no obstacle
// to itself, and nothing is told that its booking doesn't bear out.
func TestHolderWithoutRoomOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limited(t, storage.NewMemory(time.Now), 1, "p")
		b.granted(b.others())
		time.Sleep(time.Second)
		req := b.mine()
		booked := b.booked(req)
		time.Sleep(8 * time.Second)
		other := b.mine() // her own minute is used up until 70 s
		other.Models, other.Over = []string{second}, true
		b.granted(other)
		b.until(booked.Start)
		req.Ticket, req.Limit = b.ticket(booked), b.CallerLimit("alice", req.Demand)
		wait := b.refused(req)
		assert.Equal(t, "alice", wait.Caller, "her own limit is all that is in the way")
		assert.Less(t, b.left(wait), 11*time.Second)
		assert.Equal(t, 1, b.bookings("p"), "and her booking is still there")
	})
}

// What a caller is told for the sake of its own limits is in nobody's way but its own, however
// often it asks.
func TestLimitedCallerIsInNobodysWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limited(t, storage.NewMemory(time.Now), 1, "p")
		first := b.mine()
		first.Models = []string{second}
		b.granted(first)
		time.Sleep(2 * time.Second)
		b.granted(b.others())
		for range 10 {
			b.refused(b.mine())
		}
		assert.LessOrEqual(t, b.left(b.refused(b.others())), 61*time.Second)
	})
}

// A caller that may send one request a minute, and five a day, keeps no more than that:
// eighty requests that ask for bookings, or are told a time, are in nobody's way that they
// couldn't be in.
func TestLimitedCallerKeepsWhatItMayUse(t *testing.T) {
	const minutes, rpm = 10, 5
	// served returns how often somebody else is who asks once a second.
	served := func(t *testing.T, requests int, book bool) (n int, first time.Duration, most int) {
		synctest.Test(t, func(t *testing.T) {
			one, five, limit, unlimited := int64(1), int64(5), int64(rpm), scheduler.Unlimited
			b := limitedTo(t, storage.NewMemory(time.Now), scheduler.Override{RPM: &one, RPD: &five}, "p")
			b.rules.Policy = scheduler.NewPolicy([]string{"m"}, map[string]scheduler.Override{"m": {RPM: &limit, TPM: &unlimited, RPD: &unlimited}})
			ask := func(req admission.Request, book bool) bool {
				req.Models, req.Book = []string{"m"}, book
				grant, _ := b.admit(req)
				return grant != nil
			}
			for range rpm {
				require.True(t, ask(b.others(), false))
			}
			for range requests {
				ask(b.mine(), book)
			}
			most = b.bookings("p")
			began := b.Now()
			next := b.others()
			for b.Now().Sub(began) < minutes*time.Minute {
				time.Sleep(time.Second)
				if ask(next, false) {
					if n++; n == 1 {
						first = b.Now().Sub(began)
					}
					next = b.others()
				}
			}
		})
		return n, first, most
	}
	alone, _, _ := served(t, 0, false)
	assert.GreaterOrEqual(t, alone, 45)
	for _, book := range []bool{true, false} {
		n, first, most := served(t, 80, book)
		t.Logf("booking %v: the other is served %d times, alone %d, first after %v; %d booked", book, n, alone, first, most)
		assert.GreaterOrEqual(t, n, alone-5, "alice may use five")
		assert.LessOrEqual(t, first, 62*time.Second)
		assert.LessOrEqual(t, most, 5)
	}
}

// What a caller has booked is known to every instance.
func TestBookingsOfACallerAtEveryInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storage.NewMemory(time.Now)
		b := limited(t, store, 1, "p", "q")
		other := limited(t, store, 1, "p", "q")
		b.granted(b.others())
		b.granted(b.others())
		b.booked(b.mine())
		other.hash = 1 << 20
		req := other.mine()
		req.Book = true
		wait := other.refused(req)
		assert.Equal(t, "alice", wait.Caller)
		assert.False(t, wait.Booked)
		assert.InDelta(t, 122, other.left(wait).Seconds(), 5, "a minute after her booking, which she may come late to")
		assert.True(t, other.booked(other.others()).Booked)
	})
}

// onlyProjects is a store whose documents of callers can't be written.
type onlyProjects struct {
	storage.Store
	project string
}

func (s onlyProjects) Apply(ctx context.Context, rules *scheduler.Rules, id string, change scheduler.Change) (scheduler.Result, error) {
	if id != s.project {
		return scheduler.Result{}, storage.ErrUnavailable
	}
	return s.Store.Apply(ctx, rules, id, change)
}

// A request that is sent over whatever limit isn't sent without the store either: what it
// has taken of a project it gives back.
func TestOverNeedsTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limited(t, onlyProjects{storage.NewMemory(time.Now), "p"}, 1, "p")
		req := b.mine()
		req.Over = true
		grant, wait, err := b.Admit(t.Context(), req)
		require.ErrorIs(t, err, storage.ErrUnavailable)
		assert.Nil(t, grant)
		assert.Nil(t, wait)
		require.NotNil(t, b.granted(b.others()), "the slot is free again")
	})
}

// What is sent in any case, as in shadow mode, counts on its caller's own limits too where no project has room.
func TestOverCountsOnOwnLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limited(t, storage.NewMemory(time.Now), 2, "p")
		b.granted(b.others())
		for range 3 {
			req := b.mine()
			req.Over = true
			b.granted(req)
		}
		quotas := b.Quotas(t.Context(), "alice")
		require.Len(t, quotas, 1)
		assert.Zero(t, quotas[0].Left)
	})
}
