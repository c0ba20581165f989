package scheduler_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	. "fluxgate.dev/fluxgate/scheduler"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var search = OfFeature("m", "google_search")

// searching returns rules in which model m has ten requests a minute, and searches so
// many requests and tokens within any window of that length, and so many a day.
func searching(l Limits, window time.Duration) *Rules {
	rules := rulesFor(map[string]Limits{"m": {RPM: 10, TPM: 100_000, RPD: 1000}})
	rules.Specs = map[string]Spec{search: {EffectiveLimits: EffectiveLimits{Limits: l}, Window: window}}
	return rules
}

var oneSearch = []Weight{{On: search, Demand: Demand{Tokens: 100}}}

// TestSeveral: what weighs on two calendars goes when both have room, and is in both
// or in none.
func TestSeveral(t *testing.T) {
	rules := searching(Limits{RPM: 2, TPM: Unlimited, RPD: 4}, 0)
	var p *Project
	id := uint64(0)
	do := func(now Instant, change Change) (result Result) {
		t.Helper()
		p, result = apply(t, rules, p, now, change)
		return result
	}
	ask := func(now Instant, also []Weight, book bool) Result {
		t.Helper()
		id++
		return do(now, Reserve{Model: "m", ID: id, Demand: Demand{Tokens: 10}, Also: also, Book: book})
	}
	count := func(at Instant) (model, searches int64) {
		model, _ = p.Calendar("m").InWindow(rules, at)
		searches, _ = p.Calendar(search).InWindow(rules, at)
		return model, searches
	}
	first := ask(noon, oneSearch, false)
	require.Equal(t, Admitted, first.Verdict)
	require.Len(t, first.Also, 1)
	assert.Equal(t, search, first.Also[0].On)
	assert.EqualValues(t, 100, first.Also[0].Reservation.Tokens)
	second := ask(noon+1000, oneSearch, false)
	require.Equal(t, Admitted, second.Verdict)

	third := ask(noon+2000, oneSearch, false)
	assert.Equal(t, Refused, third.Verdict, "the feature is full")
	assert.Equal(t, ByRPM, third.Cause)
	assert.Equal(t, search, third.On)
	assert.Equal(t, noon+61_000, third.Start, "until the first search is over, in whole seconds")
	assert.Equal(t, Admitted, ask(noon+2000, nil, false).Verdict, "plain text isn't")
	model, searches := count(noon + 2000)
	assert.Equal(t, []int64{3, 2}, []int64{model, searches})

	// One is certainly not sent: both give it back, once.
	cancel := Cancel{Model: "m", ID: second.Reservation.ID, Reserved: second.Reservation, Also: second.Also}
	assert.True(t, do(noon+2000, cancel).Changed)
	assert.False(t, do(noon+2000, cancel).Changed)
	model, searches = count(noon + 2000)
	assert.Equal(t, []int64{2, 1}, []int64{model, searches})

	// A settle corrects both.
	settle := Settle{
		Model: "m", ID: first.Reservation.ID, Reserved: first.Reservation, Tokens: 50,
		Also: first.Also, Counted: []int64{70}, SentAt: noon + 10,
	}
	assert.True(t, do(noon+2000, settle).Changed)
	assert.False(t, do(noon+2000, settle).Changed)
	assert.EqualValues(t, 50, p.Calendar("m").Sent[0].Tokens)
	assert.EqualValues(t, 70, p.Calendar(search).Sent[0].Tokens)
	assert.Equal(t, noon+60_500, p.Calendar(search).Sent[0].End)

	// A booking is kept on both, claimed on both and released on both.
	require.Equal(t, Admitted, ask(noon+3000, oneSearch, false).Verdict)
	booked := ask(noon+4000, oneSearch, true)
	require.Equal(t, Booked, booked.Verdict)
	assert.Len(t, p.Calendar("m").Bookings, 1)
	assert.Len(t, p.Calendar(search).Bookings, 1)
	assert.Equal(t, Refused, ask(booked.Start-1, oneSearch, false).Verdict, "nobody takes it")
	name, b, ok := p.Booking(booked.Booking.ID)
	assert.True(t, ok)
	assert.Equal(t, "m", name)
	claimed := do(booked.Start, Reserve{Model: "m", ID: 99, Demand: b.Demand, Also: oneSearch, Booking: b.ID})
	assert.Equal(t, Admitted, claimed.Verdict)
	assert.Len(t, claimed.Also, 1)
	assert.Empty(t, p.Calendar("m").Bookings)
	assert.Empty(t, p.Calendar(search).Bookings)

	again := ask(booked.Start+1, oneSearch, true)
	require.Equal(t, Booked, again.Verdict)
	assert.True(t, do(booked.Start+2, Release{again.Booking.ID}).Changed)
	assert.Empty(t, p.Calendar("m").Bookings)
	assert.Empty(t, p.Calendar(search).Bookings)

	// The day of the feature is spent; the model's is not.
	require.Equal(t, Admitted, ask(noon+200_000, oneSearch, false).Verdict)
	spent := ask(noon+300_000, oneSearch, false)
	assert.Equal(t, ByRPD, spent.Cause)
	assert.GreaterOrEqual(t, spent.Start, DayOf(noon).End())
	assert.Equal(t, Admitted, ask(noon+300_000, nil, false).Verdict)
}

