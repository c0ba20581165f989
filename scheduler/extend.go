package scheduler

// Extend lengthens the interval of a request that was admitted but not sent yet,
// because its commit took longer than was allowed for. Until is the latest
// instant at which it may now be sent.
//
// It needs no room of its own: whatever was sent and still counts at the end of
// the longer interval counts now too, beside this one. Bookings may be in its
// way; they are not moved, for the interval shrinks again when the real send
// time is known, most often before they are claimed. The verdict is Admitted
// with the new reservation, or Replan if the reservation is not there any more.
type Extend struct {
	Model string
	ID    uint64
	Until Instant
}

func (x Extend) apply(p *Project, rules *Rules, now Instant) Result {
	c := p.edit(rules, now, x.Model)
	if c == nil {
		return Result{Verdict: Replan, Start: now}
	}
	i := c.sent(x.ID)
	if i < 0 {
		return Result{Verdict: Replan, Start: now}
	}
	t := c.terms(rules, now)
	r := &c.Sent[i]
	before := *r
	r.End = max(r.End, x.Until+t.length(r.Tokens))
	if other := DayOf(x.Until + t.skew); other != DayOf(r.Start) && !r.Straddles {
		c.count(other, r.Requests)
		r.Straddles = true
	}
	return Result{Changed: *r != before, Verdict: Admitted, Start: r.Start, Reservation: *r}
}
