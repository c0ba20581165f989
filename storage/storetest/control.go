package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

var controlCases = []testCase{
	{name: "Control", body: controlRoundTrip},
	{name: "ControlIsACopy", body: controlIsACopy},
	{name: "ControlOwnError", body: controlOwnError},
	{name: "ControlLosesNothing", body: controlLosesNothing},
	{name: "ControlAge", body: controlAge, shared: true, virtual: true},
	{name: "EpochRereadsViews", body: epochRereadsViews, shared: true, virtual: true},
	{name: "EpochTravels", body: epochTravels, shared: true},
	{name: "MarksOfOthers", body: marksOfOthers, shared: true},
	{name: "BookingsOfOthers", body: bookingsOfOthers, shared: true},
}

func controlRoundTrip(t *testing.T, h Harness) {
	s := h.Open(t, eager())
	c, err := s.Control(t.Context())
	require.NoError(t, err)
	assert.Zero(t, c.Epoch)
	assert.Empty(t, c.Mode)

	c, err = s.UpdateControl(t.Context(), func(c *storage.Control) error {
		c.Mode, c.Prefer, c.TicketKey, c.Aliases = "flash_only", "free", []byte{0, 255}, map[string]string{"a-latest": "a.1/2"}
		c.Redirects = map[string]string{"a.1": "b.1"}
		c.Epoch = 99 // not the caller's to set
		return nil
	})
	require.NoError(t, err)
	want := storage.Control{Epoch: 1, Mode: "flash_only", Prefer: "free", TicketKey: []byte{0, 255}, Aliases: map[string]string{"a-latest": "a.1/2"}, Redirects: map[string]string{"a.1": "b.1"}}
	assert.Equal(t, want, c)
	for _, s := range []storage.Store{s, h.Open(t, eager())} {
		c, err = s.Control(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, c)
	}
	c, err = s.UpdateControl(t.Context(), func(*storage.Control) error { return nil })
	require.NoError(t, err)
	assert.EqualValues(t, 2, c.Epoch, "every change counts, for it may follow one of the projects")
}

