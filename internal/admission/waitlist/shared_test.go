package waitlist

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/scheduler"
)

// An instance knows which entries of a project's waitlist are its own, as many as a project keeps, until they are over.
func TestOwnEntriesAreKnown(t *testing.T) {
	l := New(scheduler.DefaultHold)
	now := scheduler.Instant(1_000_000)
	var told []scheduler.Waitlisted
	for i := range scheduler.MaxWaitlist + 2 {
		l.Add(promiseOf("p", "m", uint64(i+1), uint64(i+1), now+scheduler.Instant(1000*i)), now)
		told = append(told, l.TakeUnshared("p")...)
	}
	assert.Len(t, told, scheduler.MaxWaitlist+2)
	assert.False(t, l.Shared("p", told[1]), "the project keeps others instead")
	assert.True(t, l.Shared("p", told[2]))
	assert.False(t, l.Shared("q", told[2]))
	assert.False(t, l.Shared("p", scheduler.Waitlisted{Hash: told[2].Hash, Start: told[2].Start + 1000}))
	now = told[5].Start + scheduler.Instant(scheduler.DefaultHold.Milliseconds()) + 1
	l.swept = 0
	l.WaitingFor("m", now)
	l.Add(promiseOf("p", "m", 1000, 1000, now), now)
	assert.False(t, l.Shared("p", told[5]), "its hold is over")
	assert.True(t, l.Shared("p", told[6]))
}

// For which promises somebody came is known of the last thousand at least, and no more than two thousand are remembered.
func TestTakenIsBounded(t *testing.T) {
	var x taken
	assert.False(t, x.has(0))
	for id := range uint64(10 * maxLate) {
		x.add(id)
		assert.True(t, x.has(id-min(id, maxLate-1)))
		assert.LessOrEqual(t, len(x.recent)+len(x.before), 2*maxLate)
	}
	assert.False(t, x.has(0))
}
