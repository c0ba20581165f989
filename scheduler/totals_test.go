package scheduler_test

import (
	"fmt"
	"strings"
	"testing"

	. "fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/scheduler/totals"
	"github.com/stretchr/testify/assert"
)

// TestTotals: what a caller used today, corrected when it is settled and taken
// back when nothing was sent.
func TestTotals(t *testing.T) {
	d := newDesk(t, Limits{RPM: 50, TPM: 100_000, RPD: 500})
	reserve := func(now Instant, caller string, tokens int64) Reservation {
		d.id++
		return d.do(now, Reserve{Model: "m", ID: d.id, Demand: Demand{Tokens: tokens}, Caller: caller}).Reservation
	}
	a := reserve(noon, "alice", 100)
	b := reserve(noon, "bob", 200)
	c := reserve(noon, "alice", 1000)
	d.do(noon, Settle{Model: "m", ID: a.ID, Reserved: a, Tokens: 70, Caller: "alice"})
	d.do(noon, Settle{Model: "m", ID: b.ID, Reserved: b, Tokens: -1, Caller: "bob", Failed: "server"})
	d.do(noon, Cancel{Model: "m", ID: c.ID, Caller: "alice", Failed: "server"})
	want := Totals{
		Day:      DayOf(noon),
		Callers:  []CallerTotal{{Caller: "alice", Requests: 1, Tokens: 70}, {Caller: "bob", Requests: 1, Tokens: 200}},
		Failures: []FailureTotal{{Class: "server", N: 2}},
	}
	assert.Equal(t, want, d.p.Today(noon))
	assert.Equal(t, []DayCount{{Day: DayOf(noon), Requests: 2, Tokens: 270}}, d.p.Calendar("m").Days)

	d.do(noon, Settle{Model: "m", ID: a.ID, Reserved: a, Tokens: 70, Caller: "alice"})
	assert.Equal(t, want, d.p.Today(noon), "settling again is the same as once")

	before := d.p
	midnight := DayOf(noon).End()
	assert.Equal(t, Totals{Day: DayOf(midnight)}, d.p.Today(midnight), "a new day")
	reserve(midnight, "bob", 5)
	assert.Equal(t, []CallerTotal{{Caller: "bob", Requests: 1, Tokens: 5}}, d.p.Today(midnight).Callers)
	assert.Equal(t, want, before.Today(noon), "a project that was handed out is never changed")
	assert.Equal(t, Totals{Day: DayOf(noon)}, (*Project)(nil).Today(noon))
}

// Whoever has many callers, or callers with long names, must not grow the
// document without bound.
func TestTotalsAreBounded(t *testing.T) {
	d := newDesk(t, Limits{RPM: Unlimited, TPM: Unlimited, RPD: Unlimited})
	for i := range 3 * MaxCallers {
		d.id++
		d.do(noon, Reserve{Model: "m", ID: d.id, Demand: Demand{Tokens: 1}, Caller: fmt.Sprintf("caller-%d", i)})
		d.do(noon, Settle{Model: "m", ID: d.id, Tokens: -1, Failed: fmt.Sprintf("class-%d", i)})
	}
	today := d.p.Today(noon)
	assert.Len(t, today.Callers, MaxCallers)
	assert.Equal(t, CallerTotal{Caller: totals.OtherCallers, Requests: 2*MaxCallers + 1, Tokens: 2*MaxCallers + 1}, today.Callers[MaxCallers-1])
	assert.Len(t, today.Failures, MaxFailures)

	d.p = nil
	d.do(noon, Reserve{Model: "m", ID: 1, Caller: strings.Repeat("ä", totals.MaxCallerName)})
	assert.Equal(t, strings.Repeat("ä", totals.MaxCallerName/2), d.p.Today(noon).Callers[0].Caller)
}

func TestAsked(t *testing.T) {
	p := (*Project)(nil).WithOperations(noon, 3, 1).WithOperations(noon, 0, 1)
	assert.Equal(t, Totals{Day: DayOf(noon), Reads: 3, Writes: 2}, p.Today(noon))
	assert.Equal(t, Totals{Day: DayOf(noon) + 1, Writes: 1}, p.WithOperations(DayOf(noon).End(), 0, 1).Totals)
}
