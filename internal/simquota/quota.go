package simquota

import "time"

// A Dimension is what a limit counts.
type Dimension int

// The dimensions that providers limit. What counts as Tokens is the provider's affair:
// mostly input and output together.
const (
	Requests Dimension = iota
	Tokens
	InputTokens
	OutputTokens
	dimensions
)

// Amounts are how much of each dimension a request is.
type Amounts [dimensions]int64

// A Refusal says why a request isn't admitted.
type Refusal struct {
	Limit     Limit         // the one with the longest wait, of those that refuse
	Used      int64         // of that limit
	Requested int64         // of its dimension
	Wait      time.Duration // until all limits would admit it
	Never     bool          // it is larger than the limit
}

// A Standing is what is left of a limit.
type Standing struct {
	Limit     Limit
	Remaining int64
	Full      time.Duration // until all of it is there again, if nothing else comes
}

// entry is what was charged at one instant.
type entry struct {
	at      time.Time
	amounts Amounts
}

// quota is one project's of one model.
type quota struct {
	meters   []meter
	entries  []*entry // all that there were
	last     time.Time
	inFlight int64
	counts   Counts
}

func newQuota(limits []Limit) *quota {
	q := new(quota)
	q.setLimits(limits)
	return q
}

// setLimits begins to measure limits. What was charged within their periods counts; a bucket is empty
// at most.
func (q *quota) setLimits(limits []Limit) {
	q.meters = nil
	for _, l := range limits {
		m := l.meter()
		for _, e := range q.entries {
			if q.last.Sub(e.at) < l.Per {
				m.add(e.at, e, e.amounts[l.Dimension])
			}
		}
		if b, ok := m.(*bucket); ok {
			b.missing = min(b.missing, b.capacity())
		}
		q.meters = append(q.meters, m)
	}
}

// at makes instants never decrease.
func (q *quota) at(now time.Time) time.Time {
	if now.Before(q.last) {
		return q.last
	}
	q.last = now
	return now
}

// refusal returns why amounts aren't admitted now; nil: they are.
func (q *quota) refusal(now time.Time, want Amounts) *Refusal {
	var out *Refusal
	for _, m := range q.meters {
		l := m.limit()
		if l.Amount < 0 {
			continue
		}
		n := want[l.Dimension]
		r := &Refusal{Limit: l, Requested: n}
		switch {
		case l.Kind == AtOnce:
			if q.inFlight < l.Amount {
				continue
			}
			r.Used, r.Never = q.inFlight, l.Amount == 0
		case n > l.Amount:
			r.Never = true
		default:
			if r.Wait = m.wait(now, n); r.Wait <= 0 {
				continue
			}
		}
		if l.Kind != AtOnce {
			r.Used = l.Amount - m.remaining(now)
		}
		if out == nil || r.Never && !out.Never || r.Never == out.Never && r.Wait > out.Wait {
			out = r
		}
	}
	return out
}

// charge counts amounts as of now.
func (q *quota) charge(now time.Time, amounts Amounts) *entry {
	e := &entry{now, amounts}
	q.entries = append(q.entries, e)
	if amounts[Requests] > 0 {
		q.inFlight++
	}
	for _, m := range q.meters {
		m.add(now, e, amounts[m.limit().Dimension])
	}
	return e
}

// settle puts right what was charged.
func (q *quota) settle(now time.Time, e *entry, used Amounts) {
	for _, m := range q.meters {
		d := m.limit().Dimension
		m.correct(now, e, used[d]-e.amounts[d])
	}
	e.amounts = used
}

func (q *quota) standings(now time.Time) (out []Standing) {
	for _, m := range q.meters {
		s := Standing{Limit: m.limit(), Remaining: m.remaining(now), Full: m.full(now)}
		if s.Limit.Kind == AtOnce {
			s.Remaining = max(0, s.Limit.Amount-q.inFlight)
		}
		out = append(out, s)
	}
	return out
}

func (q *quota) peak(d Dimension, per time.Duration) (most int64) {
	var sum int64
	from := 0
	for i, e := range q.entries {
		sum += e.amounts[d]
		for ; e.at.Sub(q.entries[from].at) >= per && from <= i; from++ {
			sum -= q.entries[from].amounts[d]
		}
		most = max(most, sum)
	}
	return most
}
