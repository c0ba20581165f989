package storetest

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

var faultCases = []testCase{
	{name: "LostReply", body: everyFault(lostReply), shared: true},
	{name: "LostReplyOfAnUpdate", body: everyFault(lostReplyOfAnUpdate), shared: true},
	{name: "RefusedCommit", body: everyFault(refusedCommit), shared: true},
	{name: "ReplyNeverComes", body: replyNeverComes, shared: true},
	{name: "LostReplyThenOthers", body: lostReplyThenOthers, shared: true},
	{name: "RefusedForGood", body: refusedForGood, shared: true},
}

// A Fault is an error that Trouble makes of a commit, by the name that gRPC's codes have: a
// harness that is over gRPC makes it one of these.
type Fault struct {
	Code string
	// Denied: that we may not write. Trying again can't help.
	Denied bool
}

// Faults are every error that gRPC knows.
var Faults = []*Fault{
	{Code: "Canceled"}, {Code: "Unknown"}, {Code: "InvalidArgument"}, {Code: "DeadlineExceeded"}, {Code: "NotFound"},
	{Code: "AlreadyExists"}, {Code: "PermissionDenied", Denied: true}, {Code: "ResourceExhausted"}, {Code: "FailedPrecondition"},
	{Code: "Aborted"}, {Code: "OutOfRange"}, {Code: "Unimplemented", Denied: true}, {Code: "Internal"}, {Code: "Unavailable"},
	{Code: "DataLoss"}, {Code: "Unauthenticated", Denied: true},
}

func (f *Fault) Error() string { return "forced: " + f.Code }

// Is has it be what it is to a Store without being translated.
func (f *Fault) Is(target error) bool { return f.Denied && target == storage.ErrDenied }

// everyFault runs a case for every error that gRPC knows.
func everyFault(body func(t *testing.T, h Harness, id string, fault *Fault)) func(*testing.T, Harness) {
	return func(t *testing.T, h Harness) {
		for _, fault := range Faults {
			body(t, h, fault.Code, fault)
		}
	}
}

// once returns the error for the n-th of something only.
func once(nth int, fault *Fault) func(n int) error {
	return func(n int) error {
		if n == nth {
			return fault
		}
		return nil
	}
}

func losing(refuse func(n int) error) Config {
	return troubled(Trouble{Lose: func(_ context.Context, n int) error { return refuse(n) }})
}

// A commit that applied but reported a failure, whichever: the caller is told
// that it succeeded, and there is exactly one reservation.
func lostReply(t *testing.T, h Harness, id string, fault *Fault) {
	s := h.Open(t, losing(once(1, fault)))
	r := ask(1)
	result, err := s.Apply(t.Context(), plenty, id, r)
	require.NoError(t, err, id)
	require.Equal(t, scheduler.Admitted, result.Verdict, id)
	assert.EqualValues(t, 1, s.Stats().Recovered, id)
	assert.Zero(t, s.Stats().Conflicts, id)
	for _, s := range []storage.Store{s, h.Open(t, eager())} {
		p := view(t, s, id)
		assert.EqualValues(t, 1, requests(p), id)
		assert.Equal(t, 1, reservations(p, r.ID), id)
	}
}

// The same where the document is there already, which is another precondition.
func lostReplyOfAnUpdate(t *testing.T, h Harness, id string, fault *Fault) {
	s := h.Open(t, losing(once(2, fault)))
	_, err := s.Apply(t.Context(), plenty, id, ask(1))
	require.NoError(t, err, id)
	r := ask(1)
	result, err := s.Apply(t.Context(), plenty, id, r)
	require.NoError(t, err, id)
	require.Equal(t, scheduler.Admitted, result.Verdict, id)
	_, err = s.Apply(t.Context(), plenty, id, ask(1))
	require.NoError(t, err, id)
	p := view(t, h.Open(t, eager()), id)
	assert.EqualValues(t, 3, requests(p), id)
	assert.Equal(t, 1, reservations(p, r.ID), id)
	assert.EqualValues(t, 1, s.Stats().Recovered, id)
}

// A commit that really failed is tried again, and then there is exactly one
// reservation. That the caller may not write is told at once instead.
func refusedCommit(t *testing.T, h Harness, id string, fault *Fault) {
	s := h.Open(t, troubled(Trouble{Refuse: once(1, fault)}))
	r := ask(1)
	result, err := s.Apply(t.Context(), plenty, id, r)
	want := 1
	if fault.Denied {
		require.ErrorIs(t, err, storage.ErrUnavailable, id)
		want = 0
	} else {
		require.NoError(t, err, id)
		require.Equal(t, scheduler.Admitted, result.Verdict, id)
	}
	assert.Zero(t, s.Stats().Recovered, id)
	p := view(t, h.Open(t, eager()), id)
	assert.EqualValues(t, want, requests(p), id)
	assert.Equal(t, want, reservations(p, r.ID), id)
	assert.EqualValues(t, want, requests(view(t, s, id)), id)
}

// The worst loss: no reply at all.
func replyNeverComes(t *testing.T, h Harness) {
	c := troubled(Trouble{Lose: func(ctx context.Context, n int) error {
		if n == 1 {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}})
	c.CommitTimeout = 2 * time.Second
	s := h.Open(t, c)
	r := ask(1)
	admit(t, s, plenty, r)
	p := stored(t, h)
	assert.EqualValues(t, 1, requests(p))
	assert.Equal(t, 1, reservations(p, r.ID))
	assert.EqualValues(t, 1, s.Stats().Recovered)
}

// By the time the document is reloaded others have written too: mine is told
// from theirs.
func lostReplyThenOthers(t *testing.T, h Harness) {
	b := h.Open(t, eager())
	a := h.Open(t, troubled(Trouble{Lose: func(_ context.Context, n int) error {
		if n > 1 {
			return nil
		}
		for range 3 {
			_, err := b.Apply(context.WithoutCancel(t.Context()), plenty, project, ask(1))
			assert.NoError(t, err)
		}
		return &Fault{Code: "InvalidArgument"}
	}}))
	r := ask(1)
	admit(t, a, plenty, r)
	assert.EqualValues(t, 1, a.Stats().Recovered)
	for _, p := range []*scheduler.Project{view(t, a, project), stored(t, h)} {
		assert.EqualValues(t, 4, requests(p))
		assert.Equal(t, 1, reservations(p, r.ID))
	}
}

// A database that refuses every commit: a clear error in bounded time, nothing
// granted, nothing left in the view, and all is well once it is over.
func refusedForGood(t *testing.T, h Harness) {
	var broken atomic.Bool
	broken.Store(true)
	c := troubled(Trouble{Refuse: func(int) error {
		if broken.Load() {
			return &Fault{Code: "ResourceExhausted"}
		}
		return nil
	}})
	c.CommitTimeout, c.GiveUp = 2*time.Second, 3*time.Second
	s := h.Open(t, c)
	start := time.Now()
	_, err := s.Apply(t.Context(), plenty, project, ask(1))
	require.ErrorIs(t, err, storage.ErrUnavailable)
	require.NotErrorIs(t, err, context.DeadlineExceeded, "the caller's time is not up")
	assert.Less(t, time.Since(start), c.GiveUp+c.CommitTimeout)
	assert.Zero(t, requests(view(t, s, project)))
	broken.Store(false)
	admit(t, s, plenty, ask(1))
	assert.EqualValues(t, 1, requests(stored(t, h)))
}
