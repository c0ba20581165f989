package calendar

import (
	"cmp"
	"slices"

	"fluxgate.dev/fluxgate/scheduler/instant"
)

// A Debt is what was missing in a bucket right after an instant. It stands for what was
// taken by then and isn't kept one by one any more, in tokens and requests times the
// milliseconds of the calendar's length: of these the limit is refilled each millisecond.
type Debt struct {
	At               Instant
	Per              Instant // that length; 0: of no bucket
	Tokens, Requests int64
}

// none reports whether nothing is missing, or isn't a bucket's.
func (d Debt) none() bool { return d.Tokens == 0 && d.Requests == 0 }

// in returns the debt reckoned in another length, rounded up.
func (d Debt) in(per Instant) Debt {
	if d.Per != 0 && d.Per != per {
		scale := func(n int64) int64 { return (n/int64(d.Per) + min(1, n%int64(d.Per))) * int64(per) }
		d.Tokens, d.Requests = scale(d.Tokens), scale(d.Requests)
	}
	d.Per = per
	return d
}

// maxDebt is far more than any bucket holds.
const maxDebt = 1 << 61

// refilled returns the debt at an instant, if nothing is taken in the meantime.
func (d Debt) refilled(t *Terms, at Instant) Debt {
	if at <= d.At {
		return d
	}
	less := func(n, rate int64) int64 {
		if n == 0 || rate <= 0 || int64(at-d.At) >= n/rate+1 {
			return 0
		}
		return max(0, n-rate*int64(at-d.At))
	}
	d.Tokens, d.Requests, d.At = less(d.Tokens, t.rateTokens), less(d.Requests, t.rateRequests), at
	return d
}

// with returns the debt with more taken at its instant.
func (d Debt) with(t *Terms, tokens, requests int64) Debt {
	more := func(n, limit, add int64) int64 {
		if limit == Unlimited {
			return 0
		}
		return min(maxDebt, n+min(add, maxDebt/int64(d.Per)/2)*int64(d.Per))
	}
	d.Tokens, d.Requests = more(d.Tokens, t.TPM, tokens), more(d.Requests, t.RPM, requests)
	return d
}

// after returns the debt once all of these have arrived, each at its end.
func (d Debt) after(t *Terms, all []taking) Debt {
	slices.SortFunc(all, func(a, b taking) int { return cmp.Compare(a.end, b.end) })
	for _, x := range all {
		d = d.refilled(t, x.end).with(t, x.tokens, x.requests)
	}
	return d
}

// whole returns how many requests and tokens are missing, rounded up.
func (d Debt) whole() (requests, tokens int64) {
	return instant.CeilDiv(d.Requests, int64(d.Per)), instant.CeilDiv(d.Tokens, int64(d.Per))
}

// over returns how long it takes at least until the debt is within the bucket, and which
// limit it exceeds.
func (d Debt) over(t *Terms) (wait Instant, kept Cause) {
	missing := func(n, full, rate int64, cause Cause) {
		if excess := n - full*int64(d.Per); full != Unlimited && excess > 0 {
			if kept == NoCause {
				kept = cause
			}
			wait = max(wait, Instant((excess-1)/max(rate, 1)+1))
		}
	}
	missing(d.Tokens, t.TPM, t.rateTokens, ByTPM)
	missing(d.Requests, t.RPM, t.rateRequests, ByRPM)
	return wait, kept
}

// A taking is what is taken out of a bucket, from its start on, and has arrived by its end.
// The holder of a booking may come until late, and it arrives as much later.
type taking struct {
	start, end, late Instant
	tokens, requests int64
}

// arrived returns when it has arrived at the latest, in the eyes of whoever starts at s:
// a hold that is over by then was claimed on time, as far as anybody can know.
func (x *taking) arrived(s Instant) Instant {
	if x.late >= s {
		return x.end + x.late - x.start
	}
	return x.end
}

// take notes what weighs on a bucket.
func (l *load) take(start, end, late Instant, tokens, requests int64) {
	l.takings = append(l.takings, taking{start, end.Ceil(l.grain), late, tokens, requests})
}

// A flow is how far what is taken out of a bucket has come by an instant, in the eyes of whoever
// starts at another.
type flow struct {
	from, turn       Instant // the others: from the one on, before the next that sees it differently
	at               Instant
	arrived, started int   // so many have, in the orders of these
	owed             Debt  // what is missing since the last of these arrived
	tokens, requests int64 // what has started and not arrived
}

// arrive returns what arrives next, by an instant, and takes it out; nil: nothing does.
func (f *flow) arrive(l *load, by Instant) *taking {
	if f.arrived == len(l.takings) || l.takings[f.arrived].arrived(f.from) > by {
		return nil
	}
	x := &l.takings[f.arrived]
	f.owed = f.owed.refilled(&l.Terms, x.arrived(f.from)).with(&l.Terms, x.tokens, x.requests)
	f.tokens, f.requests = f.tokens-x.tokens, f.requests-x.requests
	f.arrived++
	l.looked++
	return x
}

// start adds what starts by an instant by which it is known what has arrived.
func (f *flow) start(l *load, by Instant) {
	for ; f.started < len(l.begun) && l.begun[f.started].start <= by; f.started++ {
		x := &l.begun[f.started]
		f.tokens, f.requests = f.tokens+x.tokens, f.requests+x.requests
		l.looked++
	}
	f.at = by
}

