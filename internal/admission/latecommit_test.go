package admission_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// A queue is a store that takes its time before it makes a change, as one does
// that groups its commits, paces them and loses races.
type queue struct {
	storage.Store
	wait time.Duration
	slow time.Duration // and then until it says so
}

func (q *queue) Apply(ctx context.Context, rules *scheduler.Rules, id string, change scheduler.Change) (scheduler.Result, error) {
	time.Sleep(q.wait)
	result, err := q.Store.Apply(ctx, rules, id, change)
	time.Sleep(q.slow)
	return result, err
}

// lateHolder returns a bench on which a booking is due, with another behind it
// that a walk-in has to fit beside if asked for, at the instant that is so much
// after the booking's start.
func lateHolder(t *testing.T, late time.Duration, another bool) (*bench, *queue, admission.Request) {
	q := &queue{Store: storage.NewMemory(time.Now)}
	b := newBench(t, q, []string{"p"})
	b.granted(b.request())
	req := b.request()
	start := b.booked(req).Start
	if another {
		b.booked(b.request())
	}
	b.until(start.Add(late))
	return b, q, req
}

// A holder that comes within the hold is in time, however long its own commit
// takes: it must not pay for what it has no hand in.
func TestHolderIsJudgedByWhenItCame(t *testing.T) {
	const last = scheduler.DefaultHold
	for _, commit := range []time.Duration{0, 300 * time.Millisecond, 3 * time.Second, 9 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			b, q, req := lateHolder(t, last, true)
			q.wait = commit
			grant := b.granted(req)
			assert.True(t, grant.Booked, "%v", commit)
			assert.Equal(t, b.Now(), grant.Reservation.Start)
			assert.Equal(t, 1, b.bookings("p"), "the other's")
		})
	}
	// Whoever comes later than that is late.
	synctest.Test(t, func(t *testing.T) {
		b, _, req := lateHolder(t, last+time.Millisecond, true)
		assert.False(t, b.granted(req).Booked, "it goes like anybody who comes by")
	})
}

// A holder that comes a moment too early, and is told so only when its slot has begun, has it: from then on it would be kept for what is left
// of the hold.
func TestSlotThatBeginsWhileItIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, q, req := lateHolder(t, -200*time.Millisecond, true)
		q.slow = time.Second
		assert.True(t, b.granted(req).Booked)
		assert.Equal(t, 1, b.bookings("p"), "the other's")
	})
	synctest.Test(t, func(t *testing.T) {
		b, q, req := lateHolder(t, -700*time.Millisecond, true)
		q.slow = 300 * time.Millisecond
		_, wait := b.admit(req)
		require.NotNil(t, wait)
		assert.Equal(t, 400*time.Millisecond, wait.Start.Sub(b.Now()), "it is still too early")
	})
}

// If the slot has gone to somebody else by the time the commit is made, the
// holder is told the rest and keeps its rank.
func TestHolderWhoseSlotIsGoneKeepsItsRank(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, q, req := lateHolder(t, scheduler.DefaultHold, false)
		q.wait = 2 * time.Second
		time.AfterFunc(time.Second, func() {
			walkIn := scheduler.Reserve{Model: first, Demand: scheduler.Demand{Tokens: 1}, ID: 7}
			result, err := q.Store.Apply(t.Context(), b.rules, "p", walkIn)
			assert.NoError(t, err)
			assert.Equal(t, scheduler.Admitted, result.Verdict, "the hold is over")
		})
		_, wait := b.admit(req)
		require.NotNil(t, wait)
		assert.True(t, wait.Booked)
		assert.Equal(t, 60*time.Second, b.left(wait), "whole seconds after it asked")
		q.wait = 0
		b.until(wait.Start)
		assert.True(t, b.granted(req).Booked)
	})
}

// The next holder is in time for what it was told, too: as much room is left behind a booking as commits took lately, and half as
// much again, however slow the store is that still answers. Who comes as late as it may, and whose own commit takes as long, is in nobody's way.
func TestCommitsAsSlowAsLatelyDelayNobody(t *testing.T) {
	for _, commit := range []time.Duration{time.Second, 3 * time.Second, 6 * time.Second, 9 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			q := &queue{Store: storage.NewMemory(time.Now)}
			b := newBench(t, q, []string{"p"})
			next := func(behind *admission.Wait) (admission.Request, *admission.Wait) {
				req := b.request()
				q.wait = 0
				wait := b.booked(req)
				if behind != nil {
					b.until(behind.Start.Add(scheduler.DefaultHold))
				}
				q.wait = commit
				return req, wait
			}
			b.granted(b.request())
			lately, told := next(nil)
			b.until(told.Start.Add(scheduler.DefaultHold))
			b.granted(lately)

			one, first := next(nil)
			other, second := next(first)
			assert.True(t, b.granted(one).Booked, "%v", commit)
			b.until(second.Start)
			q.wait = 0
			grant, wait := b.admit(other)
			require.NotNil(t, grant, "commits of %v: told %+v", commit, wait)
			assert.True(t, grant.Booked)
		})
	}
}
