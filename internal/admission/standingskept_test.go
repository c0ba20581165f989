package admission

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission/fair"
	"fluxgate.dev/fluxgate/internal/admission/turns"
	"fluxgate.dev/fluxgate/internal/admission/waitlist"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// A kept is a controller of which it is looked at for how long its standings are kept.
type kept struct {
	*testing.T
	*Controller
	rules *scheduler.Rules
	began scheduler.Instant
	pool  []Project
	body  uint64
}

const keptModel = "m"

// inKept runs a test with two projects of so many requests a minute, in virtual time.
func inKept(t *testing.T, rpm int64, test func(k *kept)) {
	inKeptOn(t, rpm, storage.NewMemory(time.Now), test)
}

// inKeptOn runs it over a store.
func inKeptOn(t *testing.T, rpm int64, store storage.Store, test func(k *kept)) {
	synctest.Test(t, func(t *testing.T) {
		k := &kept{T: t, rules: keptRules(rpm), pool: []Project{{ID: "p0", Keys: []string{"k0"}}, {ID: "p1", Keys: []string{"k1"}}}}
		c, err := New(t.Context(), Options{Store: store, Shared: true, Rules: func(storage.Control) *scheduler.Rules { return k.rules }})
		require.NoError(t, err)
		k.Controller, k.began = c, c.Now()
		test(k)
	})
}

func keptRules(rpm int64) *scheduler.Rules {
	rules := &scheduler.Rules{Skew: scheduler.DefaultSkew, Hold: scheduler.DefaultHold}
	rules.Policy = scheduler.NewPolicy([]string{keptModel}, map[string]scheduler.Override{keptModel: {RPM: &rpm}})
	return rules
}

// request returns a new request of a caller, for the first projects.
func (k *kept) request(caller string, projects int) Request {
	k.body++
	return Request{Caller: caller, Hash: k.body, Models: []string{keptModel}, Demand: scheduler.Demand{Tokens: 10}, Projects: k.pool[:projects]}
}

// asks has a caller ask for the first project, and returns what it is told.
func (k *kept) asks(caller string, book bool) *Wait {
	req := k.request(caller, 1)
	req.Book = book
	_, wait, err := k.Admit(k.Context(), req)
	require.NoError(k, err)
	return wait
}

// at returns the instant so many seconds after the beginning.
func (k *kept) at(seconds float64) scheduler.Instant {
	return k.began + scheduler.Instant(1000*seconds)
}

// now returns the standings on the first project, in the eyes of a request that nobody knows, now.
func (k *kept) now() *turns.Standings { return k.then(k.Now()) }

// then returns them as of another instant.
func (k *kept) then(at scheduler.Instant) *turns.Standings {
	return standings(decisionOn(k.T, k.Controller, k.request("somebody", 1)), at)
}

func (k *kept) sleepUntil(seconds float64) { time.Sleep(k.at(seconds).Sub(k.Now())) }

// standings returns those for a decision as of an instant.
func standings(d *decision, at scheduler.Instant) *turns.Standings {
	return d.c.turns.Standings(d.setting(at), keptModel)
}

// had is what a caller has had in the eyes of others.
func had(s *turns.Standings, caller string, now scheduler.Instant) fair.Cost {
	who := scheduler.CallerOf(caller)
	return s.All.With(fair.Slot{Caller: who, Since: now, Began: 0}, now).Had(who)
}

// A booking that is over without anybody having changed the project isn't one that somebody
// waits for, and one that isn't over yet for a slower decision is.
func TestStandingsEndWithABooking(t *testing.T) {
	inKept(t, 1, func(k *kept) {
		assert.Nil(t, k.asks("a", false))
		booked := k.asks("a", true)
		require.True(t, booked.Booked)
		require.Greater(t, k.asks("b", false).Start, booked.Start.Add(k.rules.Hold+time.Second))
		k.sleepUntil(50)
		assert.Equal(t, 2, k.now().All.Waiting())
		assert.Same(t, k.now(), k.now(), "nothing has changed")
		end := booked.Start.Add(k.rules.Hold)
		assert.Same(t, k.now(), k.then(end))
		assert.Equal(t, 2, k.then(end).All.Waiting(), "the last millisecond of its hold")
		assert.Equal(t, 1, k.then(end+1).All.Waiting())
		k.sleepUntil(70)
		assert.Equal(t, 1, k.now().All.Waiting(), "nobody came for what was booked")
		assert.Equal(t, 2, k.then(k.at(55)).All.Waiting(), "whose decision began before that")
	})
}

// Others aren't put forward any more beside one that has had much once it was served a minute ago.
func TestStandingsEndWithAMinute(t *testing.T) {
	inKept(t, 20, func(k *kept) {
		takes := func(windows int) {
			for range windows {
				all := k.request("a", 1)
				all.Over, all.Demand.Requests = true, 20
				_, wait, err := k.Admit(t.Context(), all)
				require.NoError(t, err)
				require.Nil(t, wait)
			}
		}
		takes(1)
		require.NotNil(t, k.asks("b", false))
		takes(3)
		k.sleepUntil(59)
		assert.Positive(t, had(k.now(), "b", k.Now()))
		k.sleepUntil(60.5)
		assert.Zero(t, had(k.now(), "b", k.Now()))
	})
}