// TestSeveralMove: a refusal of the feature moves a booking on both of its calendars,
// and no other.
func TestSeveralMove(t *testing.T) {
	rules := searching(Limits{RPM: 2, TPM: Unlimited, RPD: Unlimited}, 0)
	var p *Project
	do := func(now Instant, change Change) (result Result) {
		p, result = apply(t, rules, p, now, change)
		return result
	}
	for id := range uint64(10) {
		r := Reserve{Model: "m", ID: id + 1}
		if id < 2 {
			r.Also = oneSearch
		}
		require.Equal(t, Admitted, do(noon, r).Verdict)
	}
	both := do(noon, Reserve{Model: "m", ID: 20, Also: oneSearch, Book: true}).Booking
	plain := do(noon, Reserve{Model: "m", ID: 21, Book: true}).Booking
	result := do(noon+1, RecordRefusal{Model: search, Block: Block{Cause: ByMinute, Until: both.Start + 5000}})
	assert.Equal(t, 1, result.Moved)
	for _, name := range []string{"m", search} {
		i := slices.IndexFunc(p.Calendar(name).Bookings, func(b Booking) bool { return b.ID == both.ID })
		require.GreaterOrEqual(t, i, 0)
		assert.Equal(t, both.Start+5000, p.Calendar(name).Bookings[i].Start, name)
	}
	_, b, _ := p.Booking(plain.ID)
	assert.Equal(t, plain.Start, b.Start)
	assert.Zero(t, do(noon+2, Review{}).Moved, "they fit where they are")
}

// TestSeveralPlan: the plan says when all of it fits, and which calendar is the last
// to have room; another model without the feature may be free now.
func TestSeveralPlan(t *testing.T) {
	rules := searching(Limits{RPM: 1, TPM: Unlimited, RPD: Unlimited}, 30*time.Second)
	p, _ := apply(t, rules, nil, noon, Reserve{Model: "m", ID: 1, Also: oneSearch})
	req := Request{Chain: []string{"m"}, Also: func(model string) []Weight {
		if model == "m" {
			return oneSearch
		}
		return nil
	}}
	offer, cause := Plan(rules, noon+1000, []Candidate{{State: p}}, req, func(int) int { return 0 })
	assert.Equal(t, NoCause, cause)
	assert.Equal(t, ByRPM, offer.Cause)
	assert.Equal(t, search, offer.On)
	assert.Equal(t, 30*time.Second, offer.Wait, "its own window of 30 s, and the skew, in whole seconds")
	assert.Equal(t, oneSearch, offer.Also)
	offer, _ = Plan(rules, noon+1000, []Candidate{{State: p}, {ID: "new"}}, req, func(int) int { return 0 })
	assert.True(t, offer.Now())
	assert.Equal(t, "new", offer.Project)

}

