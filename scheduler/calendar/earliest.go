package calendar

import (
	"cmp"
	"math"
	"slices"
	"sync"
)

// Everyone as a rank bound means that all bookings count.
const Everyone = uint64(math.MaxUint64)

// Never is the start of a request that fits at no time.
const Never = Instant(math.MaxInt64)

// A step is a change of a calendar's load at an instant.
type step struct {
	at               Instant
	tokens, requests int64
	// late is set on the end of a booking: until then its holder may come, and
	// whoever starts by then can't rely on that end.
	late Instant
}

// A load is what weighs on a calendar from now on, in the eyes of one demand.
//
// A request sent at s is inside the trailing window at x exactly when
// s <= x < s+60s. So every request is the interval [s, s+span) with its weight,
// and a new one fits where, at every instant of its own interval, the weights
// sum to at most TPM and the number of intervals to at most RPM.
type load struct {
	*Calendar
	Terms
	now    Instant
	demand Demand
	below  uint64 // bookings of that rank or more don't count

	grain            Instant // ends are rounded up to whole multiples of it
	length           Instant // of the demand's interval
	tokens, requests int64   // at now, the demand included
	steps            []step  // every later change, in order of time
	begins, ends     []step  // of who was told times, while they are put among these

	counted struct { // the day that was asked for last
		day  Day
		used int64
		is   bool
	}

	awaited Instant // until when the answer to another request is waited for: see [Calendar.awaited]

	held bool // there are bookings whose holders may come late

	owed           Debt     // of a bucket: what is missing in it beside
	takings, begun []taking // these, in the orders of their arrivals and starts, once they are
	ordered        bool
	flow           flow // by the start that was asked for last
	looked         int  // how often one of these was, which is what a plan costs
}

// end returns when the interval of the demand ends if it starts at s.
func (l *load) end(s Instant) Instant { return (s + l.length).Ceil(l.grain) }

// load returns what weighs on the calendar: what was sent, the bookings older
// than the rank below, and the extra ones.
func (c *Calendar) load(t *Terms, now Instant, d Demand, below uint64, extra []Booking, grain Instant) *load {
	l := loads.Get().(*load)
	l.Calendar, l.Terms, l.now, l.demand, l.below, l.grain = c, *t, now, d, below, grain
	l.length, l.tokens, l.requests, l.steps = t.likely(d), t.weight(d.Tokens), d.Count(), l.steps[:0]
	l.counted.is, l.held, l.owed, l.takings, l.ordered, l.looked = false, false, Debt{}, l.takings[:0], false, 0
	if l.awaited = c.awaited(t, now); l.awaited == 0 && c.ample(t, d, extra) {
		return l // nothing is in its way, whenever what weighs there ends
	}
	if l.owed = c.Debt; t.refill {
		l.owed = l.owed.in(t.every)
	}
	l.steps = slices.Grow(l.steps, len(c.Sent)+len(c.Folded)+2*(len(c.Bookings)+len(extra)))
	for i := range c.Sent {
		if r := c.Sent[i]; c.weighs(r, now) {
			end := r.End
			if t.atATime && t.atAnswer {
				// For those who wait. What takes longer than it should is likely to take half as long again.
				end = min(end, max(r.Start+l.length, now+(now-r.Start)/2, now+1))
			}
			l.add(now, end, t.weight(r.Tokens), r.Requests, before)
		}
	}
	for _, x := range c.Folded {
		l.add(now, x.End, t.weight(x.Tokens), x.Requests, before)
	}
	for i := range c.Bookings {
		if b := &c.Bookings[i]; b.Rank < below {
			l.addBooking(b, t.until(b))
		}
	}
	if t.refill {
		for i := range extra {
			l.addBooking(&extra[i], before)
		}
		return l
	}
	inOrder(l.steps)
	l.told(extra)
	return l
}

// inOrder sorts steps by time, if they aren't.
func inOrder(steps []step) {
	for i := 1; i < len(steps); i++ {
		if steps[i].at < steps[i-1].at {
			slices.SortFunc(steps, func(a, b step) int { return cmp.Compare(a.at, b.at) })
			return
		}
	}
}

