package ownlimits

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
)

// Of bookings that are announced the first count for those after them, until they begin, are known, or nothing comes of
// them.
func TestAnnouncedBookings(t *testing.T) {
	rpm, now := int64(1), scheduler.At(time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC))
	rules := Rules(map[string]scheduler.Override{"alice": {RPM: &rpm}}, &scheduler.Rules{Hold: scheduler.DefaultHold})["alice"]
	var state *scheduler.Project
	apply := func(change scheduler.Change) {
		next, result := state.Apply(rules, now, change)
		require.True(t, result.Changed)
		state = next
	}
	demand := scheduler.Demand{Tokens: 7}
	before := func(booking uint64, known ...scheduler.Booking) (starts []scheduler.Instant) {
		for _, b := range Before(state, booking, demand, known, now) {
			assert.Equal(t, demand, b.Demand)
			starts = append(starts, b.Start)
		}
		return starts
	}
	assert.Empty(t, before(1))
	const one, two, three = 1 | 1<<40, 2 | 1<<40, 3 | 1<<40
	apply(Announce(one, now+10_000))
	apply(Announce(two, now+20_000))
	apply(Announce(three, now+30_000))
	assert.Empty(t, before(one))
	assert.Equal(t, []scheduler.Instant{now + 10_000}, before(two))
	assert.Equal(t, []scheduler.Instant{now + 10_000, now + 20_000}, before(three))
	assert.Equal(t, []scheduler.Instant{now + 20_000}, before(three, scheduler.Booking{ID: one}), "it is known what that is")
	apply(Withdraw(two))
	assert.Equal(t, []scheduler.Instant{now + 10_000}, before(three))
	now += 10_000
	assert.Empty(t, before(three), "it has begun")
}
