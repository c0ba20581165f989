package waitlist

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/scheduler"
)

func anyCalendar(string) bool { return true }

// Other instances learn of each caller that is expected since when the oldest of its requests waits, and that it waits until the last of
// its times and the hold are over, for a window at most.
func TestWaiters(t *testing.T) {
	l := New(scheduler.DefaultHold)
	now := scheduler.Instant(1_000_000)
	id := uint64(0)
	tell := func(caller string, since, in scheduler.Instant) {
		id++
		p := promiseOf("p", "m", id, id, now+in)
		p.Caller, p.Since = caller, now-since
		l.Add(p, now)
	}
	tell("alice", 7000, 10_000)
	tell("alice", 9000, 30_000)
	tell("bob", 8000, 600_000)
	hold := scheduler.Instant(scheduler.DefaultHold.Milliseconds())
	m, alice, bob := scheduler.NameOf("m"), scheduler.CallerOf("alice"), scheduler.CallerOf("bob")
	want := []scheduler.Waiter{{Model: m, Caller: alice, Since: now - 9000, Until: now + 30_000 + hold}, {Model: m, Caller: bob, Since: now - 8000, Until: now + 60_000}}
	assert.Equal(t, want, l.Share("p", now, anyCalendar).Waiters)
	assert.Empty(t, l.Share("q", now, nil).Waiters, "nobody else is at work")
	assert.Empty(t, l.Share("p", now+999, anyCalendar).Waiters, "a project is told once a second")
	assert.Equal(t, want, l.Share("q", now+999, anyCalendar).Waiters)

	tell("carol", 0, 10_000)
	assert.Len(t, l.Share("r", now+999, anyCalendar).Waiters, 2, "it is gathered once a second")
	assert.Len(t, l.Share("p", now+1000, anyCalendar).Waiters, 3)
	now += 31_000 + hold
	for range 64 {
		l.note("bob", false)
	}
	assert.Empty(t, l.Share("p", now, anyCalendar).Waiters, "the times of the others are over, and who never comes isn't expected")
}

// Of a crowd those are named that have waited for longest, as many as a project keeps.
func TestWaitersOfACrowd(t *testing.T) {
	l := New(scheduler.DefaultHold)
	now := scheduler.Instant(1_000_000)
	for i := range uint64(3 * scheduler.MaxWaiters) {
		p := promiseOf("p", "m", i+1, i+1, now+1000)
		p.Caller, p.Since = string(rune('A'+i)), now-scheduler.Instant(i)
		l.Add(p, now)
	}
	all := l.Share("p", now, anyCalendar).Waiters
	assert.Len(t, all, scheduler.MaxWaiters)
	assert.Equal(t, now-3*scheduler.MaxWaiters+1, all[0].Since)
}

// Where callers wait for several models each of these gets its part of what a project keeps.
func TestWaitersOfSeveralModels(t *testing.T) {
	l := New(scheduler.DefaultHold)
	now, id := scheduler.Instant(1_000_000), uint64(0)
	for model, callers := range map[string]int{"m": 100, "n": 3, "o": 100} {
		for i := range callers {
			id++
			p := promiseOf("p", model, id, id, now+1000)
			p.Caller, p.Since = string(rune('A'+i)), now-scheduler.Instant(i)
			l.Add(p, now)
		}
	}
	all, of := l.Share("p", now, anyCalendar).Waiters, map[uint32]int{}
	for _, x := range scheduler.Waiting(nil, all, now) {
		of[x.Model]++
	}
	assert.Len(t, all, scheduler.MaxWaiters)
	assert.Equal(t, 3, of[scheduler.NameOf("n")])
	assert.InDelta(t, of[scheduler.NameOf("m")], of[scheduler.NameOf("o")], 1)
}

// Of a calendar without turns nobody is named: a feature of which no limit is known would take half of the places.
func TestWaitersWhereThereAreTurns(t *testing.T) {
	l, search := New(scheduler.DefaultHold), scheduler.OfFeature("", "google_search")
	now := scheduler.Instant(1_000_000)
	for i := range uint64(scheduler.MaxWaiters) {
		p := promiseOf("p", "m", i+1, i+1, now+1000)
		p.Caller, p.Also = string(rune('A'+i)), []scheduler.Weight{{On: search}}
		l.Add(p, now)
	}
	all := l.Share("p", now, func(calendar string) bool { return calendar != search }).Waiters
	assert.Len(t, all, scheduler.MaxWaiters)
	assert.False(t, slices.ContainsFunc(all, func(x scheduler.Waiter) bool { return x.Model != scheduler.NameOf("m") }))
}