// told puts who was told times among the steps. They may be hundreds, and mostly come in the
// order of their starts, which is that of their ends.
func (l *load) told(extra []Booking) {
	if len(extra) == 0 {
		return
	}
	own := len(l.steps)
	l.begins, l.ends = l.begins[:0], l.ends[:0]
	for i := range extra {
		l.addBooking(&extra[i], before)
		if added := l.steps[own:]; len(added) > 0 {
			l.begins, l.ends = append(l.begins, added[:len(added)-1]...), append(l.ends, added[len(added)-1])
			l.steps = l.steps[:own]
		}
	}
	inOrder(l.begins)
	inOrder(l.ends)
	i, j, k := own-1, len(l.begins)-1, len(l.ends)-1
	l.steps = l.steps[:own+len(l.begins)+len(l.ends)]
	for n := len(l.steps) - 1; n > i; n-- { // from the last, so that none is in the way
		switch {
		case k >= 0 && (j < 0 || l.ends[k].at >= l.begins[j].at) && (i < 0 || l.ends[k].at >= l.steps[i].at):
			l.steps[n] = l.ends[k]
			k--
		case j >= 0 && (i < 0 || l.begins[j].at >= l.steps[i].at):
			l.steps[n] = l.begins[j]
			j--
		default:
			l.steps[n] = l.steps[i]
			i--
		}
	}
}

// ample reports whether the demand would fit even if all that the calendar holds
// weighed on it at once. Sorting what ends when is most of the cost of a plan,
// and under high limits, or none, it is hardly ever needed.
func (c *Calendar) ample(t *Terms, d Demand, extra []Booking) bool {
	tokens, requests := t.weight(d.Tokens), d.Count()
	if owed := c.Debt; t.refill && !owed.none() {
		tokens += owed.Tokens/int64(owed.Per) + 1
		requests += owed.Requests/int64(owed.Per) + 1
	}
	for i := range c.Sent {
		tokens += t.weight(c.Sent[i].Tokens)
		requests += c.Sent[i].Requests
	}
	for i := range c.Folded {
		tokens += t.weight(c.Folded[i].Tokens)
		requests += c.Folded[i].Requests
	}
	for _, bookings := range [][]Booking{c.Bookings, extra} {
		for i := range bookings {
			tokens += t.weight(bookings[i].Demand.Tokens)
			requests += bookings[i].Demand.Count()
		}
	}
	return t.exceeds(tokens, requests) == NoCause
}

// A plan looks at dozens of loads, one after another.
var loads = sync.Pool{New: func() any { return new(load) }}

func (l *load) free() {
	l.Calendar = nil
	loads.Put(l)
}

// before is earlier than any start.
const before = Instant(math.MinInt64)

func (l *load) addBooking(b *Booking, late Instant) {
	if !l.Expired(b, l.now) {
		l.add(b.Start, b.Start+l.likely(b.Demand), l.weight(b.Demand.Tokens), b.Demand.Count(), late)
	}
}

func (l *load) add(start, end Instant, tokens, requests int64, late Instant) {
	if l.refill {
		l.take(start, end, late, tokens, requests)
		return
	}
	if end <= l.now && late < l.now {
		return
	}
	end = end.Ceil(l.grain)
	l.held = l.held || late != before
	if start <= l.now {
		l.tokens += tokens
		l.requests += requests
	} else {
		l.steps = append(l.steps, step{start, tokens, requests, before})
	}
	l.steps = append(l.steps, step{max(end, l.now), -tokens, -requests, late})
}

