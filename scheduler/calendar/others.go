package calendar

import (
	"math"
	"slices"
	"time"
)

// rememberedFor is for how long it is known that somebody else uses the limits too, since that was last found.
const rememberedFor = 30 * time.Minute

const (
	// quiet is the part of a window after which it isn't known any more what others use of it, if nothing was sent.
	quiet = 4
	// answerFor is for how long the first request after that is waited for, whose answer tells.
	answerFor = 5 * second
	// unawaited is the part of the limits that is used without waiting for it.
	unawaited = 8
)

// othersID is the ID of what Hear keeps among the reservations, where builds that don't know of it find nothing but what
// is over. Its Start is when it was last heard what others use, its Tokens how long before that any of it was found.
const othersID = uint64(0x5e1f_0f07_0e25_0001)

// Hearing reports whether it is no reservation, but what [Calendar.Hear] keeps.
func (r *Reservation) Hearing() bool { return r.ID == othersID && r.End <= r.Start }

// over reports whether nothing needs to be kept of it any more. Reservations are kept until an instant before now.
func (r *Reservation) over(kept, now Instant) bool {
	if r.Hearing() {
		return r.Start-Instant(r.Tokens)+millis(rememberedFor) <= now
	}
	return r.End <= kept
}

// nothingSent reports whether no request is kept.
func (c *Calendar) nothingSent() bool {
	return len(c.Folded) == 0 && !slices.ContainsFunc(c.Sent, func(r *Reservation) bool { return !r.Hearing() })
}

// heard returns what Hear keeps; nil: nobody else is known to use the limits.
func (c *Calendar) heard() *Reservation {
	for _, r := range c.Sent {
		if r.ID == othersID && r.Hearing() {
			return r
		}
	}
	return nil
}

// Unheard reports whether somebody else is known to use the limits, of whom nothing has been heard for a while.
func (c *Calendar) Unheard(rules *Rules, now Instant) bool {
	r := c.heard()
	if r == nil {
		return false
	}
	t := c.Terms(rules, now)
	return r.Start+t.every/(2*quiet) <= now
}

// Hear notes that it was heard what others use of the limits, and, with found, that they have used more of it. Of a bucket
// nothing is noted.
func (c *Calendar) Hear(t Terms, now Instant, found bool) {
	was := c.heard()
	if t.refill || was == nil && !found {
		return
	}
	r := Reservation{ID: othersID, Start: now, End: now, Requests: 1}
	if was != nil && !found {
		r.Tokens = was.Tokens + int64(now-was.Start)
	}
	c.Sent = append(slices.DeleteFunc(c.Sent, (*Reservation).Hearing), &r)
}

// awaited returns until when the answer is waited for to the first request that was sent after a while in which nothing was
// heard of others, who are known to use the limits; 0: it isn't.
func (c *Calendar) awaited(t *Terms, now Instant) Instant {
	heard := c.heard()
	if heard == nil {
		return 0
	}
	first, last := Instant(math.MinInt64), Instant(math.MinInt64)
	for _, x := range c.Folded {
		last = max(last, x.End-t.length(0))
	}
	for _, r := range c.Sent {
		if r == heard {
			continue
		}
		if last < r.Start-t.every/quiet {
			first = r.Start
		}
		last = max(last, r.Start)
	}
	if first <= heard.Start || first+answerFor <= now {
		return 0
	}
	return first + answerFor
}
