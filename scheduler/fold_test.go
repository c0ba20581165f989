package scheduler_test

import (
	"testing"
	"time"

	"fluxgate.dev/fluxgate/internal/race"
	. "fluxgate.dev/fluxgate/scheduler"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestRounding compares calendars with the same calendars of which less is kept
// exactly: nothing that is rounded ends early, or more than a second late.
func TestRounding(t *testing.T) {
	race.Skip(t)
	rapid.Check(t, func(t *rapid.T) {
		rules := rulesFor(map[string]Limits{"m": {RPM: Unlimited, TPM: 1000, RPD: Unlimited}})
		var p *Project
		now := noon
		var all []Reservation
		for range rapid.IntRange(1, 150).Draw(t, "requests") {
			now += Instant(rapid.IntRange(0, 700).Draw(t, "pause"))
			d := Demand{Tokens: rapid.Int64Range(1, 5).Draw(t, "tokens"), Allowance: time.Duration(rapid.IntRange(0, 3000).Draw(t, "allowance")) * ms}
			next, result := apply(t, rules, p, now, Reserve{Model: "m", Demand: d, ID: uint64(len(all) + 1)})
			if p = next; result.Verdict == Admitted {
				all = append(all, result.Reservation)
			}
		}
		grain := time.Duration(rapid.IntRange(1, 5).Draw(t, "grain")) * time.Second
		compact := p.Compact(rules, now, rapid.IntRange(0, 64).Draw(t, "exact"), grain).Calendar("m")
		weight := func(c *Calendar, at Instant) (requests, tokens int64) { return c.InWindow(rules, at) }
		exact := func(at Instant) (requests, tokens int64) {
			for _, r := range all {
				if r.End > at {
					requests, tokens = requests+r.Requests, tokens+r.Tokens
				}
			}
			return requests, tokens
		}
		for x := now; x < now+70_000; x += 250 {
			for c, late := range map[*Calendar]time.Duration{p.Calendar("m"): time.Second, compact: time.Second + grain - time.Second} {
				requests, tokens := weight(c, x)
				least, leastTokens := exact(x)
				most, mostTokens := exact(x.Add(-late) + 1)
				if requests < least || tokens < leastTokens || requests > most || tokens > mostTokens {
					t.Fatalf("%+d ms: %d requests, %d tokens; between %d, %d and %d, %d of them", x-now,
						requests, tokens, least, leastTokens, most, mostTokens)
				}
			}
		}
	})
}

// TestFold: at 20,000 requests a minute a calendar stays as small as at 200.
func TestFold(t *testing.T) {
	race.Skip(t)
	d := newDesk(t, Limits{RPM: 20_000, TPM: Unlimited, RPD: Unlimited})
	for i := range Instant(20_000) {
		require.Equal(t, Admitted, d.reserve(noon+i*3, 1).Verdict)
	}
	c := d.p.Calendar("m")
	assert.Len(t, c.Sent, MaxExact)
	assert.LessOrEqual(t, len(c.Folded), 62)
	assert.Equal(t, Refused, d.reserve(noon+60_000, 1).Verdict)
	requests, tokens := c.InWindow(d.rules, noon+60_000)
	assert.EqualValues(t, 20_000, requests)
	assert.Zero(t, tokens, "nothing weighs against no limit")

	small := d.p.Compact(d.rules, noon+60_000, 4, 16*time.Second).Calendar("m")
	assert.Len(t, small.Sent, 4)
	assert.LessOrEqual(t, len(small.Folded), 6)
	requests, _ = small.InWindow(d.rules, noon+60_000)
	assert.EqualValues(t, 20_000, requests)
}

// TestFoldedTokens: the tokens of a sum are what was sent, not what it weighed
// then, for TPM may turn out to be larger.
func TestFoldedTokens(t *testing.T) {
	d := newDesk(t, Limits{RPM: 1000, TPM: 1000, RPD: Unlimited})
	d.reserve(noon, 3000)
	d.p = d.p.Compact(d.rules, noon, 0, time.Second)
	assert.Equal(t, []Folded{{End: noon + 182_000, Tokens: 3000, Requests: 1}}, d.p.Calendar("m").Folded)
	d.rules = rulesFor(map[string]Limits{"m": {RPM: 1000, TPM: 4000, RPD: Unlimited}})
	assert.Equal(t, Refused, d.reserve(noon, 1001).Verdict)
	assert.Equal(t, Admitted, d.reserve(noon, 1000).Verdict)
}

// TestFoldedGiveBack: what was folded before it turned out to be smaller, or was
// never sent, gives the difference back, once.
func TestFoldedGiveBack(t *testing.T) {
	d := newDesk(t, Limits{RPM: 1000, TPM: 1000, RPD: 500})
	small, never := d.reserve(noon+1, 100).Reservation, d.reserve(noon+2, 100).Reservation
	for i := range Instant(MaxExact + 10) {
		d.reserve(noon+3+i, 1)
	}
	c := func() *Calendar { return d.p.Calendar("m") }
	weight := func(at Instant) int64 { _, n := c().InWindow(d.rules, at); return n }
	require.EqualValues(t, 274, weight(noon+100))
	today := DayOf(noon)
	require.EqualValues(t, MaxExact+12, c().Used(d.rules, today))

	settle := Settle{Model: "m", ID: small.ID, Reserved: small, Tokens: 40, SentAt: noon + 20}
	assert.True(t, d.do(noon+100, settle).Changed)
	assert.EqualValues(t, 214, weight(noon+100))
	assert.False(t, d.do(noon+100, settle).Changed, "twice is once")
	assert.EqualValues(t, 214, weight(noon+100))

	assert.False(t, d.do(noon+100, Cancel{Model: "m", ID: 1 << 20}).Changed, "nobody's")
	cancel := Cancel{Model: "m", ID: never.ID, Reserved: never}
	assert.True(t, d.do(noon+100, cancel).Changed)
	assert.EqualValues(t, 114, weight(noon+100))
	assert.EqualValues(t, MaxExact+11, c().Used(d.rules, today))
	assert.False(t, d.do(noon+100, cancel).Changed, "twice is once")
	assert.EqualValues(t, 114, weight(noon+100))
	assert.Len(t, c().Sent, MaxExact)

	// What has given back, and then turns out to be larger after all, weighs no less
	// than that.
	settle.Tokens = 150
	assert.True(t, d.do(noon+100, settle).Changed)
	assert.GreaterOrEqual(t, weight(noon+100), int64(74+150))
}

// TestFoldedGivesBackInTime: a reservation that is over has nothing to give back,
// and takes nothing from those that aren't.
func TestFoldedGivesBackInTime(t *testing.T) {
	d := newDesk(t, Limits{RPM: 1000, TPM: 1000, RPD: Unlimited})
	first := d.reserve(noon, 100).Reservation
	for i := range Instant(MaxExact + 10) {
		d.reserve(noon+30_000+i, 5)
	}
	later := first.End
	_, before := d.p.Calendar("m").InWindow(d.rules, later)
	require.EqualValues(t, 100+5*(MaxExact+10), before, "its end is rounded up")
	d.do(later, Settle{Model: "m", ID: first.ID, Reserved: first, Tokens: 1})
	d.do(later, Cancel{Model: "m", ID: first.ID, Reserved: first})
	_, after := d.p.Calendar("m").InWindow(d.rules, later)
	assert.Equal(t, before, after)
}

// TestFoldedExtend: a request whose commit was slow is found though it was folded.
func TestFoldedExtend(t *testing.T) {
	d := newDesk(t, Limits{RPM: 1000, TPM: 1000, RPD: Unlimited})
	r := d.reserve(noon, 100).Reservation
	for i := range Instant(MaxExact) {
		d.reserve(noon+i, 1)
	}
	x := Extend{Model: "m", ID: r.ID, Until: noon + 3000, Reserved: r}
	result := d.do(noon+1000, x)
	assert.Equal(t, Admitted, result.Verdict)
	assert.Equal(t, noon+63_500, result.Reservation.End)
	assert.EqualValues(t, 100, result.Reservation.Tokens)
	_, n := d.p.Calendar("m").InWindow(d.rules, noon+1000)
	assert.EqualValues(t, 100+MaxExact, n)
}

// TestFoldedExtendAgain: a reply was lost, and so many others are admitted before the request is
// extended again that it was folded anew, and nobody knows which of the sums it is in. Nothing
// weighs more for it, nor ends earlier, and the next day counts it once.
func TestFoldedExtendAgain(t *testing.T) {
	d := newDesk(t, Limits{RPM: 1000, TPM: 1000, RPD: 500})
	midnight := DayOf(noon).End()
	r := d.reserve(midnight-5000, 100).Reservation
	x := Extend{Model: "m", ID: r.ID, Until: midnight - 200, Reserved: r}
	d.do(midnight-4000, x)
	for i := range Instant(MaxExact) {
		d.reserve(midnight-3500+i, 1)
	}
	requests, tokens := d.p.Calendar("m").InWindow(d.rules, midnight-3000)
	require.EqualValues(t, 1, d.used(DayOf(noon)+1))
	d.do(midnight-3000, x)
	more, again := d.p.Calendar("m").InWindow(d.rules, midnight-3000)
	assert.Equal(t, tokens, again)
	assert.Equal(t, requests, more)
	assert.EqualValues(t, 1, d.used(DayOf(noon)+1))
	_, again = d.p.Calendar("m").InWindow(d.rules, midnight+60_299)
	assert.EqualValues(t, 100, again, "it may have been sent as late as that")
}

// TestFoldedDays has requests admitted, extended, settled and cancelled around a midnight, each of it
// now and then a second time, after they were folded too: a reply was lost, so whoever asks knows them
// as they were admitted. Each day counts what may arrive on it, once.
func TestFoldedDays(t *testing.T) {
	race.Skip(t)
	rapid.Check(t, func(t *rapid.T) {
		const skew = 500
		rules := rulesFor(map[string]Limits{"m": {RPM: 1000, TPM: Unlimited, RPD: 100_000}})
		midnight := DayOf(noon).End()
		now := midnight - Instant(rapid.IntRange(0, 20_000).Draw(t, "before midnight"))
		type sent struct {
			reserved Reservation
			latest   Instant // when it may be sent
			days     map[Day]bool
			last     Change
			over     bool
		}
		var p *Project
		var all []*sent
		do := func(x Change) (result Result) {
			p, result = apply(t, rules, p, now, x)
			return result
		}
		on := func(from, to Instant) map[Day]bool { return map[Day]bool{DayOf(from): true, DayOf(to): true} }
		for range rapid.IntRange(70, 300).Draw(t, "steps") {
			now += Instant(rapid.IntRange(0, 150).Draw(t, "pause"))
			step := rapid.IntRange(0, 11).Draw(t, "step")
			if step < 7 || len(all) == 0 {
				d := Demand{Tokens: 1, Allowance: time.Duration(rapid.SampledFrom([]int{0, 0, 200, 3000}).Draw(t, "allowance")) * ms}
				r := do(Reserve{Model: "m", ID: uint64(len(all) + 1), Demand: d}).Reservation
				all = append(all, &sent{reserved: r, latest: now.Add(d.Allowance), days: on(now-skew, now.Add(d.Allowance)+skew)})
				continue
			}
			x := all[rapid.IntRange(0, len(all)-1).Draw(t, "which")]
			switch {
			case x.last != nil && (x.over || step < 10):
				do(x.last) // once more
				continue
			case step < 10:
				until := now + Instant(rapid.IntRange(0, 4000).Draw(t, "until"))
				x.last = Extend{Model: "m", ID: x.reserved.ID, Reserved: x.reserved, Until: until}
				x.latest, x.days[DayOf(until+skew)] = max(x.latest, until), true
			case step == 10:
				x.last, x.over, x.days = Cancel{Model: "m", ID: x.reserved.ID, Reserved: x.reserved}, true, nil
			case step == 11:
				sentAt := Instant(rapid.Int64Range(int64(x.reserved.Start), int64(min(now, x.latest))).Draw(t, "sent"))
				x.last, x.over, x.days = Settle{Model: "m", ID: x.reserved.ID, Reserved: x.reserved, Tokens: 1, SentAt: sentAt}, true, on(sentAt-skew, sentAt+skew)
			}
			if result := do(x.last); !x.over && result.Verdict != Admitted {
				t.Fatalf("%+v: %+v", x.last, result)
			}
		}
		for _, day := range []Day{DayOf(midnight) - 1, DayOf(midnight)} {
			want := int64(0)
			for _, x := range all {
				if x.days[day] {
					want++
				}
			}
			if n := p.Calendar("m").Used(rules, day); n != want {
				t.Fatalf("%d requests are counted on %v, %d may arrive", n, day, want)
			}
		}
	})
}

// TestFoldedWeights has requests settled and cancelled in any order, some of it
// twice: what is folded never weighs less than it should, nor, where all of it is
// known to be on its way, for more than a second longer.
func TestFoldedWeights(t *testing.T) {
	race.Skip(t)
	rapid.Check(t, func(t *rapid.T) {
		rules := rulesFor(map[string]Limits{"m": {RPM: 1000, TPM: 100_000, RPD: Unlimited}})
		var p *Project
		now := noon
		type sent struct {
			reserved, is Reservation
			settled      Change
		}
		var all []*sent
		change := func(x Change) bool {
			next, result := apply(t, rules, p, now, x)
			p = next
			return result.Changed
		}
		compact := false
		for range rapid.IntRange(50, 200).Draw(t, "steps") {
			now += Instant(rapid.IntRange(0, 400).Draw(t, "pause"))
			step := rapid.IntRange(0, 9).Draw(t, "step")
			if step == 9 {
				p, compact = p.Compact(rules, now, rapid.IntRange(0, 64).Draw(t, "exact"), 2*time.Second), true
				continue
			}
			if step < 6 || len(all) == 0 {
				next, result := apply(t, rules, p, now, Reserve{Model: "m", ID: uint64(len(all) + 1), Demand: Demand{
					Tokens: rapid.Int64Range(1, 50).Draw(t, "tokens"), Allowance: time.Duration(rapid.IntRange(0, 3000).Draw(t, "allowance")) * ms,
				}})
				if p = next; result.Verdict == Admitted {
					all = append(all, &sent{reserved: result.Reservation, is: result.Reservation})
				}
				continue
			}
			x := all[rapid.IntRange(0, len(all)-1).Draw(t, "which")]
			switch {
			case x.settled != nil:
				if _, ok := x.settled.(Settle); !ok || x.is.Tokens <= x.reserved.Tokens {
					change(x.settled)
				}
			case step == 6:
				x.settled = Cancel{Model: "m", ID: x.reserved.ID, Reserved: x.reserved}
				if change(x.settled) && now < x.reserved.End {
					x.is.Tokens, x.is.Requests = 0, 0
				}
			default:
				s := Settle{Model: "m", ID: x.reserved.ID, Reserved: x.reserved, Tokens: rapid.Int64Range(0, 80).Draw(t, "real")}
				if rapid.Bool().Draw(t, "timed") {
					s.SentAt = x.reserved.Start
					x.is.End = min(x.is.End, max(x.reserved.Start+60_500, now+1))
				}
				x.settled, x.is.Tokens = s, s.Tokens
				change(s)
			}
		}
		weigh := func(at Instant) (requests, tokens int64) {
			for _, x := range all {
				if x.is.End > at {
					requests, tokens = requests+x.is.Requests, tokens+x.is.Tokens
				}
			}
			return requests, tokens
		}
		for at := now; at < now+70_000; at += 250 {
			requests, tokens := p.Calendar("m").InWindow(rules, at)
			least, leastTokens := weigh(at)
			if requests < least || tokens < leastTokens {
				t.Fatalf("%+d ms: %d requests, %d tokens, less than %d and %d", at-now, requests, tokens, least, leastTokens)
			}
			most, mostTokens := weigh(at - 999)
			if !compact && at > now+1000 && (requests > most || tokens > mostTokens) {
				t.Fatalf("%+d ms: %d requests, %d tokens, more than %d and %d", at-now, requests, tokens, most, mostTokens)
			}
		}
	})
}

// TestFoldedSettle: a request that was folded before it turned out to be larger
// is corrected all the same, once.
func TestFoldedSettle(t *testing.T) {
	d := newDesk(t, Limits{RPM: 1000, TPM: 1000, RPD: Unlimited})
	r := d.reserve(noon+1, 100).Reservation
	for i := range Instant(MaxExact + 10) {
		d.reserve(noon+2+i, 1)
	}
	weight := func() int64 { _, n := d.p.Calendar("m").InWindow(d.rules, noon+100); return n }
	require.EqualValues(t, 174, weight())
	s := Settle{Model: "m", ID: r.ID, Reserved: r, Tokens: 300, SentAt: noon + 20}
	assert.True(t, d.do(noon+100, s).Changed)
	assert.EqualValues(t, 374, weight())
	assert.False(t, d.do(noon+100, s).Changed, "twice is once")
	assert.EqualValues(t, 374, weight())
	assert.Len(t, d.p.Calendar("m").Sent, MaxExact)

	s.Tokens = 2000
	d.do(noon+100, s)
	last := d.p.Calendar("m").Sent[MaxExact-1]
	assert.Equal(t, noon+20+2*60_500, last.End, "oversize: two windows")
}

// TestSettleOnceOver: a request whose interval is over by the time it is settled
// must not be looked for among the folded when it is settled again.
func TestSettleOnceOver(t *testing.T) {
	d := newDesk(t, Limits{RPM: 10, TPM: 1000, RPD: Unlimited})
	var last Reservation
	for id := range uint64(4) {
		last = d.do(noon, Reserve{Model: "m", ID: id + 1, Demand: Demand{Tokens: 10, Allowance: 4 * sec}}).Reservation
	}
	d.p = d.p.Compact(d.rules, noon, 1, sec)
	s := Settle{Model: "m", ID: last.ID, Reserved: last, Tokens: 20, SentAt: noon + 1}
	require.True(t, d.do(noon+62_000, s).Changed)
	before := d.p
	assert.False(t, d.do(noon+62_000, s).Changed)
	assert.Equal(t, before, d.p)
}

// TestFoldedNeighbour: who is sent before a booking must be over by its start
// even if its own end is rounded up later.
func TestFoldedNeighbour(t *testing.T) {
	d := newDesk(t, Limits{RPM: 100, TPM: 1000, RPD: Unlimited})
	d.reserve(noon+500, 400) // until 61.0 s
	b := d.book(noon+500, 1000)
	require.Equal(t, noon+61_500, b.Start)
	assert.Equal(t, Admitted, d.reserve(noon+500, 300).Verdict, "until 61.0 s")
	assert.NotEqual(t, Admitted, d.reserve(noon+600, 300).Verdict, "until 61.1 s, or 62 s when folded")
	for range 2 * MaxExact {
		d.reserve(noon+700, 0)
	}
	assert.Equal(t, Admitted, d.claim(b.Start, b).Verdict)
}

// TestOverIsOver: what has ended counts no more, even if rounding its end would
// make it last, and whether or not it has been dropped yet.
func TestOverIsOver(t *testing.T) {
	d := newDesk(t, Limits{RPM: 100, TPM: 1000, RPD: Unlimited})
	over := d.reserve(noon+1, 1000).Reservation.End
	d.book(noon+1, 1)
	offer, _ := Plan(d.rules, over, []Candidate{{State: d.p}}, Request{Chain: []string{"m"}, Demand: Demand{Tokens: 999}}, nil)
	assert.True(t, offer.Now())
	assert.Equal(t, Admitted, d.reserve(over, 999).Verdict)
}

// TestFoldedPromises: what is told while requests are folded holds afterwards.
func TestFoldedPromises(t *testing.T) {
	race.Skip(t)
	rapid.Check(t, func(t *rapid.T) {
		rules := rulesFor(map[string]Limits{"m": {RPM: 100, TPM: 1000, RPD: Unlimited}})
		var p *Project
		id := uint64(0)
		now := noon
		reserve := func(r Reserve) (result Result) {
			id++
			r.Model, r.ID = "m", id
			p, result = apply(t, rules, p, now, r)
			return result
		}
		for range rapid.IntRange(50, 64).Draw(t, "before") {
			reserve(Reserve{Demand: Demand{Tokens: 1}})
			now += Instant(rapid.IntRange(0, 70).Draw(t, "pause"))
		}
		d := Demand{Tokens: rapid.Int64Range(940, 990).Draw(t, "large")}
		b := reserve(Reserve{Demand: d, Book: true}).Booking
		if b.ID == 0 {
			return
		}
		for range rapid.IntRange(5, 60).Draw(t, "after") {
			now += Instant(rapid.IntRange(0, 300).Draw(t, "pause"))
			reserve(Reserve{Demand: Demand{Tokens: 1}})
		}
		if now > b.Start {
			return
		}
		now = b.Start + Instant(rapid.IntRange(0, 5000).Draw(t, "late"))
		if result := reserve(Reserve{Demand: d, Booking: b.ID}); result.Verdict != Admitted {
			t.Fatalf("%d ms after the start of %+v: %+v", now-b.Start, b, result)
		}
	})
}

// TestFoldShortWindows: of a window of ten seconds a second would be a tenth. What is folded there ends at most a tenth
// of one late, and of a window of a second at most ten milliseconds.
func TestFoldShortWindows(t *testing.T) {
	for window, late := range map[time.Duration]Instant{10 * sec: 100, sec: 10} {
		on := OfWindow("m", window)
		rules := rulesFor(map[string]Limits{"m": {RPM: Unlimited, TPM: Unlimited, RPD: Unlimited}})
		rules.Specs = map[string]Spec{on: {Window: window, EffectiveLimits: EffectiveLimits{Limits: Limits{RPM: 300, TPM: Unlimited, RPD: Unlimited}}}}
		var p *Project
		now := noon
		var ends []Instant
		for i := range 600 {
			now += Instant(window.Milliseconds()) / 250
			next, result := apply(t, rules, p, now, Reserve{Model: "m", ID: uint64(i + 1), Also: []Weight{{On: on}}})
			if p = next; result.Verdict == Admitted {
				ends = append(ends, result.Also[0].Reservation.End)
			}
		}
		c := p.Calendar(on)
		assert.Len(t, c.Sent, MaxExact)
		assert.Greater(t, len(c.Folded), 50)
		assert.LessOrEqual(t, len(c.Folded), 160)
		for at := now; at < now.Add(2*window); at += late / 5 {
			var least, most int64
			for _, end := range ends {
				if end > at {
					least++
				}
				if end > at-late+1 {
					most++
				}
			}
			requests, _ := c.InWindow(rules, at)
			require.GreaterOrEqual(t, requests, least)
			require.LessOrEqual(t, requests, most)
		}
	}
}