// earliest returns the first instant from s on at which the demand fits, and
// what kept it from starting at s.
func (l *load) earliest(s Instant) (Instant, Cause) {
	d := l.demand
	switch kept := l.exceeds(l.weight(d.Tokens), d.Count()); {
	case l.None():
		return Never, Unavailable
	case kept != NoCause:
		return Never, kept
	case over(d.Count(), l.RPD):
		return Never, ByRPD
	}
	s, cause := l.onTime(s)
	for s != Never {
		var next Instant
		var kept Cause
		if l.refill {
			next, kept = l.filled(s)
		} else {
			next, kept = l.crowded(s)
		}
		if kept == NoCause {
			break
		}
		cause = first(cause, kept)
		s, kept = l.onTime(next)
		cause = first(cause, kept)
	}
	return s, cause
}

// first returns the cause to be told: the one that was met first, unless the
// day turns out to be spent.
func first(cause, next Cause) Cause {
	if cause == NoCause || next.Daily() && !cause.Daily() {
		return next
	}
	return cause
}

// onTime returns the first instant from s on at which the demand fits, if every
// holder comes on time.
func (l *load) onTime(s Instant) (Instant, Cause) {
	s, cause := l.allowed(s)
	if l.refill {
		return s, cause // what it holds is looked at by filled
	}
	at, tokens, requests := l.now, l.tokens, l.requests
	for i := 0; s != Never; i++ {
		// The load is constant from here to the next step.
		until := Never
		if i < len(l.steps) {
			until = l.steps[i].at
		}
		if until > at && until > s {
			if kept := l.exceeds(tokens, requests); kept != NoCause {
				cause = first(cause, kept)
				s, kept = l.allowed(until)
				cause = first(cause, kept)
			} else if until >= l.end(s) {
				break
			}
		}
		if i == len(l.steps) {
			break
		}
		at, tokens, requests = until, tokens+l.steps[i].tokens, requests+l.steps[i].requests
	}
	return s, cause
}

// crowded says what is in the way of a start at s if holders come late, and the
// next start that is worth a try.
//
// The holder of a booking is not to be turned away because of somebody who was
// admitted in the meantime. So whoever starts at s must fit beside every
// booking whose hold is not over at s, from its start on and however late it
// comes: its end doesn't count. A hold that is over by then was claimed on
// time, as far as anybody can know.
func (l *load) crowded(s Instant) (next Instant, kept Cause) {
	if !l.held {
		return 0, NoCause
	}
	end := l.end(s)
	at, tokens, requests := l.now, l.tokens, l.requests
	hold := Never // the first of the holds whose ends don't count
	for i := 0; ; i++ {
		until := Never
		if i < len(l.steps) {
			until = l.steps[i].at
		}
		if hold != Never && until > at && until > s {
			if kept := l.exceeds(tokens, requests); kept != NoCause {
				return min(hold+1, until), kept
			}
		}
		if until >= end {
			return 0, NoCause
		}
		at = until
		if late := l.steps[i].late; late >= s {
			hold = min(hold, late)
			continue
		}
		tokens += l.steps[i].tokens
		requests += l.steps[i].requests
	}
}

// allowed returns the first instant from s on that no block and no spent day
// forbids as a start.
func (l *load) allowed(s Instant) (Instant, Cause) {
	cause := NoCause
	if l.Block.Until > s {
		s, cause = l.Block.Until, l.Block.Cause
	}
	if l.Tried(s) {
		s, cause = l.Learned.Probe.Until, l.Block.Cause
	}
	if l.Debt.Per != 0 && !l.refill {
		// It was a bucket until lately: what was sent under other terms counts for a window.
		for i := range l.Sent {
			if u := l.Sent[i].End + l.every; u > s {
				s, cause = u, first(cause, ByRPM)
			}
		}
		if n := len(l.Folded); n > 0 && l.Folded[n-1].End+l.every > s {
			s, cause = l.Folded[n-1].End+l.every, first(cause, ByRPM)
		}
	}
	if l.awaited > s && (l.RPM != Unlimited && unawaited*l.requests > l.RPM || l.TPM != Unlimited && unawaited*l.tokens > l.TPM) {
		s, cause = l.awaited, first(cause, ByRPM)
	}
	if l.Unsure.At != 0 && (l.RPM != Unlimited || l.TPM != Unlimited) {
		if u := l.Unsure.At + l.refilledIn() + l.skew + millis(MaxCommit); u > s {
			s, cause = u, first(cause, ByRPM)
		}
	}
	if l.RPD == Unlimited || s == Never {
		return s, cause
	}
	for { // Beyond tomorrow nothing is counted yet, so this ends.
		startDay, otherDay := l.days(s, l.demand)
		switch {
		case otherDay < startDay && l.full(otherDay):
			s = startDay.StartIn(l.zone) + l.skew
		case l.full(startDay):
			s = (startDay + 1).StartIn(l.zone) + l.skew
		case otherDay > startDay && l.full(otherDay):
			s = (otherDay + 1).StartIn(l.zone) + l.skew
		default:
			return s, cause
		}
		cause = first(cause, ByRPD)
	}
}

