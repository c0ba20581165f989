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
// With Answered the request was sent, and upstream has answered, as of a session that goes
// on: it counts on no other day for that, and what it was let through to find out, a limit or
// the end of a block, is known then and not only once it is settled.
//
// Extending again by the same changes nothing, unless the request was folded in between: which
// of the sums it is in isn't known then, so one of them may last longer too. It is never less than
// it was, nor more in any window or on any day.
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
	Answered bool
	Also     []Share // as in Settle
	Caller   string  // as in Reserve
}

func (x Extend) apply(p *Project, rules *Rules, now Instant) Result {
	type part struct {
		side
		on Share
		i  int // position among what is kept exactly
	}
	result := Result{Verdict: Admitted}
	var parts []part
	found := false
	p.parts(rules, now, x.Model, x.ID, x.Reserved, x.Also, func(c *Calendar, t Terms, id uint64, reserved Reservation, n int) {
		i := c.Exactly(t, now, id, reserved)
		if i < 0 {
			return
		}
		found = found || n < 0
		if x.Answered && c.Answered(rules, now, *c.Sent[i]) {
			result.Changed = true
		}
		parts = append(parts, part{side{c: c, t: t}, Share{c.Model, reserved}, i})
	})
	if !found {
		return Result{Verdict: Replan, Start: now}
	}
	ousted := func() (n int) { // bookings that don't fit as it is
		for _, y := range parts {
			n += y.c.Clone().MoveBookings(y.t, now)
		}
		return n
	}
	before, longer := 0, false
	if x.Yield {
		before = ousted()
	}
	for _, y := range parts {
		r, grew, changed := y.c.Lengthen(y.t, y.i, x.Until, !x.Answered)
		longer, result.Changed = longer || grew, result.Changed || changed
		if y.c.Model == x.Model {
			result.Start, result.Reservation = r.Start, r
		} else {
			result.Also = append(result.Also, Share{y.c.Model, r})
		}
	}
	yields := x.Yield && longer && ousted() > before
	for _, y := range parts {
		if yields {
			was, _ := y.c.Cancel(y.t, now, y.c.Sent[y.i].ID, y.on.Reservation)
			if y.c.Model == x.Model {
				p.countUse(now, x.Model, x.Caller, -was.Requests, -was.Tokens)
			}
		}
		y.c.Fold(y.t, MaxExact)
	}
	if yields {
		return Result{Changed: true, Verdict: Replan, Start: now}
	}
	return result
}
