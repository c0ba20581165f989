package scheduler_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"fluxgate.dev/fluxgate/internal/race"
	. "fluxgate.dev/fluxgate/scheduler"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestNobodyTakesAllPlaces: sixteen models that were used once each, and twice as
// many that were, in the course of an hour, keep nobody from the chain nor from yet
// another model.
func TestNobodyTakesAllPlaces(t *testing.T) {
	for _, names := range []int{16, 32, 200} {
		rules := defaultRules()
		var p *Project
		now := noon
		ask := func(model string) Verdict {
			next, result := apply(t, rules, p, now, Reserve{Model: model, ID: 1, Demand: Demand{Tokens: 1}})
			p = next
			return result.Verdict
		}
		for i := range names {
			require.Equal(t, Admitted, ask(fmt.Sprint("m", i)), "the model %d of %d", i, names)
			now = now.Add(10 * time.Second)
		}
		for _, model := range append(DefaultChain(), "the seventeenth") {
			require.Equal(t, Admitted, ask(model), "%s after %d names", model, names)
		}
	}
}

// TestPlaceFrom: where all places are taken it is known when the first is free, whatever was sent and booked there.
func TestPlaceFrom(t *testing.T) {
	race.Skip(t)
	rapid.Check(t, func(t *rapid.T) {
		rules := rulesFor(map[string]Limits{"first": {RPM: 5, TPM: 1000, RPD: 100}})
		one := make(map[string]Override) // whoever comes second is booked
		for i := range 2 * MaxModels {
			one[fmt.Sprint("m", i)] = Override{RPM: ptr(int64(1)), TPM: ptr(int64(1000)), RPD: ptr(Unlimited)}
		}
		rules.Policy = NewPolicy([]string{"first"}, one)
		var p *Project
		now, books := noon, rapid.Bool().Draw(t, "books")
		for i := range 3 * MaxModels {
			// More than there are places for, and then those that have one once more.
			r := Reserve{Model: fmt.Sprint("m", i%(2*MaxModels)), ID: uint64(i) + 1, Book: books, Hash: uint64(i), Demand: Demand{
				Tokens: rapid.Int64Range(1, 900).Draw(t, "tokens"), Allowance: time.Duration(rapid.IntRange(0, 2000).Draw(t, "allowance")) * ms}}
			p, _ = apply(t, rules, p, now, r)
			now += Instant(rapid.SampledFrom([]int64{0, 1, 700}).Draw(t, "later"))
		}
		if rapid.Bool().Draw(t, "folded") { // of each all but the last, or all
			p = p.Compact(rules, now, rapid.IntRange(0, 1).Draw(t, "exact"), sec)
		}
		at := p.PlaceFrom(rules, now, "another")
		if at < now || at > now.Add(2*MaxAhead) {
			t.Fatalf("%+d", at-now)
		}
		there := func(at Instant) bool {
			_, result := apply(t, rules, p, at, Reserve{Model: "another", ID: 1000, Demand: Demand{Tokens: 1}})
			return result.Verdict == Admitted
		}
		if !there(at) || at > now && there(at-1) {
			t.Fatalf("%+d: %v, and a millisecond before: %v", at-now, there(at), there(at-1))
		}
	})
}

// TestNobodyKeepsAllPlaces: not even as many as there are, all of them in use.
func TestNobodyKeepsAllPlaces(t *testing.T) {
	rules := rulesFor(map[string]Limits{"first": {RPM: 5, TPM: 1000, RPD: 100}})
	var p *Project
	for i := range 3 * MaxModels {
		p, _ = apply(t, rules, p, noon, Reserve{Model: fmt.Sprint("m", i), ID: 1})
	}
	_, result := apply(t, rules, p, noon, Reserve{Model: "first", ID: 1})
	assert.Equal(t, Admitted, result.Verdict)

	// Nor does a chain of as many leave none to others.
	chain := make(map[string]Limits)
	for i := range MaxModels {
		chain[fmt.Sprintf("c%02d", i)] = Limits{RPM: 5, TPM: 1000, RPD: 100}
	}
	rules, p = rulesFor(chain), nil
	for i := range MaxModels {
		p, _ = apply(t, rules, p, noon, Reserve{Model: fmt.Sprintf("c%02d", MaxModels-1-i), ID: 1})
	}
	assert.Len(t, p.Calendars, MaxModels, "those at the end have the places of others")
	_, result = apply(t, rules, p, noon.Add(2*time.Minute), Reserve{Model: "other", ID: 1})
	assert.Equal(t, Admitted, result.Verdict)
}

