package calendar

import (
	"cmp"
	"math"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/scheduler/limits"
)

// What a calendar keeps. The numbers bound the document that holds it.
const (
	// MaxExact is how many sent requests a calendar keeps one by one; beyond
	// it their ends are rounded up to whole seconds (of windows below a minute to less) and equal
	// ends are summed.
	MaxExact = 64
	// MaxOpen is of how many sent requests, of a calendar and of a project, it is
	// known that they are on their way, and so have something to give back even if
	// they are folded.
	MaxOpen = 512
	// MaxCommit is how long after its holder came the change may be made that
	// claims a booking: who is in time isn't late for the sake of a store that
	// paces its commits or loses races. Until then a booking whose hold is over is
	// known, but in nobody's way.
	MaxCommit = 10 * time.Second
)

// A Reservation is the slot of a request that was sent, or is being sent:
// it weighs on its calendar from Start until End.
type Reservation struct {
	ID         uint64
	Start, End Instant
	Tokens     int64
	Requests   int64
	// Straddles says that the start is so near a Pacific midnight that the
	// request is counted on both days.
	Straddles bool
}

// A Folded is the sum of sent requests that end at the same instant, once that is rounded up.
// Together they weigh at most TPM: whoever is larger was alone.
type Folded struct {
	End              Instant
	Tokens, Requests int64
}

// A Booking is a slot in the future, kept for a caller that has come back or
// asked for it.
type Booking struct {
	ID   uint64
	Hash uint64 // of the request it is for; 0 when known only by its ticket
	Rank uint64 // order in which bookings were made; the lower is the older
	// Since is when its caller was first told to wait.
	Start, Since Instant
	Demand       Demand
	// Hold is how long it is kept for its holder, where that is longer than usual
	// ([limits.Rules].Hold), in whole seconds; 0: as usual.
	Hold time.Duration
}

// Until returns until when a booking is kept for its holder.
func (b *Booking) Until(rules *Rules) Instant { return b.Start.Add(max(b.Hold, rules.Hold)) }

// A DayCount is what started on a Pacific day. Only the requests are limited;
// the tokens are for whoever wants to know.
type DayCount struct {
	Day              Day
	Requests, Tokens int64
}

// Later returns the count of the later day, of one day the larger.
func (d DayCount) Later(o DayCount) DayCount {
	if d.Day > o.Day || d.Day == o.Day && d.Requests > o.Requests {
		return d
	}
	return o
}

// A Calendar holds the reservations of one (project, model), past 60 s and
// future, and what is counted per day.
//
// Every change makes a new one. So that little is copied each time, calendars
// share the reservations behind the pointers, and the arrays of Folded, Open and
// Bookings: none of them is ever changed.
type Calendar struct {
	Model  string
	Sent   []*Reservation // in the order in which they were admitted
	Folded []Folded       // in order of end
	// Open are the short IDs of what was sent, where that may be folded, and is
	// neither settled nor cancelled: in the order in which it was admitted. One of them
	// that is folded can give back what it weighs too much, once. What isn't there may
	// have done so already.
	Open     []uint32
	Bookings []Booking  // in order of rank
	Days     []DayCount // yesterday to tomorrow, and the last before that
	Block    Block
	Learned  Learned
	// Refused is the least number of tokens above TPM that upstream refused
	// for its size; 0 means none yet.
	Refused int64
	// Unsure is the project's, on calendars that aren't a model's.
	Unsure Unsure
	// Debt is of a bucket, and what is kept of requests that are no longer kept otherwise.
	Debt Debt
}

// Barred says why the request fits at no time on this calendar, as far as is known: Unavailable or TooLarge.
func (c *Calendar) Barred(t *Terms, now Instant, d Demand) Cause {
	switch {
	case t.None(), c.Block.Unavailable(now):
		return Unavailable
	case d.Tokens > t.window,
		c.Refused > 0 && d.Tokens >= c.Refused && over(d.Tokens, t.TPM),
		over(d.Count(), t.RPM),
		over(d.Count(), t.RPD):
		return TooLarge
	}
	return NoCause
}

func over(n, limit int64) bool { return limit != Unlimited && n > limit }

// Spent says whether the request finds the day used up, or what isn't a model's
// blocked, so that the chain moves on.
func (c *Calendar) Spent(t *Terms, now Instant, d Demand) Cause {
	switch {
	case c.Block.Until > now && (c.Block.Cause == ByDay || !limits.IsModel(c.Model)):
		return c.Block.Cause
	case !limits.IsModel(c.Model) && c.Tried(now):
		return c.Block.Cause
	case t.RPD != Unlimited && c.used(t, now, t.day(now), Everyone)+d.Count() > t.RPD:
		return ByRPD
	}
	return NoCause
}

// Expire drops what no longer matters at now: ended reservations, bookings
// whose holder didn't come, and days before yesterday, but for the last of them:
// who keeps a history may not have seen it yet, after days without a request.
func (c *Calendar) Expire(t Terms, now Instant) {
	if !c.Expires(&t, now) {
		return
	}
	over := now - c.kept(&t)
	if t.refill {
		c.absorb(t, over, now)
	}
	c.Sent = slices.DeleteFunc(c.Sent, func(r *Reservation) bool { return r.over(over, now) })
	for len(c.Folded) > 0 && c.Folded[0].End <= over {
		c.Folded = c.Folded[1:]
	}
	if c.nothingSent() {
		c.Open = nil
		if !t.refill {
			c.Debt = Debt{}
		}
	}
	c.DropBookings(func(b *Booking) bool { return t.purgeable(b, now) })
	yesterday, last := t.day(now)-1, Day(math.MinInt32)
	for _, d := range c.Days {
		if d.Day < yesterday && d.Requests > 0 {
			last = max(last, d.Day)
		}
	}
	c.Days = slices.DeleteFunc(c.Days, func(d DayCount) bool { return d.Day < yesterday && d.Day != last || d.Requests == 0 })
	if c.Block.Until <= now && now.Sub(c.Block.Until) > c.spans().kept {
		c.Block = Block{}
	}
}

