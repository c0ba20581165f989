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

var noon = pacific("2026-06-15 12:00:00")

// A desk is one project at which changes are made one after another.
type desk struct {
	*testing.T
	rules *Rules
	p     *Project
	id    uint64
}

func newDesk(t *testing.T, l Limits) *desk {
	return &desk{T: t, rules: rulesFor(map[string]Limits{"m": l})}
}

func (d *desk) do(now Instant, change Change) Result {
	d.Helper()
	var result Result
	d.p, result = apply(d, d.rules, d.p, now, change)
	return result
}

func (d *desk) reserve(now Instant, tokens int64) Result {
	d.Helper()
	d.id++
	return d.do(now, Reserve{Model: "m", Demand: Demand{Tokens: tokens}, ID: d.id})
}

func (d *desk) book(now Instant, tokens int64) Booking {
	d.Helper()
	d.id++
	result := d.do(now, Reserve{Model: "m", Demand: Demand{Tokens: tokens}, ID: d.id, Book: true})
	require.Equal(d, Booked, result.Verdict)
	return result.Booking
}

func (d *desk) claim(now Instant, b Booking) Result {
	d.Helper()
	d.id++
	return d.do(now, Reserve{Model: "m", Demand: b.Demand, ID: d.id, Booking: b.ID})
}

func (d *desk) used(day Day) int64 { return d.p.Calendar("m").Used(d.rules, day) }

