package scheduler

import (
	"cmp"
	"slices"
)

// reserve puts an admitted request into the calendar.
func (c *Calendar) reserve(t terms, id uint64, now Instant, d Demand) Reservation {
	for c.sent(id) >= 0 {
		id++ // ids are random; within a calendar they must differ
	}
	startDay, otherDay := t.days(now, d)
	r := Reservation{
		ID: id, Start: now, End: now + t.span(d),
		Tokens: d.Tokens, Requests: d.requests(), Straddles: startDay != otherDay,
	}
	c.countRequests(startDay, r.Requests)
	c.countTokens(startDay, r.Tokens)
	if r.Straddles {
		c.countRequests(otherDay, r.Requests)
	}
	c.Sent = append(c.Sent, &r)
	c.fold(MaxExact)
	return r
}

// sent returns the position of a sent request that is kept exactly, or -1.
func (c *Calendar) sent(id uint64) int {
	return slices.IndexFunc(c.Sent, func(r *Reservation) bool { return r.ID == id })
}

// editSent returns the i-th sent request for change: a copy of its own.
func (c *Calendar) editSent(i int) *Reservation {
	r := *c.Sent[i]
	c.Sent[i] = &r
	return &r
}

// fold keeps at most n sent requests exactly. The oldest are rounded: their
// ends up to whole seconds, so they never end early and at most a second late.
func (c *Calendar) fold(n int) {
	for len(c.Sent) > n {
		r := c.Sent[0]
		c.Sent = c.Sent[1:]
		c.addFolded(Folded{r.End.ceil(second), r.Tokens, r.Requests})
	}
}

func (c *Calendar) addFolded(add Folded) {
	i, found := slices.BinarySearchFunc(c.Folded, add.End, func(x Folded, end Instant) int {
		return cmp.Compare(x.End, end)
	})
	if !found {
		c.Folded = slices.Insert(slices.Clip(c.Folded), i, add)
		return
	}
	c.Folded = slices.Clone(c.Folded)
	c.Folded[i].Tokens += add.Tokens
	c.Folded[i].Requests += add.Requests
}

// roundFolded rounds the ends of what was folded up to whole multiples of grain.
func (c *Calendar) roundFolded(grain Instant) {
	fine := c.Folded
	c.Folded = nil
	for _, x := range fine {
		x.End = x.End.ceil(grain)
		c.addFolded(x)
	}
}

// settle corrects a sent request: its real tokens (negative: unknown) and its
// real send time (0: unknown). It reports whether the request weighs more or
// longer than was reserved, whether anything changed, and by how many tokens.
// Settling again with the same values changes nothing.
func (c *Calendar) settle(t terms, now Instant, s Settle) (grew, changed bool, tokens int64) {
	i := c.sent(s.ID)
	if i < 0 {
		if i = c.unfold(t, s); i < 0 {
			return false, false, 0
		}
	}
	r := c.editSent(i)
	before := *r
	if s.Tokens > r.Tokens {
		r.End += t.length(s.Tokens) - t.length(r.Tokens)
	}
	if s.Tokens >= 0 {
		c.countTokens(DayOf(r.Start), s.Tokens-r.Tokens)
		r.Tokens = s.Tokens
	}
	if s.SentAt != 0 {
		c.trimToArrival(t, r, max(min(s.SentAt, now), r.Start), now)
	}
	grew = r.End > now+1 && (t.weight(r.Tokens) > t.weight(before.Tokens) || r.End > before.End)
	changed, tokens = *r != before, r.Tokens-before.Tokens
	c.fold(MaxExact)
	return grew, changed, tokens
}

// unfold takes a request that turned out to weigh more than was reserved out of
// the sum it was folded into, so that it can be corrected, and returns its
// position, or -1. It keeps its rounded end and starts as late as that allows:
// whether it was trimmed before it was folded is not known, so it must not be
// trimmed again.
func (c *Calendar) unfold(t terms, s Settle) int {
	was := s.Reserved
	if s.Tokens <= was.Tokens {
		return -1
	}
	i := slices.IndexFunc(c.Folded, func(x Folded) bool {
		return x.End >= was.End && x.Tokens >= was.Tokens && x.Requests >= was.Requests
	})
	if i < 0 {
		return -1
	}
	c.Folded = slices.Clone(c.Folded)
	sum := &c.Folded[i]
	sum.Tokens -= was.Tokens
	sum.Requests -= was.Requests
	c.Sent = append(c.Sent, &Reservation{
		ID: s.ID, Start: sum.End - t.length(was.Tokens), End: sum.End,
		Tokens: was.Tokens, Requests: was.Requests,
	})
	if sum.Tokens == 0 && sum.Requests == 0 {
		c.Folded = slices.Delete(c.Folded, i, i+1)
	}
	return len(c.Sent) - 1
}

// trimToArrival trims an interval to the real send time, or lengthens it if the
// request was sent later than the interval allows for, and takes a request off
// the day across midnight when its arrival is clearly on one side. An interval
// that is over is kept for a moment, so that settling again finds it.
func (c *Calendar) trimToArrival(t terms, r *Reservation, sent, now Instant) {
	end := max(sent+t.length(r.Tokens), now+1)
	if end < r.End || sent+millis(Window) > r.End {
		r.End = end
	}
	if !r.Straddles {
		return
	}
	day := DayOf(sent - t.skew)
	if day != DayOf(sent+t.skew) {
		return
	}
	startDay, otherDay := r.days(t)
	r.Straddles = false
	if day == startDay || otherDay < startDay {
		c.countRequests(otherDay, -r.Requests)
		return
	}
	c.countRequests(startDay, -r.Requests)
	r.Start = otherDay.Start() // it didn't arrive before, and counts there now
}

// days returns the days on which a straddling reservation is counted.
func (r *Reservation) days(t terms) (startDay, otherDay Day) {
	startDay = DayOf(r.Start)
	if before := DayOf(r.Start - t.skew); before != startDay {
		return startDay, before
	}
	return startDay, startDay + 1
}

// cancel takes back a reservation whose request was never sent, and returns it.
func (c *Calendar) cancel(t terms, id uint64) (was Reservation, ok bool) {
	i := c.sent(id)
	if i < 0 {
		return was, false
	}
	r := *c.Sent[i]
	c.Sent = slices.Delete(c.Sent, i, i+1)
	startDay, otherDay := r.days(t)
	c.countRequests(startDay, -r.Requests)
	c.countTokens(startDay, -r.Tokens)
	if r.Straddles {
		c.countRequests(otherDay, -r.Requests)
	}
	if c.Learned.Probe.ID == id {
		c.Learned.Probe = Probe{}
	}
	return r, true
}
