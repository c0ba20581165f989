package simquota

import (
	"math"
	"time"
)

// A Kind is the way in which a limit is measured: see the package comment.
type Kind int

// The kinds of limits.
const (
	Bucket Kind = iota
	Sliding
	Calendar
	AtOnce
)

// A Limit is one number.
type Limit struct {
	Dimension Dimension
	Amount    int64         // per Per; negative: unlimited; 0 admits nothing
	Per       time.Duration // 24 hours for Calendar; none for AtOnce
	Kind      Kind
	Burst     int64          // the most that a Bucket holds; 0: Amount
	Zone      *time.Location // whose midnight ends a Calendar's day; nil: UTC
}

// PerMinute, PerDay and Per return limits of the kind Bucket.
func PerMinute(d Dimension, amount int64) Limit { return Per(d, amount, time.Minute) }

// PerDay is Per of 24 hours.
func PerDay(d Dimension, amount int64) Limit { return Per(d, amount, 24*time.Hour) }

// Per returns a limit of so much in any period, evenly filled.
func Per(d Dimension, amount int64, period time.Duration) Limit {
	return Limit{Dimension: d, Amount: amount, Per: period}
}

// meter measures one limit. Instants never decrease from call to call.
type meter interface {
	limit() Limit
	// wait returns how long until n more fit, which is at most the limit.
	wait(now time.Time, n int64) time.Duration
	add(now time.Time, e *entry, n int64)
	// correct counts n more, or fewer, of an entry that was added.
	correct(now time.Time, e *entry, n int64)
	remaining(now time.Time) int64
	// full returns how long until the limit is whole again.
	full(now time.Time) time.Duration
}

func (l Limit) meter() meter {
	switch l.Kind {
	case Sliding:
		return &sliding{l: l}
	case Calendar:
		return &calendar{l: l}
	case AtOnce:
		return &atOnce{l}
	default:
		return &bucket{l: l}
	}
}

// bucket keeps what is missing from it.
type bucket struct {
	l       Limit
	missing float64
	last    time.Time
}

// crumb is more than what sums of fractions are off by, and less than any amount that is
// counted.
const crumb = 1e-5

func (b *bucket) limit() Limit { return b.l }

func (b *bucket) capacity() float64 {
	if b.l.Burst > 0 {
		return float64(b.l.Burst)
	}
	return float64(b.l.Amount)
}

func (b *bucket) refill(now time.Time) {
	if !b.last.IsZero() {
		b.missing = max(0, b.missing-float64(now.Sub(b.last))/float64(b.l.Per)*float64(b.l.Amount))
	}
	b.last = now
}

// duration returns how long it takes to fill in that much, in whole microseconds.
func (b *bucket) duration(amount float64) time.Duration {
	if amount <= crumb || b.l.Amount <= 0 {
		return 0
	}
	return time.Duration(math.Ceil(amount/float64(b.l.Amount)*float64(b.l.Per/time.Microsecond)-crumb)) * time.Microsecond
}

func (b *bucket) wait(now time.Time, n int64) time.Duration {
	b.refill(now)
	return b.duration(b.missing + min(float64(n), b.capacity()) - b.capacity())
}

func (b *bucket) add(now time.Time, _ *entry, n int64) {
	b.refill(now)
	b.missing += float64(n)
}

// correct gives back no more than is missing: what was given back by the passing of time
// is gone.
func (b *bucket) correct(now time.Time, _ *entry, n int64) {
	b.refill(now)
	b.missing = max(0, b.missing+float64(n))
}

func (b *bucket) remaining(now time.Time) int64 {
	b.refill(now)
	return int64(max(0, math.Floor(b.capacity()-b.missing+crumb)))
}

func (b *bucket) full(now time.Time) time.Duration {
	b.refill(now)
	return b.duration(b.missing)
}

// sliding is a queue of what was charged in the trailing period.
type sliding struct {
	l       Limit
	entries []*entry
	sum     int64
}

func (s *sliding) limit() Limit { return s.l }

func (s *sliding) evict(now time.Time) {
	for len(s.entries) > 0 && now.Sub(s.entries[0].at) >= s.l.Per {
		s.sum -= s.entries[0].amounts[s.l.Dimension]
		s.entries = s.entries[1:]
	}
}

func (s *sliding) wait(now time.Time, n int64) time.Duration {
	s.evict(now)
	excess := s.sum + n - s.l.Amount
	for _, e := range s.entries {
		if excess <= 0 {
			return 0
		}
		if excess -= e.amounts[s.l.Dimension]; excess <= 0 {
			return e.at.Add(s.l.Per).Sub(now)
		}
	}
	return 0
}

func (s *sliding) add(now time.Time, e *entry, n int64) {
	s.evict(now)
	s.entries = append(s.entries, e)
	s.sum += n
}

func (s *sliding) correct(now time.Time, e *entry, n int64) {
	s.evict(now)
	if now.Sub(e.at) < s.l.Per {
		s.sum += n
	}
}

func (s *sliding) remaining(now time.Time) int64 {
	s.evict(now)
	return max(0, s.l.Amount-s.sum)
}

func (s *sliding) full(now time.Time) time.Duration {
	s.evict(now)
	for i := len(s.entries) - 1; i >= 0; i-- {
		if s.entries[i].amounts[s.l.Dimension] > 0 {
			return s.entries[i].at.Add(s.l.Per).Sub(now)
		}
	}
	return 0
}

// calendar counts since midnight.
type calendar struct {
	l    Limit
	day  time.Time // its beginning
	used int64
}

func (c *calendar) limit() Limit { return c.l }

// roll begins a new day if there is one, and returns when it ends.
func (c *calendar) roll(now time.Time) (end time.Time) {
	begin, end := c.dayOf(now)
	if !begin.Equal(c.day) {
		c.day, c.used = begin, 0
	}
	return end
}

func (c *calendar) dayOf(t time.Time) (begin, end time.Time) {
	zone := c.l.Zone
	if zone == nil {
		zone = time.UTC
	}
	y, m, d := t.In(zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, zone), time.Date(y, m, d+1, 0, 0, 0, 0, zone)
}

func (c *calendar) wait(now time.Time, n int64) time.Duration {
	end := c.roll(now)
	if c.used+n <= c.l.Amount {
		return 0
	}
	return end.Sub(now)
}

func (c *calendar) add(now time.Time, _ *entry, n int64) {
	c.roll(now)
	c.used += n
}

func (c *calendar) correct(now time.Time, e *entry, n int64) {
	c.roll(now)
	if !e.at.Before(c.day) {
		c.used += n
	}
}

func (c *calendar) remaining(now time.Time) int64 {
	c.roll(now)
	return max(0, c.l.Amount-c.used)
}

func (c *calendar) full(now time.Time) time.Duration { return c.roll(now).Sub(now) }

// atOnce has no state: what is in flight is the quota's to know.
type atOnce struct{ l Limit }

func (a *atOnce) limit() Limit                        { return a.l }
func (a *atOnce) wait(time.Time, int64) time.Duration { return 0 }
func (a *atOnce) add(time.Time, *entry, int64)        {}
func (a *atOnce) correct(time.Time, *entry, int64)    {}
func (a *atOnce) remaining(time.Time) int64           { return 0 }
func (a *atOnce) full(time.Time) time.Duration        { return 0 }