// TestSettle has every correction of a reservation.
func TestSettle(t *testing.T) {
	const skew, window = 500, 60_500
	midnight := DayOf(noon).End()
	for name, c := range map[string]struct {
		start     Instant
		demand    Demand
		tokens    int64
		sentAt    Instant // after the start, 0: unknown
		want      Reservation
		today     int64 // requests that count on the day of noon
		tomorrow  int64
		unchanged bool
	}{
		"unknown": {noon, Demand{Tokens: 100}, -1, 0, Reservation{Tokens: 100, End: window}, 1, 0, true},
		"less":    {noon, Demand{Tokens: 100}, 40, 0, Reservation{Tokens: 40, End: window}, 1, 0, false},
		"more":    {noon, Demand{Tokens: 100}, 140, 0, Reservation{Tokens: 140, End: window}, 1, 0, false},
		"none":    {noon, Demand{Tokens: 100}, 0, 0, Reservation{Tokens: 0, End: window}, 1, 0, false},
		"trimmed": {noon, Demand{Tokens: 100, Allowance: 3 * sec}, -1, 200, Reservation{Tokens: 100, End: 200 + window}, 1, 0, false},
		"an instant it can't have been sent at": {noon, Demand{Tokens: 100, Allowance: 3 * sec}, -1, -999,
			Reservation{Tokens: 100, End: window}, 1, 0, false},
		"within the allowance": {noon, Demand{Tokens: 100, Allowance: 3 * sec}, -1, 3000 + skew,
			Reservation{Tokens: 100, End: window + 3000}, 1, 0, true},
		"later than was allowed for": {noon, Demand{Tokens: 100, Allowance: 3 * sec}, -1, 3001 + skew,
			Reservation{Tokens: 100, End: 3001 + skew + window}, 1, 0, false},
		// Oversize lasts longer, in both directions.
		"larger than TPM": {noon, Demand{Tokens: 100, Allowance: 3 * sec}, 2000, 0, Reservation{Tokens: 2000, End: 2*window + 3000}, 1, 0, false},
		"larger and trimmed": {noon, Demand{Tokens: 100, Allowance: 3 * sec}, 2000, 200,
			Reservation{Tokens: 2000, End: 200 + 2*window}, 1, 0, false},
		"not so large, but sent nobody knows when": {noon, Demand{Tokens: 3000}, 500, 0, Reservation{Tokens: 500, End: 3 * window}, 1, 0, false},
		"not so large":       {noon, Demand{Tokens: 3000}, 500, 1, Reservation{Tokens: 500, End: 1 + window}, 1, 0, false},
		"larger still":       {noon, Demand{Tokens: 3000}, 4000, 1, Reservation{Tokens: 4000, End: 4 * window}, 1, 0, false},
		"large, but smaller": {noon, Demand{Tokens: 3000}, 2000, 1, Reservation{Tokens: 2000, End: 1 + 2*window}, 1, 0, false},
		// Around midnight it is taken off the day on which it didn't arrive.
		"before midnight": {midnight - 3000, Demand{Allowance: 5 * sec}, -1, 1, Reservation{End: 1 + window}, 1, 0, false},
		"after midnight": {midnight - 3000, Demand{Allowance: 5 * sec}, -1, 3500,
			Reservation{Start: 3000, End: 3500 + window}, 0, 1, false},
		"nobody knows on which side": {midnight - 3000, Demand{Allowance: 5 * sec}, -1, 3499,
			Reservation{End: 3499 + window, Straddles: true}, 1, 1, false},
		"begun after midnight": {midnight + 1, Demand{}, -1, 498, Reservation{End: window, Straddles: true}, 1, 1, true},
		"and sent well after":  {midnight + 1, Demand{Allowance: sec}, -1, 501, Reservation{End: 501 + window}, 0, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, Limits{RPM: 10, TPM: 1000, RPD: 100})
			r := d.do(c.start, Reserve{Model: "m", Demand: c.demand, ID: 1}).Reservation
			s := Settle{Model: "m", ID: 1, Reserved: r, Tokens: c.tokens}
			if c.sentAt != 0 {
				s.SentAt = c.start + c.sentAt
			}
			assert.Equal(t, !c.unchanged, d.do(c.start+9000, s).Changed)
			assert.False(t, d.do(c.start+9000, s).Changed, "once is enough")
			c.want.ID, c.want.Requests = 1, 1
			c.want.Start += c.start
			c.want.End += c.start
			assert.Equal(t, c.want, *d.p.Calendar("m").Sent[0])
			assert.Equal(t, c.today, d.used(DayOf(noon)), "today")
			assert.Equal(t, c.tomorrow, d.used(DayOf(noon)+1), "tomorrow")
			d.do(c.start+9000, Cancel{Model: "m", ID: 1})
			assert.Zero(t, d.used(DayOf(noon))+d.used(DayOf(noon)+1), "taken back on the days on which it counted")
		})
	}
	d := newDesk(t, Limits{RPM: 10, TPM: 1000, RPD: 100})
	assert.False(t, d.do(noon, Settle{Model: "m", ID: 7, Tokens: 5}).Changed, "of nothing")
	assert.Nil(t, d.p)
}

// TestSettleMoves: a request that turns out to be larger pushes the bookings
// behind it, in order of rank.
func TestSettleMoves(t *testing.T) {
	d := newDesk(t, Limits{RPM: 10, TPM: 1000, RPD: 100})
	r := d.reserve(noon, 1000).Reservation
	first, second := d.book(noon, 800), d.book(noon, 200)
	require.Equal(t, noon+61_000, second.Start)
	result := d.do(noon+1000, Settle{Model: "m", ID: r.ID, Reserved: r, Tokens: 1500})
	assert.Equal(t, 2, result.Moved)
	assert.EqualValues(t, 2, d.p.Moved)
	for _, b := range []Booking{first, second} {
		_, moved, ok := d.p.Booking(b.ID)
		require.True(t, ok)
		assert.Equal(t, noon+91_000, moved.Start, "90.75 s, in whole seconds")
	}
	assert.Zero(t, d.do(noon+1000, Settle{Model: "m", ID: r.ID, Reserved: r, Tokens: 10}).Moved, "smaller moves nobody")
}

