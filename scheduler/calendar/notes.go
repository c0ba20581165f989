package calendar

import (
	"math"
	"slices"
	"time"
)

// rememberedFor is for how long it is known that somebody else uses the limits too, since that was last found.
const rememberedFor = 30 * time.Minute

// lateFor is for how long requests are taken to arrive later than somebody has named or was measured, once one did, and sharedLateFor
// where that one may have been refused for what somebody else has sent.
const lateFor, sharedLateFor = 24 * time.Hour, time.Hour

const (
	// quiet is the part of a window after which it isn't known any more what others use of it, if nothing was sent.
	quiet = 4
	// answerFor is for how long the first request after that is waited for, whose answer tells.
	answerFor = 5 * second
	// unawaited is the part of the limits that is used without waiting for it.
	unawaited = 8
)

// The IDs of notes. They are kept among the reservations, where builds that don't know of them find nothing but what is over,
// and drop it: then it is found out once more, by a refusal. A section of a document's second field would outlast such a build.
// But that field is given up where a document is full, which is where much is sent, and refused; and of what somebody else uses
// there is no reading that is stricter for not being known, as there is of what may have been sent.
const (
	// othersID is what Hear keeps: Start is when it was last heard what others use, Tokens how long before that any of it was found.
	othersID = uint64(0x5e1f_0f07_0e25_0001)
	// lateID is what ArrivedLate keeps.
	lateID = uint64(0x5e1f_0f07_0e25_0002)
)

// Note reports whether it is no reservation, but a note on the calendar.
func (r *Reservation) Note() bool { return (r.ID == othersID || r.ID == lateID) && r.End <= r.Start }

// over reports whether nothing needs to be kept of it any more. Reservations are kept until an instant before now.
func (r *Reservation) over(kept, now Instant) bool {
	switch {
	case !r.Note():
		return r.End <= kept
	case r.ID == lateID:
		return r.Start.Add(lateFor) <= now
	}
	return r.Start-Instant(r.Tokens)+millis(rememberedFor) <= now
}

// note returns the note with an ID; nil: there is none.
func (c *Calendar) note(id uint64) *Reservation {
	for _, r := range c.Sent {
		if r.ID == id && r.Note() {
			return r
		}
	}
	return nil
}

// notes returns how many there are.
func (c *Calendar) notes() (n int) {
	for _, r := range c.Sent {
		if r.Note() {
			n++
		}
	}
	return n
}

// nothingSent reports whether no request is kept.
func (c *Calendar) nothingSent() bool {
	return len(c.Folded) == 0 && !slices.ContainsFunc(c.Sent, func(r *Reservation) bool { return !r.Note() })
}

// Unheard reports whether somebody else is known to use the limits, of whom nothing has been heard for a while.
func (c *Calendar) Unheard(rules *Rules, now Instant) bool {
	r := c.note(othersID)
	if r == nil {
		return false
	}
	t := c.Terms(rules, now)
	return t.hears() && r.Start+t.every/(2*quiet) <= now
}

// hears reports whether it is noted when others were heard of: not of a bucket, nor of a short window, of which what was used is
// over when an answer tells of it. Of that an earlier build may have left a note.
func (t *Terms) hears() bool { return !t.refill && !t.Short() }

// Hear notes that it was heard what others use of the limits, and, with found, that they have used more of it.
func (c *Calendar) Hear(t Terms, now Instant, found bool) {
	was := c.note(othersID)
	if !t.hears() || was == nil && !found {
		return
	}
	r := Reservation{ID: othersID, Start: now, End: now, Requests: 1}
	if was != nil && !found {
		r.Tokens = was.Tokens + int64(now-was.Start)
	}
	c.Sent = append(slices.DeleteFunc(c.Sent, func(x *Reservation) bool { return x == was }), &r)
	c.Fold(t, MaxExact)
}

// awaited returns until when the answer is waited for to the first request that was sent after a while in which nothing was
// heard of others, who are known to use the limits; 0: it isn't.
func (c *Calendar) awaited(t *Terms, now Instant) Instant {
	heard := c.note(othersID)
	if heard == nil || !t.hears() {
		return 0
	}
	first, last := Instant(math.MinInt64), Instant(math.MinInt64)
	for _, x := range c.Folded {
		last = max(last, x.End-t.length(0))
	}
	for _, r := range c.Sent {
		if r.Note() {
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

// Shared reports whether somebody else is known to use the limits.
func (c *Calendar) Shared() bool { return c != nil && c.note(othersID) != nil }

// ArrivedLate notes that a request was refused though it fitted, where it wouldn't have had requests been taken to arrive as late
// as anywhere, not as late as somebody has named or was measured: they do so then, from what was sent lately on, for a day; where it may have
// been somebody else's fault too, for an hour. It returns for how long; 0: it notes nothing.
func (c *Calendar) ArrivedLate(t Terms, now Instant, id uint64, shared bool) time.Duration {
	i := c.sent(id)
	if i < 0 || t.sooner == 0 || !c.lateAt(&t, c.Sent[i].Start) {
		return 0
	}
	for i, r := range c.Sent {
		if (t.refill || r.End+t.sooner > now) && !r.Note() {
			c.editSent(i).End += t.sooner
		}
	}
	later := c.Folded
	c.Folded = nil
	for _, x := range later {
		x.End = (x.End + t.sooner).Ceil(t.grain)
		c.addFolded(x)
	}
	if c.Debt != (Debt{}) && t.refill {
		c.Debt.At += t.sooner
	}
	long := lateFor
	if shared {
		long = sharedLateFor
	}
	c.Sent = append(c.Sent, &Reservation{ID: lateID, Start: now.Add(long - lateFor), End: now.Add(long - lateFor), Requests: 1})
	c.Fold(t, MaxExact)
	return long
}

// lateAt reports whether what had been sent by an instant would have been too much then, had it arrived as late as anywhere.
func (c *Calendar) lateAt(t *Terms, at Instant) bool {
	if t.refill {
		return c.drained(t, at)
	}
	tokens, requests := int64(0), int64(0)
	for _, r := range c.Sent {
		if r.Start <= at && r.End+t.sooner > at && !r.Note() {
			tokens, requests = tokens+t.weight(r.Tokens), requests+r.Requests
		}
	}
	for _, x := range c.Folded {
		if x.End+t.sooner > at {
			tokens, requests = tokens+t.weight(x.Tokens), requests+x.Requests
		}
	}
	return t.exceeds(tokens, requests) != NoCause
}

// drained is lateAt of a bucket, which is refilled from when something has arrived on.
func (c *Calendar) drained(t *Terms, at Instant) bool {
	var arrived, beside []taking
	add := func(end Instant, tokens, requests int64) {
		if end += t.sooner; end <= at {
			arrived = append(arrived, taking{end: end, tokens: tokens, requests: requests})
		} else {
			beside = append(beside, taking{end: at, tokens: tokens, requests: requests})
		}
	}
	for _, r := range c.Sent {
		if r.Start <= at && !r.Note() {
			add(r.End, r.Tokens, r.Requests)
		}
	}
	for _, x := range c.Folded {
		add(x.End, x.Tokens, x.Requests)
	}
	d := c.Debt.in(t.every)
	if d != (Debt{Per: t.every}) {
		d.At += t.sooner
	}
	_, kept := d.after(t, append(arrived, beside...)).over(t)
	return kept != NoCause
}
