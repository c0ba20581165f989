package storage

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage/internal/codec"
)

var plenty = rulesFor(scheduler.Limits{RPM: 100_000, TPM: 1 << 40, RPD: 1 << 40})

func ask(id uint64) scheduler.Reserve {
	return scheduler.Reserve{Model: "m-pro", ID: id, Demand: scheduler.Demand{Tokens: 1}}
}

func admit(t testing.TB, g *Grouped, id uint64) scheduler.Result {
	t.Helper()
	result, err := g.Apply(t.Context(), plenty, "p", ask(id))
	require.NoError(t, err)
	require.Equal(t, scheduler.Admitted, result.Verdict)
	return result
}

// ids returns the reservations of project p as an instance sees them.
func ids(t testing.TB, g *Grouped) (out []uint64) {
	t.Helper()
	states, err := g.View(t.Context(), []string{"p"})
	require.NoError(t, err)
	for _, r := range states[0].Calendar("m-pro").Sent {
		out = append(out, r.ID)
	}
	return out
}

// hang is a database that takes a call and never answers.
func hang(ctx context.Context, _ int) error {
	<-ctx.Done()
	return ctx.Err()
}

// When nothing can be read nothing is granted, and everybody knows within the
// time of one call, however many there are.
func TestUnreadable(t *testing.T) {
	refuse := func(context.Context, int) error { return errors.New("no route") }
	for name, c := range map[string]struct {
		get     func(context.Context, int) error
		reached bool // it has answered before
		bound   time.Duration
	}{
		"hangs":                {hang, true, 3 * time.Second},
		"hangs from the start": {hang, false, 10 * time.Second},
		"refuses":              {refuse, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var down atomic.Bool
				get := func(ctx context.Context, n int) error {
					if !down.Load() {
						return nil
					}
					return c.get(ctx, n)
				}
				l := &Line{DB: NewFake(0), OnGet: get, OnControl: get}
				g := l.Open(t, Options{})
				if c.reached {
					_, err := g.Control(t.Context())
					require.NoError(t, err)
					time.Sleep(ControlAge)
				}
				down.Store(true)
				start := time.Now()
				var wg sync.WaitGroup
				for range 20 {
					for _, call := range []func() error{
						func() error { _, err := g.View(t.Context(), []string{"a", "b"}); return err },
						func() error { _, err := g.Apply(t.Context(), plenty, "a", ask(1)); return err },
						func() error { return g.Refresh(t.Context(), []string{"b", "c"}, false) },
						func() error { _, err := g.Control(t.Context()); return err },
					} {
						wg.Go(func() {
							err := call()
							assert.ErrorIs(t, err, ErrUnavailable)
							assert.NotErrorIs(t, err, context.DeadlineExceeded, "that would mean the caller's")
						})
					}
				}
				wg.Wait()
				assert.Equal(t, c.bound, time.Since(start))
				_, writes := l.DB.Asked()
				assert.Zero(t, writes)
			})
		})
	}
}

// When commits hang, those in the batch, those behind it and those that come
// while it is being given up all know by the end of GiveUp.
func TestUnwritable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dead atomic.Bool
		stop := func(ctx context.Context, n int) error {
			if dead.Load() {
				return hang(ctx, n)
			}
			return nil
		}
		l := &Line{DB: NewFake(time.Millisecond), OnPut: stop, OnGet: stop}
		g := l.Open(t, Options{})
		admit(t, g, 1)
		time.Sleep(time.Second)
		dead.Store(true)
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 9 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				_, err := g.Apply(t.Context(), plenty, "p", ask(uint64(100+i)))
				assert.ErrorIs(t, err, ErrUnavailable)
				assert.NotErrorIs(t, err, context.DeadlineExceeded)
			})
		}
		wg.Wait()
		assert.Equal(t, 10*time.Second, time.Since(start))
		assert.Equal(t, []uint64{1}, ids(t, g), "nothing granted is left in the view")

		dead.Store(false)
		admit(t, g, 2)
		assert.Equal(t, []uint64{1, 2}, ids(t, g))
	})
}

