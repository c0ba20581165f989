package storetest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

var basicCases = []testCase{
	{name: "ViewOfNothing", body: viewOfNothing},
	{name: "ViewKeepsOrder", body: viewKeepsOrder},
	{name: "AdmissionIsSeen", body: admissionIsSeen},
	{name: "NothingToWrite", body: nothingToWrite},
	{name: "OneWriteEach", body: oneWriteEach},
	{name: "GroupCommit", body: groupCommit, shared: true},
	{name: "ViewIsNotChanged", body: viewIsNotChanged},
	{name: "LaterRidesAlong", body: laterRidesAlong, shared: true},
	{name: "LaterIsSeen", body: laterIsSeen},
	{name: "CloseFlushesLater", body: closeFlushesLater, shared: true},
	{name: "Closed", body: closed},
	{name: "TimeNeverGoesBack", body: timeNeverGoesBack},
	{name: "LongModelName", body: longModelName},
	{name: "OddProjectNames", body: oddProjectNames},
	{name: "RulesOfProject", body: rulesOfProject},
}

// A project that nobody used has no document, and looking at it makes none.
func viewOfNothing(t *testing.T, h Harness) {
	s := h.Open(t, eager())
	states, err := s.View(t.Context(), []string{"a", "b"})
	require.NoError(t, err)
	assert.Equal(t, []*scheduler.Project{nil, nil}, states)
	assert.Zero(t, s.Stats().Writes)

	states, err = s.View(t.Context(), nil)
	require.NoError(t, err)
	assert.Empty(t, states)
}

// The server pairs states with projects by position.
func viewKeepsOrder(t *testing.T, h Harness) {
	s := h.Open(t, eager())
	for i, id := range []string{"a", "b", "c"} {
		_, err := s.Apply(t.Context(), plenty, id, ask(int64(i+1)))
		require.NoError(t, err)
	}
	for _, s := range []storage.Store{s, h.Open(t, eager())} {
		states, err := s.View(t.Context(), []string{"c", "missing", "a", "c"})
		require.NoError(t, err)
		require.Len(t, states, 4)
		assert.EqualValues(t, 3, states[0].Calendar(model).Sent[0].Tokens)
		assert.Nil(t, states[1])
		assert.EqualValues(t, 1, states[2].Calendar(model).Sent[0].Tokens)
		assert.EqualValues(t, 3, states[3].Calendar(model).Sent[0].Tokens)
	}
}

func admissionIsSeen(t *testing.T, h Harness) {
	s := h.Open(t, eager())
	r := ask(7)
	result := admit(t, s, plenty, r)
	assert.True(t, result.Changed)
	assert.Equal(t, r.ID, result.Reservation.ID)
	assert.Equal(t, result.Start, result.Reservation.Start)
	for _, p := range []*scheduler.Project{view(t, s, project), stored(t, h)} {
		assert.Equal(t, []scheduler.Reservation{result.Reservation}, sent(p.Calendar(model)))
	}
}

// A refusal, a mark that is there already and a ticket that stands for nothing
// leave the document as it is, so they must not cost a write.
func nothingToWrite(t *testing.T, h Harness) {
	s := h.Open(t, eager())
	one := rulesOf(scheduler.Limits{RPM: 1, TPM: 100, RPD: 10})
	admit(t, s, one, ask(1))
	disabled := true
	mark := scheduler.SetMark{Key: "key", Disabled: &disabled}
	result, err := s.Apply(t.Context(), one, project, mark)
	require.NoError(t, err)
	require.True(t, result.Changed)

	before := s.Stats().Writes
	_, counted := h.Asked()
	result, err = s.Apply(t.Context(), one, project, ask(1))
	require.NoError(t, err)
	assert.Equal(t, scheduler.Refused, result.Verdict)
	assert.Equal(t, scheduler.ByRPM, result.Cause)
	for _, change := range []scheduler.Change{mark, scheduler.Release{Booking: 5}, scheduler.Cancel{Model: model, ID: 5}} {
		result, err = s.Apply(t.Context(), one, project, change)
		require.NoError(t, err)
		assert.False(t, result.Changed)
	}
	assert.Equal(t, before, s.Stats().Writes)
	_, after := h.Asked()
	assert.Equal(t, counted, after)
}

