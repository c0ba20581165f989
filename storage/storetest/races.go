package storetest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

var raceCases = []testCase{
	{name: "LostRaceAppliesAgain", body: lostRaceAppliesAgain, shared: true},
	{name: "LostRaceReplans", body: lostRaceReplans, shared: true},
	{name: "LostRacesInARow", body: lostRacesInARow, shared: true},
	{name: "LaterSurvivesLostRaces", body: laterSurvivesLostRaces, shared: true},
	{name: "RefreshBringsOthers", body: refreshBringsOthers, shared: true},
	{name: "RefreshRules", body: refreshRules, shared: true, virtual: true},
	{name: "Paced", body: paced, shared: true, virtual: true},
	{name: "NobodyStarves", body: nobodyStarves, shared: true, virtual: true},
}

// overtaken returns trouble that has another instance write before each of the
// first n commits.
func overtaken(t *testing.T, other storage.Store, n int, rules *scheduler.Rules) Trouble {
	return Trouble{Before: func(_ context.Context, i int) {
		if i <= n {
			_, err := other.Apply(context.WithoutCancel(t.Context()), rules, project, ask(1))
			assert.NoError(t, err)
		}
	}}
}

// The change runs a second time, on what the winner left: the loser's slot is
// there once, beside the winner's, and nothing that was handed out before has
// changed.
func lostRaceAppliesAgain(t *testing.T, h Harness) {
	b := h.Open(t, eager())
	a := h.Open(t, troubled(overtaken(t, b, 1, plenty)))
	admit(t, b, plenty, ask(1))
	old := view(t, a, project)
	before := sent(old.Calendar(model))

	r := ask(5)
	result := admit(t, a, plenty, r)
	assert.EqualValues(t, 5, result.Reservation.Tokens)
	assert.Equal(t, before, sent(old.Calendar(model)))
	assert.Len(t, old.Calendars, 1)
	stats := a.Stats()
	assert.EqualValues(t, 1, stats.Conflicts)
	assert.EqualValues(t, 2, stats.Writes)
	assert.EqualValues(t, 2, stats.Reads, "the first look and the reload")
	counts(t, h, a, b)
	for _, p := range []*scheduler.Project{view(t, a, project), stored(t, h)} {
		assert.EqualValues(t, 3, requests(p))
		assert.Equal(t, 1, reservations(p, r.ID))
	}
}

// The winner took the last slot: the loser comes back to plan elsewhere, having
// written nothing.
func lostRaceReplans(t *testing.T, h Harness) {
	one := rulesOf(scheduler.Limits{RPM: 1, TPM: 100, RPD: 10})
	b := h.Open(t, eager())
	a := h.Open(t, troubled(overtaken(t, b, 1, one)))
	view(t, a, project)
	r := ask(1)
	r.Planned = a.Now()
	result, err := a.Apply(t.Context(), one, project, r)
	require.NoError(t, err)
	assert.Equal(t, scheduler.Replan, result.Verdict)
	assert.False(t, result.Changed)
	assert.Equal(t, scheduler.ByRPM, result.Cause)
	assert.Greater(t, result.Start, r.Planned)
	for _, p := range []*scheduler.Project{view(t, a, project), stored(t, h)} {
		assert.EqualValues(t, 1, requests(p), "the winner's")
		assert.Zero(t, reservations(p, r.ID))
	}
}

func lostRacesInARow(t *testing.T, h Harness) {
	const lost = 4
	b := h.Open(t, eager())
	a := h.Open(t, troubled(overtaken(t, b, lost, plenty)))
	r := ask(1)
	admit(t, a, plenty, r)
	assert.EqualValues(t, lost, a.Stats().Conflicts)
	p := stored(t, h)
	assert.EqualValues(t, lost+1, requests(p))
	assert.Equal(t, 1, reservations(p, r.ID))
}

func laterSurvivesLostRaces(t *testing.T, h Harness) {
	b := h.Open(t, eager())
	a := h.Open(t, Config{
		Options: storage.Options{Pace: -1},
		Trouble: Trouble{Before: func(_ context.Context, n int) {
			if n == 2 || n == 3 {
				_, err := b.Apply(context.WithoutCancel(t.Context()), plenty, project, ask(1))
				assert.NoError(t, err)
			}
		}},
	})
	first := admit(t, a, plenty, ask(1))
	a.Later(plenty, project, scheduler.Cancel{Model: model, ID: first.Reservation.ID})
	second := admit(t, a, plenty, ask(1))
	require.EqualValues(t, 2, a.Stats().Conflicts)
	p := stored(t, h)
	assert.Zero(t, reservations(p, first.Reservation.ID))
	assert.Equal(t, 1, reservations(p, second.Reservation.ID))
	assert.EqualValues(t, 3, requests(p))
	assert.Equal(t, p.Calendar(model).Days, view(t, a, project).Calendar(model).Days)
}

