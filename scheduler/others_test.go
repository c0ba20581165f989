package scheduler_test

import (
	"testing"
	"time"

	. "fluxgate.dev/fluxgate/scheduler"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestOneAsksFirst: where somebody else is known to use the limits, and nothing was heard of that for a quarter of a window,
// what is more than an eighth of them waits for the answer to the first request, or five seconds.
func TestOneAsksFirst(t *testing.T) {
	rules := rulesFor(map[string]Limits{"m": {RPM: 16, TPM: 1000, RPD: Unlimited}})
	var p *Project
	do := func(now Instant, change Change) (result Result) {
		p, result = apply(t, rules, p, now, change)
		return result
	}
	id := uint64(100)
	reserve := func(now Instant, booking uint64, book bool) Result {
		id++
		return do(now, Reserve{Model: "m", ID: id, Hash: id, Demand: Demand{Tokens: 10}, Booking: booking, Book: book})
	}
	sent := func(now Instant, all int, why string) {
		t.Helper()
		for n := 1; ; n++ {
			if result := reserve(now, 0, false); result.Verdict != Admitted {
				assert.Equal(t, now+5000, result.Start)
				assert.Equal(t, ByRPM, result.Cause)
				assert.Equal(t, all, n-1, why)
				return
			}
			require.LessOrEqual(t, n, all, why)
		}
	}
	heard := func(now Instant, others int64) bool {
		used, _ := p.Calendar("m").Counted(rules, now)
		return do(now, Heard{Model: "m", ID: 7, Used: Demand{Requests: used + others}, Most: Demand{Requests: others}, Longer: 15 * time.Second}).Changed
	}
	for range 5 {
		require.Equal(t, Admitted, reserve(noon, 0, false).Verdict, "nobody else is known")
	}
	assert.False(t, heard(noon+1000, 0))
	assert.True(t, heard(noon+2000, 3))
	require.Equal(t, Admitted, reserve(noon+3000, 0, false).Verdict, "that is known")

	later := noon + 120_000
	sent(later, 2, "after a while")
	assert.True(t, heard(later+2000, 0))
	for range 5 {
		require.Equal(t, Admitted, reserve(later+2000, 0, false).Verdict, "it has been answered")
	}
	assert.False(t, heard(later+4000, 0), "what was noted a moment ago isn't noted again")

	later += 120_000
	sent(later, 2, "after a while again")
	booked := reserve(later+100, 0, true)
	require.Equal(t, Booked, booked.Verdict)
	assert.Equal(t, later+5100, booked.Start, "whole seconds")
	for range 5 {
		require.Equal(t, Admitted, reserve(later+5000, 0, false).Verdict, "an answer that takes longer isn't waited for")
	}
	require.Equal(t, Admitted, reserve(booked.Start, booked.Booking.ID, false).Verdict)

	// Who comes for a slot that was kept waits for the first as well, and keeps its place.
	later += 120_000
	do(later, Reserve{Model: "m", ID: 1, Demand: Demand{Tokens: 10, Requests: 16}, Over: true})
	booked = reserve(later+10_000, 0, true)
	require.Equal(t, Booked, booked.Verdict)
	sent(booked.Start, 1, "after a while once more, beside the slot")
	do(booked.Start, Reserve{Model: "m", ID: 2, Demand: Demand{Tokens: 10}, Over: true})
	held := reserve(booked.Start, booked.Booking.ID, false)
	assert.Equal(t, Booked, held.Verdict)
	assert.Equal(t, booked.Start+5000, held.Start)
	assert.Equal(t, Admitted, reserve(held.Start, booked.Booking.ID, false).Verdict)
	later = held.Start

	// It is forgotten after a while.
	later += 31 * 60_000
	for range 5 {
		require.Equal(t, Admitted, reserve(later, 0, false).Verdict, "nobody else was found for half an hour")
	}
}

// TestHeardWeighsNothing: what is kept of when others were heard of is no request, of which anything is counted, for it
// is in nobody's way: a calendar on which there is nothing else gives its place to another.
func TestHeardWeighsNothing(t *testing.T) {
	rules := rulesFor(map[string]Limits{"m": {RPM: 16, TPM: 1000, RPD: 100}})
	p, _ := apply(t, rules, nil, noon, Heard{Model: "m", ID: 7, Used: Demand{Requests: 3, Tokens: 30}, Most: Demand{Requests: 3, Tokens: 30}})
	c := p.Calendar("m")
	requests, tokens := c.InWindow(rules, noon)
	assert.Equal(t, [2]int64{3, 30}, [2]int64{requests, tokens})
	assert.EqualValues(t, 3, c.Used(rules, DayOf(noon)))
	later := noon + 120_000
	assert.True(t, c.Quiet(rules, later))
	requests, tokens = c.InWindow(rules, later)
	assert.Zero(t, requests+tokens)
	p, _ = apply(t, rules, p, later, Reserve{Model: "m", ID: 8, Demand: Demand{Tokens: 10}})
	require.Len(t, p.Calendar("m").Sent, 2)
	p = p.Compact(rules, later, 0, time.Second)
	assert.Len(t, p.Calendar("m").Folded, 1)
	requests, tokens = p.Calendar("m").InWindow(rules, later)
	assert.Equal(t, [2]int64{1, 10}, [2]int64{requests, tokens})
}

// TestArrivedLate: a refusal of what fitted only because somebody had named how late requests arrive shows that they arrive later. For a day
// they count for as long as others. One that fitted in any case shows nothing.
func TestArrivedLate(t *testing.T) {
	rules := rulesFor(map[string]Limits{"azure/m": {RPM: Unlimited, TPM: Unlimited, RPD: Unlimited}})
	rules.Skew = 500 * time.Millisecond
	on := OfWindow("azure/m", time.Second)
	limits := EffectiveLimits{Limits: Limits{RPM: 2, TPM: Unlimited, RPD: Unlimited}, RPMFrom: FromOperator}
	rules.Specs = map[string]Spec{on: {EffectiveLimits: limits, Window: time.Second, Late: 50 * time.Millisecond}}
	var p *Project
	id := uint64(0)
	sent := func(now Instant) (result Result) {
		id++
		p, result = apply(t, rules, p, now, Reserve{Model: "azure/m", ID: id, Demand: Demand{Tokens: 10}, Also: []Weight{{On: on}}})
		return result
	}
	late := func(now Instant, of Result) bool {
		next, result := apply(t, rules, p, now, ArrivedLate{Model: on, ID: of.Also[0].Reservation.ID})
		p = next
		assert.Equal(t, result.Changed, result.LateFor == 24*time.Hour)
		return result.Changed
	}
	sent(noon)
	sent(noon)
	assert.Equal(t, noon+1050, sent(noon+100).Start)
	apart := sent(noon + 1600)
	require.Equal(t, Admitted, apart.Verdict)
	assert.False(t, late(noon+1900, apart), "others are at fault")
	soon := sent(noon + 2700)
	require.Equal(t, Admitted, soon.Verdict)
	again := sent(noon + 2700)
	require.Equal(t, Admitted, again.Verdict)
	assert.True(t, late(noon+3000, again), "a third within a second and a half")
	assert.False(t, late(noon+3000, again), "that is known")
	assert.Equal(t, noon+4200, sent(noon+3800).Start)
	require.Equal(t, Admitted, sent(noon+4200).Verdict)

	next := noon.Add(24*time.Hour + time.Minute)
	sent(next)
	sent(next)
	assert.Equal(t, next+1050, sent(next+1000).Start, "for a day")
}

// TestArrivedLateInABucket: what somebody has named of a bucket is corrected by a refusal too, for a day: what is refilled is refilled from
// when requests have arrived on.
func TestArrivedLateInABucket(t *testing.T) {
	rules := rulesFor(map[string]Limits{"azure/m": {RPM: Unlimited, TPM: Unlimited, RPD: Unlimited}})
	rules.Skew = 500 * time.Millisecond
	on := OfBucket("azure/m", time.Minute)
	limits := EffectiveLimits{Limits: Limits{RPM: 60, TPM: Unlimited, RPD: Unlimited}, RPMFrom: FromOperator}
	rules.Specs = map[string]Spec{on: {EffectiveLimits: limits, Window: time.Minute, Refill: true, Burst: Burst{Requests: 2}, Late: 50 * time.Millisecond}}
	var p *Project
	id := uint64(0)
	sent := func(now Instant) (result Result) {
		id++
		p, result = apply(t, rules, p, now, Reserve{Model: "azure/m", ID: id, Demand: Demand{Tokens: 10}, Also: []Weight{{On: on}}})
		return result
	}
	late := func(now Instant, of Result) bool {
		next, result := apply(t, rules, p, now, ArrivedLate{Model: on, ID: of.Also[0].Reservation.ID})
		p = next
		return result.Changed
	}
	require.Equal(t, Admitted, sent(noon).Verdict)
	require.Equal(t, Admitted, sent(noon).Verdict)
	earliest := func(now Instant) Instant {
		start, _ := p.Calendar(on).Earliest(rules, now, Demand{})
		return start
	}
	assert.Equal(t, noon+1050, earliest(noon+100), "one a second, from 50 ms on")
	apart := sent(noon + 1600)
	require.Equal(t, Admitted, apart.Verdict)
	assert.False(t, late(noon+1700, apart), "others are at fault")
	soon := sent(noon + 2050)
	require.Equal(t, Admitted, soon.Verdict)
	require.True(t, late(noon+2300, soon), "had the first arrived half a second late, there were none yet")
	assert.False(t, late(noon+2300, soon), "that is known")
	assert.Equal(t, noon+3500, earliest(noon+2400))
	p = p.Compact(rules, noon+2400, 2, time.Second)
	assert.GreaterOrEqual(t, earliest(noon+2400), noon+3500)

	later := noon.Add(time.Hour)
	assert.False(t, late(later, soon))
	sent(later)
	sent(later)
	assert.Equal(t, later+1500, earliest(later+100), "for a day")
	next := noon.Add(24*time.Hour + time.Minute)
	sent(next)
	sent(next)
	assert.Equal(t, next+1050, earliest(next+100))
}

// TestArrivedLateBesideOthers: where somebody else is known to use the limits, a refusal may be theirs, and what it shows is believed for an hour.
func TestArrivedLateBesideOthers(t *testing.T) {
	rules := rulesFor(map[string]Limits{"azure/m": {RPM: 60, TPM: Unlimited, RPD: Unlimited}})
	rules.Skew = 500 * time.Millisecond
	on := OfWindow("azure/m", time.Second)
	limits := EffectiveLimits{Limits: Limits{RPM: 1, TPM: Unlimited, RPD: Unlimited}, RPMFrom: FromOperator}
	rules.Specs = map[string]Spec{on: {EffectiveLimits: limits, Window: time.Second, Late: 50 * time.Millisecond}}
	p, _ := apply(t, rules, nil, noon.Add(-2*time.Minute), Heard{Model: "azure/m", ID: 1000, Used: Demand{Requests: 10}, Most: Demand{Requests: 10}})
	require.True(t, p.Calendar("azure/m").Shared())
	reserve := func(now Instant, id uint64) (result Result) {
		p, result = apply(t, rules, p, now, Reserve{Model: "azure/m", ID: id, Demand: Demand{Tokens: 10}, Also: []Weight{{On: on}}})
		return result
	}
	require.Equal(t, Admitted, reserve(noon, 1).Verdict)
	again := reserve(noon+1050, 2)
	require.Equal(t, Admitted, again.Verdict)
	var late Result
	p, late = apply(t, rules, p, noon+1200, ArrivedLate{Model: on, ID: again.Also[0].Reservation.ID})
	require.True(t, late.Changed)
	assert.Equal(t, time.Hour, late.LateFor)
	for at, want := range map[time.Duration]Instant{59 * time.Minute: 1500, 61 * time.Minute: 1050} {
		now, was := noon.Add(at), p
		reserve(now.Add(-5*time.Second), 5) // whose terms are those until now
		reserve(now, 3)
		assert.Equal(t, now+want, reserve(now+100, 4).Start, at)
		p = was
	}
}

// TestNothingIsAwaitedInAShortWindow: what others use of a window of a second is over before an answer tells of it, and so
// nobody waits for one, as long as it takes to fill five of them.
func TestNothingIsAwaitedInAShortWindow(t *testing.T) {
	rules := rulesFor(map[string]Limits{"m": {RPM: Unlimited, TPM: Unlimited, RPD: Unlimited}})
	for _, window := range []time.Duration{time.Second, 10 * time.Second} {
		on := OfWindow("m", window)
		rules.Specs = map[string]Spec{on: {EffectiveLimits: EffectiveLimits{Limits: Limits{RPM: 4, TPM: Unlimited, RPD: Unlimited}, RPMFrom: FromOperator}, Window: window}}
		p, heard := apply(t, rules, nil, noon, Heard{Model: on, ID: 1000, Used: Demand{Requests: 1}, Most: Demand{Requests: 1}})
		require.True(t, heard.Changed)
		now := noon
		for id := range uint64(20) {
			now = now.Add(window/3 + rules.Skew)
			var result Result
			p, result = apply(t, rules, p, now, Reserve{Model: "m", ID: id + 1, Demand: Demand{Tokens: 10}, Also: []Weight{{On: on}}})
			require.Equal(t, Admitted, result.Verdict, "%v: request %d", window, id)
		}
	}
}

// TestNotesAreKeptAmongMany: what is noted of a calendar is kept for as long as it holds, however many requests are sent, and
// however little there is room for in the document.
func TestNotesAreKeptAmongMany(t *testing.T) {
	rules := rulesFor(map[string]Limits{"m": {RPM: 400, TPM: Unlimited, RPD: Unlimited}})
	on := OfWindow("m", time.Second)
	limits := EffectiveLimits{Limits: Limits{RPM: 200, TPM: Unlimited, RPD: Unlimited}, RPMFrom: FromOperator}
	rules.Specs = map[string]Spec{on: {EffectiveLimits: limits, Window: time.Second, Late: 50 * time.Millisecond}}
	p, _ := apply(t, rules, nil, noon, Heard{Model: "m", ID: 1000, Used: Demand{Requests: 26}, Most: Demand{Requests: 26}})
	id := uint64(0)
	send := func(now Instant) (result Result) {
		t.Helper()
		id++
		p, result = apply(t, rules, p, now, Reserve{Model: "m", ID: id, Demand: Demand{Tokens: 10}, Also: []Weight{{On: on}}})
		require.Equal(t, Admitted, result.Verdict)
		return result
	}
	var last Result
	for range 100 {
		send(noon)
	}
	for range 101 {
		last = send(noon + 1100)
	}
	var late Result
	p, late = apply(t, rules, p, noon+1200, ArrivedLate{Model: on, ID: last.Also[0].Reservation.ID})
	require.True(t, late.Changed)
	for range 99 {
		send(noon + 3000)
	}
	for _, n := range []int{MaxExact, 2} {
		p = p.Compact(rules, noon+3000, n, time.Second)
		assert.True(t, p.Calendar("m").Unheard(rules, noon+20_000), "%d", n)
		again, _ := apply(t, rules, p, noon+3000, ArrivedLate{Model: on, ID: id})
		assert.Same(t, p, again)
		start, _ := p.Calendar(on).Earliest(rules, noon+3000, Demand{Requests: 200})
		assert.GreaterOrEqual(t, start, noon+4500, "%d: half a second counts, not what is named", n)
	}
}

// TestNotesTakeNoRequestsPlace: a calendar of as many requests a minute as are kept one by one keeps them so beside a note, so that
// what is told is true to the millisecond.
func TestNotesTakeNoRequestsPlace(t *testing.T) {
	rules := rulesFor(map[string]Limits{"m": {RPM: MaxExact, TPM: Unlimited, RPD: Unlimited}})
	p, _ := apply(t, rules, nil, noon, Heard{Model: "m", ID: 1000, Used: Demand{Requests: 26}, Most: Demand{Requests: 26}})
	now := noon.Add(2*time.Minute) + 137
	p, heard := apply(t, rules, p, now, Heard{Model: "m", ID: 1001})
	require.True(t, heard.Changed, "somebody else is known to use it")
	var first Result
	for id := range uint64(MaxExact) {
		next, result := apply(t, rules, p, now+Instant(id), Reserve{Model: "m", ID: id + 1, Demand: Demand{Tokens: 10}})
		require.Equal(t, Admitted, result.Verdict)
		if p = next; id == 0 {
			first = result
		}
	}
	for _, kept := range []*Project{p, p.Compact(rules, now+100, MaxExact, time.Second)} {
		assert.Empty(t, kept.Calendar("m").Folded)
		start, _ := kept.Calendar("m").Earliest(rules, now+100, Demand{})
		assert.Equal(t, first.Reservation.End, start)
		assert.True(t, kept.Calendar("m").Unheard(rules, now+20_000), "and the note")
	}
}

// TestWhatIsOverTakesNoRoom: where somebody has named how late requests arrive, they are kept after their end, so that a refusal finds
// what it contradicts; but not where there is too little room for them in the document, in which others would be rounded.
func TestWhatIsOverTakesNoRoom(t *testing.T) {
	rules := rulesFor(map[string]Limits{"m": {RPM: Unlimited, TPM: Unlimited, RPD: Unlimited}})
	on := OfWindow("m", time.Second)
	limits := EffectiveLimits{Limits: Limits{RPM: 200, TPM: Unlimited, RPD: Unlimited}, RPMFrom: FromOperator}
	rules.Specs = map[string]Spec{on: {EffectiveLimits: limits, Window: time.Second, Late: 50 * time.Millisecond}}
	var p *Project
	now := noon
	for id := range uint64(600) {
		now = now.Add(6 * time.Millisecond)
		p, _ = p.Apply(rules, now, Reserve{Model: "m", ID: id + 1, Demand: Demand{Tokens: 10}, Also: []Weight{{On: on}}})
	}
	assert.Greater(t, len(p.Compact(rules, now, MaxExact, 0).Calendar(on).Folded), 200)
	c := p.Compact(rules, now, MaxExact/2, 0).Calendar(on)
	assert.Greater(t, c.Folded[0].End, now)
	before, _ := p.Calendar(on).InWindow(rules, now)
	requests, _ := c.InWindow(rules, now)
	assert.Equal(t, before, requests)
}

// What is found beyond our own counts at once, however little it is; but for what may have been our own, as nothing was known of
// the limits yet or a size was estimated, nobody waits for an answer later.
func TestLittleMayHaveBeenOurs(t *testing.T) {
	rules := rulesFor(map[string]Limits{"m": {RPM: 32, TPM: 16_000, RPD: Unlimited}})
	for _, c := range []struct {
		found Demand
		waits bool
	}{{Demand{Requests: 2}, false}, {Demand{Requests: 3}, true}, {Demand{Tokens: 1000}, false}, {Demand{Tokens: 1001}, true}} {
		p, _ := apply(t, rules, nil, noon, Reserve{Model: "m", ID: 1, Demand: Demand{Tokens: 10}})
		used := Demand{Requests: 1 + c.found.Requests, Tokens: 10 + c.found.Tokens}
		p, result := apply(t, rules, p, noon, Heard{Model: "m", ID: 2, Used: used, Most: used})
		require.True(t, result.Changed)
		requests, tokens := p.Calendar("m").Counted(rules, noon)
		assert.Equal(t, used, Demand{Requests: requests, Tokens: tokens})
		assert.Equal(t, c.waits, p.Calendar("m").Unheard(rules, noon+20_000), "%+v", c.found)
	}
}