// What one instance costs when nobody else writes: a write for each admission
// that comes by itself, at most that for those that come together, and after the
// first look no read, not even when something is refused.
func oneWriteEach(t *testing.T, h Harness) {
	const sequential, concurrent = 20, 40
	s := h.Open(t, eager())
	view(t, s, project)
	reads, writes := h.Asked()
	loaded := s.Stats().Reads

	for range sequential {
		admit(t, s, plenty, ask(1))
	}
	_, after := h.Asked()
	assert.EqualValues(t, sequential, after-writes)
	together(concurrent, func(int) { admit(t, s, plenty, ask(1)) })
	_, err := s.Apply(t.Context(), rulesOf(scheduler.Limits{RPM: 1, TPM: 1, RPD: 1}), project, ask(1))
	require.NoError(t, err)
	require.NoError(t, s.Refresh(t.Context(), []string{project}, false))

	readsAfter, writesAfter := h.Asked()
	assert.Equal(t, reads, readsAfter, "reads")
	assert.LessOrEqual(t, writesAfter-after, int64(concurrent))
	stats := s.Stats()
	assert.Equal(t, loaded, stats.Reads)
	assert.Equal(t, writesAfter-writes, stats.Writes, "the Store's own count")
	assert.Zero(t, stats.Conflicts)
	assert.EqualValues(t, sequential+concurrent, requests(stored(t, h)))
}

// Changes that wait while a commit is under way are seen by planning at once
// and written by the next commit, all together.
func groupCommit(t *testing.T, h Harness) {
	const n = 64
	hold := make(chan struct{})
	s := h.Open(t, troubled(Trouble{Before: func(_ context.Context, n int) {
		if n == 1 {
			<-hold
		}
	}}))
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() { admit(t, s, plenty, ask(1)) })
	}
	until(t, "all are pending", func() bool { return requests(view(t, s, project)) == n })
	close(hold)
	wg.Wait()
	_, writes := h.Asked()
	assert.LessOrEqual(t, writes, int64(2))
	assert.EqualValues(t, n, requests(stored(t, h)))
}

// A state that was handed out is read while changes go on.
func viewIsNotChanged(t *testing.T, h Harness) {
	s := h.Open(t, eager())
	admit(t, s, plenty, ask(1))
	old := view(t, s, project)
	copied := *old.Calendars[0]
	before := sent(&copied)
	together(8, func(int) { admit(t, s, plenty, ask(1)) })
	s.Later(plenty, project, scheduler.Cancel{Model: model, ID: before[0].ID})
	require.Len(t, old.Calendars, 1)
	assert.Equal(t, before, sent(old.Calendars[0]))
	assert.Equal(t, copied.Days, old.Calendars[0].Days)
}

func laterIsSeen(t *testing.T, h Harness) {
	s := h.Open(t, eager())
	r := admit(t, s, plenty, ask(1))
	_, before := h.Asked()
	s.Later(plenty, project, scheduler.Cancel{Model: model, ID: r.Reservation.ID})
	assert.Zero(t, requests(view(t, s, project)))
	_, after := h.Asked()
	assert.Equal(t, before, after)
}

// What is piggybacked costs no write of its own, reaches the database with the
// next commit, and is written once: a commit after that leaves it alone.
func laterRidesAlong(t *testing.T, h Harness) {
	s := h.Open(t, eager())
	first := admit(t, s, plenty, ask(1))
	s.Later(plenty, project, scheduler.Cancel{Model: model, ID: first.Reservation.ID})
	assert.EqualValues(t, 1, requests(stored(t, h)), "not written yet")
	second := admit(t, s, plenty, ask(1))
	assert.Zero(t, reservations(stored(t, h), first.Reservation.ID))
	third := admit(t, s, plenty, ask(1))
	p := stored(t, h)
	assert.EqualValues(t, 2, requests(p))
	assert.Equal(t, 1, reservations(p, second.Reservation.ID))
	assert.Equal(t, 1, reservations(p, third.Reservation.ID))
	_, writes := h.Asked()
	assert.EqualValues(t, 3, writes)
}