// A view that was never refreshed is stale; with force it isn't.
func refreshBringsOthers(t *testing.T, h Harness) {
	a, b := h.Open(t, eager()), h.Open(t, eager())
	require.NoError(t, a.Refresh(t.Context(), []string{project}, true), "what isn't known is read")
	require.Nil(t, view(t, a, project))
	admit(t, b, plenty, ask(1))
	require.Nil(t, view(t, a, project))
	until(t, "a second went by", func() bool {
		require.NoError(t, a.Refresh(t.Context(), []string{project}, true))
		return view(t, a, project) != nil
	})
	assert.LessOrEqual(t, a.Stats().Reads, int64(2), "not more than once a second, forced or not")
}

// The rules of reading before a refusal, one step after another.
func refreshRules(t *testing.T, h Harness) {
	a, b := h.Open(t, eager()), h.Open(t, eager())
	ids := []string{project}
	steps := []struct {
		why   string
		wait  time.Duration
		other bool // another instance writes before the refresh
		own   bool // this one does
		force bool
		reads int64
	}{
		{why: "what is not known is read", reads: 1},
		{why: "just read", reads: 0},
		{why: "just read, forced", force: true, reads: 0},
		{why: "forced", wait: time.Second, force: true, reads: 1},
		{why: "nobody else in evidence", wait: 30 * time.Second, reads: 0},
		{why: "a commit of its own proves the view", own: true, reads: 0},
		{why: "still no minute since that", wait: 59 * time.Second, reads: 0},
		{why: "a minute old", wait: time.Second, reads: 1},
		{why: "which nobody knows yet", wait: 2 * time.Second, other: true, reads: 0},
		{why: "a minute old again", wait: time.Minute, reads: 1},
		{why: "another writer was seen", wait: time.Second, reads: 1},
		{why: "but not twice a second", wait: time.Second / 2, reads: 0},
		{why: "another writer was seen", wait: time.Second / 2, reads: 1},
		{why: "minutes ago: its commit has looked", wait: 4 * time.Minute, own: true, reads: 0},
		{why: "longer ago", wait: 59 * time.Second, own: true, reads: 0},
	}
	for i, step := range steps {
		time.Sleep(step.wait)
		if step.other {
			admit(t, b, plenty, ask(1))
		}
		if step.own {
			admit(t, a, plenty, ask(1))
		}
		before := a.Stats()
		together(3, func(int) { assert.NoError(t, a.Refresh(t.Context(), ids, step.force)) })
		assert.Equal(t, step.reads, a.Stats().Reads-before.Reads, "step %d: %s", i, step.why)
	}
}

// Production sustains few commits a second on one document. A busy instance
// writes at most five, each with more in it; other documents don't wait.
func paced(t *testing.T, h Harness) {
	s := h.Open(t, Config{})
	view(t, s, project)
	const callers, length = 30, 10 * time.Second
	start := time.Now()
	var granted ledger
	together(callers, func(int) {
		for time.Since(start) < length {
			r := admit(t, s, plenty, ask(1))
			granted.note(project, r.Reservation)
		}
	})
	took := time.Since(start)
	_, writes := h.Asked()
	assert.LessOrEqual(t, writes, int64(took/(200*time.Millisecond))+1)
	assert.Greater(t, len(granted.grants[project]), callers*int(writes)/2, "batches carry what came meanwhile")

	// The one that comes to an idle document doesn't wait.
	_, err := s.Apply(t.Context(), plenty, "other", ask(1))
	require.NoError(t, err)
	time.Sleep(time.Second)
	start = time.Now()
	_, err = s.Apply(t.Context(), plenty, "other", ask(1))
	require.NoError(t, err)
	assert.Less(t, time.Since(start), 100*time.Millisecond)
}

// As many instances as a document remembers, all of them busy: each gets its
// turn. (One that paused between reloading and writing again would find its
// state outdated every time.)
func nobodyStarves(t *testing.T, h Harness) {
	const callers, length = 5, 20 * time.Second
	end := time.Now().Add(length)
	var stores []storage.Store
	var mu sync.Mutex
	var longest time.Duration
	done := make([]int, scheduler.MaxWriters)
	var wg sync.WaitGroup
	for i := range scheduler.MaxWriters {
		s := h.Open(t, Config{})
		stores = append(stores, s)
		for range callers {
			wg.Go(func() {
				for time.Now().Before(end) {
					start := time.Now()
					admit(t, s, plenty, ask(1))
					mu.Lock()
					longest = max(longest, time.Since(start))
					done[i]++
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	assert.Less(t, longest, 8*time.Second)
	assert.Greater(t, slices.Min(done), slices.Max(done)/3, "admissions by instance: %v", done)
	t.Logf("longest %v, by instance %v", longest, done)
	counts(t, h, stores...)
}
