package admission

import (
	"cmp"
	"context"

	"fluxgate.dev/fluxgate/internal/admission/fair"
	"fluxgate.dev/fluxgate/internal/admission/lateness"
	"fluxgate.dev/fluxgate/internal/admission/waitlist"
	"fluxgate.dev/fluxgate/scheduler"
)

// recognise finds out whether the caller has been here before: by its ticket,
// or by the hash of its request.
func (d *decision) recognise(ctx context.Context) error {
	t := d.req.Ticket
	if t == nil {
		d.recogniseHash()
		return nil
	}
	if p := d.c.waitlist.Find(t.ID); p != nil {
		d.recogniseTold(p)
		return nil
	}
	if d.rehold() {
		return nil
	}
	// Not one of this instance's: the booking may be newer than its view.
	if err := d.c.store.Refresh(ctx, d.ids, true); err != nil {
		return err
	}
	if err := d.look(ctx); err != nil {
		return err
	}
	if !d.rehold() {
		// What another instance told it. When that was last is not known here.
		d.recogniseTold(&waitlist.Promise{
			Booking: scheduler.Booking{ID: t.ID, Hash: t.Hash, Start: t.Start, Since: t.Since}, Told: t.Since, Began: fair.Unknown, Ahead: true,
		})
	}
	return nil
}

// recogniseTold recognises a caller by the ticket of what it was told. Before its time it is the same request, which has
// not had its turn. Long after it the ticket says nothing: who kept one would count as having waited all the time since.
func (d *decision) recogniseTold(p *waitlist.Promise) {
	now := d.c.Now()
	switch late := now.Sub(p.Start); {
	case p.Start > now+waitlist.Early:
		d.comesEarly(p, now)
		return
	case late > d.rules.Hold && !lateness.Spread(p.Start.Sub(p.Told), late):
		d.recogniseHash()
		return
	}
	if d.c.waitlist.Take(p.ID, now) == nil && !d.c.waitlist.Told(p.Hash, p.ID) {
		d.c.waitlist.CameHere(now)
	}
	d.comesLate(p.Start, p.Told, p.Since, now)
	d.returned, d.since, d.began, d.turn, d.waited = true, p.Since, p.Began, p.Turn, p.Ahead
}

// comesEarly notes what the caller was told that comes before its time. Who has sat out as
// much of it as it does in one go, or gives one try, has proved that it returns.
func (d *decision) comesEarly(p *waitlist.Promise, now scheduler.Instant) {
	p.Early = p.Early || p.Start > now+waitlist.Early
	d.promise, d.since, d.began, d.turn = p, p.Since, p.Began, p.Turn
	once := cmp.Or(d.req.SitsOut, d.req.Try)
	d.proved = once > 0 && now >= p.Told.Add(once)-waitlist.Early
}

// rehold looks for the caller's booking, of which none is known, in states that were read anew, and
// reports whether there is one.
func (d *decision) rehold() bool {
	now := d.c.Now()
	switch t := d.req.Ticket; {
	case t != nil:
		d.hold(now, func(b scheduler.Booking) bool { return b.ID == t.ID }, nil)
	case d.req.Hash != 0:
		d.hold(now, func(b scheduler.Booking) bool { return b.Hash == d.req.Hash }, func(b scheduler.Booking) bool { return b.Start <= now+waitlist.Early })
	}
	return d.held != 0
}

// recogniseHash recognises a caller that merely sends the same again.
//
// One that has been told a time and sends the same before it is the same request, which has not had its turn. But a
// batch of equal prompts is as many requests, and they come together: who comes within [parallel] of an answer can't
// have had it, so it is another one. Neither can be wrong by much. A second request that is taken for a retry is told
// the time of the first, and when both come one of them waits once more. A retry within that time counts as one more
// request, at most maxToldPerHash times, until it is seen that it comes before its time.
func (d *decision) recogniseHash() {
	now := d.c.Now()
	if d.req.Hash == 0 {
		return
	}
	// A return takes the oldest that has started.
	mine := func(b scheduler.Booking) bool { return b.Hash == d.req.Hash }
	if d.hold(now, mine, func(b scheduler.Booking) bool { return b.Start <= now+waitlist.Early }); d.held != 0 {
		return
	}
	if started := d.c.waitlist.TakeStarted(d.req.Hash, now-waitlist.Early); started != nil {
		d.returned, d.since, d.began, d.turn, d.waited = true, started.Since, started.Began, started.Turn, started.Ahead
		return
	}
	if d.recogniseLate(mine, now) || d.recogniseEarly(mine, now) {
		return
	}
	d.recogniseShared(now)
}

