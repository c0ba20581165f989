package scheduler_test

import (
	"testing"

	. "fluxgate.dev/fluxgate/scheduler"
	"github.com/stretchr/testify/assert"
)

// A project whose state can't be read takes nothing, whatever is asked of it, and
// the others of a pool take it instead.
func TestUnreadableProject(t *testing.T) {
	rules := rulesFor(map[string]Limits{"m": {RPM: 10, TPM: 1000, RPD: 100}})
	broken := &Project{Unreadable: "version 2"}
	assert.False(t, broken.Usable("key"))
	assert.Equal(t, "version 2", broken.Unreadable)
	disabled := true
	for _, change := range []Change{
		Reserve{Model: "m", ID: 1, Demand: Demand{Tokens: 1}}, Reserve{Model: "m", ID: 1, Demand: Demand{Tokens: 1}, Book: true},
		Settle{Model: "m", ID: 1, Failed: "quota"}, Cancel{Model: "m", ID: 1}, Release{Booking: 1},
		RecordRefusal{Model: "m", Block: Block{Cause: ByBare}}, Reset{}, Review{}, SetMark{Key: "key", Disabled: &disabled},
		ShareWaitlist{Entries: []Waitlisted{{Hash: 1, Start: noon}}},
	} {
		after, result := broken.Apply(rules, noon, change)
		assert.Same(t, broken, after, "%T", change)
		assert.Equal(t, Result{Verdict: Replan, Start: Never, Cause: Unavailable}, result, "%T", change)
	}

	req := Request{Chain: []string{"m"}, Demand: Demand{Tokens: 1}}
	first := func(int) int { return 0 }
	_, cause := Plan(rules, noon, []Candidate{{ID: "broken", State: broken}}, req, first)
	assert.Equal(t, Unavailable, cause)
	offer, cause := Plan(rules, noon, []Candidate{{ID: "broken", State: broken}, {ID: "new"}}, req, first)
	assert.Equal(t, NoCause, cause)
	assert.Equal(t, "new", offer.Project)
}