// TestExtend: a commit that took longer than was allowed for. The request may
// still go, for whatever counts when it ends counts already.
func TestExtend(t *testing.T) {
	d := newDesk(t, Limits{RPM: 2, TPM: 1000, RPD: 9})
	midnight := DayOf(noon).End()
	r := d.reserve(midnight-3000, 1).Reservation
	assert.Equal(t, Replan, d.do(midnight-3000, Extend{Model: "m", ID: 99, Until: midnight}).Verdict, "not there")
	result := d.do(midnight-1000, Extend{Model: "m", ID: r.ID, Until: midnight - 1000})
	assert.Equal(t, Admitted, result.Verdict)
	assert.Equal(t, midnight+59_500, result.Reservation.End)
	assert.False(t, result.Reservation.Straddles)
	assert.False(t, d.do(midnight-1000, Extend{Model: "m", ID: r.ID, Until: midnight - 2000}).Changed, "never shorter")

	result = d.do(midnight-1000, Extend{Model: "m", ID: r.ID, Until: midnight + 500})
	assert.Equal(t, midnight+61_000, result.Reservation.End)
	assert.EqualValues(t, 1, d.used(DayOf(noon)))
	assert.EqualValues(t, 1, d.used(DayOf(noon)+1), "it may arrive on the next day now")
	d.do(midnight+600, Settle{Model: "m", ID: r.ID, Reserved: r, Tokens: -1, SentAt: midnight - 600})
	assert.EqualValues(t, 1, d.used(DayOf(noon)))
	assert.Zero(t, d.used(DayOf(noon)+1), "it hasn't")
}

// TestExtendGivesWay: a booking was made right behind an interval that is to be
// longer now. Its holder has a promise; the request has none, unless it is the
// claim of a holder itself.
func TestExtendGivesWay(t *testing.T) {
	for name, c := range map[string]struct {
		yield bool
		until time.Duration // after the start
		want  Verdict
	}{
		"as far as the booking":   {true, 500 * ms, Admitted},
		"into the booking":        {true, 501 * ms, Replan},
		"a holder gives no way":   {false, 501 * ms, Admitted},
		"far into the booking":    {true, 3 * sec, Replan},
		"no longer than it is":    {true, 0, Admitted},
		"a holder, far into it":   {false, 3 * sec, Admitted},
		"a holder, no longer yet": {false, 0, Admitted},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, Limits{RPM: 1, TPM: 1000, RPD: 9})
			r := d.reserve(noon, 1).Reservation
			b := d.book(noon, 1)
			require.Equal(t, noon+61_000, b.Start)
			result := d.do(noon+2000, Extend{Model: "m", ID: r.ID, Until: noon.Add(c.until), Yield: c.yield})
			assert.Equal(t, c.want, result.Verdict)
			_, kept, ok := d.p.Booking(b.ID)
			assert.True(t, ok)
			assert.Equal(t, b.Start, kept.Start, "is never moved")
			if c.want == Replan {
				assert.Empty(t, d.p.Calendar("m").Sent, "the slot is given back")
				assert.EqualValues(t, 1, d.used(DayOf(noon)), "and its request of the day: the booking's is left")
				require.Equal(t, Admitted, d.claim(b.Start, b).Verdict)
			}
		})
	}

	t.Run("not for a booking that doesn't fit anyway", func(t *testing.T) {
		d := newDesk(t, Limits{RPM: 1, TPM: 1000, RPD: 9})
		d.reserve(noon, 1)
		late, next := d.book(noon, 1), d.book(noon, 1)
		require.Equal(t, noon+122_000, next.Start)
		r := d.claim(late.Start.Add(4*sec), late).Reservation
		require.Greater(t, r.End, next.Start)
		result := d.do(r.Start+1, Extend{Model: "m", ID: r.ID, Until: r.Start + 1, Yield: true})
		assert.Equal(t, Admitted, result.Verdict)
	})
}

