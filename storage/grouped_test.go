package storage

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage/internal/clock"
	"fluxgate.dev/fluxgate/storage/internal/codec"
)

// nth returns a hook that waits for release the nth time, and tells by entered
// that it does.
func nth(which int) (hook func(context.Context, int) error, entered <-chan struct{}, release func()) {
	in, out := make(chan struct{}), make(chan struct{})
	return func(_ context.Context, n int) error {
		if n == which {
			close(in)
			<-out
		}
		return nil
	}, in, sync.OnceFunc(func() { close(out) })
}

// A commit's reply is overtaken by somebody else's commit and a read of that.
// What was read is newer and stays; the batch that it contains already is not
// counted a second time while its reply is on the way.
func TestReplyOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := NewFake(0)
		b := (&Line{DB: db}).Open(t, Options{Pace: -1})
		hook, entered, release := nth(2)
		a := (&Line{DB: db, AfterPut: hook}).Open(t, Options{Pace: -1})
		admit(t, a, 1)

		var wg sync.WaitGroup
		wg.Go(func() { admit(t, a, 2) })
		<-entered
		time.Sleep(time.Second)
		require.NoError(t, b.Refresh(t.Context(), []string{"p"}, true))
		admit(t, b, 3)
		require.NoError(t, a.Refresh(t.Context(), []string{"p"}, true))
		assert.Equal(t, []uint64{1, 2, 3}, ids(t, a), "before the reply")
		release()
		wg.Wait()
		assert.Equal(t, []uint64{1, 2, 3}, ids(t, a), "after it")
		admit(t, a, 4)
		assert.Equal(t, []uint64{1, 2, 3, 4}, ids(t, (&Line{DB: db}).Open(t, Options{})))
		assert.Zero(t, a.Stats().Conflicts)
	})
}

// A document that is deleted under running instances is written back, by whoever comes
// first, when it looks: nobody has to have something to admit. What the instances still
// show until then is what they know.
func TestDocumentDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := NewFake(time.Millisecond)
		a, b := (&Line{DB: db}).Open(t, Options{}), (&Line{DB: db}).Open(t, Options{})
		time.Sleep(othersFor) // a goes by it that it is alone
		admit(t, a, 1)
		admit(t, b, 2)
		db.Delete("p")
		admit(t, a, 3)
		assert.Equal(t, []uint64{1, 3}, ids(t, a), "2 was never seen here")
		for _, g := range []*Grouped{b, a} {
			time.Sleep(time.Second)
			require.NoError(t, g.Refresh(t.Context(), []string{"p"}, true))
			assert.Equal(t, []uint64{1, 2, 3}, ids(t, g), "seen by reading too")
			time.Sleep(time.Second)
			assert.Equal(t, []uint64{1, 2, 3}, ids(t, (&Line{DB: db}).Open(t, Options{})), "and written, though nothing was asked for")
		}
	})
}

// A read that began before an admin's change and ends after it doesn't count as
// having seen it.
func TestReadFromBeforeTheEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := NewFake(0)
		hook, entered, release := nth(1)
		a, b := (&Line{DB: db, AfterGet: hook}).Open(t, Options{}), (&Line{DB: db}).Open(t, Options{})
		_, err := a.Control(t.Context())
		require.NoError(t, err)
		var wg sync.WaitGroup
		wg.Go(func() {
			states, err := a.View(t.Context(), []string{"p"})
			assert.NoError(t, err)
			assert.False(t, states[0].Usable("key"))
		})
		<-entered
		disabled := true
		_, err = b.Apply(t.Context(), plenty, "p", scheduler.SetMark{Key: "key", Disabled: &disabled})
		require.NoError(t, err)
		_, err = b.UpdateControl(t.Context(), func(*Control) error { return nil })
		require.NoError(t, err)
		time.Sleep(ControlAge)
		_, err = a.Control(t.Context())
		require.NoError(t, err)
		release()
		wg.Wait()
	})
}

