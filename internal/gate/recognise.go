package gate

import (
	"context"

	"fluxgate.dev/fluxgate/scheduler"
)

// recognise finds out whether the caller has been here before: by its ticket,
// or by the hash of its request.
func (a *admission) recognise(ctx context.Context) error {
	t := a.req.Ticket
	if t == nil {
		a.recogniseHash()
		return nil
	}
	a.returned, a.since = true, t.Since
	if a.g.told.take(t.ID) || a.rehold() {
		return nil
	}
	// Not one of this instance's: the booking may be newer than its view.
	if err := a.g.store.Refresh(ctx, a.ids, true); err != nil {
		return err
	}
	if err := a.look(ctx); err != nil {
		return err
	}
	a.rehold()
	return nil
}

// rehold looks for the caller's booking in states that were read anew, and
// reports whether there is one that wasn't known before.
func (a *admission) rehold() bool {
	if a.held != 0 {
		return false
	}
	now := a.g.Now()
	switch t := a.req.Ticket; {
	case t != nil:
		a.hold(func(b scheduler.Booking) bool { return b.ID == t.ID }, nil)
	case a.req.Hash != 0:
		a.hold(func(b scheduler.Booking) bool { return b.Hash == a.req.Hash }, func(b scheduler.Booking) bool { return b.Start <= now+early })
	}
	return a.held != 0
}

// recogniseHash recognises a caller that merely sends the same again.
func (a *admission) recogniseHash() {
	now := a.g.Now()
	if a.req.Hash == 0 {
		return
	}
	// Identical bodies are distinct refusals; a return takes the oldest one
	// that has started.
	mine := func(b scheduler.Booking) bool { return b.Hash == a.req.Hash }
	if n := a.hold(mine, func(b scheduler.Booking) bool { return b.Start <= now+early }); a.held != 0 {
		return
	} else if started, waiting := a.g.told.takeStarted(a.req.Hash, now); started != nil {
		a.returned, a.since = true, started.Since
		return
	} else if n == 1 && waiting == 0 && !a.req.Book {
		// The only one of its kind: its holder, before its time.
		a.hold(mine, nil)
		return
	}
	for _, state := range a.states {
		if state == nil {
			continue
		}
		for _, t := range state.Waitlist {
			// When its caller was first refused is not known here.
			if t.Hash == shortHash(a.req.Hash) && t.Start <= now+early && now <= t.Start.Add(a.rules.Hold) {
				a.returned, a.since = true, t.Start
			}
		}
	}
}

// hold looks for the oldest booking that is the caller's and due, and counts
// all that are the caller's.
func (a *admission) hold(mine, due func(scheduler.Booking) bool) (n int) {
	now := a.g.Now()
	var oldest scheduler.Booking
	for i, state := range a.states {
		if state == nil {
			continue
		}
		for _, c := range state.Calendars {
			for _, b := range c.Bookings {
				if !mine(b) || now > b.Start.Add(a.rules.Hold) {
					continue
				}
				n++
				if (due == nil || due(b)) && (a.held == 0 || b.Start < oldest.Start) {
					oldest, a.held, a.project, a.model = b, b.ID, a.ids[i], c.Model
				}
			}
		}
	}
	if a.held != 0 {
		a.returned, a.since, a.due = true, oldest.Since, oldest.Start
	}
	return n
}

func shortHash(hash uint64) uint32 { return uint32(hash) }
