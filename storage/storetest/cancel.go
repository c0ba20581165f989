package storetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

var cancelCases = []testCase{
	{name: "EndedBefore", body: endedBefore},
	{name: "LeftInTheQueue", body: leftInTheQueue, shared: true},
	{name: "LeftInFlight", body: leftInFlight, shared: true},
	{name: "ClaimLeftInFlight", body: claimLeftInFlight, shared: true, virtual: true},
}

func endedBefore(t *testing.T, h Harness) {
	s := h.Open(t, eager())
	admit(t, s, plenty, ask(1))
	_, before := h.Asked()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for _, ctx := range []context.Context{cancelled, late} {
		_, err := s.Apply(ctx, plenty, project, ask(1))
		require.ErrorIs(t, err, ctx.Err())
		_, err = s.Apply(ctx, plenty, "never seen", ask(1))
		require.ErrorIs(t, err, ctx.Err())
		_, err = s.View(ctx, []string{"not this either"})
		require.ErrorIs(t, err, ctx.Err())
	}
	assert.EqualValues(t, 1, requests(view(t, s, project)))
	_, after := h.Asked()
	assert.Equal(t, before, after)
}

// held opens a Store whose nth commit waits in flight for release.
func held(t *testing.T, h Harness, nth int) (s storage.Store, inFlight <-chan struct{}, release func()) {
	started, gate := make(chan struct{}), make(chan struct{})
	s = h.Open(t, troubled(Trouble{Before: func(_ context.Context, n int) {
		if n == nth {
			close(started)
			<-gate
		}
	}}))
	return s, started, sync.OnceFunc(func() { close(gate) })
}

// A caller that leaves while its change waits for another's commit takes its
// change along.
func leftInTheQueue(t *testing.T, h Harness) {
	s, inFlight, release := held(t, h, 1)
	defer release()
	first, second := ask(1), ask(1)
	var wg sync.WaitGroup
	wg.Go(func() { admit(t, s, plenty, first) })
	<-inFlight
	ctx, cancel := context.WithCancel(t.Context())
	wg.Go(func() {
		_, err := s.Apply(ctx, plenty, project, second)
		assert.ErrorIs(t, err, context.Canceled)
	})
	until(t, "both pending", func() bool { return requests(view(t, s, project)) == 2 })
	cancel()
	until(t, "one left", func() bool { return requests(view(t, s, project)) == 1 })
	release()
	wg.Wait()
	p := stored(t, h)
	assert.EqualValues(t, 1, requests(p))
	assert.Equal(t, 1, reservations(p, first.ID))
	_, writes := h.Asked()
	assert.EqualValues(t, 1, writes)
}

// One that leaves while its commit is under way can't stop it. The reservation
// is taken back, in the view at once and in the document with the next commit.
func leftInFlight(t *testing.T, h Harness) {
	s, inFlight, release := held(t, h, 1)
	defer release()
	r := ask(1)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := s.Apply(ctx, plenty, project, r)
		assert.ErrorIs(t, err, context.Canceled)
	})
	<-inFlight
	cancel()
	wg.Wait()
	release()
	until(t, "the commit is there", func() bool { return requests(stored(t, h)) == 1 })
	until(t, "taken back in the view", func() bool { return requests(view(t, s, project)) == 0 })
	next := ask(1)
	admit(t, s, plenty, next)
	p := stored(t, h)
	assert.Zero(t, reservations(p, r.ID))
	assert.EqualValues(t, 1, requests(p))
	assert.EqualValues(t, 1, p.Calendar(model).Days[0].Requests, "the day's count too")
}

// The same for a caller that had come for its booking: it has that again.
func claimLeftInFlight(t *testing.T, h Harness) {
	one := rulesOf(scheduler.Limits{RPM: 1, TPM: 100, RPD: 10})
	s, inFlight, release := held(t, h, 3)
	defer release()
	admit(t, s, one, ask(1))
	r := ask(1)
	r.Book = true
	result, err := s.Apply(t.Context(), one, project, r)
	require.NoError(t, err)
	require.Equal(t, scheduler.Booked, result.Verdict)
	time.Sleep(result.Start.Sub(s.Now()))

	ctx, cancel := context.WithCancel(t.Context())
	claim := ask(1)
	claim.Booking = result.Booking.ID
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := s.Apply(ctx, one, project, claim)
		assert.ErrorIs(t, err, context.Canceled)
	})
	<-inFlight
	cancel()
	wg.Wait()
	release()
	until(t, "taken back", func() bool { return requests(view(t, s, project)) == 0 })
	another, err := s.Apply(t.Context(), one, project, ask(1))
	require.NoError(t, err)
	assert.Equal(t, scheduler.Refused, another.Verdict)
	again := ask(1)
	again.Booking = claim.Booking
	admit(t, s, one, again)
	p := stored(t, h)
	assert.EqualValues(t, 1, requests(p))
	assert.Zero(t, reservations(p, claim.ID))
}