// Views that were read before the first look at the control document may be
// from before an admin's change; there is no telling.
func TestFirstControlReadsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := NewFake(0)
		a, b := (&Line{DB: db}).Open(t, Options{}), (&Line{DB: db}).Open(t, Options{})
		_, err := a.View(t.Context(), []string{"p"})
		require.NoError(t, err)
		disabled := true
		_, err = b.Apply(t.Context(), plenty, "p", scheduler.SetMark{Key: "key", Disabled: &disabled})
		require.NoError(t, err)
		_, err = b.UpdateControl(t.Context(), func(*Control) error { return nil })
		require.NoError(t, err)
		_, err = a.Control(t.Context())
		require.NoError(t, err)
		states, err := a.View(t.Context(), []string{"p"})
		require.NoError(t, err)
		assert.False(t, states[0].Usable("key"))
	})
}

// Many callers that come to a project which isn't known yet cause one read. One
// of them that leaves doesn't take it away from the others.
func TestReadIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := NewFake(100 * time.Millisecond)
		g := (&Line{DB: db}).Open(t, Options{})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := g.View(ctx, []string{"p", "q"})
			assert.ErrorIs(t, err, context.Canceled)
			assert.NotErrorIs(t, err, ErrUnavailable)
		})
		synctest.Wait()
		for i := range 30 {
			wg.Go(func() { admit(t, g, uint64(i)) })
			wg.Go(func() {
				_, err := g.View(t.Context(), []string{"q", "p", "p"})
				assert.NoError(t, err)
			})
		}
		cancel()
		wg.Wait()
		reads, _ := db.Asked()
		assert.EqualValues(t, 2, reads)
	})
}

func TestLargestBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := NewFake(0)
		hook, entered, release := nth(1)
		g := (&Line{DB: db, OnPut: hook}).Open(t, Options{})
		var wg sync.WaitGroup
		wg.Go(func() { admit(t, g, 0) })
		<-entered
		for i := range maxBatch + 1 {
			wg.Go(func() { admit(t, g, uint64(i+1)) })
		}
		synctest.Wait()
		release()
		wg.Wait()
		_, writes := db.Asked()
		assert.EqualValues(t, 3, writes)
	})
}

// Whoever comes while an instance loses races goes along with its next try, as
// far as there is room: it doesn't wait for another commit, which may lose as
// often. A commit that applied, and merely lost its reply, takes nobody along.
func TestLostRaceTakesAlong(t *testing.T) {
	for name, c := range map[string]struct {
		newcomers int
		lostReply bool
		writes    int64 // of this instance
	}{
		"a race is lost":  {newcomers: 5, writes: 2},
		"no room for all": {newcomers: maxBatch, writes: 3},
		"a reply is lost": {newcomers: 5, lostReply: true, writes: 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				db := NewFake(0)
				other := (&Line{DB: db}).Open(t, Options{Pace: -1})
				admit(t, other, 1000)
				others := 1
				hook, entered, release := nth(2) // the first read is that of the view
				line := &Line{DB: db, OnGet: hook}
				if c.lostReply {
					line.AfterPut = func(_ context.Context, n int) error {
						if n == 1 {
							return errors.New("lost")
						}
						return nil
					}
				}
				g := line.Open(t, Options{Pace: -1})
				ids(t, g)
				if !c.lostReply {
					admit(t, other, 1001)
					others++
				}
				var wg sync.WaitGroup
				wg.Go(func() { admit(t, g, 1) })
				<-entered
				for i := range c.newcomers {
					wg.Go(func() { admit(t, g, uint64(i+2)) })
				}
				synctest.Wait()
				release()
				wg.Wait()
				assert.Equal(t, c.writes, g.Stats().Writes)
				states, err := (&Line{DB: db}).Open(t, Options{}).View(t.Context(), []string{"p"})
				require.NoError(t, err)
				assert.EqualValues(t, others+1+c.newcomers, states[0].Calendar("m-pro").Used(plenty, scheduler.DayOf(g.Now())), "each once")
			})
		})
	}
}

