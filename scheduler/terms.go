package scheduler

import (
	"math"
	"time"

	"fluxgate.dev/fluxgate/scheduler/instant"
)

// A Demand is what one request asks of a calendar.
type Demand struct {
	Tokens   int64 // input tokens
	Requests int64 // counts against RPM and RPD; 0 means 1 (embeddings: one per text)
	// Allowance is how much later than its start the request may arrive beyond
	// the skew: for the upload of a large body and for the commit.
	Allowance time.Duration
}

func (d Demand) requests() int64 { return max(d.Requests, 1) }

// terms are the numbers that a calendar decides with at one instant.
type terms struct {
	Limits
	skew, hold Instant // lengths in milliseconds
	window     int64   // the most tokens that the model takes
	every      Instant // the length of the window that RPM and TPM hold for
	grain      Instant // what ends of folded requests are rounded up to
	atATime    bool    // what is sent counts until it is settled
	rounded    bool    // whoever is looked for a start waits for another calendar anyway
}

// EffectiveLimits returns the limits in force on this calendar at now, with
// the source of each.
func (c *Calendar) EffectiveLimits(rules *Rules, now Instant) EffectiveLimits {
	f := rules.limits(c.Model)
	if l := c.Learned.RPM; l.Binds(now, f.RPM) {
		f.RPM, f.RPMFrom = l.Limit, FromLearned
	}
	if l := c.Learned.TPM; l.Binds(now, f.TPM) {
		f.TPM, f.TPMFrom = l.Limit, FromLearned
	}
	if l := c.Learned.RPD; l.Binds(now, f.RPD) {
		f.RPD, f.RPDFrom = l.Limit, FromLearned
	}
	return f
}

// terms returns the numbers that the calendar decides with at now.
func (c *Calendar) terms(rules *Rules, now Instant) terms {
	t := terms{
		Limits: c.EffectiveLimits(rules, now).Limits, skew: millis(rules.Skew), hold: millis(rules.Hold),
		every: millis(Window), grain: second,
	}
	if IsModel(c.Model) {
		t.window = rules.Policy.Window(c.Model)
		return t
	}
	spec := rules.spec(c.Model)
	t.window, t.every, t.atATime = math.MaxInt64, millis(spec.Window), spec.AtATime
	t.grain = max(second, (t.every / 60).Ceil(second))
	return t
}

// limitless reports whether the calendar would keep nobody away, whatever is on it.
func (c *Calendar) limitless(rules *Rules, now Instant) bool {
	return c.EffectiveLimits(rules, now).Limits == Limits{RPM: Unlimited, TPM: Unlimited, RPD: Unlimited} && c.Block.Until <= now && !c.Block.InDoubt(c.spans())
}

// weight is what tokens count against TPM: a request larger than TPM weighs a
// whole window.
func (t terms) weight(tokens int64) int64 {
	if t.TPM == Unlimited {
		return 0
	}
	return min(tokens, t.TPM)
}

// length is how long a request of that many tokens counts once it has been
// sent: the window and the skew, and tokens/TPM times that for one larger than
// TPM.
func (t terms) length(tokens int64) Instant {
	w := t.every + t.skew
	if t.TPM <= 0 || tokens <= t.TPM {
		return w
	}
	return Instant(instant.CeilDiv(int64(w)*tokens, t.TPM))
}

// span is how long a demand counts from its start.
func (t terms) span(d Demand) Instant { return t.length(d.Tokens) + millis(d.Allowance) }

// folds reports whether the calendar may hold more sent requests than it keeps one
// by one.
func (t terms) folds() bool { return t.RPM == Unlimited || t.RPM > MaxExact }

// expired reports whether the hold of a booking is over: it is in nobody's way any
// more.
func (t terms) expired(b *Booking, now Instant) bool { return now > b.Start+t.hold }

// purgeable reports whether no holder of a booking can be on its way any more,
// not even one that came within the hold.
func (t terms) purgeable(b *Booking, now Instant) bool {
	return now > b.Start+t.hold+millis(MaxCommit)
}

// exceeds says which limit a load is over.
func (t terms) exceeds(tokens, requests int64) Cause {
	switch {
	case t.TPM != Unlimited && tokens > t.TPM:
		return ByTPM
	case t.RPM != Unlimited && requests > t.RPM:
		return ByRPM
	}
	return NoCause
}

// days returns the Pacific days on which a start at s counts: its own, and the
// one across a midnight that is so near that the arrival may fall beyond it.
func (t terms) days(s Instant, d Demand) (startDay, otherDay Day) {
	startDay = DayOf(s)
	if after := DayOf(s + t.skew + millis(d.Allowance)); after != startDay {
		return startDay, after
	}
	// Our clock may be ahead of Google's by the skew.
	return startDay, DayOf(s - t.skew)
}

// countsOn reports whether a booking counts on a day: its holder may come until
// the hold is over, and whoever takes the last request of a day must not take
// it from a holder that is in time.
func (t terms) countsOn(b *Booking, day Day) bool {
	return DayOf(b.Start-t.skew) <= day && day <= DayOf(b.Start+t.hold+t.skew+millis(b.Demand.Allowance))
}

// used counts the requests of a day at now: sent, and booked with a rank below
// the given one.
func (c *Calendar) used(t terms, now Instant, day Day, below uint64) int64 {
	n := c.Days.Requests(day)
	for i := range c.Bookings {
		if b := &c.Bookings[i]; b.Rank < below && !t.expired(b, now) && t.countsOn(b, day) {
			n += b.Demand.requests()
		}
	}
	if c.Unsure.At != 0 && DayOf(c.Unsure.At) == day && t.RPD != Unlimited {
		n = max(n, min(n+c.Unsure.Requests, t.RPD))
	}
	return n
}

// Used returns how many requests count on a Pacific day, bookings included.
func (c *Calendar) Used(rules *Rules, day Day) int64 {
	return c.used(c.terms(rules, day.Start()), day.Start(), day, everyone)
}
