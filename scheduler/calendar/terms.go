package calendar

import (
	"math"
	"time"

	"fluxgate.dev/fluxgate/scheduler/instant"
	"fluxgate.dev/fluxgate/scheduler/learned"
	"fluxgate.dev/fluxgate/scheduler/limits"
)

// A Demand is what one request asks of a calendar.
type Demand struct {
	Tokens   int64 // input tokens
	Requests int64 // counts against RPM and RPD; 0 means 1 (embeddings: one per text)
	// Allowance is how much later than its start the request may arrive beyond
	// the skew: for the upload of a large body and for the commit.
	Allowance time.Duration
}

// Count returns how many requests the demand is.
func (d Demand) Count() int64 { return max(d.Requests, 1) }

// Terms are the numbers that a calendar decides with at one instant.
type Terms struct {
	Limits
	skew, hold Instant // lengths in milliseconds
	window     int64   // the most tokens that the model takes
	every      Instant // the length of the window that RPM and TPM hold for
	grain      Instant // what ends of folded requests are rounded up to
	atATime    bool    // what is sent counts until it is settled
	Rounded    bool    // whoever is looked for a start waits for another calendar anyway
}

// EffectiveLimits returns the limits in force on this calendar at now, with
// the source of each.
func (c *Calendar) EffectiveLimits(rules *Rules, now Instant) limits.EffectiveLimits {
	f := rules.EffectiveLimits(c.Model)
	for _, x := range [3]struct {
		learned *learned.LearnedLimit
		limit   *int64
		from    *limits.Source
	}{{&c.Learned.RPM, &f.RPM, &f.RPMFrom}, {&c.Learned.TPM, &f.TPM, &f.TPMFrom}, {&c.Learned.RPD, &f.RPD, &f.RPDFrom}} {
		if x.learned.Binds(now, *x.limit, c.start(*x.from)) {
			*x.limit, *x.from = x.learned.Limit, limits.FromLearned
		}
	}
	return f
}

// start reports whether a limit that the policy has from there is only a start. That is
// so of models: what else has a quota has limits that somebody named, or none.
func (c *Calendar) start(from limits.Source) bool { return limits.IsModel(c.Model) && from.Start() }

// limit returns the limit in force that a cause names, and the policy's, and whether that
// is only a start.
func (c *Calendar) limit(rules *Rules, now Instant, cause Cause) (inForce, policy int64, start bool) {
	p, f := rules.EffectiveLimits(c.Model), c.EffectiveLimits(rules, now)
	switch cause {
	case ByRPM:
		return f.RPM, p.RPM, c.start(p.RPMFrom)
	case ByTPM:
		return f.TPM, p.TPM, c.start(p.TPMFrom)
	}
	return f.RPD, p.RPD, c.start(p.RPDFrom)
}

// Terms returns the numbers that the calendar decides with at now.
func (c *Calendar) Terms(rules *Rules, now Instant) Terms {
	t := Terms{
		Limits: c.EffectiveLimits(rules, now).Limits, skew: millis(rules.Skew), hold: millis(rules.Hold),
		every: millis(limits.Window), grain: second,
	}
	if limits.IsModel(c.Model) {
		t.window = rules.Policy.Window(c.Model)
		return t
	}
	spec := rules.Spec(c.Model)
	t.window, t.every, t.atATime = math.MaxInt64, millis(spec.Window), spec.AtATime
	t.grain = max(second, (t.every / 60).Ceil(second))
	return t
}

// weight is what tokens count against TPM: a request larger than TPM weighs a
// whole window.
func (t Terms) weight(tokens int64) int64 {
	if t.TPM == Unlimited {
		return 0
	}
	return min(tokens, t.TPM)
}

// length is how long a request of that many tokens counts once it has been
// sent: the window and the skew, and tokens/TPM times that for one larger than
// TPM.
func (t Terms) length(tokens int64) Instant {
	w := t.every + t.skew
	if t.TPM <= 0 || tokens <= t.TPM {
		return w
	}
	return Instant(instant.CeilDiv(int64(w)*tokens, t.TPM))
}

// span is how long a demand counts from its start.
func (t Terms) span(d Demand) Instant { return t.length(d.Tokens) + millis(d.Allowance) }

// folds reports whether the calendar may hold more sent requests than it keeps one
// by one.
func (t Terms) folds() bool { return t.RPM == Unlimited || t.RPM > MaxExact }

// Expired reports whether the hold of a booking is over: it is in nobody's way any
// more.
func (t Terms) Expired(b *Booking, now Instant) bool { return now > b.Start+t.hold }

// purgeable reports whether no holder of a booking can be on its way any more,
// not even one that came within the hold.
func (t Terms) purgeable(b *Booking, now Instant) bool {
	return now > b.Start+t.hold+millis(MaxCommit)
}

// exceeds says which limit a load is over.
func (t Terms) exceeds(tokens, requests int64) Cause {
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
func (t Terms) days(s Instant, d Demand) (startDay, otherDay Day) {
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
func (t Terms) countsOn(b *Booking, day Day) bool {
	return DayOf(b.Start-t.skew) <= day && day <= DayOf(b.Start+t.hold+t.skew+millis(b.Demand.Allowance))
}

// used counts the requests of a day at now: sent, and booked with a rank below
// the given one.
func (c *Calendar) used(t Terms, now Instant, day Day, below uint64) int64 {
	var n int64
	for _, x := range c.Days {
		if x.Day == day {
			n += x.Requests
		}
	}
	for i := range c.Bookings {
		if b := &c.Bookings[i]; b.Rank < below && !t.Expired(b, now) && t.countsOn(b, day) {
			n += b.Demand.Count()
		}
	}
	if c.Unsure.At != 0 && DayOf(c.Unsure.At) == day && t.RPD != Unlimited {
		n = max(n, min(n+c.Unsure.Requests, t.RPD))
	}
	return n
}

// Used returns how many requests count on a Pacific day, bookings included.
func (c *Calendar) Used(rules *Rules, day Day) int64 {
	return c.used(c.Terms(rules, day.Start()), day.Start(), day, Everyone)
}

// countRequests adds n requests to a day, or takes them away.
func (c *Calendar) countRequests(day Day, n int64) {
	for i := range c.Days {
		if c.Days[i].Day == day {
			c.Days[i].Requests = max(0, c.Days[i].Requests+n)
			return
		}
	}
	if n > 0 {
		c.Days = append(c.Days, DayCount{Day: day, Requests: n})
	}
}

// countTokens adds tokens to a day on which requests are counted, or takes them away.
func (c *Calendar) countTokens(day Day, tokens int64) {
	for i := range c.Days {
		if c.Days[i].Day == day {
			c.Days[i].Tokens = max(0, c.Days[i].Tokens+tokens)
			return
		}
	}
}