// What requests cost is by the limits in force.
func TestStandingsEndWithLimits(t *testing.T) {
	inKept(t, 1, func(k *kept) {
		assert.Nil(t, k.asks("a", false))
		k.asks("b", false)
		before := k.now().All.Of(1, 0)
		k.rules = keptRules(2)
		d := decisionOn(t, k.Controller, k.request("somebody", 1))
		d.rules = k.rules
		assert.Equal(t, before/2, standings(d, k.Now()).All.Of(1, 0))
	})
}

// What lay on another project counts once it lies on one of theirs.
func TestStandingsEndWithAMove(t *testing.T) {
	inKept(t, 1, func(k *kept) {
		for _, caller := range []string{"a", "b", "c", "d"} {
			req := k.request(caller, 2)
			_, _, err := k.Admit(t.Context(), req)
			require.NoError(t, err)
		}
		assert.Equal(t, 1, k.now().All.Waiting(), "one on each")
		for hash := uint64(3); hash <= 4; hash++ {
			if p := k.waitlist.Waiting(hash, k.Now()+1000); p.At.Project == "p1" {
				k.waitlist.TellAgain(p, waitlist.Place{Project: "p0", Model: keptModel}, p.Start, k.Now())
			}
		}
		assert.Equal(t, 2, k.now().All.Waiting())
	})
}

// The booking that one comes for isn't in its own way, and is in that of others all the same.
func TestStandingsOfAHolder(t *testing.T) {
	inKept(t, 1, func(k *kept) {
		assert.Nil(t, k.asks("a", false))
		require.True(t, k.asks("a", true).Booked)
		k.asks("b", false)
		d := decisionOn(t, k.Controller, k.request("a", 1))
		d.bookings(func(_, _ string, b scheduler.Booking) { d.held = b.ID })
		require.NotZero(t, d.held)
		others := k.now()
		assert.Equal(t, 2, others.All.Waiting())
		assert.Equal(t, 1, standings(d, k.Now()).All.Waiting())
		assert.Same(t, others, k.now())
	})
}

// A losing store shows a reservation as made while that is under way, as that over a database does,
// and has something happen meanwhile.
type losing struct {
	*storage.Memory
	rules     *scheduler.Rules
	underWay  scheduler.Change // nil: nothing is
	meanwhile func()           // happens during the next reservation; nil: nothing does
}

func (s *losing) View(ctx context.Context, ids []string) ([]*scheduler.Project, error) {
	states, err := s.Memory.View(ctx, ids)
	for i := range states {
		if s.underWay != nil {
			states[i], _ = states[i].Apply(s.rules, s.Now(), s.underWay)
		}
	}
	return states, err
}

func (s *losing) Apply(ctx context.Context, rules *scheduler.Rules, id string, change scheduler.Change) (scheduler.Result, error) {
	if meanwhile := s.meanwhile; meanwhile != nil {
		s.meanwhile, s.rules, s.underWay = nil, rules, change
		meanwhile()
		s.underWay = nil
	}
	return s.Memory.Apply(ctx, rules, id, change)
}

// Who finds that another instance was first, though it was its turn, was shown as served while that wasn't known. It
// wasn't, so the next turn is its own still.
func TestWhoComesTooLateIsNotServed(t *testing.T) {
	store := &losing{Memory: storage.NewMemory(time.Now)}
	inKeptOn(t, 1, store, func(k *kept) {
		assert.Nil(k, k.asks("served", false))
		req := k.request("a", 1)
		_, told, err := k.Admit(k.Context(), req)
		require.NoError(k, err)
		time.Sleep(time.Second)
		require.Greater(k, k.asks("b", false).Start, told.Start.Add(scheduler.Window))
		require.NotNil(k, k.asks("c", false))
		time.Sleep(told.Start.Sub(k.Now()))
		store.meanwhile = func() {
			require.NotZero(k, had(k.now(), "a", k.Now()), "it is shown")
			first := scheduler.Reserve{Model: keptModel, Demand: scheduler.Demand{Tokens: 10}, ID: 1, Caller: "another's", Contested: true}
			result, err := store.Memory.Apply(k.Context(), k.rules, "p0", first)
			require.NoError(k, err)
			require.Equal(k, scheduler.Admitted, result.Verdict)
		}
		_, again, err := k.Admit(k.Context(), req)
		require.NoError(k, err)
		require.NotNil(k, again)
		require.False(k, again.Booked, "more wait than there are projects")
		assert.Less(k, again.Start, k.Now().Add(2*scheduler.Window), "and not after the others that wait")
	})
}