// A cached control document outlives nothing: once it is old, an instance that
// can't read it says so.
func TestControlUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &Line{DB: NewFake(time.Millisecond)}
		g := l.Open(t, Options{})
		_, err := g.Control(t.Context())
		require.NoError(t, err)
		l.OnControl = hang
		time.Sleep(ControlAge - 2*time.Millisecond)
		_, err = g.Control(t.Context())
		require.NoError(t, err)
		time.Sleep(2 * time.Millisecond)
		_, err = g.Control(t.Context())
		require.ErrorIs(t, err, ErrUnavailable)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = g.Control(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded, "that time was the caller's")
	})
}

// That we may not read is told at once: trying for ten seconds helps nobody.
func TestDenied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := fmt.Errorf("no: %w", ErrDenied)
		var denied atomic.Bool
		deny := func(context.Context, int) error {
			if denied.Load() {
				return cause
			}
			return nil
		}
		l := &Line{DB: NewFake(0), OnPut: deny, OnGet: deny}
		g := l.Open(t, Options{Pace: -1})
		admit(t, g, 1)
		denied.Store(true)
		start := time.Now()
		_, err := g.Apply(t.Context(), plenty, "p", ask(2))
		require.ErrorIs(t, err, ErrUnavailable)
		assert.ErrorIs(t, err, cause, "it is there for whoever operates it")
		assert.Zero(t, time.Since(start))
	})
}

// Piggybacked changes pile up while the database is away. They must not be tried
// again and again, nor kept without end.
func TestPiggybackedDuringOutage(t *testing.T) {
	for _, changes := range []int{maxPiggybacked + 10, 5 * maxPiggybacked} {
		synctest.Test(t, func(t *testing.T) {
			var denied atomic.Bool
			l := &Line{DB: NewFake(0), OnPut: func(context.Context, int) error {
				if denied.Load() {
					return ErrDenied
				}
				return nil
			}}
			g := l.Open(t, Options{})
			admit(t, g, 1)
			denied.Store(true)
			for i := range changes {
				g.Later(plenty, "p", scheduler.ShareWaitlist{Entries: []scheduler.Waitlisted{{Hash: uint32(i), Start: g.Now().Add(time.Hour)}}})
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			_, writes := l.DB.Asked()
			assert.LessOrEqual(t, writes, int64(changes))
			c, err := g.committer("p")
			require.NoError(t, err)
			assert.LessOrEqual(t, len(c.piggybacked), 2*maxPiggybacked)

			denied.Store(false)
			admit(t, g, 2)
			assert.Empty(t, c.piggybacked)
		})
	}
}

// With nothing else to carry them, many piggybacked changes get a commit of their own.
func TestManyPiggybackedGoAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &Line{DB: NewFake(0)}
		g := l.Open(t, Options{})
		admit(t, g, 1)
		for i := range maxPiggybacked {
			_, before := l.DB.Asked()
			require.EqualValues(t, 1, before, i)
			g.Later(plenty, "p", scheduler.ShareWaitlist{Entries: []scheduler.Waitlisted{{Hash: uint32(i), Start: g.Now().Add(time.Hour)}}})
		}
		time.Sleep(time.Second)
		_, writes := l.DB.Asked()
		assert.EqualValues(t, 2, writes)
	})
}

// Who waits is written along with other changes only: not when there is much of it, not when an instance ends, and not where
// another instance took the slot that was to be reserved.
func TestWhoWaitsIsNotWrittenAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &Line{DB: NewFake(0)}
		g, other := l.Open(t, Options{}), (&Line{DB: l.DB}).Open(t, Options{})
		rules := rulesFor(scheduler.Limits{RPM: 2, TPM: 1 << 40, RPD: 1 << 40})
		reserve := func(g *Grouped, id uint64) scheduler.Verdict {
			result, err := g.Apply(t.Context(), rules, "p", ask(id))
			require.NoError(t, err)
			return result.Verdict
		}
		later := func() {
			waits := scheduler.Waiter{Model: 1, Caller: 2, Since: g.Now(), Until: g.Now().Add(time.Minute)}
			g.Later(rules, "p", scheduler.ShareWaitlist{Waiters: []scheduler.Waiter{waits}})
		}
		require.Equal(t, scheduler.Admitted, reserve(g, 1))
		for range maxPiggybacked {
			later()
		}
		time.Sleep(time.Second)
		assert.EqualValues(t, 1, g.Stats().Writes)

		require.Equal(t, scheduler.Admitted, reserve(other, 2))
		later()
		assert.Equal(t, scheduler.Refused, reserve(g, 3))
		stats := g.Stats()
		assert.EqualValues(t, 1, stats.Writes-stats.Conflicts)

		later()
		require.NoError(t, g.Close(t.Context()))
		assert.Equal(t, stats.Writes, g.Stats().Writes)
	})
}

