package admission_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission/patience"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// Whichever instance a caller returns to knows it.
func TestReturnToAnotherInstance(t *testing.T) {
	t.Run("by ticket", func(t *testing.T) {
		inBubble(t, []string{"p"}, func(b *bench) {
			other := b.another()
			b.granted(b.request())
			req := b.request()
			wait := b.refused(req)
			b.until(wait.Start)
			other.granted(b.request())
			req.Ticket = other.ticket(wait)
			assert.True(b, other.refused(req).Booked)
		})
	})
	t.Run("by a hash that rode along with a commit", func(t *testing.T) {
		inBubble(t, []string{"p"}, func(b *bench) {
			other := b.another()
			b.granted(b.request())
			req := b.request()
			wait := b.refused(req)
			b.until(wait.Start)
			b.granted(b.request()) // takes the news along, and the room
			again := other.refused(req)
			assert.True(b, again.Booked)
			b.until(again.Start)
			assert.True(b, b.granted(req).Booked, "the booking is honoured by the first instance")
		})
	})
	t.Run("not by a hash that nothing took along", func(t *testing.T) {
		inBubble(t, []string{"p"}, func(b *bench) {
			other := b.another()
			b.granted(b.request())
			req := b.request()
			wait := b.refused(req)
			b.until(wait.Start)
			other.granted(b.request())
			assert.False(b, other.refused(req).Booked)
		})
	})
	t.Run("not before its time", func(t *testing.T) {
		inBubble(t, []string{"p", "q"}, func(b *bench) {
			other := b.another()
			b.granted(b.request())
			b.granted(b.request())
			req := b.request()
			wait := b.refused(req)
			chain := b.request()
			chain.Models, chain.Prefer = []string{second}, wait.Project
			b.granted(chain) // takes the news along
			assert.False(b, other.refused(req).Booked, "it may be somebody else with the same body")
		})
	})
	t.Run("not when its time is long over", func(t *testing.T) {
		inBubble(t, []string{"p"}, func(b *bench) {
			other := b.another()
			b.granted(b.request())
			req := b.request()
			wait := b.refused(req)
			b.until(wait.Start)
			b.granted(b.request())
			time.Sleep(3 * time.Hour)
			other.granted(b.request())
			again := other.refused(req)
			assert.False(b, again.Booked, "it is the first refusal of another request")
			b.until(again.Start)
			assert.Equal(b, 61*time.Second, other.granted(req).Waited)
		})
	})
	t.Run("a booking", func(t *testing.T) {
		inBubble(t, []string{"p"}, func(b *bench) {
			other := b.another()
			b.granted(b.request())
			req := b.request()
			wait := b.booked(req)
			b.until(wait.Start)
			other.refused(b.request()) // no walk-in takes it
			assert.True(b, other.granted(req).Booked)
			assert.False(b, b.refused(req).Booked, "and not twice")
		})
	})
}

// Many callers at many instances at once: what is granted fits, whoever decides.
func TestCrowdAtManyInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowStore{Store: storage.NewMemory(time.Now)}
		slow.commit.Store(int64(10 * time.Millisecond))
		b := newBench(t, slow, []string{"p", "q", "r", "s"})
		instances := []*bench{b, b.another(), b.another()}
		var granted atomic.Int64
		var wg sync.WaitGroup
		for i := range 60 {
			req := b.request()
			wg.Go(func() {
				for {
					grant, wait, err := instances[i%3].Admit(t.Context(), req)
					if !assert.NoError(t, err) {
						return
					}
					if grant != nil {
						granted.Add(1)
						return
					}
					time.Sleep(wait.Start.Sub(b.Now()))
				}
			})
		}
		time.Sleep(time.Minute)
		assert.EqualValues(t, 4, granted.Load(), "one a minute on each")
		time.Sleep(15 * 70 * time.Second)
		assert.EqualValues(t, 60, granted.Load(), "and all in the end")
		wg.Wait()
	})
}

// A slow commit must not make a request arrive after its interval has ended in
// the calendar: 60 s after its arrival it still counts at Google.
func TestSlowCommits(t *testing.T) {
	const upload = 3 * time.Second
	for _, commits := range [][]time.Duration{
		{0, 0}, {400 * time.Millisecond, 400 * time.Millisecond},
		{700 * time.Millisecond, 2 * time.Second, 3 * time.Second, 20 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			slow := &slowStore{Store: storage.NewMemory(time.Now)}
			b := newBench(t, slow, []string{"p"})
			for _, commit := range commits {
				slow.commit.Store(int64(commit))
				req := b.request()
				req.Demand.Allowance = upload
				grant := b.granted(req)
				// It is sent now, and uploaded; then half of the skew is for the way.
				arrives := b.Now().Add(upload + scheduler.DefaultSkew/2)
				states, err := slow.View(t.Context(), []string{"p"})
				require.NoError(t, err)
				c := states[0].Calendar(first)
				require.Len(t, c.Sent, 1)
				assert.Equal(t, grant.Reservation, *c.Sent[0], "what is granted is what is stored")
				assert.GreaterOrEqual(t, grant.Reservation.End, arrives.Add(scheduler.Window), "a commit of %v", commit)

				// Nothing of the allowance is lost when the real send time is known.
				slow.commit.Store(0)
				require.NoError(t, b.Settle(t.Context(), grant, 10, time.Now()))
				wait := b.refused(b.request())
				assert.LessOrEqual(t, b.left(wait), 61*time.Second)
				b.until(wait.Start)
			}
		})
	}
}