// recogniseLate recognises a caller that comes after the hold of what it was told, by the
// last booking or promise of its request. It has lost that one, and has proved all the
// same that it returns: so it is booked the next, before all that haven't. It has so once: what
// is sent again after that is another request.
func (d *decision) recogniseLate(mine func(scheduler.Booking) bool, now scheduler.Instant) bool {
	var last scheduler.Booking
	d.bookings(func(_, _ string, b scheduler.Booking) {
		if mine(b) && now > b.Until(d.rules) && b.Start > last.Start && !d.c.waitlist.CameLate(b.ID) {
			last = b
		}
	})
	if last.ID != 0 {
		d.c.waitlist.ComesLate(last.ID, now)
		d.comesLate(last.Start, last.Since, last.Since, now)
		d.returned, d.since = true, last.Since
	} else if p := d.c.waitlist.TakeLate(d.req.Hash, now); p != nil {
		d.comesLate(p.Start, p.Told, p.Since, now)
		d.returned, d.since, d.began, d.turn = true, p.Since, p.Began, p.Turn
	}
	return d.returned
}

// comesLate notes whether a caller, which was told a start at an instant and has waited since
// another, comes so late that its next booking has to be kept for longer. Of one that says that
// it is punctual it is only noted that it wasn't.
func (d *decision) comesLate(start, told, since, now scheduler.Instant) {
	late := now.Sub(start)
	if late <= d.rules.Hold {
		return
	}
	if d.req.Punctual {
		d.c.holders.Used(d.manner(), late, 0)
		return
	}
	d.spread, d.starves = lateness.Spread(start.Sub(told), late), lateness.Starves(start.Sub(told), now.Sub(since))
}

// recogniseEarly recognises a caller that comes before its time: by the first booking or
// promise of its request that it may have been told of. Who doesn't ask for a booking,
// while there is one for its request, comes for that.
func (d *decision) recogniseEarly(mine func(scheduler.Booking) bool, now scheduler.Instant) bool {
	p := d.c.waitlist.Waiting(d.req.Hash, now)
	d.hold(now, mine, func(b scheduler.Booking) bool {
		return (p == nil || b.Start <= p.Start) && (!d.req.Book || !d.c.waitlist.JustTold(b.ID, now))
	})
	if d.held == 0 && p != nil {
		d.comesEarly(p, now)
	}
	return d.held != 0 || d.promise != nil
}

// recogniseShared recognises one that another instance told a time, or this one, if it has
// been told an earlier one since for which it didn't come.
func (d *decision) recogniseShared(now scheduler.Instant) {
	for i, state := range d.states {
		if state == nil {
			continue
		}
		for _, t := range state.Waitlist {
			// When its caller was first refused is not known here.
			if t.Hash == waitlist.ShortHash(d.req.Hash) && t.Start <= now+waitlist.Early && now <= t.Until(d.rules) {
				d.returned, d.since = true, t.Start
				if !d.c.waitlist.Shared(d.ids[i], t) {
					d.c.waitlist.CameHere(now)
					d.waited = true
				}
			}
		}
	}
}

// hold looks for the oldest booking that is the caller's and due.
func (d *decision) hold(now scheduler.Instant, mine, due func(scheduler.Booking) bool) {
	var oldest scheduler.Booking
	d.bookings(func(project, model string, b scheduler.Booking) {
		if mine(b) && now <= b.Until(d.rules) && (due == nil || due(b)) && (d.held == 0 || b.Start < oldest.Start) {
			oldest, d.held, d.project, d.model = b, b.ID, project, model
		}
	})
	if d.held != 0 {
		d.returned, d.since, d.due = true, oldest.Since, oldest.Start
	}
}

// bookings calls f with every booking of the candidates.
func (d *decision) bookings(f func(project, model string, b scheduler.Booking)) {
	for i, state := range d.states {
		if state == nil {
			continue
		}
		for _, c := range state.Calendars {
			if !scheduler.IsModel(c.Model) {
				continue // it lies on its model's, too
			}
			for _, b := range c.Bookings {
				f(d.ids[i], c.Model, b)
			}
		}
	}
}

// holding is the booking that the caller holds, as far as its ticket goes.
func (d *decision) holding() scheduler.Booking {
	return scheduler.Booking{ID: d.held, Start: d.due, Since: d.since}
}