// flowBy returns the flow by s in the eyes of whoever starts then. What arrives when is put in order again only once a
// holder who might have come late can't any more. The next start is mostly a later one, so that
// each arrival is looked at once.
func (l *load) flowBy(s Instant) *flow {
	f := &l.flow
	if !l.ordered {
		l.begun = append(l.begun[:0], l.takings...)
		slices.SortFunc(l.begun, func(a, b taking) int { return cmp.Compare(a.start, b.start) })
	}
	if !l.ordered || s < f.at || s >= f.turn {
		slices.SortFunc(l.takings, func(a, b taking) int { return cmp.Compare(a.arrived(s), b.arrived(s)) })
		*f = flow{from: s, turn: Never, owed: l.owed}
		for i := range l.takings {
			if late := l.takings[i].late; late >= s {
				f.turn = min(f.turn, late+1)
			}
		}
		l.ordered, l.looked = true, l.looked+len(l.takings)
	}
	for f.arrive(l, s) != nil {
	}
	f.start(l, s)
	return f
}

// filled says what is in the way of a start at s on a bucket, and the next start that is
// worth a try. There must be enough in the bucket at s; and at the start of each booking
// after s, whoever comes late, unless what the demand takes is refilled by then.
//
// The later the demand is taken out, the less of it is refilled at any instant after that, and what others take is
// the same until one of them isn't late any more. So where it leaves too little for one of them, it does so from
// every start up to that one's.
func (l *load) filled(s Instant) (next Instant, kept Cause) {
	if len(l.takings) == 0 && l.owed.none() {
		return 0, NoCause
	}
	t := &l.Terms
	f := *l.flowBy(s)
	own := taking{start: s, end: l.end(s), late: before, tokens: l.weight(l.demand.Tokens), requests: l.demand.Count()}
	with, added := f.owed, false
	for at := s; at != Never; {
		// What has arrived by then, in order; the demand's own among it.
		for x := f.arrive(l, at); x != nil; x = f.arrive(l, at) {
			arrived := x.arrived(s)
			if !added && own.end < arrived {
				with, added = with.refilled(t, own.end).with(t, own.tokens, own.requests), true
			}
			with = with.refilled(t, arrived).with(t, x.tokens, x.requests)
		}
		if !added && own.end <= at {
			with, added = with.refilled(t, own.end).with(t, own.tokens, own.requests), true
		}
		// And what may arrive at this instant.
		f.start(l, at)
		then, beside := with.refilled(t, at).with(t, f.tokens, f.requests), f.owed.refilled(t, at).with(t, f.tokens, f.requests)
		if !added {
			then = then.with(t, own.tokens, own.requests)
		}
		wait, kept := then.over(t)
		switch {
		case added && at > s && then == beside:
			return 0, NoCause // what it takes is refilled
		case kept == NoCause:
		case at == s:
			// Until some of what may still arrive has, the rest of it can't be refilled.
			enough, alone := s+wait, Debt{Per: then.Per}.with(t, f.tokens, f.requests)
			if !added {
				alone = alone.with(t, own.tokens, own.requests)
			}
			if _, never := alone.over(t); never != NoCause {
				enough = max(enough, f.firstEnd(l, s))
			}
			return min(enough, f.turn), kept
		case then.Tokens > beside.Tokens || then.Requests > beside.Requests:
			return min(at+1, f.turn), kept
		}
		if at = Never; f.started < len(l.begun) {
			at = l.begun[f.started].start
		}
	}
	return 0, NoCause
}

// firstEnd returns when the first arrives of what has started by s.
func (f *flow) firstEnd(l *load, s Instant) Instant {
	for i := f.arrived; i < len(l.takings); i++ {
		l.looked++
		if x := &l.takings[i]; x.start <= s {
			return x.arrived(f.from)
		}
	}
	return Never
}

// absorb adds what has arrived by an instant to the debt, and forgets the debt once the
// bucket is full.
func (c *Calendar) absorb(t Terms, by, now Instant) {
	var all []taking
	for _, r := range c.Sent {
		if r.End <= by && c.weighs(r, now) {
			all = append(all, taking{end: r.End, tokens: r.Tokens, requests: r.Requests})
		}
	}
	for _, x := range c.Folded {
		if x.End <= by {
			all = append(all, taking{end: x.End, tokens: x.Tokens, requests: x.Requests})
		}
	}
	d := c.Debt.in(t.every).after(&t, all)
	if d.refilled(&t, by).none() {
		d = Debt{Per: t.every}
	}
	c.Debt = d
}

// missing returns what is missing in the bucket at now, rounded up, whatever is on its way
// included.
func (c *Calendar) missing(t Terms, now Instant) (requests, tokens int64) {
	d := c.Clone()
	d.absorb(t, now, now)
	owed := d.Debt.refilled(&t, now)
	for _, r := range d.Sent {
		if r.End > now {
			owed = owed.with(&t, r.Tokens, r.Requests)
		}
	}
	for _, x := range d.Folded {
		if x.End > now {
			owed = owed.with(&t, x.Tokens, x.Requests)
		}
	}
	return owed.whole()
}
