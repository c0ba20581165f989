package scheduler_test

import (
	"testing"
	"time"

	. "fluxgate.dev/fluxgate/scheduler"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestProbe: a limit that was learned a week ago is put to the test by one
// request, and by no other while its answer isn't known.
func TestProbe(t *testing.T) {
	week := noon.Add(LearnedFor)
	for name, c := range map[string]struct {
		learned Limits
		cause   Cause
		fill    int // requests that the learned limit admits
	}{
		"rpm": {Limits{RPM: 2}, ByRPM, 2},
		"tpm": {Limits{TPM: 20}, ByTPM, 2},
		"rpd": {Limits{RPD: 2}, ByRPD, 2},
	} {
		start := func(t *testing.T) *desk {
			d := newDesk(t, Limits{RPM: 5, TPM: 50, RPD: 50})
			d.do(noon, RecordRefusal{Model: "m", Limits: c.learned})
			for range c.fill {
				require.Equal(t, Admitted, d.reserve(week-1, 10).Verdict)
			}
			require.Equal(t, Refused, d.reserve(week-1, 10).Verdict, "a moment before a week is over")
			return d
		}
		t.Run(name+" raised", func(t *testing.T) {
			d := start(t)
			offers := Offers(d.rules, week, []Candidate{{ID: "p", State: d.p}}, Request{Chain: []string{"m"}, Demand: Demand{Tokens: 10}})
			assert.True(t, offers[0].Now(), "planning knows of it")
			assert.Equal(t, c.cause, offers[0].Probe)

			probe := d.reserve(week, 10)
			assert.Equal(t, Admitted, probe.Verdict)
			assert.Equal(t, c.cause, probe.Probe)
			assert.Equal(t, c.cause, d.p.Calendar("m").Probing(week))
			assert.Equal(t, Refused, d.reserve(week, 10).Verdict, "one at a time")
			assert.Equal(t, FromLearned, sourceOf(d, week, c.cause), "the others keep to it")

			d.do(week+100, Settle{Model: "m", ID: probe.Reservation.ID, Reserved: probe.Reservation, Tokens: 10})
			assert.Equal(t, NoCause, d.p.Calendar("m").Probing(week+100))
			assert.Equal(t, FromOperator, sourceOf(d, week+100, c.cause), "it is dropped")
			next := d.reserve(week+200, 10)
			assert.Equal(t, Admitted, next.Verdict)
			assert.Equal(t, NoCause, next.Probe)
		})
		t.Run(name+" as it was", func(t *testing.T) {
			d := start(t)
			probe := d.reserve(week, 10)
			require.Equal(t, c.cause, probe.Probe)
			id := probe.Reservation.ID
			d.do(week+100, Settle{Model: "m", ID: id, Reserved: probe.Reservation, Tokens: -1, Failed: "minute"})
			assert.Equal(t, Refused, d.reserve(week+100, 10).Verdict, "no further probe before upstream's word is kept")
			d.do(week+100, RecordRefusal{Model: "m", ID: id, Limits: c.learned})
			assert.Equal(t, NoCause, d.p.Calendar("m").Probing(week+100))
			again := week.Add(LearnedFor)
			for _, now := range []Instant{week + 200, again - 1} {
				if got := d.reserve(now, 10); got.Verdict == Admitted {
					assert.Equal(t, NoCause, got.Probe, "not before another week")
				}
			}
		})
		t.Run(name+" refused without a number", func(t *testing.T) {
			d := start(t)
			probe := d.reserve(week, 10)
			d.do(week+100, RecordRefusal{Model: "m", ID: probe.Reservation.ID, Block: Block{Cause: ByBare}})
			after := week + 100 + 6_000 // the block is over
			assert.Equal(t, Refused, d.reserve(after, 10).Verdict)
			assert.Equal(t, FromLearned, sourceOf(d, after.Add(LearnedFor)-10_000, c.cause), "good for another week")
		})
		t.Run(name+" never answered", func(t *testing.T) {
			d := start(t)
			d.reserve(week, 10)
			for d.reserve(week.Add(10*time.Minute)-1, 10).Verdict == Admitted {
				continue // the window has passed; the learned limit's own room is used up again
			}
			assert.Equal(t, c.cause, d.reserve(week.Add(10*time.Minute), 10).Probe, "another one takes its place")
		})
		t.Run(name+" cancelled", func(t *testing.T) {
			d := start(t)
			probe := d.reserve(week, 10)
			d.do(week, Cancel{Model: "m", ID: probe.Reservation.ID})
			assert.Equal(t, c.cause, d.reserve(week, 10).Probe, "it never tested anything")
		})
	}
}

// The holder of a booking must not find its place taken by an experiment.
func TestProbeIsInNobodysWay(t *testing.T) {
	d := newDesk(t, Limits{RPM: 5, TPM: 1000, RPD: 500})
	d.do(noon, RecordRefusal{Model: "m", Limits: Limits{RPM: 1}})
	week := noon.Add(LearnedFor)
	d.reserve(week-30_000, 10)
	b := d.book(week-1, 10)
	require.Equal(t, ByRPM, d.reserve(week, 10).Probe)
	assert.Equal(t, Admitted, d.claim(b.Start, b).Verdict)
}

// TestReset: the operator's word that nothing of what was learned holds.
func TestReset(t *testing.T) {
	d := newDesk(t, Limits{RPM: 5, TPM: 1000, RPD: 500})
	d.do(noon, RecordRefusal{Model: "m", Limits: Limits{RPM: 1}, Oversize: 2000, Block: Block{Cause: ByDay}})
	require.NotEqual(t, Admitted, d.reserve(noon, 10).Verdict)
	assert.True(t, d.do(noon, Reset{}).Changed)
	assert.Equal(t, Admitted, d.reserve(noon, 10).Verdict)
	assert.Equal(t, Admitted, d.reserve(noon, 10).Verdict, "the learned limit is gone too")
	assert.False(t, d.do(noon, Reset{}).Changed)
}

// TestReview: when the policy shrinks, bookings that no longer fit are moved, in
// rank order, and none is lost.
func TestReview(t *testing.T) {
	d := newDesk(t, Limits{RPM: 2, TPM: 1000, RPD: 500})
	d.reserve(noon, 10)
	d.reserve(noon, 10)
	first, second := d.book(noon+1000, 10), d.book(noon+1000, 10)
	require.Equal(t, first.Start, second.Start)
	assert.False(t, d.do(noon+2000, Review{}).Changed, "nothing shrank")
	d.rules = rulesFor(map[string]Limits{"m": {RPM: 1, TPM: 1000, RPD: 500}})
	result := d.do(noon+2000, Review{})
	assert.Equal(t, 1, result.Moved)
	bookings := d.p.Calendar("m").Bookings
	require.Len(t, bookings, 2)
	assert.Equal(t, first.Start, bookings[0].Start)
	assert.Greater(t, bookings[1].Start, second.Start)
	assert.EqualValues(t, 1, d.p.Moved)
}

// TestLayers: sources in rising order of trust, each number for itself.
func TestLayers(t *testing.T) {
	rules := defaultRules()
	rules.Policy = NewLayeredPolicy([]string{"gemini-flash"},
		Layer{From: FromReported, Overrides: map[string]Override{"gemini-flash": {RPM: ptr[int64](9), TPM: ptr[int64](9)}}},
		Layer{From: FromOperator, Overrides: map[string]Override{"flash": {TPM: ptr[int64](8)}}},
		Layer{From: FromRunTime, Overrides: map[string]Override{"gemini-flash": {RPD: ptr[int64](7)}}})
	assert.Equal(t, EffectiveLimits{Limits: Limits{RPM: 9, TPM: 8, RPD: 7}, RPMFrom: FromReported, TPMFrom: FromOperator, RPDFrom: FromRunTime}, rules.Policy.EffectiveLimits("gemini-flash"))
	assert.Equal(t, Limits{RPM: 10, TPM: 8, RPD: 250}, rules.Policy.FamilyLimits(Flash))
	assert.Equal(t, []string{"gemini-flash"}, rules.Policy.Chain(Both))
}

func sourceOf(d *desk, now Instant, limit Cause) Source {
	f := d.p.Calendar("m").EffectiveLimits(d.rules, now)
	switch limit {
	case ByRPM:
		return f.RPMFrom
	case ByTPM:
		return f.TPMFrom
	}
	return f.RPDFrom
}