// TestSeveralExtend: a slow commit is covered on both, or gives both back.
func TestSeveralExtend(t *testing.T) {
	rules := searching(Limits{RPM: 1, TPM: Unlimited, RPD: Unlimited}, 0)
	p, r := apply(t, rules, nil, noon, Reserve{Model: "m", ID: 1, Also: oneSearch})
	x := Extend{Model: "m", ID: r.Reservation.ID, Until: noon + 2000, Yield: true, Reserved: r.Reservation, Also: r.Also}
	q, longer := apply(t, rules, p, noon+1000, x)
	assert.Equal(t, Admitted, longer.Verdict)
	assert.Equal(t, noon+62_500, longer.Reservation.End)
	require.Len(t, longer.Also, 1)
	assert.Equal(t, noon+62_500, longer.Also[0].Reservation.End)
	assert.Equal(t, noon+62_500, q.Calendar(search).Sent[0].End)

	// Somebody has booked right behind it on the feature.
	q, booked := apply(t, rules, p, noon+500, Reserve{Model: "m", ID: 2, Also: oneSearch, Book: true})
	require.Equal(t, Booked, booked.Verdict)
	x.Until = noon + 3000
	q, yields := apply(t, rules, q, noon+1000, x)
	assert.Equal(t, Replan, yields.Verdict)
	assert.Empty(t, q.Calendar("m").Sent)
	assert.Empty(t, q.Calendar(search).Sent)
}

// TestShortWindow: who waits for a window below twenty seconds is told milliseconds, whichever of its
// calendars is the last to have room, and who waits for a longer one whole seconds.
func TestShortWindow(t *testing.T) {
	for window, want := range map[time.Duration]time.Duration{
		time.Second: 1500 * ms, 10 * time.Second: 10_500 * ms, 30 * time.Second: 31 * time.Second, time.Minute: time.Minute + time.Second, time.Hour: time.Hour + time.Second,
	} {
		rules := searching(Limits{RPM: 1, TPM: Unlimited, RPD: Unlimited}, window)
		p, first := apply(t, rules, nil, noon, Reserve{Model: "m", ID: 1, Also: oneSearch})
		require.Equal(t, Admitted, first.Verdict)
		_, second := apply(t, rules, p, noon, Reserve{Model: "m", ID: 2, Also: oneSearch})
		assert.Equal(t, want, second.Start.Sub(noon), window)
	}
	rules := searching(Limits{RPM: 1, TPM: Unlimited, RPD: Unlimited}, time.Second)
	rules.Policy = NewPolicy([]string{"m"}, map[string]Override{"m": {RPM: ptr(int64(1))}})
	p, _ := apply(t, rules, nil, noon, Reserve{Model: "m", ID: 1, Also: oneSearch})
	_, both := apply(t, rules, p, noon, Reserve{Model: "m", ID: 2, Also: oneSearch})
	assert.Equal(t, 60_500*ms, both.Start.Sub(noon), "of a window and a minute")
	_, one := apply(t, rules, p, noon, Reserve{Model: "m", ID: 2})
	assert.Equal(t, 61*time.Second, one.Start.Sub(noon))
}

// TestTwiceOnOne: two weights on one calendar are tested together.
func TestTwiceOnOne(t *testing.T) {
	rules := searching(Limits{RPM: 2, TPM: 150, RPD: Unlimited}, 0)
	_, result := apply(t, rules, nil, noon, Reserve{Model: "m", ID: 1, Also: slices.Repeat(oneSearch, 3)})
	assert.Equal(t, TooLarge, result.Cause, "three requests, of two")
	p, result := apply(t, rules, nil, noon, Reserve{Model: "m", ID: 1, Also: slices.Repeat(oneSearch, 2)})
	assert.Equal(t, Admitted, result.Verdict)
	requests, _ := p.Calendar(search).InWindow(rules, noon)
	assert.EqualValues(t, 2, requests)
}

