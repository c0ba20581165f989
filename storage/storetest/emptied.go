package storetest

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// An Emptier is a harness of a shared database, which can be emptied, or set back to
// what it held, under running instances.
type Emptier interface {
	Harness
	Empty(t testing.TB)
	Save(t testing.TB) (setBack func())
}

var emptiedCases = []testCase{
	{name: "Emptied", body: emptied, shared: true, virtual: true},
	{name: "EmptiedUnderTwo", body: emptiedUnderTwo, shared: true},
	{name: "EmptiedBeforeSeen", body: emptiedBeforeSeen, shared: true},
	{name: "EmptiedAndWrittenAnew", body: emptiedAndWrittenAnew, shared: true, virtual: true},
	{name: "EmptiedOpensAgain", body: emptiedOpensAgain, shared: true, virtual: true},
	{name: "SetBack", body: setBack, shared: true, virtual: true},
	{name: "SetBackSoon", body: setBackSoon, shared: true},
	{name: "EmptiedControl", body: emptiedControl, shared: true},
	{name: "EmptiedControlOfTwo", body: emptiedControlOfTwo, shared: true},
	{name: "SetBackControl", body: setBackControl, shared: true},
	{name: "EmptiedRecords", body: emptiedRecords, shared: true},
}

// five admits five requests a minute.
var five = rulesOf(scheduler.Limits{RPM: 5, TPM: scheduler.Unlimited, RPD: 100})

// noticing returns a configuration that counts what its store notices.
func noticing() (Config, *atomic.Int64) {
	c, n := eager(), new(atomic.Int64)
	c.Noticed = func(context.Context, string) { n.Add(1) }
	return c, n
}

// alone is after how long an instance that has noticed no other goes by that.
const alone = 5 * time.Minute

// ask1 asks for a slot and returns the verdict.
func ask1(t *testing.T, s storage.Store) scheduler.Result {
	t.Helper()
	result, err := s.Apply(t.Context(), five, project, ask(1))
	require.NoError(t, err)
	return result
}

// The only instance, which has been that for five minutes, goes on as if nothing had happened: what it sent, learned, marked
// and promised is there again, in the database too, and it says so.
func emptied(t *testing.T, h Harness) {
	c, noticed := noticing()
	s := h.Open(t, c)
	time.Sleep(alone)
	for range 3 {
		admit(t, s, five, ask(1))
	}
	disabled := true
	for _, change := range []scheduler.Change{
		scheduler.SetMark{Key: "key", Disabled: &disabled},
		scheduler.RecordRefusal{Model: "other-pro", Limits: scheduler.Limits{RPD: 7}},
	} {
		_, err := s.Apply(t.Context(), five, project, change)
		require.NoError(t, err)
	}
	h.(Emptier).Empty(t)
	admit(t, s, five, ask(1))
	admit(t, s, five, ask(1))
	result := ask1(t, s)
	assert.Equal(t, scheduler.Refused, result.Verdict)
	assert.Equal(t, scheduler.ByRPM, result.Cause)
	for _, p := range []*scheduler.Project{view(t, s, project), stored(t, h)} {
		assert.EqualValues(t, 5, requests(p))
		assert.EqualValues(t, 5, p.Calendar(model).Used(five, scheduler.DayOf(s.Now())))
		assert.False(t, p.Usable("key"))
		assert.EqualValues(t, 7, p.Calendar("other-pro").Learned.RPD.Limit)
	}
	assert.EqualValues(t, 1, s.Stats().Lost)
	until(t, "it is said", func() bool { return noticed.Load() == 1 })
}

// Two instances, of which one has sent what the other hasn't seen. Who comes first can't
// know how much that is, so it admits nothing for a minute; and when the other comes,
// its part is there too.
func emptiedUnderTwo(t *testing.T, h Harness) {
	a, b := h.Open(t, eager()), h.Open(t, eager())
	admit(t, a, five, ask(1))
	admit(t, b, five, ask(1))
	until(t, "a knows b", func() bool {
		require.NoError(t, a.Refresh(t.Context(), []string{project}, true))
		time.Sleep(50 * time.Millisecond)
		return requests(view(t, a, project)) == 2
	})
	admit(t, b, five, ask(1))
	admit(t, b, five, ask(1))
	h.(Emptier).Empty(t)
	for _, s := range []storage.Store{a, b, a} {
		result := ask1(t, s)
		assert.Equal(t, scheduler.Refused, result.Verdict)
		assert.Equal(t, scheduler.ByRPM, result.Cause)
		assert.LessOrEqual(t, result.Start.Sub(s.Now()), 72*time.Second)
	}
	assert.EqualValues(t, 4, requests(stored(t, h)))
	assert.EqualValues(t, 4, stored(t, h).Calendar(model).Used(five, scheduler.DayOf(a.Now())))
}

