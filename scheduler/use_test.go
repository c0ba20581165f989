package scheduler_test

import (
	"testing"
	"time"

	. "fluxgate.dev/fluxgate/scheduler"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestUse: what a request that goes on uses counts for a window from then on, on its model and on
// another that it may be counted on, without being a request; what was reserved for it in advance
// is given back, and bookings that no longer fit are moved.
func TestUse(t *testing.T) {
	rules := rulesFor(map[string]Limits{"m": {RPM: 10, TPM: 1000, RPD: 100}, "other": {RPM: 10, TPM: 1000, RPD: 100}})
	var p *Project
	do := func(now Instant, change Change) (result Result) {
		p, result = apply(t, rules, p, now, change)
		return result
	}
	inWindow := func(model string, at Instant) [2]int64 {
		requests, tokens := p.Calendar(model).InWindow(rules, at)
		return [2]int64{requests, tokens}
	}
	made := do(noon, Reserve{
		Model: "m", ID: 1, Demand: Demand{Tokens: 100}, Caller: "alice",
		Also: []Weight{{On: "other", Demand: Demand{Tokens: 100}}, {On: OfFeature("m", "live")}},
	})
	require.Equal(t, Admitted, made.Verdict)
	use := func(now Instant, tokens int64) Result {
		return do(now, Use{Model: "m", ID: 1, Reserved: made.Reservation, Tokens: tokens, Also: made.Also, Caller: "alice"})
	}
	assert.Equal(t, [2]int64{1, 100}, inWindow("m", noon))
	assert.True(t, use(noon+10_000, 300).Changed)
	for _, model := range []string{"m", "other"} {
		assert.Equal(t, [2]int64{1, 300}, inWindow(model, noon+10_000), model)
		assert.Equal(t, [2]int64{0, 300}, inWindow(model, noon+65_000), model)
		assert.Equal(t, [2]int64{0, 0}, inWindow(model, noon+72_000), model)
	}

	// Long after its own window.
	use(noon+300_000, 700)
	assert.Equal(t, [2]int64{0, 700}, inWindow("m", noon+300_000))
	full := do(noon+300_000, Reserve{Model: "m", ID: 2, Demand: Demand{Tokens: 400}})
	assert.Equal(t, Refused, full.Verdict)
	assert.Equal(t, ByTPM, full.Cause)
	booked := do(noon+300_000, Reserve{Model: "m", ID: 3, Hash: 3, Demand: Demand{Tokens: 400}, Book: true})
	require.Equal(t, Booked, booked.Verdict)
	assert.Equal(t, full.Start, booked.Start)
	assert.Equal(t, 1, use(noon+320_000, 900).Moved, "it no longer fits")
	_, moved, ok := p.Booking(3)
	require.True(t, ok)
	assert.GreaterOrEqual(t, moved.Start, noon+380_000)

	// Its end leaves all that, and it has been one request.
	before := inWindow("m", noon+320_000)
	do(noon+320_000, Settle{Model: "m", ID: 1, Reserved: made.Reservation, Tokens: -1, SentAt: noon, Also: made.Also, Caller: "alice"})
	assert.Equal(t, before, inWindow("m", noon+320_000))
	require.Len(t, p.Calendar("m").Days, 1)
	assert.EqualValues(t, 1, p.Calendar("m").Days[0].Requests)
	assert.EqualValues(t, 300+700+900, p.Calendar("m").Days[0].Tokens)
	require.Len(t, p.Today(noon).Callers, 1)
	assert.EqualValues(t, 300+700+900, p.Today(noon).Callers[0].Tokens)
}

// TestMissing: of limits that are filled evenly what was sent is there again bit by bit, and with
// what others have sent it weighs as long as it is told.
func TestMissing(t *testing.T) {
	rules := rulesFor(map[string]Limits{"m": {RPM: 12, TPM: 600, RPD: Unlimited}})
	p, _ := apply(t, rules, nil, noon, Reserve{Model: "m", ID: 1, Demand: Demand{Tokens: 300, Requests: 6}})
	for after, want := range map[time.Duration][2]int64{0: {6, 300}, 10 * time.Second: {4, 200}, 12 * time.Second: {4, 180}, 30 * time.Second: {0, 0}} {
		requests, tokens := p.Calendar("m").Missing(rules, noon.Add(after))
		assert.Equal(t, want, [2]int64{requests, tokens}, "after %v", after)
	}
	at := noon.Add(10 * time.Second)
	p, _ = apply(t, rules, p, at, Heard{Model: "m", ID: 2, Used: Demand{Requests: 7}, Most: Demand{Requests: 3}, Evenly: true, Longer: 15 * time.Second})
	requests, _ := p.Calendar("m").Missing(rules, at)
	assert.EqualValues(t, 7, requests)
	requests, _ = p.Calendar("m").InWindow(rules, at.Add(Window+14*time.Second))
	assert.EqualValues(t, 3, requests, "a window and 15 s")
	requests, _ = p.Calendar("m").InWindow(rules, at.Add(Window+16*time.Second))
	assert.Zero(t, requests)
}

// TestMissingOfAFallenLimit: what was sent under a higher limit leaves the window before it has been refilled at the lower
// rate. What isn't made up for by then weighs as others' does: no more is sent than has been refilled.
func TestMissingOfAFallenLimit(t *testing.T) {
	rules := rulesFor(map[string]Limits{"m": {RPM: 12, TPM: 600, RPD: Unlimited}})
	p, _ := apply(t, rules, nil, noon, Reserve{Model: "m", ID: 1, Demand: Demand{Tokens: 450, Requests: 9}})
	p, _ = apply(t, rules, p, noon.Add(50*time.Second), Reserve{Model: "m", ID: 2, Demand: Demand{Tokens: 100, Requests: 2}})
	requests, tokens := p.Calendar("m").Missing(rules, noon.Add(54*time.Second))
	assert.Equal(t, [2]int64{2, 60}, [2]int64{requests, tokens}, "all that was sent first is there again")

	at := noon.Add(54 * time.Second)
	p, _ = apply(t, rules, p, at, RecordRefusal{Model: "m", Limits: Limits{RPM: 6, TPM: 300}})
	requests, tokens = p.Calendar("m").Missing(rules, at)
	assert.Equal(t, [2]int64{2, 130}, [2]int64{requests, tokens}, "when the first leave the window, in six seconds, the last two are counted alone")

	// An answer says that nothing is left.
	all := Heard{Model: "m", ID: 3, Used: Demand{Requests: 6, Tokens: 300}, Most: Demand{Requests: 6, Tokens: 300}, Evenly: true}
	p, _ = apply(t, rules, p, at, all)
	for after, free := range map[time.Duration]int64{7 * time.Second: 0, 12 * time.Second: 0, 50 * time.Second: 0, 57 * time.Second: 2, 61 * time.Second: 6} {
		requests, tokens := p.Calendar("m").InWindow(rules, at.Add(after))
		assert.Equal(t, free, 6-requests, "after %v", after)
		assert.LessOrEqual(t, 300-tokens, 5*int64(after/time.Second), "after %v: five tokens a second", after)
	}
}
