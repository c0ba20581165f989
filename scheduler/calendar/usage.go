package calendar

import (
	"cmp"
	"slices"

	"fluxgate.dev/fluxgate/scheduler/learned"
	"fluxgate.dev/fluxgate/scheduler/limits"
)

// InWindow returns what was sent and counts on the calendar at now: requests,
// and the tokens that they weigh against TPM. Of a bucket it is what is missing in it.
func (c *Calendar) InWindow(rules *Rules, now Instant) (requests, tokens int64) {
	t := c.Terms(rules, now)
	if t.refill {
		return c.missing(t, now)
	}
	for _, r := range c.Sent {
		if r.End > now {
			requests += r.Requests
			tokens += t.weight(r.Tokens)
		}
	}
	for _, x := range c.Folded {
		if x.End > now {
			requests += x.Requests
			tokens += t.weight(x.Tokens)
		}
	}
	return requests, tokens
}

// Counted returns what upstream counts against the limits of the calendar now, as far as is known:
// in its window or its bucket; on its day, where that alone is limited; and of what is still being
// answered as much as is likely to have been put out.
func (c *Calendar) Counted(rules *Rules, now Instant) (requests, tokens int64) {
	t := c.Terms(rules, now)
	switch {
	case t.RPM == Unlimited && t.TPM == Unlimited && t.RPD != Unlimited:
		return c.used(&t, now, t.day(now), 0), 0
	case !t.atAnswer, t.inputToo:
		return c.InWindow(rules, now)
	}
	settled, part := c.Clone(), int64(0)
	settled.Sent = slices.DeleteFunc(settled.Sent, func(r *Reservation) bool {
		if !c.open(r.ID) {
			return false
		}
		if takes := r.End - r.Start; now < r.End && takes > 0 {
			part += r.Tokens * max(0, int64(now-r.Start)) / int64(takes)
		} else {
			part += r.Tokens
		}
		return true
	})
	requests, tokens = settled.InWindow(rules, now)
	return requests, tokens + part
}

// Missing returns what of its limits is missing now, if they are filled evenly: of what is counted as
// much as hasn't been refilled since, rounded up. What leaves the window before it has been refilled, for it
// was sent under higher limits, is left out: nothing here makes up for it then.
func (c *Calendar) Missing(rules *Rules, now Instant) (requests, tokens int64) {
	t := c.Terms(rules, now)
	if t.refill {
		return c.Counted(rules, now)
	}
	var all, ends []taking
	add := func(from, to Instant, requests, tokens int64) {
		if to > now {
			x := taking{end: min(from, now), tokens: t.weight(tokens), requests: requests}
			all = append(all, x)
			x.end = to
			ends = append(ends, x)
		}
	}
	for _, r := range c.Sent {
		add(r.Start, r.End, r.Requests, r.Tokens)
	}
	for _, x := range c.Folded {
		add(x.End-t.every-t.skew, x.End, x.Requests, x.Tokens)
	}
	evenly := *t.kind
	evenly.rateRequests, evenly.rateTokens = t.RPM, t.TPM
	t.kind = &evenly
	debt, counted := Debt{Per: t.every}.after(&t, all).refilled(&t, now), Debt{Per: t.every}
	requests, tokens = debt.whole()
	slices.SortFunc(ends, func(a, b taking) int { return cmp.Compare(b.end, a.end) })
	least := func(n, debt, kept, limit int64) int64 {
		if limit == Unlimited || kept >= debt {
			return n
		}
		return min(n, kept/int64(t.every))
	}
	for _, x := range ends { // counted is what still is, once this has left the window
		after := int64(x.end - now)
		requests = least(requests, debt.Requests, counted.Requests+t.RPM*after, t.RPM)
		tokens = least(tokens, debt.Tokens, counted.Tokens+t.TPM*after, t.TPM)
		counted = counted.with(&t, x.tokens, x.requests)
	}
	return requests, tokens
}

// Day returns the day that now falls on for the calendar: a Pacific date, unless it has a
// midnight of its own.
func (c *Calendar) Day(rules *Rules, now Instant) Day {
	t := c.Terms(rules, now)
	return t.day(now)
}

// Interval returns the time that a booking of the calendar takes up if its
// holder comes on time.
func (c *Calendar) Interval(rules *Rules, now Instant, b Booking) (start, end Instant) {
	t := c.Terms(rules, now)
	return b.Start, b.Start + t.span(b.Demand)
}

// Booked returns the bookings of the calendar whose holders may still come at
// now, in rank order. Others stay in it for a while; see [MaxCommit].
func (c *Calendar) Booked(rules *Rules, now Instant) []Booking {
	t := c.Terms(rules, now)
	var out []Booking
	for _, b := range c.Bookings {
		if !t.Expired(&b, now) {
			out = append(out, b)
		}
	}
	return out
}

// UsedUp reports whether a limit that upstream named on this Pacific day leaves no room
// for the demand, however clocks differ. If upstream answers it all the same, it counts
// it elsewhere. While one is sent beyond a limit nothing is known for certain.
func (c *Calendar) UsedUp(rules *Rules, now Instant, d Demand) bool {
	t, l := c.Terms(rules, now), c.EffectiveLimits(rules, now)
	named := func(from limits.Source, x learned.LearnedLimit) bool {
		return from == limits.FromLearned && !x.Due(now)
	}
	requests, tokens := c.InWindow(rules, now+2*t.skew)
	switch {
	case c.Probing(now) != NoCause:
		return false
	case named(l.RPMFrom, c.Learned.RPM) && requests+d.Count() > l.RPM,
		named(l.TPMFrom, c.Learned.TPM) && tokens+d.Tokens > l.TPM,
		named(l.RPDFrom, c.Learned.RPD) && c.used(&t, now, t.day(now), 0)+d.Count() > l.RPD:
		return true
	}
	return false
}
