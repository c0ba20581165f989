package fair

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/scheduler"
)

// Of two that the projects have forgotten it is the turn of the one that was served longest
// ago, whichever an instance has known for longer that it waits, and of one that nobody
// remembers before theirs.
func TestServedLongestAgo(t *testing.T) {
	var served Served
	serve := func(caller uint32, ago scheduler.Instant) {
		k := New(now-1000*ago, func(uint32) int64 { return 1 })
		k.Serve(scheduler.Service{Caller: caller, Requests: 1, At: now - 1000*ago})
		k.Weigh(&served, 7)
	}
	serve(2, 500)
	serve(1, 400)
	serve(2, 300) // once more
	for _, c := range []struct {
		name        string
		others      Slot
		mine        uint32
		remembers   *Served
		model       uint32
		othersFirst bool
	}{
		{"mine was served longest ago, and is new here", waits(2, 290), 1, &served, 7, false},
		{"the other was", waits(1, 5), 2, &served, 7, true},
		{"mine was never served", waits(1, 390), 3, &served, 7, false},
		{"the other never was", waits(3, 5), 1, &served, 7, true},
		{"neither was: the other has waited for longer", waits(4, 5), 3, &served, 7, true},
		{"on another model nothing is known of either", waits(2, 290), 1, &served, 8, true},
		{"nothing is remembered", waits(2, 290), 1, nil, 7, true},
	} {
		k := contest(nil, nil)
		k.Promise(c.others)
		k.Weigh(c.remembers, c.model)
		mine := waits(c.mine, 0)
		k = k.With(mine, now)
		assert.Equal(t, c.othersFirst, k.Before(0, k.TurnOf(mine), mine), c.name)
	}
}

// An instance remembers a bounded number, those that were served last.
func TestServedIsBounded(t *testing.T) {
	var served Served
	for caller := range uint32(3*maxServed + 1) {
		k := New(now, func(uint32) int64 { return 1 })
		k.Serve(scheduler.Service{Caller: caller + 1, Requests: 1, At: now + scheduler.Instant(caller)})
		k.Weigh(&served, 7)
		assert.LessOrEqual(t, len(served.recent)+len(served.before), 2*maxServed)
	}
	assert.EqualValues(t, now+2*maxServed+1, served.at(on(7, 2*maxServed+2)))
	assert.Zero(t, served.at(on(7, 1)))
}

// A project that served a caller before another did may be the only one that still keeps that.
func TestServedElsewhereSince(t *testing.T) {
	var served Served
	for _, x := range []scheduler.Service{{Caller: 1, At: now - 400_000}, {Caller: 2, At: now - 300_000}} {
		k := contest(nil, nil)
		k.Serve(x)
		k.Weigh(&served, 7)
	}
	k := contest(nil, nil)
	k.Serve(scheduler.Service{Caller: 2, At: now - 500_000})
	k.Promise(waits(2, 290))
	k.Weigh(&served, 7)
	mine := waits(1, 0)
	k = k.With(mine, now)
	assert.False(t, k.Before(0, k.TurnOf(mine), mine))
}

// Where the projects keep all that wait, of equal turns it is that of the request that has waited for
// longer, whoever was served longest ago.
func TestAllAreKept(t *testing.T) {
	var served Served
	k := contest(nil, nil)
	k.Serve(scheduler.Service{Caller: 1, At: now - 20_000})
	k.Serve(scheduler.Service{Caller: 2, At: now - 10_000})
	k.Promise(waits(2, 9))
	k.Weigh(&served, 7)
	mine := waits(1, 5)
	k = k.With(mine, now)
	assert.True(t, k.Before(0, k.TurnOf(mine), mine))
}

// Who has three times the weight is served after a third of the time.
func TestServedByWeight(t *testing.T) {
	var served Served
	for _, x := range []scheduler.Service{{Caller: 1, At: now - 120_000}, {Caller: 2, At: now - 300_000}, {Caller: 3, At: now - 400_000}} {
		k := contest(nil, nil)
		k.Serve(x)
		k.Weigh(&served, 7)
	}
	k := contest(nil, map[uint32]int64{1: 3})
	k.Promise(waits(2, 110))
	k.Promise(waits(3, 110))
	k.Weigh(&served, 7)
	mine := waits(1, 0)
	k = k.With(mine, now)
	assert.False(t, k.Before(0, k.TurnOf(mine), mine), "300 s ago, and mine 120")
	assert.True(t, k.Before(1, k.TurnOf(mine), mine), "400 s ago")
}

// What is shown of a reservation that is under way is remembered once it is made, and never if it isn't.
func TestServedOnceItIsMade(t *testing.T) {
	var served Served
	shows := func(at scheduler.Instant) {
		k := New(now, func(uint32) int64 { return 1 })
		k.Serve(scheduler.Service{Caller: 1, Requests: 1, At: at})
		k.Weigh(&served, 7)
	}
	remembered := func() scheduler.Instant { return served.at(on(7, 1)) }
	one := served.Reserving(7, 1)
	shows(now)
	assert.Zero(t, remembered())
	one(false)
	assert.Zero(t, remembered(), "it was too late")

	one, other := served.Reserving(7, 1), served.Reserving(7, 1)
	shows(now)
	one(false)
	shows(now)
	assert.Zero(t, remembered(), "the other is under way")
	other(true)
	assert.Equal(t, now, remembered())

	one, other = served.Reserving(7, 1), served.Reserving(7, 1)
	shows(now + 1000)
	one(true)
	assert.Equal(t, now+1000, remembered(), "also of one that always has another under way")
	other(false)
	assert.Empty(t, served.underWay)

	served.Reserving(7, 1)(true)
	assert.Equal(t, now+1000, remembered(), "no contest has shown it")
	shows(now + 2000)
	assert.Equal(t, now+2000, remembered())
}