// Close waits for what is under way, but no longer than it may. Nobody is left
// waiting, and no goroutine either: the bubble would tell.
func TestCloseDuringOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &Line{DB: NewFake(0)}
		g := l.Open(t, Options{})
		admit(t, g, 1)
		l.OnPut = hang
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				_, err := g.Apply(t.Context(), plenty, "p", ask(uint64(10+i)))
				assert.ErrorIs(t, err, ErrUnavailable)
			})
		}
		synctest.Wait()
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		require.ErrorIs(t, g.Close(ctx), context.DeadlineExceeded, "not everything was written")
		assert.Equal(t, 2*time.Second, time.Since(start))
		wg.Wait()
	})
}

// A commit that arrives long after it was given up: whoever waited for it was
// told that there is none, so it is taken back.
func TestCommitArrivesLate(t *testing.T) {
	for name, delay := range map[string]time.Duration{
		"while it is tried again": 200 * time.Millisecond,
		"after it was given up":   30 * time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				db := NewFake(time.Millisecond)
				l := &lateLine{Line: Line{DB: db}, delay: delay}
				g := NewGrouped(l, codec.New(codec.Sections()...), Options{})
				defer func() { require.NoError(t, g.Close(t.Context())) }()
				admit(t, g, 1)
				l.late.Store(true)
				result, err := g.Apply(t.Context(), plenty, "p", ask(2))
				l.late.Store(false)
				want := []uint64{1}
				if delay < time.Second {
					require.NoError(t, err)
					require.Equal(t, scheduler.Admitted, result.Verdict)
					want = append(want, 2)
				} else {
					require.ErrorIs(t, err, ErrUnavailable)
				}
				time.Sleep(40 * time.Second)
				admit(t, g, 3)
				want = append(want, 3)
				fresh := (&Line{DB: db}).Open(t, Options{})
				assert.Equal(t, want, ids(t, fresh))
			})
		})
	}
}

// A lateLine answers commits with a timeout and carries them out later, if they
// still apply.
type lateLine struct {
	Line
	late  atomic.Bool
	delay time.Duration
}

func (l *lateLine) Put(ctx context.Context, id string, doc Fields, base Version) (Version, error) {
	if !l.late.Load() {
		return l.Line.Put(ctx, id, doc, base)
	}
	go func() {
		time.Sleep(l.delay)
		_, _ = l.DB.write(id, doc, base) // if it is too late, so be it
	}()
	return Version{}, errors.New("no reply")
}

// A database that takes two seconds for each call is slow, not silent: what takes two calls
// is done.
func TestSlowDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := (&Line{DB: NewFake(2 * time.Second)}).Open(t, Options{})
		for range 2 { // once it has been heard from, too
			_, err := g.UpdateControl(t.Context(), func(c *Control) error { c.Mode += "x"; return nil })
			require.NoError(t, err)
			_, err = g.UpdateRecord(t.Context(), "r", func(data []byte) ([]byte, error) { return append(data, 'x'), nil })
			require.NoError(t, err)
			_, err = g.View(t.Context(), []string{"p"})
			require.NoError(t, err)
		}
		c, err := g.FreshControl(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "xx", c.Mode)
		data, err := g.Record(t.Context(), "r")
		require.NoError(t, err)
		assert.Equal(t, "xx", string(data))
	})
}

// Changes of different records don't wait for one another; those of one do, and lose no race
// within an instance.
func TestRecordsAreChangedSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := (&Line{DB: NewFake(100 * time.Millisecond)}).Open(t, Options{})
		_, err := g.Control(t.Context())
		require.NoError(t, err)
		begun := time.Now()
		var wg sync.WaitGroup
		for i := range 48 {
			wg.Go(func() {
				_, err := g.UpdateRecord(t.Context(), fmt.Sprintf("r-%d", i%16), func(data []byte) ([]byte, error) { return append(data, 'x'), nil })
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		assert.Equal(t, 3*200*time.Millisecond, time.Since(begun))
		for i := range 16 {
			data, err := g.Record(t.Context(), fmt.Sprintf("r-%d", i))
			require.NoError(t, err)
			assert.Equal(t, "xxx", string(data))
		}
	})
}