// TestCancel takes a reservation back as if it had never been.
func TestCancel(t *testing.T) {
	d := newDesk(t, Limits{RPM: 1, TPM: 1000, RPD: 1})
	r := d.reserve(noon, 1).Reservation
	assert.True(t, d.do(noon, Cancel{Model: "m", ID: r.ID}).Changed)
	assert.False(t, d.do(noon, Cancel{Model: "m", ID: r.ID}).Changed)
	assert.Equal(t, Admitted, d.reserve(noon, 1).Verdict)

	// A name that upstream doesn't know leaves no state, one that it knows does.
	d = newDesk(t, Limits{RPM: 2, TPM: 1000, RPD: 2})
	one, two := d.reserve(noon, 1).Reservation, d.reserve(noon, 1).Reservation
	d.do(noon, Cancel{Model: "m", ID: one.ID, Unknown: true})
	assert.Len(t, d.p.Calendars, 1, "the other is still there")
	d.do(noon, Cancel{Model: "m", ID: two.ID, Unknown: true})
	assert.Empty(t, d.p.Calendars)
	assert.Nil(t, newDesk(t, Limits{}).p.Calendar("m").Sent)
}

// TestCancelOfABooking: the holder has it again, on all its calendars, in its place among
// the others, once; and it still has it if nothing was made of it.
func TestCancelOfABooking(t *testing.T) {
	d := newDesk(t, Limits{RPM: 1, TPM: 1000, RPD: Unlimited})
	d.rules.Specs = map[string]Spec{OfProject: {EffectiveLimits: EffectiveLimits{Limits: Limits{RPM: 1, TPM: Unlimited, RPD: Unlimited}}}}
	also := []Weight{{On: OfProject}}
	d.do(noon, Reserve{Model: "m", ID: 1, Also: also})
	b := d.do(noon, Reserve{Model: "m", ID: 2, Hash: 22, Also: also, Book: true, Demand: Demand{Tokens: 5, Allowance: time.Second}}).Booking
	d.do(noon, Reserve{Model: "m", ID: 3, Also: also, Book: true})
	bookings := func() (all []Booking) {
		return append(slices.Clone(d.p.Calendar("m").Bookings), d.p.Calendar(OfProject).Bookings...)
	}
	before := bookings()
	require.Len(t, before, 4)
	at := b.Start + 700
	assert.False(t, d.do(at, Cancel{Model: "m", ID: 4, Booking: b, Also: []Share{{On: OfProject, Reservation: Reservation{ID: 4}}}}).Changed)
	assert.Equal(t, before, bookings(), "nothing was made of it")

	claimed := d.do(at, Reserve{Model: "m", ID: 4, Hash: 22, Also: also, Booking: 2, Demand: Demand{Tokens: 5}})
	require.Equal(t, Admitted, claimed.Verdict)
	require.Len(t, bookings(), 2)
	cancel := Cancel{Model: "m", ID: 4, Also: claimed.Also, Booking: claimed.Booking}
	assert.True(t, d.do(at+1000, cancel).Changed)
	again := bookings()
	again[2].Demand.Requests = before[2].Demand.Requests // one, however it is put
	assert.Equal(t, before, again)
	assert.False(t, d.do(at+1000, cancel).Changed)
	assert.Equal(t, Refused, d.do(at+1000, Reserve{Model: "m", ID: 5, Also: also}).Verdict, "nobody else has it")
	assert.Equal(t, Admitted, d.do(at+1000, Reserve{Model: "m", ID: 6, Also: also, Booking: 2}).Verdict)
}

