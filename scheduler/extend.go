package scheduler

// Extend lengthens the interval of a request that was admitted but not sent yet,
// because its commit took longer than was allowed for. Until is the latest
// instant at which it may now be sent.
//
// It needs no room of its own beside what was sent: whatever still counts at the
// end of the longer interval counts now too, beside this one. But a booking may
// have been made right behind the interval as it was, and its holder will be in
// time. With Yield, the request gives way then: its slot is given back and the
// verdict is Replan. That is for a request to which nothing was promised. The
// claim of a holder is lengthened all the same, and no booking is moved for it:
// the interval shrinks again when the real send time is known, most often before
// they are claimed.
//
// The verdict is Admitted with the new reservation, or Replan if there is none
// any more.
type Extend struct {
	Model string
	ID    uint64
	Until Instant
	Yield bool
	// Reserved is the reservation as it was admitted, by which it is found if it was
	// folded meanwhile.
	Reserved Reservation
	Caller   string // as in Reserve
}

func (x Extend) apply(p *Project, rules *Rules, now Instant) Result {
	c := p.edit(rules, now, x.Model)
	if c == nil {
		return Result{Verdict: Replan, Start: now}
	}
	i := c.sent(x.ID)
	if i < 0 && c.open(x.ID) {
		i = c.takeOut(now, x.ID, x.Reserved)
	}
	if i < 0 {
		return Result{Verdict: Replan, Start: now}
	}
	t := c.terms(rules, now)
	defer c.fold(MaxExact)
	ousted := 0 // bookings that don't fit as it is
	if x.Yield {
		ousted = c.clone().moveBookings(t, now)
	}
	r := c.editSent(i)
	before := *r
	r.End = max(r.End, x.Until+t.length(r.Tokens))
	if x.Yield && r.End > before.End && c.clone().moveBookings(t, now) > ousted {
		was, changed := c.cancel(t, now, x.ID, x.Reserved)
		p.countUse(now, x.Caller, -was.Requests, -was.Tokens)
		return Result{Changed: changed, Verdict: Replan, Start: now}
	}
	if other := DayOf(x.Until + t.skew); other != DayOf(r.Start) && !r.Straddles {
		c.countRequests(other, r.Requests)
		r.Straddles = true
	}
	return Result{Changed: *r != before, Verdict: Admitted, Start: r.Start, Reservation: *r}
}
