package admission

import (
	"slices"

	"fluxgate.dev/fluxgate/internal/admission/ticket"
	"fluxgate.dev/fluxgate/internal/admission/waitlist"
	"fluxgate.dev/fluxgate/scheduler"
)

// slots are what the caller was promised here, but for what it comes for, and has booked.
func (d *decision) slots() []scheduler.Booking {
	var promised uint64
	if d.promise != nil {
		promised = d.promise.ID
	}
	return append(d.c.waitlist.Of(d.req.Caller, promised, d.c.Now()), d.booking()...)
}

// booking is what the caller has booked, but for what it comes for.
func (d *decision) booking() (all []scheduler.Booking) {
	d.ownBookings(func(_ string, b scheduler.Booking) {
		if b.ID != d.held {
			all = append(all, b)
		}
	})
	return all
}

// comesForSlot reports whether a caller with limits of its own comes for a slot that it has booked, or was promised by a project
// here, and that has begun.
func (d *decision) comesForSlot() (comes bool) {
	if d.req.Limit.taken() {
		return false
	}
	now := d.c.Now()
	mine := func(b scheduler.Booking) bool {
		return b.Start <= now+waitlist.Early && (d.req.Ticket != nil && b.ID == d.req.Ticket.ID || d.req.Hash != 0 && b.Hash == d.req.Hash)
	}
	d.ownBookings(func(_ string, b scheduler.Booking) { comes = comes || mine(b) })
	return comes || slices.ContainsFunc(d.c.waitlist.Of(d.req.Caller, 0, now), mine)
}

// waitsFor returns what a project promised the request here that comes before its time; nil: nothing.
func (d *decision) waitsFor() *waitlist.Promise {
	if t := d.req.Ticket; t != nil {
		return d.c.waitlist.Find(t.ID)
	}
	return d.c.waitlist.Waiting(d.req.Hash, d.c.Now())
}

// ownBookings calls f with every booking of the caller's, for whichever model, whose hold isn't over.
// It doesn't come for any of them: else it would have claimed that.
func (d *decision) ownBookings(f func(model string, b scheduler.Booking)) {
	mine, now := scheduler.CallerOf(d.req.Caller), d.c.Now()
	d.bookings(func(_, model string, b scheduler.Booking) {
		if ticket.CallerOf(b.ID) == mine && now <= b.Until(d.rules) {
			f(model, b)
		}
	})
}