// TestHeedBlocks: how long a block lasts, and which of two prevails.
func TestHeedBlocks(t *testing.T) {
	minute := RecordRefusal{Model: "m", Block: Block{Cause: ByMinute, Until: noon + 30_000}}
	bare := RecordRefusal{Model: "m", Block: Block{Cause: ByBare}}
	day := RecordRefusal{Model: "m", Block: Block{Cause: ByDay, Until: noon + 20_000}}
	wait := func(d *desk, now Instant) (time.Duration, Cause) {
		s, cause := d.p.Calendar("m").Earliest(d.rules, now, Demand{Tokens: 1})
		return s.Sub(now), cause
	}
	check := func(d *desk, now Instant, want time.Duration, by Cause) {
		t.Helper()
		got, cause := wait(d, now)
		assert.Equal(t, want, got)
		assert.Equal(t, by, cause)
	}
	d := newDesk(t, Limits{RPM: 10, TPM: 1000, RPD: 100})
	d.do(noon, minute)
	check(d, noon, 30*sec, ByMinute)
	d.do(noon, bare)
	check(d, noon, 30*sec, ByMinute) // a lesser one doesn't shorten it
	d.do(noon, day)
	check(d, noon, 12*time.Hour+500*ms, ByDay) // whatever delay upstream claimed
	d.do(noon, minute)
	check(d, noon, 12*time.Hour+500*ms, ByDay)

	// Bare 429s in a row: 5, 10, 20 … 300 s, and from the start again after a
	// while of peace.
	d = newDesk(t, Limits{RPM: 10, TPM: 1000, RPD: 100})
	now := noon
	for _, seconds := range []time.Duration{5, 10, 20, 40, 80, 160, 300, 300} {
		d.do(now, bare)
		check(d, now, seconds*sec, ByBare)
		now = now.Add(seconds * sec)
		check(d, now, 0, NoCause)
	}
	d.do(now.Add(10*time.Minute), bare)
	check(d, now.Add(10*time.Minute), 300*sec, ByBare)
	now = now.Add(15*time.Minute + 10*time.Minute)
	d.do(now+1, bare)
	check(d, now+1, 5*sec, ByBare)
}

// TestHeedMoves: bookings that no longer fit move in order of rank, and none is
// lost; not even those that fit at no time any more.
func TestHeedMoves(t *testing.T) {
	d := newDesk(t, Limits{RPM: 2, TPM: 1000, RPD: 100})
	d.reserve(noon, 400)
	d.reserve(noon, 400)
	var starts []Instant
	for range 4 {
		starts = append(starts, d.book(noon, 400).Start-noon)
	}
	assert.Equal(t, []Instant{61_000, 61_000, 122_000, 122_000}, starts)
	now := func() (starts []Instant) {
		for _, b := range d.p.Calendar("m").Bookings {
			starts = append(starts, b.Start-noon)
		}
		return starts
	}
	assert.Equal(t, 3, d.do(noon, RecordRefusal{Model: "m", Limits: Limits{RPM: 1}}).Moved)
	assert.Equal(t, []Instant{61_000, 122_000, 183_000, 244_000}, now())
	assert.Equal(t, 0, d.do(noon, RecordRefusal{Model: "m", Limits: Limits{RPM: 50}}).Moved, "more room calls nobody earlier")
	assert.Equal(t, 3, d.do(noon, RecordRefusal{Model: "m", Block: Block{Cause: ByMinute, Until: noon + 122_500}}).Moved)
	assert.Equal(t, []Instant{123_000, 123_000, 184_000, 244_000}, now(), "in whole seconds from their start")
	assert.Equal(t, 4, d.do(noon, RecordRefusal{Model: "m", Block: Block{Cause: ByDay}}).Moved)
	assert.Equal(t, 12*time.Hour+1000*ms, time.Duration(now()[0])*ms)

	d = newDesk(t, Limits{RPM: 2, TPM: 1000, RPD: 100})
	d.do(noon, Reserve{Model: "m", ID: 1, Demand: Demand{Requests: 2}})
	b := d.do(noon, Reserve{Model: "m", ID: 2, Demand: Demand{Requests: 2}, Book: true}).Booking
	for _, h := range []RecordRefusal{
		{Model: "m", Limits: Limits{RPM: 1}},
		{Model: "m", Limits: Limits{RPM: 2, RPD: 1}},
		{Model: "m", Limits: Limits{RPD: 9}, Block: Block{Cause: Unavailable, Until: Never}},
	} {
		assert.Zero(t, d.do(noon, h).Moved)
		result := d.claim(b.Start, b)
		assert.Equal(t, Replan, result.Verdict, "its holder is sent elsewhere")
		assert.Equal(t, Never, result.Start)
	}
}