// Expires reports whether Expire would change anything, or may.
func (c *Calendar) Expires(t *Terms, now Instant) bool {
	over := now - c.kept(t)
	if t.refill || c.Block.Until <= now && c.Block != (Block{}) ||
		len(c.Folded) > 0 && c.Folded[0].End <= over || (len(c.Open) > 0 || c.Debt != Debt{}) && c.nothingSent() {
		return true
	}
	for _, r := range c.Sent {
		if r.over(over, now) {
			return true
		}
	}
	for i := range c.Bookings {
		if t.purgeable(&c.Bookings[i], now) {
			return true
		}
	}
	yesterday, before := t.day(now)-1, 0
	for i := range c.Days {
		if c.Days[i].Day < yesterday {
			before++
		}
		if before > 1 || c.Days[i].Requests == 0 {
			return true
		}
	}
	return false
}

// HasBooking reports whether the booking of a rank lies on the calendar.
func (c *Calendar) HasBooking(rank uint64) bool {
	for i := range c.Bookings { // in rank order, and asked for the oldest most often
		if is := c.Bookings[i].Rank; is >= rank {
			return is == rank
		}
	}
	return false
}

// DropBookings drops those bookings, and returns how many there were.
func (c *Calendar) DropBookings(those func(*Booking) bool) (dropped int) {
	var kept []Booking
	from := 0
	for i := range c.Bookings {
		if those(&c.Bookings[i]) {
			kept = append(kept, c.Bookings[from:i]...)
			from, dropped = i+1, dropped+1
		}
	}
	if c.Bookings = c.Bookings[from:]; kept != nil {
		c.Bookings = append(kept, c.Bookings...)
	}
	return dropped
}

// PutOff gives the booking of a rank another start.
func (c *Calendar) PutOff(rank uint64, start Instant) {
	c.Bookings = slices.Clone(c.Bookings)
	for i := range c.Bookings {
		if c.Bookings[i].Rank == rank {
			c.Bookings[i].Start = start
		}
	}
}

// PutBack puts a booking back that was on the calendar, in its place by rank.
func (c *Calendar) PutBack(b Booking) {
	i, _ := slices.BinarySearchFunc(c.Bookings, b.Rank, func(x Booking, rank uint64) int { return cmp.Compare(x.Rank, rank) })
	c.Bookings = slices.Insert(slices.Clip(c.Bookings), i, b)
}

// Vacant reports whether nothing would be lost with the calendar.
func (c *Calendar) Vacant(rules *Rules, now Instant) bool {
	return c.Quiet(rules, now) && !c.Learned.Worth(now) && c.Block.Until <= now && c.Refused == 0 &&
		!c.counts(rules, now)
}

// counts reports whether anything was counted on the day of now or a later one.
func (c *Calendar) counts(rules *Rules, now Instant) bool {
	t := c.Terms(rules, now)
	return slices.ContainsFunc(c.Days, func(x DayCount) bool { return x.Requests > 0 && x.Day >= t.day(now) })
}

// Quiet reports whether nothing weighs on the calendar, and nothing will.
func (c *Calendar) Quiet(rules *Rules, now Instant) bool {
	d, t := c.Clone(), c.Terms(rules, now)
	d.Expire(t, now)
	return d.nothingSent() && len(d.Bookings) == 0 && d.Debt.none() && !d.Learned.Probe.Active(now) &&
		!slices.ContainsFunc(d.Days, func(x DayCount) bool { return x.Day > t.day(now) })
}

// QuietFrom returns the first instant at which [Calendar.Quiet] may be true, as far as what was sent and booked says.
func (c *Calendar) QuietFrom(rules *Rules, now Instant) Instant {
	t, from := c.Terms(rules, now), now
	for _, r := range c.Sent {
		if !r.Note() {
			from = max(from, r.End+c.kept(&t))
		}
	}
	if n := len(c.Folded); n > 0 {
		from = max(from, c.Folded[n-1].End+c.kept(&t))
	}
	for i := range c.Bookings {
		from = max(from, t.purgeableFrom(&c.Bookings[i]))
	}
	return from
}

// Clone returns the calendar for change.
func (c *Calendar) Clone() *Calendar {
	next := &struct { // at once, for most changes take little longer than what they allocate
		Calendar
		days [2]DayCount // yesterday and today
	}{Calendar: *c}
	// One spare place: most changes add one reservation.
	next.Sent = append(make([]*Reservation, 0, len(c.Sent)+1), c.Sent...)
	next.Bookings = slices.Clip(c.Bookings)
	if next.Days = nil; len(c.Days) > 0 { // none may have room that others append to
		next.Days = append(next.days[:0], c.Days...)
	}
	return &next.Calendar
}

// An Unsure is what may have been used of every calendar that isn't a model's, and
// isn't known: another build wrote last, which doesn't count on them. Until a window
// after it they count as full, and on its day as used so many times more.
type Unsure struct {
	At       Instant // 0: nothing
	Requests int64
}