// Pauses grow while the database refuses. They don't for who loses a race: it has
// waited longer than whoever won, and would lose the next one too.
func TestPausesAfterLostRacesDontGrow(t *testing.T) {
	for name, c := range map[string]struct {
		lose   bool
		pauses []int
	}{
		"lost": {true, []int{1, 1, 1}},
		"down": {false, []int{1, 2, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				db := NewFake(time.Millisecond)
				other := (&Line{DB: db}).Open(t, Options{Pace: -1})
				trouble := func(_ context.Context, n int) error {
					switch {
					case n > len(c.pauses):
					case c.lose:
						admit(t, other, uint64(n))
					default:
						return errors.New("down")
					}
					return nil
				}
				var pauses []int
				jitter := func(try int) time.Duration {
					pauses = append(pauses, try)
					return time.Millisecond
				}
				admit(t, (&Line{DB: db, OnPut: trouble}).Open(t, Options{Jitter: jitter}), 100)
				assert.Equal(t, c.pauses, pauses)
			})
		})
	}
}

// More instances than a document remembers: that others write is noticed even
// though this one's own entry has been pushed out.
func TestOthersNoticedWhenForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := NewFake(0)
		a := (&Line{DB: db}).Open(t, Options{})
		admit(t, a, 1)
		for i := range scheduler.MaxWriters {
			admit(t, (&Line{DB: db}).Open(t, Options{}), uint64(10+i))
		}
		time.Sleep(time.Minute)
		refresh := func() int64 {
			before := a.Stats().Reads
			require.NoError(t, a.Refresh(t.Context(), []string{"p"}, false))
			return a.Stats().Reads - before
		}
		require.EqualValues(t, 1, refresh(), "a minute old")
		time.Sleep(time.Second)
		assert.EqualValues(t, 1, refresh(), "others in evidence")
	})
}

// A failed refresh is no refresh: the next one tries again, rather than let a
// request be refused on the strength of a view that nobody brought up to date.
func TestFailedRefreshIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		db := NewFake(0)
		g := (&Line{DB: db, OnGet: func(context.Context, int) error {
			if down.Load() {
				return errors.New("down")
			}
			return nil
		}}).Open(t, Options{})
		admit(t, g, 1)
		time.Sleep(2 * time.Minute)
		down.Store(true)
		for range 2 {
			require.ErrorIs(t, g.Refresh(t.Context(), []string{"p"}, false), ErrUnavailable)
		}
		down.Store(false)
		require.NoError(t, g.Refresh(t.Context(), []string{"p"}, false))
	})
}

// One that is refreshing doesn't leave the others to the old view.
func TestRefreshIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := NewFake(100 * time.Millisecond)
		a, b := (&Line{DB: db}).Open(t, Options{}), (&Line{DB: db}).Open(t, Options{})
		admit(t, a, 1)
		admit(t, b, 2)
		time.Sleep(time.Minute)
		before, _ := db.Asked()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				assert.NoError(t, a.Refresh(t.Context(), []string{"p"}, false))
				assert.Equal(t, []uint64{1, 2}, ids(t, a))
			})
		}
		wg.Wait()
		after, _ := db.Asked()
		assert.EqualValues(t, 1, after-before)
	})
}

// A read that takes longer than the time between two refreshes is not repeated.
func TestSlowRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := NewFake(0)
		g := (&Line{DB: db}).Open(t, Options{})
		admit(t, g, 1)
		time.Sleep(time.Hour)
		db.Latency = 2 * time.Second
		before, _ := db.Asked()
		start := time.Now()
		require.NoError(t, g.Refresh(t.Context(), []string{"p"}, true))
		assert.Equal(t, 2*time.Second, time.Since(start))
		after, _ := db.Asked()
		assert.EqualValues(t, 1, after-before)
	})
}