// TestModels: sixteen models to a project, with places kept for the chain. Beside
// it, one on which nothing weighs any more makes room for another.
func TestModels(t *testing.T) {
	rules := defaultRules()
	var p *Project
	ask := func(now Instant, model string) (result Result) {
		p, result = apply(t, rules, p, now, Reserve{Model: model, ID: 1, Demand: Demand{Tokens: 1}})
		return result
	}
	others := MaxModels - len(DefaultChain())
	for i := range others {
		require.Equal(t, Admitted, ask(noon, fmt.Sprint("m", i)).Verdict)
	}
	assert.Equal(t, Result{Verdict: Replan, Start: Never, Cause: Unavailable}, ask(noon, "another"))
	offer, cause := Plan(rules, noon, []Candidate{{ID: "p", State: p}}, Request{Chain: []string{"another"}}, nil)
	assert.Equal(t, Unavailable, cause, "and planning says so: %+v", offer)
	for _, change := range []Change{
		RecordRefusal{Model: "another", Limits: Limits{RPM: 1}}, Settle{Model: "another"}, Cancel{Model: "another"},
	} {
		_, result := apply(t, rules, p, noon, change)
		assert.Equal(t, Result{}, result, "%T", change)
	}
	for _, model := range DefaultChain() {
		assert.Equal(t, Admitted, ask(noon, model).Verdict, "%s has its place", model)
	}
	assert.Len(t, p.Calendars, MaxModels)
	tomorrow := noon.Add(24 * time.Hour)
	_, cause = Plan(rules, tomorrow, []Candidate{{ID: "p", State: p}}, Request{Chain: []string{"another"}}, func(int) int { return 0 })
	assert.Equal(t, NoCause, cause)
	assert.Equal(t, Admitted, ask(tomorrow, "another").Verdict)
}

// TestMarks: sixteen marks; an operator's is kept before upstream's, which
// comes again by itself.
func TestMarks(t *testing.T) {
	rules := defaultRules()
	var p *Project
	mark := func(m SetMark) (result Result) {
		p, result = apply(t, rules, p, noon, m)
		return result
	}
	assert.True(t, p.Usable("k0"))
	for i := range MaxMarks {
		if i%2 == 0 {
			mark(SetMark{Key: fmt.Sprint("k", i), Disabled: ptr(true)})
		} else {
			mark(SetMark{Key: fmt.Sprint("k", i), Invalid: ptr("leaked")})
		}
	}
	for i := range MaxMarks {
		assert.False(t, p.Usable(fmt.Sprint("k", i)))
	}
	assert.Equal(t, Mark{Key: "k1", Invalid: "leaked"}, p.Mark("k1"))
	assert.False(t, mark(SetMark{Key: "k1", Invalid: ptr("leaked")}).Changed)
	assert.False(t, mark(SetMark{Key: "k2"}).Changed)

	mark(SetMark{Key: "one more", Disabled: ptr(true)})
	assert.True(t, p.Usable("k1"), "the oldest that is merely invalid goes")
	mark(SetMark{Key: "one more", Disabled: ptr(false)})
	assert.True(t, p.Usable("one more"))
	assert.Len(t, p.Marks, MaxMarks-1, "enabled is no mark")

	for i := range 2 * MaxMarks {
		mark(SetMark{Key: fmt.Sprint("d", i), Disabled: ptr(true)})
	}
	assert.False(t, p.Usable(fmt.Sprint("d", 2*MaxMarks-1)), "of the disabled, the last are kept")
}

