package patience

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/storage"
)

// Whoever waits is told at the deadline, and whoever only looks sees it; until then there
// is no timer.
func TestDeadline(t *testing.T) {
	for name, ended := range map[string]func(l *Limited) error{
		"who waits": func(l *Limited) error { <-l.Done(); return l.Err() },
		"who derives": func(l *Limited) error {
			inner, cancel := context.WithCancel(l)
			defer cancel()
			<-inner.Done()
			return inner.Err()
		},
		"who looks": func(l *Limited) error {
			time.Sleep(GiveUp - 1)
			require.NoError(t, l.Err())
			assert.Nil(t, l.timed.Load(), "nobody waits")
			time.Sleep(time.Nanosecond)
			return l.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				l := Limit(t.Context())
				defer l.End()
				until, ok := l.Deadline()
				assert.True(t, ok)
				err := ended(l)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, GiveUp, time.Since(begun))
				assert.Equal(t, until, time.Now())
				require.ErrorIs(t, l.Explain(err), storage.ErrUnavailable)
			})
		})
	}
}

// The request's own end comes first, and is what it is told.
func TestOwnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type name struct{}
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), name{}, "n"), time.Second)
		defer cancel()
		l := Limit(With(ctx))
		defer l.End()
		until, _ := l.Deadline()
		assert.Equal(t, time.Now().Add(time.Second), until)
		assert.Equal(t, "n", l.Value(name{}))
		<-l.Done()
		assert.Equal(t, "n", l.Value(name{}))
		require.ErrorIs(t, l.Explain(l.Err()), context.DeadlineExceeded)
		assert.NotErrorIs(t, l.Explain(l.Err()), storage.ErrUnavailable)
	})
}

// Whatever waits on behalf of a request ends with it.
func TestDoneEndsWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Limit(t.Context())
		ended := make(chan error)
		go func() {
			<-l.Done()
			ended <- l.Err()
		}()
		synctest.Wait()
		l.End()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

// What is asked in one request takes of one time.
func TestOneTimeForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, begun := With(t.Context()), time.Now()
		for range 3 {
			l := Limit(ctx)
			time.Sleep(3 * time.Second)
			l.End()
			time.Sleep(time.Minute) // at the provider
		}
		l := Limit(ctx)
		defer l.End()
		until, _ := l.Deadline()
		assert.Equal(t, begun.Add(3*time.Minute+10*time.Second), until)
	})
}

// Each ends by itself, however many there are, and stays over: who holds one that is doesn't see
// another take its place.
func TestEachEndsByItself(t *testing.T) {
	ctx := With(t.Context())
	var all []*Limited
	for range 6 {
		l := Limit(ctx)
		for _, before := range all {
			assert.NotSame(t, before, l)
			assert.ErrorIs(t, before.Err(), context.Canceled)
		}
		_ = l.Done()
		assert.NoError(t, l.Err())
		l.End()
		all = append(all, l)
	}
}

// What is asked within what is asked counts once.
func TestTimeWithinCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := With(t.Context())
		outer := Limit(ctx)
		inner := Limit(context.WithValue(outer, t, t))
		until, _ := outer.Deadline()
		before, _ := inner.Deadline()
		assert.Equal(t, until, before)
		time.Sleep(3 * time.Second)
		inner.End()
		outer.End()
		l := Limit(ctx)
		defer l.End()
		until, _ = l.Deadline()
		assert.Equal(t, 7*time.Second, time.Until(until))
	})
}