// TestIdleIsRemembered: who gave up its place has used its day, and what was learned
// of it, when it comes back.
func TestIdleIsRemembered(t *testing.T) {
	rules := defaultRules()
	var p *Project
	now := noon
	ask := func(model string) Result {
		next, result := apply(t, rules, p, now, Reserve{Model: model, ID: 1, Demand: Demand{Tokens: 1}})
		p = next
		return result
	}
	do := func(change Change) { p, _ = apply(t, rules, p, now, change) }
	for range 3 {
		require.Equal(t, Admitted, ask("counted").Verdict)
	}
	ask("blocked")
	do(RecordRefusal{Model: "blocked", Block: Block{Cause: ByDay}})
	ask("learned")
	do(RecordRefusal{Model: "learned", Limits: Limits{RPM: 3, RPD: 4}})
	ask("large")
	do(RecordRefusal{Model: "large", Oversize: 300_000})
	now = now.Add(2 * time.Minute)
	for i := range MaxModels {
		require.Equal(t, Admitted, ask(fmt.Sprint("m", i)).Verdict)
		now = now.Add(20 * time.Second)
	}
	for _, model := range []string{"counted", "blocked", "learned", "large"} {
		require.False(t, slices.ContainsFunc(p.Calendars, func(c *Calendar) bool { return c.Model == model }), "%s gave up its place", model)
	}
	for _, at := range []string{"without a place", "with one again"} {
		today := DayOf(now)
		assert.EqualValues(t, 3, p.Calendar("counted").Used(rules, today), at)
		assert.Equal(t, ByDay, p.Calendar("blocked").Block.Cause, at)
		assert.Equal(t, Limits{RPM: 3, TPM: 250_000, RPD: 4}, p.Calendar("learned").EffectiveLimits(rules, now).Limits, at)
		assert.EqualValues(t, 300_000, p.Calendar("large").Refused, at)
		for _, model := range []string{"counted", "blocked", "learned", "large"} {
			offer, _ := Plan(rules, now, []Candidate{{State: p}}, Request{Chain: []string{model}, Demand: Demand{Tokens: 1}}, nil)
			assert.Equal(t, model != "blocked", offer.Now(), "%s %s", model, at)
			do(RecordRefusal{Model: model}) // gives it a place
		}
	}
	do(Reset{})
	assert.Zero(t, p.Calendar("blocked").Block)
}

// TestIdleDays: whatever models are used in whatever order, and lose their places,
// no day has more requests than RPD.
func TestIdleDays(t *testing.T) {
	race.Skip(t)
	rapid.Check(t, func(t *rapid.T) {
		rules := defaultRules()
		three := int64(3)
		rules.Policy = NewPolicy([]string{"m0"}, map[string]Override{"pro": {RPD: &three}})
		var p *Project
		now := noon
		sent := make(map[string]map[string]int64)
		for range rapid.IntRange(1, 300).Draw(t, "requests") {
			now = now.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "pause")) * time.Second)
			if rapid.IntRange(0, 60).Draw(t, "sleep") == 0 {
				now = now.Add(10 * time.Hour)
			}
			model := fmt.Sprint("m", rapid.IntRange(0, 50).Draw(t, "model"))
			next, result := apply(t, rules, p, now, Reserve{Model: model, ID: 1, Demand: Demand{Tokens: 1}})
			if p = next; result.Verdict != Admitted {
				continue
			}
			day := date(now)
			if sent[day] == nil {
				sent[day] = make(map[string]int64)
			}
			if sent[day][model]++; sent[day][model] > three {
				t.Fatalf("%d requests to %s on %s", sent[day][model], model, day)
			}
		}
	})
}
