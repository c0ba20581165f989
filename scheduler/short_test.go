package scheduler_test

import (
	"testing"
	"time"

	. "fluxgate.dev/fluxgate/scheduler"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWindowThatIsLearned: what was sent before upstream said that there is a window is in it too.
func TestWindowThatIsLearned(t *testing.T) {
	on := OfWindow("m", 10*sec)
	d := newDesk(t, Limits{RPM: 1000, TPM: Unlimited, RPD: Unlimited})
	d.rules.Specs = map[string]Spec{}
	ask := func(at Instant) Result {
		return d.do(at, Reserve{Model: "m", Demand: Demand{Tokens: 7}, Also: []Weight{{On: on, Demand: Demand{Tokens: 7}}}})
	}
	for i := range Instant(100) {
		d.reserve(noon+i*50, 7) // until 4.95 s, those of the first 1.75 s folded
	}
	d.do(noon+5000, RecordRefusal{Model: on, Limits: Limits{RPM: 103}})
	requests, tokens := d.p.Calendar(on).InWindow(d.rules, noon+5000)
	assert.EqualValues(t, 100, requests)
	assert.Zero(t, tokens, "of which there is no limit")
	for range 3 {
		assert.Equal(t, Admitted, ask(noon+5000).Verdict)
	}
	result := ask(noon + 5000)
	assert.Equal(t, Refused, result.Verdict)
	assert.GreaterOrEqual(t, result.Start, noon+10_500)
	assert.LessOrEqual(t, result.Start, noon+11_600)
	d.do(noon+5001, RecordRefusal{Model: on, Limits: Limits{RPM: 104}})
	requests, _ = d.p.Calendar(on).InWindow(d.rules, noon+5001)
	assert.EqualValues(t, 103, requests, "once")
	requests, _ = d.p.Calendar(on).InWindow(d.rules, noon+16_000)
	assert.Zero(t, requests)
}

// TestWindowThatIsLearnedWithALimit: what was sent is in it whatever is known of the model's own limits since.
func TestWindowThatIsLearnedWithALimit(t *testing.T) {
	on := OfWindow("m", 10*sec)
	d := newDesk(t, Limits{RPM: 1000, TPM: 100_000, RPD: Unlimited})
	d.rules.Specs = map[string]Spec{}
	d.reserve(noon, 50_000)
	d.do(noon+100, RecordRefusal{Model: "m", Limits: Limits{TPM: 10_000}})
	d.do(noon+100, RecordRefusal{Model: on, Limits: Limits{RPM: 2}})
	requests, _ := d.p.Calendar(on).InWindow(d.rules, noon+10_499)
	assert.EqualValues(t, 1, requests)
	requests, _ = d.p.Calendar(on).InWindow(d.rules, noon+10_500)
	assert.Zero(t, requests)
}

// TestShortWindowIsNotKeptForLateness: a booking is planned to last as long as its holder may be late, and in a window
// that is shorter than that for whole requests: of a second and the skew for twelve seconds, which are eight requests that are sent to
// the millisecond, and six that are sent at whole seconds. Once that one has come, a short window lasts no longer than it does; a
// longer one does until the request is settled.
func TestShortWindowIsNotKeptForLateness(t *testing.T) {
	for window, late := range map[time.Duration]Instant{sec: 0, 10 * sec: 0, 30 * sec: 5000} {
		on := OfWindow("m", window)
		d := newDesk(t, Limits{RPM: 1000, TPM: Unlimited, RPD: Unlimited})
		d.rules.Specs = map[string]Spec{on: {Window: window, EffectiveLimits: EffectiveLimits{Limits: Limits{RPM: 1, TPM: Unlimited, RPD: Unlimited}}}}
		also := []Weight{{On: on}}
		require.Equal(t, Admitted, d.do(noon, Reserve{Model: "m", ID: 1, Also: also}).Verdict)
		booked := d.do(noon, Reserve{Model: "m", ID: 2, Also: also, Demand: Demand{Allowance: 5 * sec}, Book: true})
		require.Equal(t, Booked, booked.Verdict)
		second := d.do(noon, Reserve{Model: "m", ID: 4, Also: also, Demand: Demand{Allowance: 5 * sec}, Book: true}).Booking
		whole := window + 5500*ms
		if window == sec {
			whole = 12 * sec
		}
		assert.GreaterOrEqual(t, second.Start, booked.Start.Add(whole), window)
		assert.Less(t, second.Start, booked.Start.Add(whole)+late/5+1, "told in whole seconds, but for short windows")
		claimed := d.do(booked.Start, Reserve{Model: "m", ID: 3, Also: also, Demand: Demand{Allowance: 200 * ms}, Booking: booked.Booking.ID})
		require.Equal(t, Admitted, claimed.Verdict)
		assert.Equal(t, booked.Start.Add(window+500*ms)+max(200, late), claimed.Also[0].Reservation.End, window)
		assert.Equal(t, booked.Start.Add(time.Minute+500*ms)+5000, claimed.Reservation.End, "a minute isn't short, whatever is beside it")
		assert.Equal(t, time.Duration(max(200, late))*ms, claimed.Allowance, "what its commit may take")
	}
}

// TestBookingIsPlannedAsItIsMade: who plans a booking on a short window finds the start that it gets, and
// is not sent to plan again.
func TestBookingIsPlannedAsItIsMade(t *testing.T) {
	on := OfWindow("m", sec)
	d := newDesk(t, Limits{RPM: 1000, TPM: Unlimited, RPD: Unlimited})
	d.rules.Specs = map[string]Spec{on: {Window: time.Second, EffectiveLimits: EffectiveLimits{Limits: Limits{RPM: 1, TPM: Unlimited, RPD: Unlimited}}}}
	also, slow := []Weight{{On: on}}, Demand{Allowance: 3500 * time.Millisecond}
	plan := func(book bool) Instant {
		offer, cause := Plan(d.rules, noon, []Candidate{{State: d.p}}, Request{Chain: []string{"m"}, Demand: slow, Book: book,
			Also: func(string) []Weight { return also }}, func(int) int { return 0 })
		require.Equal(t, NoCause, cause)
		return offer.Start
	}
	require.Equal(t, Booked, d.do(noon, Reserve{Model: "m", ID: 2, Also: also, From: noon.Add(5500 * ms), Book: true}).Verdict)
	assert.Equal(t, noon, plan(false), "there is room for 5 s")
	planned := plan(true)
	assert.Greater(t, planned, noon.Add(5500*ms), "but not for four windows")
	booked := d.do(noon, Reserve{Model: "m", ID: 3, Also: also, Demand: slow, Book: true, Planned: planned, From: planned})
	assert.Equal(t, Booked, booked.Verdict)
	assert.Equal(t, planned, booked.Start)
}

// TestWindowThatIsNamed: what was sent before an operator named a window is in it too, for whoever
// plans and for whoever decides; and what was taken out of a bucket is missing there.
func TestWindowThatIsNamed(t *testing.T) {
	none := EffectiveLimits{Limits: Limits{RPM: 3, TPM: Unlimited, RPD: Unlimited}, RPMFrom: FromOperator, TPMFrom: FromOperator, RPDFrom: FromOperator}
	for on, spec := range map[string]Spec{
		OfWindow("m", 10*time.Second): {Window: 10 * time.Second, EffectiveLimits: none},
		OfBucket("m", time.Minute):    {Refill: true, EffectiveLimits: none},
	} {
		d := newDesk(t, Limits{RPM: 1000, TPM: Unlimited, RPD: Unlimited})
		for i := range Instant(3) {
			d.reserve(noon+i, 7)
		}
		d.rules.Specs = map[string]Spec{on: spec}
		also := []Weight{{On: on}}
		offer, cause := Plan(d.rules, noon+1000, []Candidate{{State: d.p}}, Request{Chain: []string{"m"}, Also: func(string) []Weight { return also }}, func(int) int { return 0 })
		require.Equal(t, NoCause, cause)
		result := d.do(noon+1000, Reserve{Model: "m", ID: 9, Also: also})
		require.Equal(t, Refused, result.Verdict, on)
		assert.Equal(t, offer.Start, result.Start, on)
		first := noon + 10_500
		if spec.Refill {
			first = noon + 20_500 // three a minute, since they arrived
		}
		assert.GreaterOrEqual(t, result.Start, first, on)
		assert.Less(t, result.Start, first+1000, on)
		require.Equal(t, Admitted, d.do(result.Start, Reserve{Model: "m", ID: 10, Also: also}).Verdict, on)
	}
}

// TestPlacesThatAreNamed: what was sent before an operator named how many requests there may be at a time may be under way
// still, as far as anybody knows, as long as it is in the model's minute. One that has given its place up knows what is.
func TestPlacesThatAreNamed(t *testing.T) {
	on := OfPlaces("m")
	d := newDesk(t, Limits{RPM: 1000, TPM: Unlimited, RPD: Unlimited})
	for i := range Instant(3) {
		d.reserve(noon+i*10_000, 7)
	}
	d.rules.Specs = map[string]Spec{on: {Window: PlaceFor, AtATime: true, AtAnswer: true, EffectiveLimits: EffectiveLimits{
		Limits: Limits{RPM: 3, TPM: Unlimited, RPD: Unlimited}, RPMFrom: FromOperator, TPMFrom: FromOperator, RPDFrom: FromOperator}}}
	also := []Weight{{On: on, Demand: Demand{Allowance: 2 * time.Second}}}
	ask := func(at Instant, id uint64) Result { return d.do(at, Reserve{Model: "m", ID: id, Also: also}) }
	settle := func(at Instant, r Result, id uint64) {
		d.do(at, Settle{Model: "m", ID: id, Reserved: r.Reservation, Also: r.Also, Tokens: -1, SentAt: at - 1000, Answered: at})
	}
	offer, _ := Plan(d.rules, noon+30_000, []Candidate{{State: d.p}}, Request{Chain: []string{"m"}, Also: func(string) []Weight { return also }}, func(int) int { return 0 })
	refused := ask(noon+30_000, 10)
	require.Equal(t, Refused, refused.Verdict)
	assert.Equal(t, offer.Start, refused.Start)
	first := ask(noon+61_000, 11)
	require.Equal(t, Admitted, first.Verdict, "the first has left the minute")
	assert.Equal(t, Refused, ask(noon+61_000, 12).Verdict)
	settle(noon+63_000, first, 11)
	second := ask(noon+64_000, 13)
	require.Equal(t, Admitted, second.Verdict, "what was sent since is known")
	settle(noon+65_000, second, 13)

	for i := range MaxOthers { // it gives its place up, once nothing is under way
		other := OfFeature("m", string(rune('a'+i)))
		d.rules.Specs[other] = Spec{EffectiveLimits: EffectiveLimits{Limits: Limits{RPM: 1000, TPM: Unlimited, RPD: Unlimited}}}
		require.Equal(t, Admitted, d.do(noon+100_000+Instant(i), Reserve{Model: "m", ID: uint64(i) + 90, Also: []Weight{{On: other}}}).Verdict)
	}
	require.False(t, d.p.Has(on))
	d.reserve(noon+160_900, 7)
	assert.Equal(t, Admitted, ask(noon+161_000, 14).Verdict)
	assert.Equal(t, Admitted, ask(noon+161_000, 15).Verdict)
	assert.Equal(t, Admitted, ask(noon+161_000, 16).Verdict)
	assert.Equal(t, Refused, ask(noon+161_000, 17).Verdict)
}

// TestWeightIfThereIsAPlace: a weight for which no calendar can be had is left out where that is said of it.
func TestWeightIfThereIsAPlace(t *testing.T) {
	d := newDesk(t, Limits{RPM: 1000, TPM: Unlimited, RPD: Unlimited})
	d.rules.Specs = map[string]Spec{}
	limited := Spec{EffectiveLimits: EffectiveLimits{Limits: Limits{RPM: 1000, TPM: Unlimited, RPD: Unlimited}}}
	for i := range MaxOthers {
		on := OfFeature("m", string(rune('a'+i)))
		d.rules.Specs[on] = limited
		require.Equal(t, Admitted, d.do(noon, Reserve{Model: "m", ID: uint64(i) + 1, Also: []Weight{{On: on}}}).Verdict)
	}
	used := OfUsed("m")
	d.rules.Specs[used] = limited
	assert.Equal(t, Unavailable, d.do(noon, Reserve{Model: "m", ID: 90, Also: []Weight{{On: used}}}).Cause)
	result := d.do(noon, Reserve{Model: "m", ID: 91, Also: []Weight{{On: used, IfPlace: true}}})
	assert.Equal(t, Admitted, result.Verdict)
	assert.Empty(t, result.Also)

	// What is remembered of its limit holds on the model's calendar, which has more in a minute.
	d = newDesk(t, Limits{RPM: 1000, TPM: 2000, RPD: Unlimited})
	d.rules.Specs = map[string]Spec{}
	also := []Weight{{On: used, Demand: Demand{Tokens: 600}, IfKnown: true, IfPlace: true}}
	d.do(noon, RecordRefusal{Model: used, Limits: Limits{TPM: 1000}})
	for i := range MaxOthers {
		on := OfFeature("m", string(rune('a'+i)))
		d.rules.Specs[on] = limited
		require.Equal(t, Admitted, d.do(noon, Reserve{Model: "m", ID: uint64(i) + 1, Also: []Weight{{On: on}}}).Verdict)
	}
	require.False(t, d.p.Has(used))
	require.Equal(t, Admitted, d.do(noon, Reserve{Model: "m", ID: 92, Demand: Demand{Tokens: 600}, Also: also}).Verdict)
	result = d.do(noon, Reserve{Model: "m", ID: 93, Demand: Demand{Tokens: 600}, Also: also})
	assert.Equal(t, Refused, result.Verdict)
	assert.Equal(t, ByTPM, result.Cause)
	offer, _ := Plan(d.rules, noon, []Candidate{{State: d.p}}, Request{Chain: []string{"m"}, Demand: Demand{Tokens: 600}, Also: func(string) []Weight { return also }}, func(int) int { return 0 })
	assert.Equal(t, result.Start, offer.Start)
}

// TestLimitWithoutAPlace: where all calendars beside models are taken, what upstream says of one more is remembered,
// and the model is held to so much within a minute, or a day, that the limit holds. What can't be held so
// is closed to it until there is a place.
func TestLimitWithoutAPlace(t *testing.T) {
	const model = "groq/m"
	full := func() *desk {
		d := newDesk(t, Limits{RPM: 1000, TPM: Unlimited, RPD: Unlimited})
		many, none := int64(1000), Unlimited
		d.rules.Policy = NewPolicy([]string{"m"}, map[string]Override{"m": {RPM: &many, TPM: &none, RPD: &none}, model: {RPM: &many, TPM: &none, RPD: &none}})
		d.rules.Specs = map[string]Spec{}
		for i := range MaxOthers {
			other := OfFeature("m", string(rune('a'+i)))
			d.rules.Specs[other] = Spec{EffectiveLimits: EffectiveLimits{Limits: Limits{RPM: 1000, TPM: Unlimited, RPD: Unlimited}}}
			require.Equal(t, Admitted, d.do(noon, Reserve{Model: "m", ID: uint64(i) + 900, Also: []Weight{{On: other}}}).Verdict)
		}
		return d
	}
	for name, c := range map[string]struct {
		on      string
		limits  Limits
		model   Limits // that the model is held to; 0: it is closed
		refused Cause  // of one request more
		after   Instant
	}{
		"an hour":               {OfWindow(model, time.Hour), Limits{RPM: 300}, Limits{RPM: 5}, ByRPM, 230_000},
		"ten seconds":           {OfWindow(model, 10*time.Second), Limits{RPM: 4}, Limits{RPM: 4}, ByRPM, 0},
		"a day, refilled":       {OfBucket(model, 24*time.Hour), Limits{RPM: 14_400}, Limits{RPM: 10}, ByRPM, 0},
		"a day of few":          {OfBucket(model, 24*time.Hour), Limits{RPM: 12}, Limits{RPD: 6}, ByRPD, 0},
		"a day to midnight":     {OfDay(model), Limits{RPD: 12}, Limits{RPD: 6}, ByRPD, 0},
		"tokens of an hour":     {OfWindow(model, time.Hour), Limits{TPM: 36_000}, Limits{TPM: 600}, ByTPM, 230_000},
		"an hour of few":        {OfWindow(model, time.Hour), Limits{RPM: 30}, Limits{}, Unavailable, 0},
		"output":                {OfOutputs(model), Limits{TPM: 8000}, Limits{}, Unavailable, 0},
		"a day of next to none": {OfDay(model), Limits{RPD: 1}, Limits{}, Unavailable, 0},
	} {
		d := full()
		require.Equal(t, Result{Changed: true, NoPlace: true}, d.do(noon, RecordRefusal{Model: c.on, Limits: c.limits}), name)
		require.False(t, d.p.Has(c.on))
		require.False(t, d.do(noon, RecordRefusal{Model: c.on, Limits: c.limits}).Changed, "%s: it is known", name)
		demand := Demand{Tokens: 100}
		also := []Weight{{On: c.on, Demand: demand, IfKnown: true}}
		admitted := int64(0)
		var last Result
		for last = d.do(noon, Reserve{Model: model, ID: 1, Demand: demand, Also: also}); last.Verdict == Admitted; {
			assert.Empty(t, last.Also, name)
			admitted++
			last = d.do(noon, Reserve{Model: model, ID: uint64(admitted) + 1, Demand: demand, Also: also})
		}
		want := max(c.model.RPM, c.model.RPD, c.model.TPM/demand.Tokens)
		assert.Equal(t, want, admitted, name)
		assert.Equal(t, c.refused, last.Cause, name)
		offer, cause := Plan(d.rules, noon, []Candidate{{State: d.p}}, Request{Chain: []string{model}, Demand: demand, Also: func(string) []Weight { return also }}, func(int) int { return 0 })
		if want > 0 {
			assert.Equal(t, last.Start, offer.Start, name)
		} else {
			assert.Equal(t, Unavailable, cause, name)
		}
		// Once the others' minute is over, and their places are free, what may have been sent meanwhile counts.
		later := noon + 70_000
		offer, _ = Plan(d.rules, later, []Candidate{{State: d.p}}, Request{Chain: []string{model}, Demand: demand, Also: func(string) []Weight { return also }}, func(int) int { return 0 })
		next := d.do(later, Reserve{Model: model, ID: 800, Demand: demand, Also: also, Book: true})
		assert.Equal(t, offer.Start, next.Start, name)
		assert.Equal(t, later+c.after, next.Start, name)
		assert.True(t, d.p.Has(c.on), name)
	}
	// What others have used counts nowhere of a limit that isn't known any more.
	assert.False(t, full().do(noon, Heard{Model: OfWindow(model, time.Hour), ID: 7, Used: Demand{Requests: 5}, Most: Demand{Requests: 5}}).Changed)

	// What is Gemini's is as it was: nothing is remembered of what has no place.
	assert.False(t, full().do(noon, RecordRefusal{Model: OfFeature("m", "z"), Limits: Limits{RPM: 5}, Block: Block{Cause: ByBare}}).Changed)

	// Where the model's limit is only a start, nobody tries what is beyond.
	d := full()
	d.rules.Policy = NewPolicy([]string{"m"}, nil)
	d.do(noon, RecordRefusal{Model: OfWindow(model, 10*time.Second), Limits: Limits{RPM: 1}})
	also := []Weight{{On: OfWindow(model, 10*time.Second), IfKnown: true}}
	require.Equal(t, Admitted, d.do(noon, Reserve{Model: model, ID: 1, Also: also}).Verdict)
	assert.Equal(t, Refused, d.do(noon, Reserve{Model: model, ID: 2, Also: also}).Verdict)
}

// TestBookingOnABucketWithoutSkew: what is taken out of a bucket of a short period counts for the skew alone, which may be none.
func TestBookingOnABucketWithoutSkew(t *testing.T) {
	on := OfBucket("m", sec)
	d := newDesk(t, Limits{RPM: 1000, TPM: Unlimited, RPD: Unlimited})
	d.rules.Skew = 0
	d.rules.Specs = map[string]Spec{on: {
		Window: sec, Refill: true, Burst: Burst{Requests: 1}, EffectiveLimits: EffectiveLimits{Limits: Limits{RPM: 1, TPM: Unlimited, RPD: Unlimited}},
	}}
	also := []Weight{{On: on}}
	require.Equal(t, Admitted, d.do(noon, Reserve{Model: "m", ID: 1, Also: also}).Verdict)
	booked := d.do(noon, Reserve{Model: "m", ID: 2, Also: also, Demand: Demand{Allowance: 5 * sec}, Book: true})
	require.Equal(t, Booked, booked.Verdict)
	assert.Equal(t, noon+1000, booked.Start)
	assert.Equal(t, 5*sec, booked.Booking.Demand.Allowance)
	assert.Equal(t, Admitted, d.do(booked.Start, Reserve{Model: "m", ID: 3, Also: also, Booking: booked.Booking.ID}).Verdict)
}
