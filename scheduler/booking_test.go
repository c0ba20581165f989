package scheduler_test

import (
	"fmt"
	"testing"
	"time"

	. "fluxgate.dev/fluxgate/scheduler"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestBooking follows one booking through everything that its holder can do.
func TestBooking(t *testing.T) {
	d := newDesk(t, Limits{RPM: 1, TPM: 1000, RPD: 10})
	require.Equal(t, Admitted, d.reserve(noon, 1).Verdict)
	b := d.book(noon+1, 7)
	assert.Equal(t, Booking{ID: 2, Start: noon + 61_001, Since: noon + 1, Rank: 1, Demand: Demand{Tokens: 7}}, b)
	assert.EqualValues(t, 2, d.used(DayOf(noon)), "a booking counts on its day")
	model, found, ok := d.p.Booking(b.ID)
	assert.True(t, ok)
	assert.Equal(t, "m", model)
	assert.Equal(t, b, found)

	early := d.claim(noon+5000, b)
	assert.Equal(t, Result{Verdict: Booked, Start: b.Start, Booking: b}, early, "early: the remaining wait, and nothing to store")

	onTime := d.claim(b.Start.Add(DefaultHold), b)
	require.Equal(t, Admitted, onTime.Verdict, "the last moment of the hold")
	assert.Equal(t, b, onTime.Booking)
	assert.EqualValues(t, 2, d.used(DayOf(noon)), "and is not counted twice")
	_, _, ok = d.p.Booking(b.ID)
	assert.False(t, ok)

	late := d.book(noon+70_000, 7)
	again := d.claim(late.Start.Add(DefaultHold)+1, late)
	assert.Equal(t, Admitted, again.Verdict, "too late: like anybody else")
	assert.Zero(t, again.Booking)

	_, _, ok = (*Project)(nil).Booking(1)
	assert.False(t, ok)
}

// TestBehind: a holder that is early by the clock of the instance that it came
// to, and may be in time by another's.
func TestBehind(t *testing.T) {
	for _, c := range []struct {
		early, behind time.Duration
		want          Verdict
	}{
		{0, 0, Admitted},
		{1 * ms, 0, Booked},
		{5 * ms, 5 * ms, Admitted},
		{6 * ms, 5 * ms, Booked},
	} {
		d := newDesk(t, Limits{RPM: 1, TPM: 1000, RPD: 10})
		d.reserve(noon, 1)
		b := d.book(noon, 1)
		result := d.do(b.Start.Add(-c.early), Reserve{Model: "m", Demand: b.Demand, ID: 9, Booking: b.ID, Behind: c.behind})
		assert.Equal(t, c.want, result.Verdict, "%+v", c)
		assert.Equal(t, b.Start, result.Start, "%+v", c)
		if c.want == Admitted {
			assert.Equal(t, b.Start, result.Reservation.Start, "it doesn't begin before its predecessor has ended")
		}
	}
}

// TestClaimLastsAsPlanned: what a booking was kept for beyond its demand stays
// until the claim is settled, so that nobody books into it before it is known
// when the request was really sent.
func TestClaimLastsAsPlanned(t *testing.T) {
	for _, c := range []struct{ late, demanded, want time.Duration }{
		{0, 100 * ms, 2 * sec},
		{500 * ms, 100 * ms, 1500 * ms},
		{1900 * ms, 100 * ms, 100 * ms},
		{3 * sec, 100 * ms, 100 * ms},
		{0, 4 * sec, 4 * sec},
	} {
		d := newDesk(t, Limits{RPM: 1, TPM: 1000, RPD: 10})
		d.reserve(noon, 1)
		b := d.do(noon, Reserve{Model: "m", Demand: Demand{Tokens: 1, Allowance: 2 * sec}, ID: 8, Book: true}).Booking
		at := b.Start.Add(c.late)
		result := d.do(at, Reserve{Model: "m", Demand: Demand{Tokens: 1, Allowance: c.demanded}, ID: 9, Booking: b.ID})
		require.Equal(t, Admitted, result.Verdict)
		assert.Equal(t, c.want, result.Allowance, "%+v", c)
		assert.Equal(t, at.Add(Window+DefaultSkew+c.want), result.Reservation.End, "%+v", c)
		d.do(at+10, Settle{Model: "m", ID: result.Reservation.ID, Reserved: result.Reservation, Tokens: 1, SentAt: at + 5})
		assert.Equal(t, at.Add(Window+DefaultSkew)+5, d.p.Calendar("m").Sent[0].End, "%+v", c)
	}
}

// TestLatePredecessor: who comes in time and finds a late predecessor in the
// way is told the rest of the wait, and keeps its rank against those behind it.
func TestLatePredecessor(t *testing.T) {
	d := newDesk(t, Limits{RPM: 1, TPM: 1000, RPD: 100})
	d.reserve(noon, 1)
	first, second, third := d.book(noon, 1), d.book(noon, 1), d.book(noon, 1)
	require.Equal(t, []Instant{noon + 61_000, noon + 122_000, noon + 183_000}, []Instant{first.Start, second.Start, third.Start})

	require.Equal(t, Admitted, d.claim(first.Start+4000, first).Verdict)
	rest := d.claim(second.Start+100, second)
	assert.Equal(t, Booked, rest.Verdict)
	assert.Equal(t, ByRPM, rest.Cause)
	assert.Equal(t, second.Start+4100, rest.Start, "first ends 3.5 s after the start of second, which has come 0.1 s late")
	assert.Equal(t, second.Rank, rest.Booking.Rank)
	assert.Equal(t, second.Since, rest.Booking.Since)
	require.Equal(t, Admitted, d.claim(rest.Start, rest.Booking).Verdict)

	rest = d.claim(third.Start, third)
	assert.Equal(t, rest.Start, second.Start+4100+61_000-100, "and so on")
}

// TestWalkInLeavesRoom is the case that a booking's plain interval misses: of
// two holders the first is late, and the second, in time, would be turned away
// because of a walk-in that had room beside either.
func TestWalkInLeavesRoom(t *testing.T) {
	d := newDesk(t, Limits{RPM: 2, TPM: Unlimited, RPD: Unlimited})
	d.reserve(noon, 1)
	d.reserve(noon, 1)
	first, gap, second := d.book(noon, 1), d.book(noon, 1), d.book(noon, 1)
	require.Equal(t, []Instant{noon + 61_000, noon + 61_000, noon + 122_000}, []Instant{first.Start, gap.Start, second.Start})
	d.do(noon, Release{gap.ID})

	// It ends half a second after the start of second. If first is late by more
	// all three are in one window.
	assert.NotEqual(t, Admitted, d.reserve(first.Start+1000, 1).Verdict)
	missed := *d
	require.Equal(t, Admitted, d.claim(first.Start+4000, first).Verdict)
	assert.Equal(t, Admitted, d.claim(second.Start, second).Verdict)

	// If first doesn't come there is room, but not before that is certain.
	assert.NotEqual(t, Admitted, missed.reserve(first.Start.Add(DefaultHold), 1).Verdict)
	assert.Equal(t, Admitted, missed.reserve(first.Start.Add(DefaultHold)+1, 1).Verdict)
}

// TestLastOfTheDay: a holder that is told to come just before midnight, and
// comes just after, finds the room of the new day kept for it too.
func TestLastOfTheDay(t *testing.T) {
	d := newDesk(t, Limits{RPM: 1, TPM: 1000, RPD: 1})
	midnight := DayOf(noon).End()
	d.do(midnight-10_000, RecordRefusal{Model: "m", Block: Block{Cause: ByMinute, Until: midnight - 2000}})
	b := d.book(midnight-10_000, 1)
	require.Equal(t, midnight-2000, b.Start)
	d.rules = rulesFor(map[string]Limits{"m": {RPM: 10, TPM: 1000, RPD: 1}}) // only the day is scarce
	assert.NotEqual(t, Admitted, d.reserve(midnight+600, 1).Verdict)
	assert.Equal(t, Admitted, d.claim(midnight+1000, b).Verdict)

	// Who is kept by the block first and by the day then is told the day.
	d = newDesk(t, Limits{RPM: 1, TPM: 1000, RPD: 1})
	d.do(midnight-10_000, RecordRefusal{Model: "m", Block: Block{Cause: ByMinute, Until: midnight + 9000}})
	require.Equal(t, midnight+9000, d.book(midnight-10_000, 1).Start)
	assert.Equal(t, ByRPD, d.reserve(midnight-10_000, 1).Cause)
}

// TestReserveVerdicts: what is refused, kept or sent back to planning.
func TestReserveVerdicts(t *testing.T) {
	d := newDesk(t, Limits{RPM: 1, TPM: 1000, RPD: 100})
	d.reserve(noon, 1)
	ask := Reserve{Model: "m", Demand: Demand{Tokens: 1}, ID: 9}

	assert.Equal(t, Result{Verdict: Refused, Start: noon + 61_000, Cause: ByRPM}, d.do(noon, ask), "nothing is kept unasked")
	ask.Planned = noon
	assert.Equal(t, Result{Verdict: Replan, Start: noon + 61_000, Cause: ByRPM}, d.do(noon, ask), "the plan said now")
	ask.Planned, ask.Book = noon+60_001, true
	assert.Equal(t, Booked, d.do(noon, ask).Verdict, "less than a second later is as planned")

	over := Reserve{Model: "m", Demand: Demand{Tokens: ContextWindow("m") + 1}}
	assert.Equal(t, Result{Verdict: Replan, Start: Never, Cause: TooLarge}, d.do(noon, over))

	d.do(noon, RecordRefusal{Model: "m", Oversize: 5000})
	d.do(noon, RecordRefusal{Model: "m", Oversize: 9000})
	for tokens, cause := range map[int64]Cause{4999: ByTPM, 5000: TooLarge, 9999: TooLarge} {
		assert.Equal(t, cause, d.do(noon, Reserve{Model: "m", Demand: Demand{Tokens: tokens}}).Cause,
			"upstream refused 5000 tokens: %d", tokens)
	}
	d.rules = rulesFor(map[string]Limits{"m": {RPM: 1, TPM: 6000, RPD: 100}})
	assert.Equal(t, ByRPM, d.do(noon, Reserve{Model: "m", Demand: Demand{Tokens: 5000}}).Cause, "within TPM it isn't oversize")

	d.do(noon, RecordRefusal{Model: "m", Block: Block{Cause: Unavailable, Until: Never}})
	assert.Equal(t, Result{Verdict: Replan, Start: Never, Cause: Unavailable}, d.do(noon, ask))
}

// TestBookingBounds: ten minutes ahead, 8 of a hash, 64 of a project.
func TestBookingBounds(t *testing.T) {
	d := newDesk(t, Limits{RPM: 1, TPM: 1000, RPD: 1000})
	d.reserve(noon, 1)
	for i := range 9 {
		assert.Equal(t, noon+Instant(i+1)*61_000, d.book(noon, 1).Start)
	}
	result := d.do(noon, Reserve{Model: "m", ID: 99, Book: true})
	assert.Equal(t, Result{Verdict: Refused, Start: noon + 610_000, Cause: ByRPM}, result, "over ten minutes ahead")

	d = newDesk(t, Limits{RPM: 10, TPM: Unlimited, RPD: Unlimited})
	for range 10 {
		d.reserve(noon, 1)
	}
	ask := func(now Instant, id, hash uint64) Verdict {
		return d.do(now, Reserve{Model: fmt.Sprint("m", id%2), ID: id, Hash: hash, Book: true}).Verdict
	}
	d.rules = rulesFor(map[string]Limits{"m0": {RPM: 10, TPM: Unlimited, RPD: Unlimited}, "m1": {RPM: 10, TPM: Unlimited, RPD: Unlimited}})
	for id := range uint64(20) {
		require.Equal(t, Admitted, ask(noon, 100+id, 0))
	}
	for id := range uint64(MaxBookings) {
		hash := 1 + id/MaxBookingsPerHash
		require.Equal(t, Booked, ask(noon, 200+id, hash), "%d", id)
		if id%MaxBookingsPerHash == MaxBookingsPerHash-1 && id < MaxBookings-1 {
			require.Equal(t, Refused, ask(noon, 300+id, hash), "8 of the hash %d are kept", hash)
		}
	}
	require.Equal(t, Refused, ask(noon, 300, 0), "64 are kept")
	require.Equal(t, Refused, ask(noon+66_000, 300, 0), "the last moment of the hold of the first")
	for id := range uint64(20) { // all in one calendar
		require.Equal(t, Booked, ask(noon+66_001, 301+2*id, 0), "20 of them didn't come, in either calendar")
	}
	require.Equal(t, Refused, ask(noon+66_001, 399, 0))
}

// TestRelease gives a booking back, once.
func TestRelease(t *testing.T) {
	d := newDesk(t, Limits{RPM: 1, TPM: 1000, RPD: 100})
	d.reserve(noon, 1)
	b := d.book(noon, 1)
	assert.True(t, d.do(noon, Release{b.ID}).Changed)
	assert.False(t, d.do(noon, Release{b.ID}).Changed)
	assert.Equal(t, b.Start, d.book(noon, 1).Start, "its slot is free")
	assert.False(t, d.do(noon, Release{}).Changed)
}

// TestBooked: a booking whose holder didn't come is still in the calendar until
// that changes, but isn't one any more.
func TestBooked(t *testing.T) {
	d := newDesk(t, Limits{RPM: 1, TPM: 1000, RPD: 10})
	require.Equal(t, Admitted, d.reserve(noon, 1).Verdict)
	b := d.book(noon+1, 7)
	c := d.p.Calendar("m")
	assert.Equal(t, []Booking{b}, c.Booked(d.rules, b.Start.Add(DefaultHold)), "the last moment of the hold")
	assert.Empty(t, c.Booked(d.rules, b.Start.Add(DefaultHold)+1))
	assert.Len(t, c.Bookings, 1)
}

// TestSlowClaim: the holder of a booking is in time or late by when it came, not
// by when the change is made.
func TestSlowClaim(t *testing.T) {
	const sec = Instant(1000)
	hold, commit := Instant(DefaultHold.Milliseconds()), Instant(MaxCommit.Milliseconds())
	for name, c := range map[string]struct {
		came, made Instant // after the booking's start
		claimed    bool
	}{
		"at once":                          {0, 0, true},
		"in the last moment of the hold":   {hold, hold, true},
		"made after the hold":              {hold, hold + 3*sec, true},
		"made as late as may be":           {hold, hold + commit, true},
		"made when nobody reckons with it": {hold, hold + commit + 1, false},
		"came after the hold":              {hold + 1, hold + 1, false},
		"came after the hold, made later":  {hold + 1, hold + 2*sec, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, Limits{RPM: 1, TPM: 1000, RPD: 10})
			require.Equal(t, Admitted, d.reserve(noon, 1).Verdict)
			b := d.book(noon, 1)
			result := d.do(b.Start+c.made, Reserve{Model: "m", ID: 77, Booking: b.ID, Came: b.Start + c.came})
			assert.Equal(t, Admitted, result.Verdict)
			assert.Equal(t, c.claimed, result.Booking.ID == b.ID)
		})
	}
}

// TestOverIsInNobodysWay: a booking whose hold is over is known for a while, but
// keeps nobody from its slot, isn't moved, and when its holder turns out to have
// come in time it is told the rest and keeps its rank.
func TestOverIsInNobodysWay(t *testing.T) {
	d := newDesk(t, Limits{RPM: 1, TPM: 1000, RPD: 10})
	require.Equal(t, Admitted, d.reserve(noon, 1).Verdict)
	b := d.book(noon, 1)
	over := b.Start.Add(DefaultHold) + 1
	result := d.do(over, RecordRefusal{Model: "m", Block: Block{Cause: ByMinute, Until: over + 100}})
	assert.Zero(t, result.Moved)
	require.Equal(t, []Booking{b}, d.p.Calendar("m").Bookings)
	require.Equal(t, Admitted, d.reserve(over+100, 1).Verdict)

	claim := Reserve{Model: "m", ID: 77, Booking: b.ID, Came: b.Start}
	result = d.do(over+1000, claim)
	require.Equal(t, Booked, result.Verdict)
	assert.Equal(t, b.Rank, result.Booking.Rank)
	assert.GreaterOrEqual(t, result.Start, over+100+60_500)
	assert.Equal(t, Admitted, d.do(result.Start, claim).Verdict)
}
