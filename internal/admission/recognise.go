package admission

import (
	"context"

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
	d.returned, d.since = true, t.Since
	if d.c.waitlist.take(t.ID) || d.rehold() {
		return nil
	}
	// Not one of this instance's: the booking may be newer than its view.
	if err := d.c.store.Refresh(ctx, d.ids, true); err != nil {
		return err
	}
	if err := d.look(ctx); err != nil {
		return err
	}
	d.rehold()
	return nil
}

// rehold looks for the caller's booking in states that were read anew, and
// reports whether there is one that wasn't known before.
func (d *decision) rehold() bool {
	if d.held != 0 {
		return false
	}
	now := d.c.Now()
	switch t := d.req.Ticket; {
	case t != nil:
		d.hold(func(b scheduler.Booking) bool { return b.ID == t.ID }, nil)
	case d.req.Hash != 0:
		d.hold(func(b scheduler.Booking) bool { return b.Hash == d.req.Hash }, func(b scheduler.Booking) bool { return b.Start <= now+early })
	}
	return d.held != 0
}

// recogniseHash recognises a caller that merely sends the same again.
func (d *decision) recogniseHash() {
	now := d.c.Now()
	if d.req.Hash == 0 {
		return
	}
	// Identical bodies are distinct refusals; a return takes the oldest one
	// that has started.
	mine := func(b scheduler.Booking) bool { return b.Hash == d.req.Hash }
	if n := d.hold(mine, func(b scheduler.Booking) bool { return b.Start <= now+early }); d.held != 0 {
		return
	} else if started, waiting := d.c.waitlist.takeStarted(d.req.Hash, now); started != nil {
		d.returned, d.since = true, started.Since
		return
	} else if n == 1 && waiting == 0 && !d.req.Book {
		// The only one of its kind: its holder, before its time.
		d.hold(mine, nil)
		return
	}
	for _, state := range d.states {
		if state == nil {
			continue
		}
		for _, t := range state.Waitlist {
			// When its caller was first refused is not known here.
			if t.Hash == shortHash(d.req.Hash) && t.Start <= now+early && now <= t.Start.Add(d.rules.Hold) {
				d.returned, d.since = true, t.Start
			}
		}
	}
}

// hold looks for the oldest booking that is the caller's and due, and counts
// all that are the caller's.
func (d *decision) hold(mine, due func(scheduler.Booking) bool) (n int) {
	now := d.c.Now()
	var oldest scheduler.Booking
	for i, state := range d.states {
		if state == nil {
			continue
		}
		for _, c := range state.Calendars {
			if !scheduler.IsModel(c.Model) {
				continue // it lies on its model's, too
			}
			for _, b := range c.Bookings {
				if !mine(b) || now > b.Start.Add(d.rules.Hold) {
					continue
				}
				n++
				if (due == nil || due(b)) && (d.held == 0 || b.Start < oldest.Start) {
					oldest, d.held, d.project, d.model = b, b.ID, d.ids[i], c.Model
				}
			}
		}
	}
	if d.held != 0 {
		d.returned, d.since, d.due = true, oldest.Since, oldest.Start
	}
	return n
}

// holding is the booking that the caller holds, as far as its ticket goes.
func (d *decision) holding() scheduler.Booking {
	return scheduler.Booking{ID: d.held, Start: d.due, Since: d.since}
}

func shortHash(hash uint64) uint32 { return uint32(hash) }