// TestUnsure: where another build wrote last, what it may have used counts as used,
// and no more.
func TestUnsure(t *testing.T) {
	rules := searching(Limits{RPM: 5, TPM: Unlimited, RPD: 20}, 0)
	p := &Project{NextRank: 1, Latest: noon, Unsure: Unsure{At: noon, Requests: 18}}
	var verdict Result
	p, verdict = apply(t, rules, p, noon+1000, Reserve{Model: "m", ID: 1, Also: oneSearch})
	assert.Equal(t, Refused, verdict.Verdict)
	p, verdict = apply(t, rules, p, noon+1000, Reserve{Model: "m", ID: 1})
	assert.Equal(t, Admitted, verdict.Verdict, "the model isn't concerned")
	later := noon.Add(2 * time.Minute)
	for i := range 3 {
		p, verdict = apply(t, rules, p, later, Reserve{Model: "m", ID: uint64(i) + 2, Also: oneSearch})
		assert.Equal(t, i < 2, verdict.Verdict == Admitted, "%d of the two that are left today", i)
	}
}

// TestAtATime: of sessions there are so many at a time. One lasts until it is settled,
// and no longer than the window unless it is extended, so that one whose instance is
// gone gives its place back.
func TestAtATime(t *testing.T) {
	live := OfFeature("m", "live")
	rules := rulesFor(map[string]Limits{"m": {RPM: 1000, TPM: Unlimited, RPD: Unlimited}})
	rules.Specs = map[string]Spec{live: {
		EffectiveLimits: EffectiveLimits{Limits: Limits{RPM: 2, TPM: Unlimited, RPD: Unlimited}}, Window: 10 * time.Minute, AtATime: true,
	}}
	var p *Project
	do := func(now Instant, change Change) (result Result) {
		p, result = apply(t, rules, p, now, change)
		return result
	}
	ask := func(now Instant, id uint64) Result {
		return do(now, Reserve{Model: "m", ID: id, Also: []Weight{{On: live}}})
	}
	first, second := ask(noon, 1), ask(noon, 2)
	require.Equal(t, Admitted, second.Verdict)
	third := ask(noon+1000, 3)
	assert.Equal(t, Refused, third.Verdict)
	assert.Equal(t, noon.Add(10*time.Minute+time.Second), third.Start, "should neither be settled")

	over := Settle{Model: "m", ID: first.Reservation.ID, Reserved: first.Reservation, Tokens: -1, Also: first.Also}
	assert.True(t, do(noon.Add(3*time.Minute), over).Changed)
	before := p
	assert.False(t, do(noon.Add(3*time.Minute), over).Changed)
	assert.False(t, do(noon.Add(3*time.Minute)+200, over).Changed)
	assert.Equal(t, before, p)
	assert.Equal(t, Refused, ask(noon.Add(3*time.Minute), 4).Verdict, "within the skew")
	assert.Equal(t, Admitted, ask(noon.Add(3*time.Minute)+501, 4).Verdict)

	// The second goes on, by itself: its model's minute is over.
	own := second.Also[0].Reservation
	x := Extend{Model: live, ID: own.ID, Until: noon.Add(9 * time.Minute), Reserved: own}
	assert.Equal(t, Admitted, do(noon.Add(9*time.Minute), x).Verdict)
	assert.Equal(t, Refused, ask(noon.Add(12*time.Minute), 5).Verdict)
	assert.Equal(t, Admitted, ask(noon.Add(13*time.Minute+1500*ms), 5).Verdict, "the fourth is gone")
	assert.Equal(t, Refused, ask(noon.Add(19*time.Minute), 6).Verdict)
	assert.Equal(t, Admitted, ask(noon.Add(19*time.Minute)+501, 6).Verdict, "and so is the second")
}