// A project that only another instance has used looks to this one as if it had never been
// used, before the database was emptied and after. It admits nothing there for a minute,
// whether it looked at the project before or not.
func emptiedBeforeSeen(t *testing.T, h Harness) {
	a, b := h.Open(t, eager()), h.Open(t, eager())
	setting(t, a)
	_, err := b.Control(t.Context())
	require.NoError(t, err)
	require.Nil(t, view(t, b, project))
	used := []string{project, "looked at by nobody else"}
	for _, id := range used {
		for range 3 {
			result, err := a.Apply(t.Context(), five, id, ask(1))
			require.NoError(t, err)
			require.Equal(t, scheduler.Admitted, result.Verdict)
		}
	}
	h.(Emptier).Empty(t)
	for _, id := range used {
		for _, s := range []storage.Store{b, a} {
			result, err := s.Apply(t.Context(), five, id, ask(1))
			require.NoError(t, err)
			assert.Equal(t, scheduler.Refused, result.Verdict)
			assert.LessOrEqual(t, result.Start.Sub(s.Now()), 72*time.Second)
		}
		assert.EqualValues(t, 3, requests(view(t, a, id)))
	}
}

// Somebody who knew nothing has begun anew by the time that others look: both count.
func emptiedAndWrittenAnew(t *testing.T, h Harness) {
	a := h.Open(t, eager())
	time.Sleep(alone)
	admit(t, a, five, ask(1))
	admit(t, a, five, ask(1))
	h.(Emptier).Empty(t)
	newcomer := h.Open(t, eager())
	admit(t, newcomer, five, ask(1))
	admit(t, a, five, ask(1))
	p := stored(t, h)
	assert.EqualValues(t, 4, requests(p))
	assert.EqualValues(t, 4, p.Calendar(model).Used(five, scheduler.DayOf(a.Now())))
	assert.EqualValues(t, 1, a.Stats().Lost)
	admit(t, newcomer, five, ask(1))
	assert.Equal(t, scheduler.Refused, ask1(t, newcomer).Verdict)
	assert.Zero(t, newcomer.Stats().Lost)
}

// What was closed opens again when nothing that was lost can count any more.
func emptiedOpensAgain(t *testing.T, h Harness) {
	a, b := h.Open(t, eager()), h.Open(t, eager())
	admit(t, a, five, ask(1))
	admit(t, b, five, ask(1))
	admit(t, a, five, ask(1)) // and notices b
	h.(Emptier).Empty(t)
	result := ask1(t, a)
	require.Equal(t, scheduler.Refused, result.Verdict)
	time.Sleep(result.Start.Sub(a.Now()))
	for range 5 {
		admit(t, b, five, ask(1))
	}
	assert.Equal(t, scheduler.Refused, ask1(t, a).Verdict)
	assert.EqualValues(t, 8, stored(t, h).Calendar(model).Used(five, scheduler.DayOf(a.Now())))
}

// A copy of an hour ago is put in the place of the database.
func setBack(t *testing.T, h Harness) {
	s := h.Open(t, eager())
	time.Sleep(alone)
	admit(t, s, five, ask(1))
	back := h.(Emptier).Save(t)
	admit(t, s, five, ask(1))
	admit(t, s, five, ask(1))
	back()
	admit(t, s, five, ask(1))
	p := stored(t, h)
	assert.EqualValues(t, 4, requests(p))
	assert.EqualValues(t, 4, p.Calendar(model).Used(five, scheduler.DayOf(s.Now())))
	assert.EqualValues(t, 1, s.Stats().Lost)
}

// An instance that began a moment ago can't know whether others were at work until then.
func setBackSoon(t *testing.T, h Harness) {
	s := h.Open(t, eager())
	admit(t, s, five, ask(1))
	back := h.(Emptier).Save(t)
	admit(t, s, five, ask(1))
	admit(t, s, five, ask(1))
	back()
	assert.Equal(t, scheduler.Refused, ask1(t, s).Verdict)
	p := stored(t, h)
	assert.EqualValues(t, 3, requests(p))
	assert.EqualValues(t, 3, p.Calendar(model).Used(five, scheduler.DayOf(s.Now())))
	assert.EqualValues(t, 1, s.Stats().Lost)
}

var settings = storage.Control{
	Mode: "flash_only", Prefer: "free", TicketKey: []byte{7}, Chain: []string{"a", "b"}, Across: []string{"a", "p/x", "b"}, Aliases: map[string]string{"x": "y"},
}

func setting(t *testing.T, s storage.Store) {
	_, err := s.UpdateControl(t.Context(), func(c *storage.Control) error {
		c.Mode, c.Prefer, c.TicketKey, c.Chain, c.Across, c.Aliases = settings.Mode, settings.Prefer, settings.TicketKey, settings.Chain, settings.Across, settings.Aliases
		return nil
	})
	require.NoError(t, err)
}