// full reports whether the demand doesn't fit into a day any more.
func (l *load) full(day Day) bool {
	if c := &l.counted; !c.is || c.day != day { // a plan asks for one day at every step
		c.day, c.used, c.is = day, l.used(&l.Terms, l.now, day, l.below), true
	}
	return l.counted.used+l.demand.Count() > l.RPD
}

// EarliestWhole returns the first start that a caller can be told: from, or from plus
// whole seconds (milliseconds, for short windows). Each candidate is tested, for
// between bookings a later start can fit worse than an earlier one.
//
// What is told now must still hold when ends have been folded. So where folding
// is possible, whoever has to wait, or is to be sent beside bookings, must fit
// with every end rounded up.
func (c *Calendar) EarliestWhole(t *Terms, now, from Instant, d Demand, below uint64, extra []Booking) (Instant, Cause) {
	folds := t.folds()
	grain := Instant(1)
	if folds && (t.Rounded || slices.ContainsFunc(c.Bookings, func(b Booking) bool { return b.Rank < below && !t.Expired(&b, now) })) {
		grain = t.grain
	}
	l := c.load(t, now, d, below, extra, grain)
	s, cause := l.earliest(from)
	if s != from && folds && grain != t.grain {
		l.free()
		l = c.load(t, now, d, below, extra, t.grain)
	}
	defer l.free()
	for s != from && s != Never {
		from += (s - from).Ceil(t.Step)
		s, _ = l.earliest(from)
	}
	return s, cause
}

// Earliest returns the first instant, not before now and in whole
// milliseconds, at which the demand fits on the calendar, and what keeps it
// from now. It is Never, with the cause Unavailable or TooLarge, for a demand
// that fits at no time.
func (c *Calendar) Earliest(rules *Rules, now Instant, d Demand) (Instant, Cause) {
	t := c.Terms(rules, now)
	if cause := c.Barred(&t, now, d); cause != NoCause {
		return Never, cause
	}
	return c.EarliestFrom(&t, now, now, d)
}

// EarliestFrom is Earliest for a demand that may fit, from an instant on.
func (c *Calendar) EarliestFrom(t *Terms, now, from Instant, d Demand) (Instant, Cause) {
	l := c.load(t, now, d, Everyone, nil, 1)
	defer l.free()
	return l.earliest(from)
}

// MoveBookings moves bookings that no longer fit, in order of rank, to the next start
// that does and can be told: see [Calendar.EarliestWhole]. It loses none and returns how many
// it moved. It runs after limits shrank, a block began or a settled count was
// larger than what was reserved.
func (c *Calendar) MoveBookings(t Terms, now Instant) (moved int) {
	all := c.Bookings
	c.Bookings = make([]Booking, 0, len(all))
	for _, b := range all {
		if t.Expired(&b, now) {
			c.Bookings = append(c.Bookings, b)
			continue
		}
		from := max(b.Start, now)
		s, _ := c.EarliestWhole(&t, now, from, b.Demand, Everyone, nil)
		// One that fits at no time is told so when its holder comes.
		if s > from && s != Never {
			b.Start = s
			moved++
		}
		c.Bookings = append(c.Bookings, b)
	}
	return moved
}