// TestSessionsOfADay: a session that goes on over midnight is one of the day on which it began.
func TestSessionsOfADay(t *testing.T) {
	live := OfFeature("m", "live")
	rules := rulesFor(map[string]Limits{"m": {RPM: 1000, TPM: Unlimited, RPD: Unlimited}})
	rules.Specs = map[string]Spec{live: {
		EffectiveLimits: EffectiveLimits{Limits: Limits{RPM: 5, TPM: Unlimited, RPD: 1}}, Window: 10 * time.Minute, AtATime: true,
	}}
	midnight := DayOf(noon).End()
	p, result := apply(t, rules, nil, midnight-60_000, Reserve{Model: "m", ID: 1, Also: []Weight{{On: live}}})
	own := result.Also[0].Reservation
	goesOn := Extend{Model: live, ID: own.ID, Until: midnight + 60_000, Reserved: own, Answered: true}
	p, result = apply(t, rules, p, midnight+60_000, goesOn)
	require.Equal(t, Admitted, result.Verdict)
	assert.Equal(t, midnight+60_000+600_500, result.Reservation.End)
	assert.EqualValues(t, 1, p.Calendar(live).Used(rules, DayOf(noon)))
	assert.Zero(t, p.Calendar(live).Used(rules, DayOf(noon)+1))
	_, result = apply(t, rules, p, midnight+60_001, Reserve{Model: "m", ID: 2, Also: []Weight{{On: live}}})
	assert.Equal(t, Admitted, result.Verdict, "the first of the next day")
}

// TestStartOfSessions: as many at a time as are built in are a start, which is tried beyond by
// one session at a time. That upstream has it is known once it goes on, not when it is over.
func TestStartOfSessions(t *testing.T) {
	live := OfFeature("m", "live")
	rules := rulesFor(map[string]Limits{"m": {RPM: 1000, TPM: Unlimited, RPD: Unlimited}})
	spec := Spec{EffectiveLimits: EffectiveLimits{Limits: Limits{RPM: 1, TPM: Unlimited, RPD: Unlimited}, RPMFrom: FromDefault}, Window: 2 * time.Minute, AtATime: true, Start: true}
	rules.Specs = map[string]Spec{OfFeature("*", "live"): spec}
	var p *Project
	do := func(now Instant, change Change) (result Result) {
		p, result = apply(t, rules, p, now, change)
		return result
	}
	ask := func(now Instant, id uint64) Result {
		return do(now, Reserve{Model: "m", ID: id, Also: []Weight{{On: live}}})
	}
	require.Equal(t, NoCause, ask(noon, 1).Probe)
	probe := ask(noon+1000, 2)
	require.Equal(t, Admitted, probe.Verdict)
	assert.Equal(t, ByRPM, probe.Probe)
	assert.Equal(t, Refused, ask(noon+2000, 3).Verdict, "one is tried at a time")

	own := probe.Also[0].Reservation
	goesOn := Extend{Model: live, ID: own.ID, Until: noon + 3000, Reserved: own}
	do(noon+3000, goesOn)
	assert.Equal(t, Refused, ask(noon+3500, 3).Verdict, "it isn't known yet whether upstream has it")
	goesOn.Answered = true
	assert.True(t, do(noon+4000, goesOn).Changed)
	assert.EqualValues(t, 2, p.Calendar(live).EffectiveLimits(rules, noon+4000).RPM)
	next := ask(noon+5000, 3)
	assert.Equal(t, ByRPM, next.Probe, "and the next is tried")

	refused := RecordRefusal{Model: live, ID: next.Also[0].Reservation.ID}
	assert.True(t, do(noon+6000, refused).Changed)
	do(noon+6000, Settle{Model: "m", ID: next.Reservation.ID, Reserved: next.Reservation, Tokens: -1, Also: next.Also, Failed: "bare_429"})
	assert.Equal(t, Refused, ask(noon+8000, 4).Verdict, "until a day has passed")
	tomorrow := noon.Add(24 * time.Hour)
	require.Equal(t, NoCause, ask(tomorrow, 5).Probe)
	require.Equal(t, Admitted, ask(tomorrow+1, 6).Verdict)
	assert.Equal(t, ByRPM, ask(tomorrow+2, 7).Probe)

	spec.RPMFrom = FromOperator
	rules.Specs[OfFeature("*", "live")] = spec
	p = nil
	ask(noon, 1)
	assert.Equal(t, Refused, ask(noon+1000, 2).Verdict, "nobody goes beyond what an operator has named")
}