// Commits and changes of the control document, side by side. They take the same
// locks; in different orders, they would block each other sooner or later.
func TestLocksAreTakenInOrder(t *testing.T) {
	const rounds = 3000
	g := (&Line{DB: NewFake(0)}).Open(t, Options{Pace: -1})
	done := make(chan struct{})
	go func() {
		defer close(done)
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range rounds {
				_, err := g.Apply(t.Context(), plenty, "p", scheduler.SetMark{Key: "key", Disabled: new(i%2 == 0)})
				assert.NoError(t, err)
			}
		})
		for range 2 {
			wg.Go(func() {
				for range rounds {
					_, err := g.UpdateControl(t.Context(), func(*Control) error { return nil })
					assert.NoError(t, err)
				}
			})
		}
		wg.Wait()
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("deadlock")
	}
}

// An instance whose clock is off by an hour books by the database's time.
func TestInstanceWithAWrongClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := NewFake(20 * time.Millisecond)
		one := rulesFor(scheduler.Limits{RPM: 1, TPM: 100, RPD: 10})
		for i, off := range []time.Duration{time.Hour, -time.Hour, 0} {
			g := (&Line{DB: db, Local: func() clock.Reading {
				r := clock.Local()
				r.Wall = r.Wall.Add(off)
				return r
			}}).Open(t, Options{})
			g.Now() // before anything was heard
			result, err := g.Apply(t.Context(), one, "p", ask(uint64(i+1)))
			require.NoError(t, err)
			if i == 0 {
				require.Equal(t, scheduler.Admitted, result.Verdict)
				assert.InDelta(t, time.Now().UnixMilli(), int64(result.Start), 30)
			} else {
				assert.Equal(t, scheduler.Refused, result.Verdict)
			}
			assert.InDelta(t, time.Now().UnixMilli(), int64(g.Now()), 11, "half the latency")

			// Nor does what it remembers depend on the clock it had at first.
			time.Sleep(time.Second)
			before, _ := db.Asked()
			require.NoError(t, g.Refresh(t.Context(), []string{"p"}, true))
			after, _ := db.Asked()
			assert.EqualValues(t, 1, after-before, "a second went by")
		}
	})
}

// A machine that slept asks the database for the time before it admits anything.
func TestInstanceThatSlept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := NewFake(20 * time.Millisecond)
		var asleep atomic.Int64 // by how much the monotonic clock is behind
		g := (&Line{DB: db, Local: func() clock.Reading {
			r := clock.Local()
			r.Mono -= time.Duration(asleep.Load())
			return r
		}}).Open(t, Options{})
		admit(t, g, 1)
		time.Sleep(time.Hour)
		asleep.Store(int64(time.Hour))
		before, _ := db.Asked()
		result := admit(t, g, 2)
		after, _ := db.Asked()
		assert.EqualValues(t, 1, after-before)
		assert.InDelta(t, time.Now().UnixMilli(), int64(result.Start), 50)
		admit(t, g, 3)
		again, _ := db.Asked()
		assert.Equal(t, after, again, "once")
	})
}

// A document that can't be read is an error that says so, and not the caller's
// to retry.
func TestCorruptDocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := NewFake(0)
		db.Put("p", []byte{1, 1, 2, 3})
		g := (&Line{DB: db}).Open(t, Options{})
		_, err := g.View(t.Context(), []string{"p"})
		require.ErrorIs(t, err, codec.ErrCorrupt)
		require.ErrorContains(t, err, "project p")
		assert.NotErrorIs(t, err, ErrUnavailable)
		_, err = g.Apply(t.Context(), plenty, "p", ask(1))
		require.ErrorIs(t, err, codec.ErrCorrupt)
		_, err = g.Apply(t.Context(), plenty, "q", ask(1))
		require.NoError(t, err, "other projects go on")
	})
}

func TestDefaultJitter(t *testing.T) {
	o := Options{}.WithDefaults()
	for try := 1; try <= 200; try++ {
		d := o.Jitter(try)
		assert.Positive(t, d, try)
		assert.LessOrEqual(t, d, time.Second+time.Millisecond, try)
	}
}