// A Control that was handed out stays as it is, whatever is changed afterwards.
func controlIsACopy(t *testing.T, h Harness) {
	s := h.Open(t, eager())
	c, err := s.UpdateControl(t.Context(), func(c *storage.Control) error {
		c.TicketKey, c.Aliases = []byte{1}, map[string]string{"a": "b"}
		return nil
	})
	require.NoError(t, err)
	known, err := s.Control(t.Context())
	require.NoError(t, err)
	changed, err := s.UpdateControl(t.Context(), func(c *storage.Control) error {
		c.TicketKey[0], c.Aliases["a"] = 9, "x"
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, []byte{9}, changed.TicketKey)
	for _, before := range []storage.Control{c, known} {
		assert.Equal(t, []byte{1}, before.TicketKey)
		assert.Equal(t, "b", before.Aliases["a"])
	}
}

// An error of the change's own is the caller's answer, not a broken store.
func controlOwnError(t *testing.T, h Harness) {
	s := h.Open(t, eager())
	own := errors.New("no such mode")
	_, err := s.UpdateControl(t.Context(), func(c *storage.Control) error {
		c.Mode = "changed"
		return own
	})
	assert.Same(t, own, err)
	c, err := s.Control(t.Context())
	require.NoError(t, err)
	assert.Empty(t, c.Mode)
	assert.Zero(t, c.Epoch)
}

func controlLosesNothing(t *testing.T, h Harness) {
	const instances, changes = 3, 3
	var runs atomic.Int64
	together(instances*changes, func(i int) {
		if i%changes != 0 {
			return
		}
		s := h.Open(t, eager())
		together(changes, func(j int) {
			_, err := s.UpdateControl(t.Context(), func(c *storage.Control) error {
				runs.Add(1)
				if c.Aliases == nil {
					c.Aliases = make(map[string]string)
				}
				c.Aliases[fmt.Sprintf("%d-%d", i/changes, j)] = "x"
				return nil
			})
			assert.NoError(t, err)
		})
	})
	c, err := h.Open(t, eager()).Control(t.Context())
	require.NoError(t, err)
	assert.Len(t, c.Aliases, instances*changes)
	assert.EqualValues(t, instances*changes, c.Epoch)
	t.Logf("%d changes ran %d times", instances*changes, runs.Load())
}

// An instance reads the control document every ControlAge at most, so a change
// arrives everywhere within that, and at once where it was made.
func controlAge(t *testing.T, h Harness) {
	a, b := h.Open(t, eager()), h.Open(t, eager())
	mode := func(s storage.Store) string {
		c, err := s.Control(t.Context())
		require.NoError(t, err)
		return c.Mode
	}
	assert.Empty(t, mode(a))
	asked := a.Stats().Control
	_, err := b.UpdateControl(t.Context(), func(c *storage.Control) error { c.Mode = "pro_only"; return nil })
	require.NoError(t, err)
	assert.Equal(t, "pro_only", mode(b))

	time.Sleep(storage.ControlAge - time.Second)
	together(10, func(int) { assert.Empty(t, mode(a)) })
	assert.Equal(t, asked, a.Stats().Control)
	time.Sleep(time.Second)
	together(10, func(int) { assert.Equal(t, "pro_only", mode(a)) })
	assert.Equal(t, asked+1, a.Stats().Control, "many callers, one read")
}

// Good news must arrive as surely as bad: a key that was enabled elsewhere would
// otherwise never be tried, as the instance writes nothing to its project.
func epochRereadsViews(t *testing.T, h Harness) {
	a, b := h.Open(t, eager()), h.Open(t, eager())
	set := func(disabled bool) {
		_, err := b.Apply(t.Context(), plenty, project, scheduler.SetMark{Key: "key", Disabled: &disabled})
		require.NoError(t, err)
		_, err = b.UpdateControl(t.Context(), func(*storage.Control) error { return nil })
		require.NoError(t, err)
	}
	look := func() bool {
		_, err := a.Control(t.Context())
		require.NoError(t, err)
		return view(t, a, project).Usable("key")
	}
	for _, disabled := range []bool{true, false, true} {
		was := look()
		set(disabled)
		time.Sleep(storage.ControlAge / 2)
		assert.Equal(t, was, look(), "cached")
		time.Sleep(storage.ControlAge / 2)
		reads, _ := h.Asked()
		assert.Equal(t, !disabled, look())
		together(10, func(int) { assert.Equal(t, !disabled, look()) })
		after, _ := h.Asked()
		assert.EqualValues(t, 1, after-reads, "many callers, one read")
	}
}

// An admin's order is not answered from a stale view: what seems to be so
// already may have been undone elsewhere a moment ago.
func marksOfOthers(t *testing.T, h Harness) {
	a, b := h.Open(t, eager()), h.Open(t, eager())
	set := func(s storage.Store, disabled bool) {
		result, err := s.Apply(t.Context(), plenty, project, scheduler.SetMark{Key: "key", Disabled: &disabled})
		require.NoError(t, err)
		assert.True(t, result.Changed)
	}
	set(a, true)
	view(t, b, project)
	set(b, false)
	set(a, true)
	assert.False(t, stored(t, h).Usable("key"))
}

// A ticket can be given back at an instance that never saw its booking.
func bookingsOfOthers(t *testing.T, h Harness) {
	one := rulesOf(scheduler.Limits{RPM: 1, TPM: 100, RPD: 10})
	a, b := h.Open(t, eager()), h.Open(t, eager())
	admit(t, a, one, ask(1))
	view(t, b, project)
	r := ask(1)
	r.Book = true
	result, err := a.Apply(t.Context(), one, project, r)
	require.NoError(t, err)
	require.Equal(t, scheduler.Booked, result.Verdict)
	assert.Equal(t, r.ID, result.Booking.ID)

	result, err = b.Apply(t.Context(), one, project, scheduler.Release{Booking: r.ID})
	require.NoError(t, err)
	assert.True(t, result.Changed)
	assert.Empty(t, stored(t, h).Calendar(model).Bookings)
}

// Who reads a project's document that was written by what is newer than the control document
// it knows, reads that at once, and once.
func epochTravels(t *testing.T, h Harness) {
	a, b := h.Open(t, eager()), h.Open(t, eager())
	mode := func(s storage.Store) string {
		c, err := s.Control(t.Context())
		require.NoError(t, err)
		return c.Mode
	}
	assert.Empty(t, mode(a))
	admit(t, a, plenty, ask(1))
	_, err := b.UpdateControl(t.Context(), func(c *storage.Control) error { c.Mode = "pro_only"; return nil })
	require.NoError(t, err)
	admit(t, b, plenty, ask(1))
	asked := a.Stats().Control
	assert.Empty(t, mode(a), "nothing tells it yet")

	admit(t, a, plenty, ask(1)) // loses the race
	together(10, func(int) { assert.Equal(t, "pro_only", mode(a)) })
	admit(t, b, plenty, ask(1))
	admit(t, a, plenty, ask(1))
	assert.Equal(t, "pro_only", mode(a))
	assert.Equal(t, asked+1, a.Stats().Control)
	assert.EqualValues(t, 1, stored(t, h).Epoch)
}