// TestNobodysWeight: a calendar can hold weight that is no request's, and gives it back.
func TestNobodysWeight(t *testing.T) {
	rules := rulesFor(map[string]Limits{"m": {RPM: 100, TPM: Unlimited, RPD: Unlimited}})
	rules.Specs = map[string]Spec{OfProject: {EffectiveLimits: EffectiveLimits{Limits: Limits{RPM: 10, TPM: 1000, RPD: Unlimited}}}}
	p, held := apply(t, rules, nil, noon, Reserve{Model: OfProject, ID: 1, Demand: Demand{Requests: 8, Tokens: 900}})
	require.Equal(t, Admitted, held.Verdict)
	ask := Reserve{Model: "m", ID: 2, Also: []Weight{{On: OfProject, Demand: Demand{Requests: 1, Tokens: 200}}}}
	_, result := apply(t, rules, p, noon+1, ask)
	assert.Equal(t, ByTPM, result.Cause)
	assert.Empty(t, p.Today(noon).Callers, "it is counted for nobody")

	part, _ := apply(t, rules, p, noon+1, Settle{Model: OfProject, ID: 1, Reserved: held.Reservation, Tokens: 500})
	_, result = apply(t, rules, part, noon+1, ask)
	assert.Equal(t, Admitted, result.Verdict, "a part of it is given back")
	p, _ = apply(t, rules, p, noon+1, Cancel{Model: OfProject, ID: 1, Reserved: held.Reservation})
	requests, tokens := p.Calendar(OfProject).InWindow(rules, noon+1)
	assert.Zero(t, requests+tokens, "or all of it")
}

// A request that weighs on two calendars: its model's, and that of a feature with a
// quota of its own.
func ExampleReserve_also() {
	rules := &Rules{Policy: NewPolicy(nil, nil), Skew: DefaultSkew, Hold: DefaultHold}
	grounding := OfFeature("gemini-2.5-flash", "google_search")
	rules.Specs = map[string]Spec{grounding: {EffectiveLimits: EffectiveLimits{Limits: Limits{RPM: 1, TPM: Unlimited, RPD: 500}}}}
	ask := Reserve{Model: "gemini-2.5-flash", ID: 1, Demand: Demand{Tokens: 2000}, Also: []Weight{{On: grounding}}}

	now := At(time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC))
	var p *Project
	p, result := p.Apply(rules, now, ask)
	fmt.Println(result.Verdict, "on", "gemini-2.5-flash", "and", result.Also[0].On)
	ask.ID++
	_, result = p.Apply(rules, now.Add(10*time.Second), ask)
	fmt.Println(result.Verdict, "for", result.Start.Sub(now.Add(10*time.Second)), "by", result.Cause)
	// Output:
	// admitted on gemini-2.5-flash and #feature/gemini-2.5-flash/google_search
	// refused for 51s by rpm
}

