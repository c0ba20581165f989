package scheduler

import (
	"slices"

	"fluxgate.dev/fluxgate/scheduler/learned"
)

// What a calendar keeps. The numbers bound the document that holds it.
const (
	// MaxExact is how many sent requests a calendar keeps one by one; beyond
	// it their ends are rounded up to whole seconds and equal ends are summed.
	MaxExact = 64
	// MaxOpen is of how many sent requests, of a calendar and of a project, it is
	// known that they are on their way, and so have something to give back even if
	// they are folded.
	MaxOpen = 512
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

// A Folded is the sum of sent requests that end in the same whole second.
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
}

// A Calendar holds the reservations of one (project, model), past 60 s and
// future, and what is counted per day.
//
// Every change makes a new one. So that little is copied each time, calendars
// share the reservations behind the pointers, and the arrays of Folded and Open:
// none of them is ever changed.
type Calendar struct {
	Model  string
	Sent   []*Reservation // in the order in which they were admitted
	Folded []Folded       // in order of end
	// Open are the short IDs of what was sent, where that may be folded, and is
	// neither settled nor cancelled: in the order in which it was admitted. One of them
	// that is folded can give back what it weighs too much, once. What isn't there may
	// have done so already.
	Open     []uint32
	Bookings []Booking // in order of rank
	Days     Days      // yesterday to tomorrow, and the last before that
	Block    Block
	Learned  Learned
	// Refused is the least number of tokens above TPM that upstream refused
	// for its size; 0 means none yet.
	Refused int64
	// Unsure is the project's, on calendars that aren't a model's.
	Unsure Unsure
}

// barred says why the request fits at no time on this calendar, as far as is
// known: Unavailable or TooLarge.
func (c *Calendar) barred(t terms, now Instant, d Demand) Cause {
	switch {
	case t.None(), c.Block.Until > now && c.Block.Cause == Unavailable:
		return Unavailable
	case d.Tokens > t.window,
		c.Refused > 0 && d.Tokens >= c.Refused && over(d.Tokens, t.TPM),
		over(d.requests(), t.RPM),
		over(d.requests(), t.RPD):
		return TooLarge
	}
	return NoCause
}

// spans are how long its blocks last.
func (c *Calendar) spans() learned.Spans { return learned.SpansOf(IsModel(c.Model)) }

func over(n, limit int64) bool { return limit != Unlimited && n > limit }

// spent says whether the request finds the day used up, or what isn't a model's
// blocked, so that the chain moves on.
func (c *Calendar) spent(t terms, now Instant, d Demand) Cause {
	switch {
	case c.Block.Until > now && (c.Block.Cause == ByDay || !IsModel(c.Model)):
		return c.Block.Cause
	case !IsModel(c.Model) && c.Learned.Tried(&c.Block, c.spans(), now):
		return c.Block.Cause
	case t.RPD != Unlimited && c.used(t, now, DayOf(now), everyone)+d.requests() > t.RPD:
		return ByRPD
	}
	return NoCause
}

// expire drops what no longer matters at now: ended reservations, bookings
// whose holder didn't come, and days before yesterday but for the last of them.
func (c *Calendar) expire(t terms, now Instant) {
	c.Sent = slices.DeleteFunc(c.Sent, func(r *Reservation) bool { return r.End <= now })
	for len(c.Folded) > 0 && c.Folded[0].End <= now {
		c.Folded = c.Folded[1:]
	}
	if len(c.Sent)+len(c.Folded) == 0 {
		c.Open = nil
	}
	c.Bookings = slices.DeleteFunc(c.Bookings, func(b Booking) bool { return t.purgeable(&b, now) })
	c.Days.Expire(DayOf(now) - 1)
	if c.Block.Until <= now && now.Sub(c.Block.Until) > c.spans().Kept {
		c.Block = Block{}
	}
}

// idle reports whether nothing would be lost with the calendar.
func (c *Calendar) idle(rules *Rules, now Instant) bool {
	d := c.clone()
	d.expire(c.terms(rules, now), now)
	return len(d.Sent)+len(d.Folded)+len(d.Bookings) == 0 && !d.Learned.Fresh(now) && d.Block.Until <= now &&
		d.Refused == 0 && !slices.ContainsFunc(d.Days, func(x DayCount) bool { return x.Day >= DayOf(now) })
}

func (c *Calendar) clone() *Calendar {
	next := *c
	// One spare place: most changes add one reservation.
	next.Sent = append(make([]*Reservation, 0, len(c.Sent)+1), c.Sent...)
	next.Bookings = slices.Clone(c.Bookings)
	next.Days = slices.Clone(c.Days)
	return &next
}
