package scheduler_test

import (
	"testing"
	"time"

	. "fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/scheduler/learned"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestProbe: a limit that was learned on another Pacific day is put to the test by one
// request, and by no other while its answer isn't known.
func TestProbe(t *testing.T) {
	midnight, day := (DayOf(noon) + 1).Start(), noon.Add(24*time.Hour)
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
			for _, now := range []Instant{midnight - 10_000, day - 1000} { // the first counts on neither day for certain
				for range c.fill {
					require.Equal(t, Admitted, d.reserve(now, 10).Verdict)
				}
				if now < midnight {
					require.Equal(t, Refused, d.reserve(now, 10).Verdict, "as long as the day lasts")
				}
			}
			return d
		}
		t.Run(name+" raised", func(t *testing.T) {
			d := start(t)
			offers := Offers(d.rules, day, []Candidate{{ID: "p", State: d.p}}, Request{Chain: []string{"m"}, Demand: Demand{Tokens: 10}})
			assert.True(t, offers[0].Now(), "planning knows of it")
			assert.Equal(t, c.cause, offers[0].Probe)

			probe := d.reserve(day, 10)
			assert.Equal(t, Admitted, probe.Verdict)
			assert.Equal(t, c.cause, probe.Probe)
			assert.Equal(t, c.cause, d.p.Calendar("m").Probing(day))
			assert.Equal(t, Refused, d.reserve(day, 10).Verdict, "one at a time")
			assert.Equal(t, FromLearned, sourceOf(d, day, c.cause), "the others keep to it")

			d.do(day+100, Settle{Model: "m", ID: probe.Reservation.ID, Reserved: probe.Reservation, Tokens: 10})
			assert.Equal(t, NoCause, d.p.Calendar("m").Probing(day+100))
			assert.Equal(t, FromOperator, sourceOf(d, day+100, c.cause), "it is dropped")
			next := d.reserve(day+200, 10)
			assert.Equal(t, Admitted, next.Verdict)
			assert.Equal(t, NoCause, next.Probe)
		})
		t.Run(name+" as it was", func(t *testing.T) {
			d := start(t)
			probe := d.reserve(day, 10)
			require.Equal(t, c.cause, probe.Probe)
			id := probe.Reservation.ID
			d.do(day+100, Settle{Model: "m", ID: id, Reserved: probe.Reservation, Tokens: -1, Failed: "minute"})
			assert.Equal(t, Refused, d.reserve(day+100, 10).Verdict, "no further probe before upstream's word is kept")
			d.do(day+100, RecordRefusal{Model: "m", ID: id, Limits: c.learned})
			assert.Equal(t, NoCause, d.p.Calendar("m").Probing(day+100))
			for _, now := range []Instant{day + 200, (DayOf(day) + 1).Start() - 1} {
				for range c.fill {
					d.reserve(now, 10)
				}
				assert.Equal(t, Refused, d.reserve(now, 10).Verdict, "not before another day")
			}
		})
		t.Run(name+" refused without a number", func(t *testing.T) {
			d := start(t)
			probe := d.reserve(day, 10)
			d.do(day+100, RecordRefusal{Model: "m", ID: probe.Reservation.ID, Block: Block{Cause: ByBare}})
			after := day + 100 + 6_000 // the block is over
			assert.Equal(t, Refused, d.reserve(after, 10).Verdict)
			assert.Equal(t, FromLearned, sourceOf(d, after.Add(learned.LearnedFor)-10_000, c.cause), "good for another week")
		})
		t.Run(name+" never answered", func(t *testing.T) {
			d := start(t)
			d.reserve(day, 10)
			for d.reserve(day.Add(10*time.Minute)-1, 10).Verdict == Admitted {
				continue // the window has passed; the learned limit's own room is used up again
			}
			assert.Equal(t, c.cause, d.reserve(day.Add(10*time.Minute), 10).Probe, "another one takes its place")
		})
		t.Run(name+" cancelled", func(t *testing.T) {
			d := start(t)
			probe := d.reserve(day, 10)
			d.do(day, Cancel{Model: "m", ID: probe.Reservation.ID})
			assert.Equal(t, c.cause, d.reserve(day, 10).Probe, "it never tested anything")
		})
	}
}