// Where it is named that a request arrives soon, a commit may take no more of that than half, as of the skew.
func TestSlowCommitsOfWhatArrivesSoon(t *testing.T) {
	const late = 50 * time.Millisecond
	on := scheduler.OfWindow(first, time.Second)
	for _, commits := range [][]time.Duration{{0, 20 * time.Millisecond, 0}, {200 * time.Millisecond, 20 * time.Millisecond, 400 * time.Millisecond, 30 * time.Millisecond}} {
		synctest.Test(t, func(t *testing.T) {
			slow := &slowStore{Store: storage.NewMemory(time.Now)}
			b := newBench(t, slow, []string{"p"})
			b.rules.Specs = map[string]scheduler.Spec{on: {Window: time.Second, Late: late, EffectiveLimits: scheduler.EffectiveLimits{
				Limits: scheduler.Limits{RPM: 1, TPM: scheduler.Unlimited, RPD: scheduler.Unlimited}}}}
			for _, commit := range commits {
				slow.commit.Store(int64(commit))
				req := b.request()
				req.Also = func(string) []scheduler.Weight { return []scheduler.Weight{{On: on}} }
				grant := b.granted(req)
				require.Len(t, grant.Also, 1)
				arrives := b.Now().Add(late / 2)
				assert.GreaterOrEqual(t, grant.Also[0].Reservation.End, arrives.Add(time.Second), "a commit of %v", commit)
				slow.commit.Store(0)
				require.NoError(t, b.Settle(t.Context(), grant, 10, time.Now()))
				states, err := slow.View(t.Context(), []string{"p"})
				require.NoError(t, err)
				assert.LessOrEqual(t, states[0].Calendar(on).Sent[0].End, b.Now().Add(time.Second+late), "and nothing is lost once it is known when it was sent")
				time.Sleep(61 * time.Second)
			}
		})
	}
}

// A store that gets slower with every commit never grants a slot that it could
// not cover: in the end the caller is told that the store can't be reached.
func TestEverSlowerCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowStore{Store: storage.NewMemory(time.Now)}
		b := newBench(t, slow, []string{"p"})
		slow.commit.Store(int64(time.Second))
		stop := make(chan struct{})
		go func() { // three times as slow with every commit
			for {
				select {
				case <-stop:
					return
				case <-time.After(500 * time.Millisecond):
					slow.commit.Store(slow.commit.Load() * 3 / 2)
				}
			}
		}()
		begun := time.Now()
		grant, wait, err := b.Admit(t.Context(), b.request())
		close(stop)
		assert.Nil(t, grant)
		assert.Nil(t, wait)
		require.ErrorIs(t, err, storage.ErrUnavailable)
		assert.LessOrEqual(t, time.Since(begun), patience.GiveUp)
	})
}

// What weighs more than was reserved must be known to everybody at once; what
// weighs less can wait for the next commit.
func TestSettle(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		sent := func() scheduler.Reservation {
			states, err := b.shared.View(b.Context(), []string{"p"})
			require.NoError(b, err)
			sent := states[0].Calendar(first).Sent
			return *sent[len(sent)-1]
		}
		grant := b.granted(b.request())
		writes := b.writes()
		require.NoError(b, b.Settle(b.Context(), grant, 10, time.Now()))
		require.NoError(b, b.Settle(b.Context(), grant, 4, time.Now()))
		assert.Equal(b, writes, b.writes(), "as much as was reserved, or less")
		assert.EqualValues(b, 4, sent().Tokens)
		require.NoError(b, b.Settle(b.Context(), grant, -1, time.Time{}))
		assert.EqualValues(b, 4, sent().Tokens, "nothing is known")

		require.NoError(b, b.Settle(b.Context(), grant, 300, time.Now()))
		assert.Equal(b, writes+1, b.writes(), "more")
		assert.EqualValues(b, 300, sent().Tokens)

		// Sent so late that the interval no longer covers it.
		time.Sleep(2 * time.Second)
		require.NoError(b, b.Settle(b.Context(), grant, 300, time.Now()))
		assert.Equal(b, writes+2, b.writes())
		assert.Equal(b, b.Now().Add(scheduler.Window+scheduler.DefaultSkew), sent().End)
	})
}

// A grant that was certainly never used makes room again, and a model that
// upstream doesn't know leaves no state.
func TestCancel(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		b.Cancel(b.granted(b.request()), false)
		b.granted(b.request())
		req := b.request()
		req.Models = []string{"unheard-of"}
		b.Cancel(b.granted(req), true)
		states, err := b.shared.View(b.Context(), []string{"p"})
		require.NoError(b, err)
		require.Len(b, states[0].Calendars, 1)
		assert.Equal(b, first, states[0].Calendars[0].Model)
	})
}
