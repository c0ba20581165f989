package scheduler_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	. "fluxgate.dev/fluxgate/scheduler"
)

// A holder that comes just before its hold is over has its slot, though its change is made after that, and others' before it that were
// planned while the hold lasted. One that was planned once it was over may have the room.
func TestHolderComesAsItsHoldEnds(t *testing.T) {
	rules := defaultRules()
	limits := rules.EffectiveLimits("gemini-2.5-flash")
	all := Demand{Tokens: limits.TPM}
	p, result := apply(t, rules, nil, noon, Reserve{Model: "gemini-2.5-flash", Demand: all, ID: 1, Book: true, From: noon + 10_000})
	require.Equal(t, Booked, result.Verdict)
	ends := result.Start.Add(rules.Hold)
	another := Reserve{Model: "gemini-2.5-flash", Demand: Demand{Tokens: 1}, ID: 2, Planned: ends}
	_, result = apply(t, rules, p, ends+200, another)
	assert.NotEqual(t, Admitted, result.Verdict)
	assert.False(t, result.Changed)
	another.Planned = ends - 1500
	_, result = apply(t, rules, p, ends+200, another)
	assert.Equal(t, Replan, result.Verdict)
	another.Planned = ends + 1
	_, result = apply(t, rules, p, ends+200, another)
	assert.Equal(t, Admitted, result.Verdict)
	_, result = apply(t, rules, p, ends+200, Reserve{Model: "gemini-2.5-flash", Demand: all, ID: 3, Booking: 1, Came: ends - 10})
	assert.Equal(t, Admitted, result.Verdict)
}