func closeFlushesLater(t *testing.T, h Harness) {
	s := h.Open(t, eager())
	r := admit(t, s, plenty, ask(1))
	s.Later(plenty, project, scheduler.Cancel{Model: model, ID: r.Reservation.ID})
	require.NoError(t, s.Close(t.Context()))
	assert.Zero(t, requests(stored(t, h)))
}

// After Close nothing is promised any more, by any method.
func closed(t *testing.T, h Harness) {
	s := h.Open(t, eager())
	admit(t, s, plenty, ask(1))
	require.NoError(t, s.Close(t.Context()))
	_, err := s.View(t.Context(), []string{project})
	require.ErrorIs(t, err, storage.ErrClosed)
	require.ErrorIs(t, s.Refresh(t.Context(), []string{project}, true), storage.ErrClosed)
	_, err = s.Apply(t.Context(), plenty, project, ask(1))
	require.ErrorIs(t, err, storage.ErrClosed)
	_, err = s.Control(t.Context())
	require.ErrorIs(t, err, storage.ErrClosed)
	_, err = s.UpdateControl(t.Context(), func(*storage.Control) error { return nil })
	require.ErrorIs(t, err, storage.ErrClosed)
	s.Later(plenty, project, scheduler.Cancel{Model: model, ID: 1})
	require.NoError(t, s.Close(t.Context()))
}

func timeNeverGoesBack(t *testing.T, h Harness) {
	s := h.Open(t, eager())
	view(t, s, project) // the database is heard
	together(4, func(int) {
		last := s.Now()
		for i := range 200 {
			if i%50 == 0 {
				admit(t, s, plenty, ask(1))
			}
			now := s.Now()
			assert.GreaterOrEqual(t, now, last)
			last = now
		}
	})
	assert.InDelta(t, time.Now().UnixMilli(), int64(s.Now()), 1000, "the time of day")
	earliest, latest := s.Between()
	assert.LessOrEqual(t, earliest, s.Now())
	assert.LessOrEqual(t, earliest, latest)
	assert.InDelta(t, int64(earliest), int64(latest), 1000, "known to be about that")
}

// A name that long, from a caller's request, would make the document too large
// for everyone.
func longModelName(t *testing.T, h Harness) {
	s := h.Open(t, eager())
	r := ask(1)
	r.Model = strings.Repeat("m", 200)
	_, err := s.Apply(t.Context(), plenty, project, r)
	require.Error(t, err)
	assert.NotErrorIs(t, err, storage.ErrUnavailable)
	assert.Nil(t, view(t, s, project))
}

// Project IDs are whatever an operator declares.
func oddProjectNames(t *testing.T, h Harness) {
	s := h.Open(t, eager())
	names := []string{"projects/a/b", "..", "a b", "ä", "%2F", "__x__"}
	for i, id := range names {
		_, err := s.Apply(t.Context(), plenty, id, ask(int64(i+1)))
		require.NoError(t, err, id)
	}
	states, err := h.Open(t, eager()).View(t.Context(), names)
	require.NoError(t, err)
	for i, p := range states {
		require.NotNil(t, p, names[i])
		assert.EqualValues(t, i+1, p.Calendar(model).Sent[0].Tokens, names[i])
	}
}

// A project that has rules of its own is changed by those, whether at once or later.
func rulesOfProject(t *testing.T, h Harness) {
	one := rulesOf(scheduler.Limits{RPM: 1, TPM: scheduler.Unlimited, RPD: scheduler.Unlimited})
	one.Projects = map[string]*scheduler.Rules{project: rulesOf(scheduler.Limits{RPM: 2, TPM: scheduler.Unlimited, RPD: scheduler.Unlimited})}
	s := h.Open(t, eager())
	for id, want := range map[string]scheduler.Verdict{project: scheduler.Admitted, "another": scheduler.Refused} {
		_, err := s.Apply(t.Context(), one, id, ask(1))
		require.NoError(t, err)
		s.Later(one, id, scheduler.SetMark{Key: "0a1b2c3d4e5f", Disabled: new(true)})
		result, err := s.Apply(t.Context(), one, id, ask(1))
		require.NoError(t, err)
		assert.Equal(t, want, result.Verdict, id)
		assert.False(t, view(t, s, id).Usable("0a1b2c3d4e5f"))
	}
}
