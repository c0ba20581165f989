package scheduler

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// trialRules are those of a chain of two, without limits of any feature.
func trialRules() *Rules {
	return &Rules{Policy: NewPolicy([]string{"gemini-2.5-pro", "gemini-2.5-flash"}, nil), Skew: DefaultSkew, Hold: DefaultHold}
}

// What isn't a model is left alone for longer with each bare refusal in a row. After each
// block one request at a time is let through, and the first that is answered ends it.
func TestOneAtATimeAfterABlock(t *testing.T) {
	const model, start = "gemini-2.5-flash", Instant(1_000_000)
	search := OfFeature(model, "google_search")
	rules, now := trialRules(), start
	var p *Project
	id := uint64(0)
	ask := func(came Instant) Result {
		id++
		var result Result
		p, result = p.Apply(rules, came, Reserve{Model: model, ID: id, Demand: Demand{Tokens: 1}, Also: []Weight{{On: search}}})
		return result
	}
	refuse := func(r Result) {
		p, _ = p.Apply(rules, now, RecordRefusal{Model: search, Block: Block{Cause: ByBare}, Admitted: r.Also[0].Reservation.Start})
	}
	first := ask(now)
	require.Equal(t, Admitted, first.Verdict)
	assert.False(t, first.Trial, "nothing is in doubt")
	several := ask(now.Add(time.Second))
	now = now.Add(2 * time.Second)
	refuse(first)
	refuse(several)
	for _, pause := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour} {
		wait := ask(now.Add(time.Millisecond))
		assert.Equal(t, Refused, wait.Verdict)
		assert.Equal(t, search, wait.On)
		assert.Equal(t, ByBare, wait.Cause)
		assert.Equal(t, now.Add(pause), p.Calendar(search).Block.Until, "those under way don't make it grow")
		now = now.Add(pause)
		trial := ask(now)
		require.Equal(t, Admitted, trial.Verdict)
		assert.True(t, trial.Trial)
		second := ask(now)
		assert.Equal(t, Refused, second.Verdict)
		assert.Equal(t, now.Add(time.Minute), second.Start, "so long its answer is waited for")
		now = now.Add(20 * time.Second)
		refuse(trial)
	}
	// One that isn't answered in a minute is followed by another; either's answer counts.
	now = now.Add(time.Hour)
	slow := ask(now)
	now = now.Add(time.Minute)
	require.True(t, ask(now).Trial)
	settle := func(r Result) {
		p, _ = p.Apply(rules, now, Settle{Model: model, ID: r.Reservation.ID, Reserved: r.Reservation, Tokens: -1, Also: r.Also})
	}
	settle(first)
	assert.Equal(t, Refused, ask(now).Verdict, "it went before the block")
	settle(slow)
	assert.Equal(t, Admitted, ask(now).Verdict)
	assert.Equal(t, Admitted, ask(now).Verdict)
	assert.Equal(t, Block{Cause: ByBare, Until: slow.Start}, p.Calendar(search).Block, "over, and so is what was sent before")
	assert.Empty(t, p.Calendar(search).Learned)
	assert.Empty(t, p.Calendar(model).Block, "the model isn't concerned")
}

// A trial that wasn't sent lets the next go at once; one that failed for another reason is
// waited for. Whoever has booked comes after it, and keeps its place.
func TestATrialThatSaysNothing(t *testing.T) {
	const model, now = "gemini-2.5-flash", Instant(1_000_000)
	rules := trialRules()
	var p *Project
	p, _ = p.Apply(rules, now, RecordRefusal{Model: model, Block: Block{Cause: ByMinute, Until: now.Add(time.Minute), Strikes: 1}})
	p, booked := p.Apply(rules, now, Reserve{Model: model, ID: 1, Book: true})
	require.Equal(t, Booked, booked.Verdict)
	over := now.Add(time.Minute)
	p, trial := p.Apply(rules, over, Reserve{Model: model, ID: 2})
	require.True(t, trial.Trial)
	assert.Equal(t, 1, trial.Moved)
	p, early := p.Apply(rules, over, Reserve{Model: model, ID: 3, Booking: 1})
	assert.Equal(t, Booked, early.Verdict)
	assert.Equal(t, over.Add(5*time.Second), early.Start)

	unsent, _ := p.Apply(rules, over, Cancel{Model: model, ID: 2, Reserved: trial.Reservation})
	_, next := unsent.Apply(rules, over, Reserve{Model: model, ID: 4})
	assert.True(t, next.Trial)
	failed, _ := p.Apply(rules, over, Settle{Model: model, ID: 2, Reserved: trial.Reservation, Tokens: -1, Failed: "server"})
	_, next = failed.Apply(rules, over, Reserve{Model: model, ID: 4})
	assert.Equal(t, Refused, next.Verdict)
	p, _ = p.Apply(rules, over, Settle{Model: model, ID: 2, Reserved: trial.Reservation, Tokens: -1})
	_, next = p.Apply(rules, over, Reserve{Model: model, ID: 4, Booking: 1})
	assert.Equal(t, Booked, next.Verdict, "it was told another time")
	_, next = p.Apply(rules, over.Add(5*time.Second), Reserve{Model: model, ID: 4, Booking: 1})
	assert.Equal(t, Admitted, next.Verdict)
}