// TestLease: an instance leases a part of a model and uses it without asking; others use the rest.
// In no minute are there more than the model takes, when the lease ends and part of
// it is given back neither.
func TestLease(t *testing.T) {
	const limit = 10
	rules := rulesFor(map[string]Limits{"m": {RPM: limit, TPM: Unlimited, RPD: 100}})
	part := OfLease("i1", "m")
	rules.Specs = map[string]Spec{part: {EffectiveLimits: EffectiveLimits{Limits: Limits{RPM: 4, TPM: Unlimited, RPD: Unlimited}}}}
	var own, p *Project // what the instance keeps by itself, and what all share
	var sent []Instant
	id := uint64(100)
	use := func(p *Project, now Instant, name string, times int) *Project {
		t.Helper()
		for range times {
			id++
			next, result := apply(t, rules, p, now, Reserve{Model: name, ID: id})
			if p = next; result.Verdict == Admitted {
				sent = append(sent, now)
			}
		}
		return p
	}
	p, leased := apply(t, rules, p, noon, Reserve{Model: "m", ID: 1, Demand: Demand{Requests: 4, Allowance: 3 * time.Minute}})
	require.Equal(t, Admitted, leased.Verdict)
	assert.Empty(t, p.Today(noon).Callers, "it is nobody's request")
	expiry := noon.Add(3 * time.Minute)
	for now := noon; now < expiry.Add(3*time.Minute); now += 7000 {
		if now < expiry && (now-noon)%21_000 == 0 {
			own = use(own, now, part, 1)
		}
		if p = use(p, now, "m", limit+1); now > expiry.Add(-time.Minute) && leased.Reservation.Requests == 4 {
			// It has used no more than three of them within any minute, and wants no more.
			own, leased.Reservation.Requests = nil, 3
			expiry = now
			settle := Settle{Model: "m", ID: 1, Reserved: leased.Reservation, Tokens: -1, Requests: 3, SentAt: now}
			var result Result
			p, result = apply(t, rules, p, now, settle)
			require.True(t, result.Changed)
			_, result = apply(t, rules, p, now, settle)
			require.False(t, result.Changed)
		}
	}
	assert.Greater(t, len(sent), 40, "nothing lay idle for long")
	for _, end := range sent {
		n := 0
		for _, at := range sent {
			if at > end-60_000 && at <= end {
				n++
			}
		}
		require.LessOrEqual(t, n, limit)
	}
	for _, c := range p.Calendars {
		assert.NotEqual(t, part, c.Model, "what is leased is counted where it is used")
	}
}

// TestDimensions: requests, input tokens, output tokens and what is under way at a time have
// limits of their own on calendars of their own, and whichever is short is the cause.
func TestDimensions(t *testing.T) {
	one := func(rpm, tpm int64) EffectiveLimits {
		return EffectiveLimits{Limits: Limits{RPM: rpm, TPM: tpm, RPD: Unlimited}}
	}
	sessions := OfFeature("m", "sessions")
	for name, c := range map[string]struct {
		requests, input, output, together int64
		cause                             Cause
		on                                string
	}{
		"all fit":        {2, 200, 20, 2, NoCause, ""},
		"requests":       {1, 200, 20, 2, ByRPM, ""},
		"input tokens":   {2, 199, 20, 2, ByTPM, ""},
		"output tokens":  {2, 200, 19, 2, ByTPM, OfOutputs("m")},
		"under way":      {2, 200, 20, 1, ByRPM, sessions},
		"the last frees": {1, 199, 19, 1, ByRPM, sessions},
	} {
		t.Run(name, func(t *testing.T) {
			rules := rulesFor(map[string]Limits{"m": {RPM: c.requests, TPM: c.input, RPD: Unlimited}})
			rules.Specs = map[string]Spec{
				OfOutputs("m"): {EffectiveLimits: one(Unlimited, c.output)},
				sessions:       {EffectiveLimits: one(c.together, Unlimited), Window: time.Hour, AtATime: true},
			}
			r := Reserve{Model: "m", ID: 1, Demand: Demand{Tokens: 100}, Also: []Weight{{On: OfOutputs("m"), Demand: Demand{Tokens: 10}}, {On: sessions}}}
			p, result := apply(t, rules, nil, noon, r)
			require.Equal(t, Admitted, result.Verdict)
			r.ID++
			_, result = apply(t, rules, p, noon, r)
			assert.Equal(t, c.cause == NoCause, result.Verdict == Admitted)
			assert.Equal(t, c.cause, result.Cause)
			assert.Equal(t, c.on, result.On)
		})
	}
}