// The settings are written back, by whoever reads or changes the control document
// first, and every instance reads its projects anew.
func emptiedControl(t *testing.T, h Harness) {
	c, noticed := noticing()
	a := h.Open(t, c)
	setting(t, a)
	setting(t, a)
	h.(Emptier).Empty(t)
	newcomer := h.Open(t, eager())
	_, err := newcomer.UpdateControl(t.Context(), func(c *storage.Control) error {
		c.TicketKey, c.Mode, c.Prefer = []byte{8}, "pro_only", "paid"
		return nil
	})
	require.NoError(t, err)
	for _, s := range []storage.Store{a, newcomer, h.Open(t, eager())} {
		until(t, "the settings are there again", func() bool {
			time.Sleep(50 * time.Millisecond)
			got, err := s.FreshControl(t.Context())
			require.NoError(t, err)
			return got.Epoch > 2
		})
		got, err := s.FreshControl(t.Context())
		require.NoError(t, err)
		assert.Equal(t, settings.TicketKey, got.TicketKey, "tickets hold")
		assert.Equal(t, "pro_only", got.Mode, "set after the loss")
		assert.Equal(t, "paid", got.Prefer, "likewise")
		assert.Equal(t, settings.Chain, got.Chain)
		assert.Equal(t, settings.Across, got.Across)
		assert.Equal(t, settings.Aliases, got.Aliases)
	}
	until(t, "it is said", func() bool { return noticed.Load() == 1 })

	h.(Emptier).Empty(t)
	got, err := a.UpdateControl(t.Context(), func(c *storage.Control) error { c.Mode = ""; return nil })
	require.NoError(t, err)
	assert.Equal(t, settings.Chain, got.Chain, "a change comes on top of what is restored")
	assert.Empty(t, got.Mode)
}

// Who restores the settings first may have known less than another, which had changed
// them a moment before. That one gives back what it knows, whatever the epoch has become.
func emptiedControlOfTwo(t *testing.T, h Harness) {
	a, b := h.Open(t, eager()), h.Open(t, eager())
	setting(t, a)
	_, err := b.Control(t.Context())
	require.NoError(t, err)
	_, err = a.UpdateControl(t.Context(), func(c *storage.Control) error { c.Mode = "pro_only"; return nil })
	require.NoError(t, err)
	h.(Emptier).Empty(t)
	for range 3 { // b goes by the mode before
		got, err := b.UpdateControl(t.Context(), func(*storage.Control) error { return nil })
		require.NoError(t, err)
		require.Equal(t, settings.Mode, got.Mode)
		require.Equal(t, settings.Prefer, got.Prefer)
	}
	until(t, "a notices", func() bool {
		time.Sleep(50 * time.Millisecond)
		_, err := a.FreshControl(t.Context())
		require.NoError(t, err)
		return a.Stats().Lost > 0
	})
	for _, s := range []storage.Store{h.Open(t, eager()), b} {
		until(t, "nothing is lost", func() bool {
			time.Sleep(50 * time.Millisecond)
			got, err := s.FreshControl(t.Context())
			require.NoError(t, err)
			return bytes.Equal(got.TicketKey, settings.TicketKey) && len(got.Chain) == 2
		})
	}
	assert.EqualValues(t, 1, a.Stats().Lost, "and neither goes on with it")
	assert.EqualValues(t, 1, b.Stats().Lost)
}

// A copy of the settings is older than what is known of them.
func setBackControl(t *testing.T, h Harness) {
	s := h.Open(t, eager())
	setting(t, s)
	back := h.(Emptier).Save(t)
	_, err := s.UpdateControl(t.Context(), func(c *storage.Control) error { c.Mode = "pro_only"; return nil })
	require.NoError(t, err)
	back()
	until(t, "it is noticed", func() bool {
		time.Sleep(50 * time.Millisecond)
		_, err := s.FreshControl(t.Context())
		require.NoError(t, err)
		return s.Stats().Lost > 0
	})
	got, err := h.Open(t, eager()).Control(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "pro_only", got.Mode)
	assert.EqualValues(t, 3, got.Epoch)
}

// Records are written back as they are known, when somebody reads or changes them.
func emptiedRecords(t *testing.T, h Harness) {
	s := h.Open(t, eager())
	add := func(text string) {
		_, err := s.UpdateRecord(t.Context(), "list", func(data []byte) ([]byte, error) { return append(data, text...), nil })
		require.NoError(t, err)
	}
	read := func(s storage.Store) string {
		data, err := s.Record(t.Context(), "list")
		require.NoError(t, err)
		return string(data)
	}
	add("a")
	h.(Emptier).Empty(t)
	add("b")
	assert.Equal(t, "ab", read(h.Open(t, eager())))
	h.(Emptier).Empty(t)
	assert.Equal(t, "ab", read(s))
	assert.Equal(t, "ab", read(h.Open(t, eager())))
	assert.EqualValues(t, 2, s.Stats().Lost)
}