// A trial of one model leaves the calendar of another as it was, which others may be
// reading, although that has a trial and a booking too.
func TestATrialBesideAnother(t *testing.T) {
	const one, other, now = "gemini-2.5-pro", "gemini-2.5-flash", Instant(1_000_000)
	rules := trialRules()
	var p *Project
	for _, model := range []string{one, other} {
		p, _ = p.Apply(rules, now, RecordRefusal{Model: model, Block: Block{Cause: ByMinute, Until: now.Add(time.Minute), Strikes: 1}})
	}
	p, booked := p.Apply(rules, now, Reserve{Model: one, ID: 1, Book: true})
	require.Equal(t, Booked, booked.Verdict)
	over := now.Add(time.Minute)
	p, first := p.Apply(rules, over, Reserve{Model: one, ID: 2})
	require.True(t, first.Trial)
	before := p.Calendar(one).Bookings
	require.Len(t, before, 1)
	_, second := p.Apply(rules, over, Reserve{Model: other, ID: 3})
	require.True(t, second.Trial)
	assert.Same(t, &before[0], &p.Calendar(one).Bookings[0])
}

// Where a feature of one model is blocked the chain moves on, and where nothing is known of
// a calendar that would have to be known it isn't made. What limits nothing needs no place.
func TestFeaturesAndTheChain(t *testing.T) {
	const now = Instant(1_000_000)
	rules := trialRules()
	chain := rules.Policy.Chain(Both)
	req := Request{Chain: chain, Also: func(model string) []Weight {
		return []Weight{{On: OfFeature("", "google_search")}, {On: OfFeature(model, "google_search"), IfKnown: true}}
	}}
	var p *Project
	p, first := p.Apply(rules, now, Reserve{Model: chain[0], ID: 1, Also: req.Also(chain[0])})
	require.Len(t, first.Also, 1)
	assert.Len(t, p.Calendars, 2)
	p, _ = p.Apply(rules, now, RecordRefusal{Model: OfFeature(chain[0], "google_search"), Block: Block{Cause: ByBare}})
	offer, cause := Plan(rules, now, []Candidate{{"p", p}}, req, func(int) int { return 0 })
	require.Equal(t, NoCause, cause)
	assert.True(t, offer.Now())
	assert.Equal(t, chain[1], offer.Model)
	p, _ = p.Apply(rules, now, RecordRefusal{Model: OfFeature("", "google_search"), Block: Block{Cause: ByDay}})
	offer, _ = Plan(rules, now, []Candidate{{"p", p}}, req, func(int) int { return 0 })
	assert.Equal(t, ByDay, offer.Cause)
	assert.Equal(t, OfFeature("", "google_search"), offer.On)

	many := int64(100)
	rules.Policy = NewPolicy(chain, map[string]Override{"pro": {RPM: &many}})
	for i := range 2 * MaxOthers {
		name := OfFeature(string(rune('a'+i)), "google_search")
		var result Result
		p, result = p.Apply(rules, now, Reserve{Model: chain[0], ID: uint64(10 + i), Also: []Weight{{On: name}}})
		assert.Equal(t, Admitted, result.Verdict, i)
	}
	assert.Len(t, p.Calendars, 1+MaxOthers)
}