// TestToldAndWriters: what is remembered of refusals and of commits.
func TestToldAndWriters(t *testing.T) {
	rules := defaultRules()
	p, result := apply(t, rules, nil, noon, ShareWaitlist{})
	assert.False(t, result.Changed)
	told := func(hash uint32, start Instant) ShareWaitlist {
		return ShareWaitlist{Entries: []Waitlisted{{hash, start}}}
	}
	p, _ = apply(t, rules, p, noon, told(1, noon+1000))
	p, _ = apply(t, rules, p, noon, told(2, noon+90_000))
	p, _ = apply(t, rules, p, noon, told(2, noon+60_000))
	assert.Equal(t, []Waitlisted{{1, noon + 1000}, {2, noon + 60_000}}, p.Waitlist, "the last word counts")
	p, _ = apply(t, rules, p, noon+31_000, told(3, noon+60_000))
	assert.Len(t, p.Waitlist, 3, "some come at any time until half as long again as they were told to wait")
	p, _ = apply(t, rules, p, noon+31_001, told(3, noon+60_000))
	assert.Equal(t, []Waitlisted{{2, noon + 60_000}, {3, noon + 60_000}}, p.Waitlist, "nobody comes back after that")
	for i := range uint32(MaxWaitlist) {
		p, _ = apply(t, rules, p, noon+31_001, told(100+i, noon+60_000))
	}
	assert.EqualValues(t, 100, p.Waitlist[0].Hash, "the oldest go first")

	for i := range uint32(MaxWriters + 2) {
		p = p.Wrote(i, 7)
	}
	p = p.Wrote(2, 8)
	assert.Len(t, p.Writers, MaxWriters)
	assert.EqualValues(t, 8, p.WroteLast(2))
	assert.EqualValues(t, 7, p.WroteLast(9))
	assert.Zero(t, p.WroteLast(1), "forgotten")
	assert.Zero(t, (*Project)(nil).WroteLast(1))
	assert.EqualValues(t, 1, (*Project)(nil).Wrote(1, 1).NextRank)
}

// TestForwardAndBack: an instance whose clock is an hour ahead must not make
// room for those whose clock is right, even if all it does is to settle.
func TestForwardAndBack(t *testing.T) {
	for name, change := range map[string]Change{
		"settle":   Settle{Model: "m", ID: 2, Tokens: 5, Reserved: Reservation{ID: 2, Tokens: 1}},
		"refuse":   RecordRefusal{Model: "m", Limits: Limits{TPM: 999}},
		"mark":     SetMark{Key: "k", Disabled: ptr(true)},
		"waitlist": ShareWaitlist{Entries: []Waitlisted{{1, noon}}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, Limits{RPM: 2, TPM: 1000, RPD: 100})
			d.reserve(noon, 1)
			d.reserve(noon, 1)
			ahead := d.p.Compact(d.rules, noon.Add(time.Hour), MaxExact, sec)
			assert.Equal(t, noon.Add(time.Hour), ahead.Latest, "what is over there stays over")
			d.do(noon.Add(time.Hour), change)
			d.p = d.p.Compact(d.rules, noon.Add(time.Hour), MaxExact, sec)
			for range 2 {
				if result := d.reserve(noon+1, 1); result.Verdict == Admitted {
					assert.Equal(t, noon.Add(time.Hour), result.Start, "time goes on from there")
				}
			}
			assert.NotEqual(t, Admitted, d.reserve(noon+2, 1).Verdict)
		})
	}
}

// A request that is sent in any case gets its slot whatever is in the way, and counts.
func TestReserveOver(t *testing.T) {
	d := newDesk(t, Limits{RPM: 1, TPM: 100, RPD: 1})
	over := func(now Instant, model string) Result {
		d.id++
		return d.do(now, Reserve{Model: model, Demand: Demand{Tokens: 1000}, ID: d.id, Over: true})
	}
	require.Equal(t, Admitted, d.reserve(noon, 10).Verdict)
	for i := range 3 {
		result := over(noon+Instant(i), "m")
		require.Equal(t, Admitted, result.Verdict)
		assert.Equal(t, noon+Instant(i), result.Reservation.Start)
	}
	assert.EqualValues(t, 4, d.used(DayOf(noon)))
	d.do(noon+10, RecordRefusal{Model: "m", Block: Block{Until: DayOf(noon).End(), Cause: ByDay}})
	require.Equal(t, Admitted, over(noon+20, "m").Verdict, "over a block")
	refused := d.reserve(noon+30, 10)
	assert.Equal(t, Refused, refused.Verdict, "others are not let over anything by it")
}