// The holder of a booking must not find its place taken by an experiment.
func TestProbeIsInNobodysWay(t *testing.T) {
	d := newDesk(t, Limits{RPM: 5, TPM: 1000, RPD: 500})
	d.do(noon, RecordRefusal{Model: "m", Limits: Limits{RPM: 1}})
	midnight := (DayOf(noon) + 1).Start()
	d.reserve(midnight-30_000, 10)
	b := d.book(midnight-1, 10)
	require.Equal(t, ByRPM, d.reserve(midnight, 10).Probe)
	assert.Equal(t, Admitted, d.claim(b.Start, b).Verdict)
}

// A probe that is refused for what it tested says nothing that the calendar doesn't know:
// the others come when there is room, whatever delay upstream named to the probe.
func TestRefusedProbeBlocksNobody(t *testing.T) {
	for name, c := range map[string]struct {
		named Limits
		want  time.Duration
	}{
		"its limit":     {Limits{RPM: 2}, 31 * time.Second},
		"another":       {Limits{TPM: 700}, 50 * time.Second},
		"none":          {Limits{}, 50 * time.Second},
		"a smaller one": {Limits{RPM: 1}, 61 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, Limits{RPM: 5, TPM: 1000, RPD: 500})
			d.do(noon, RecordRefusal{Model: "m", Limits: Limits{RPM: 2}})
			now := noon.Add(24 * time.Hour)
			d.reserve(now-40_000, 10)
			d.reserve(now-30_000, 10)
			probe := d.reserve(now, 10)
			require.Equal(t, ByRPM, probe.Probe)
			d.do(now, RecordRefusal{Model: "m", ID: probe.Reservation.ID, Limits: c.named, Block: Block{Cause: ByMinute, Until: now + 50_000}})
			assert.Equal(t, now.Add(c.want), d.reserve(now, 10).Start)
		})
	}
}

// A refusal that is recorded late counts as of when upstream said it: it keeps nobody away for longer.
func TestRecordedLate(t *testing.T) {
	evening := (DayOf(noon) + 1).Start() - 60_000
	morning := evening + 8*3600_000
	for name, c := range map[string]struct {
		block Block
		until Instant // when the next may go
		after time.Duration
	}{
		"a day that is over":     {Block{Cause: ByDay}, morning, 8 * time.Hour},
		"a day that isn't":       {Block{Cause: ByDay}, evening + 60_000 + Instant(DefaultSkew/time.Millisecond), 30 * time.Second},
		"a bare one long ago":    {Block{Cause: ByBare}, evening + 10_000, 10 * time.Second},
		"a bare one lately":      {Block{Cause: ByBare}, evening + 5_000, 2 * time.Second},
		"a minute that was over": {Block{Cause: ByMinute, Until: evening + 20_000}, evening + 30_000, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			d := startOnly(t)
			now := evening.Add(c.after)
			refusal := RecordRefusal{Model: "m", Block: c.block, Admitted: evening - 1000, At: evening, Limits: Limits{RPD: 7}}
			for range 2 { // whether the first was written isn't known
				d.do(now, refusal)
				assert.Equal(t, LearnedLimit{Limit: 7, At: evening}, d.p.Calendar("m").Learned.RPD)
				assert.LessOrEqual(t, d.p.Calendar("m").Block.Strikes, int64(1))
			}
			start, _ := d.p.Calendar("m").Earliest(d.rules, now, Demand{Tokens: 1})
			assert.Equal(t, max(now, c.until), start)
		})
	}
}

// A refusal that is recorded late undoes nothing that upstream said after it.
func TestRecordedAfterANewerOne(t *testing.T) {
	for name, refusal := range map[string]RecordRefusal{
		"named":   {Limits: Limits{RPM: 3, TPM: 900, RPD: 7}},
		"reached": {Reached: []Cause{ByRPM, ByTPM, ByRPD}},
	} {
		t.Run(name, func(t *testing.T) {
			d := startOnly(t)
			d.reserve(noon, 10)
			r := d.reserve(noon+10, 10)
			newer := Limits{RPM: 4, TPM: 1000, RPD: 9}
			d.do(noon+2000, RecordRefusal{Model: "m", Limits: newer})
			refusal.Model, refusal.ID, refusal.At = "m", r.Reservation.ID, noon+1000
			d.do(noon+3000, refusal)
			assert.Equal(t, newer, d.limits(noon+3000).Limits)
			refusal.At = noon + 2500
			d.do(noon+3000, refusal)
			assert.NotEqual(t, newer, d.limits(noon+3000).Limits, "what it said after that counts")
		})
	}
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
	rules.Policy = NewTierPolicy("", []string{"gemini-flash"},
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
