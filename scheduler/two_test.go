package scheduler_test

import (
	"testing"

	. "fluxgate.dev/fluxgate/scheduler"
	"github.com/stretchr/testify/assert"
)

// TestTwoOfOne: of one project come two, by two changes that lose a race to each other, and neither is in the other,
// where nothing is left of what it had either.
func TestTwoOfOne(t *testing.T) {
	d := newDesk(t, Limits{RPM: 10, TPM: 1000, RPD: 100})
	for _, unknown := range []bool{false, true} {
		sent := d.reserve(noon, 10).Reservation
		d.do(noon, Cancel{Model: "m", ID: sent.ID, Unknown: unknown, Reserved: sent})
		if !unknown {
			d.do(noon, RecordRefusal{Model: "m", Block: Block{Cause: ByMinute, Until: noon + 1}})
		}
		of := d.p
		first, _ := of.Apply(d.rules, noon+1, Reserve{Model: "m", ID: 100, Demand: Demand{Tokens: 1}})
		_, _ = of.Apply(d.rules, noon+1, Reserve{Model: "m", ID: 200, Demand: Demand{Tokens: 2, Requests: 2}})
		assert.Equal(t, []DayCount{{Day: DayOf(noon), Requests: 1, Tokens: 1}}, first.Calendar("m").Days)
		assert.EqualValues(t, 100, first.Calendar("m").Sent[0].ID)
		d.do(noon+1, Reset{})
	}
}
