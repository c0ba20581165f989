package waitlist

import (
	"cmp"
	"slices"

	"fluxgate.dev/fluxgate/internal/admission/fair"
	"fluxgate.dev/fluxgate/scheduler"
)

// A Place is the calendar of a model of a project.
type Place struct{ Project, Model string }

// A Promise is what one request was told: a slot that isn't kept for it, and counts
// only for what others are told.
type Promise struct {
	scheduler.Booking
	At     Place
	Also   []scheduler.Weight // what it weighs on other calendars
	Caller string
	Tag    uint32    // of the caller
	Late   uint16    // how late that came for others, in milliseconds
	Early  bool      // it has come back before its time
	Ahead  bool      // it was told to wait though there was room, as its caller was far ahead of others; or that isn't known
	Tells  uint8     // where it was told of another day: how many instances tell times of that; 0: it wasn't
	Began  fair.Cost // what it had had when its request was first told to wait, on the calendar Turn
	Turn   string
	For    string            // the calendar on which there was no room before its start; empty: its model's
	Order  uint64            // in which they were made; the lower is the older
	Told   scheduler.Instant // when last
}

// Overdue reports whether the caller hasn't come a second after its time.
func (p *Promise) Overdue(now scheduler.Instant) bool { return p.Start < now-Early }

// Missed reports whether it hasn't come either a second after it is as late as it came for others.
func (p *Promise) Missed(now scheduler.Instant) bool {
	return p.Overdue(now - scheduler.Instant(p.Late))
}

// byAge compares promises by how long their requests have waited.
func byAge(a, b *Promise) int {
	return cmp.Or(cmp.Compare(a.Since, b.Since), cmp.Compare(a.Order, b.Order))
}

// On appends what a promise weighs on a calendar, if it does.
func (p *Promise) On(out []scheduler.Booking, calendar string) []scheduler.Booking {
	if p.At.Model == calendar || slices.ContainsFunc(p.Also, func(w scheduler.Weight) bool { return w.On == calendar }) {
		return append(out, p.slot(calendar))
	}
	return out
}

// slot returns a promise as it lies on a calendar on which it weighs something.
func (p *Promise) slot(calendar string) scheduler.Booking {
	b, counted := p.Booking, p.At.Model == calendar
	for _, w := range p.Also {
		switch {
		case w.On != calendar:
		case !counted:
			b.Demand.Requests, b.Demand.Tokens, counted = w.Demand.Requests, w.Demand.Tokens, true
		default: // twice on one calendar is once with both weights
			b.Demand.Requests, b.Demand.Tokens = b.Demand.Count()+w.Demand.Count(), b.Demand.Tokens+w.Demand.Tokens
		}
	}
	return b
}

// WaitsFor reports whether it is for want of room on a calendar that it was told to wait.
func (p *Promise) WaitsFor(calendar string) bool { return cmp.Or(p.For, p.At.Model) == calendar }

// calendars returns those on whose queues a promise is: its model's, and those beside it that other models share.
func (p *Promise) calendars() []string {
	all := []string{p.At.Model}
	for i := range p.Also {
		if on := p.Also[i].On; scheduler.OfSeveralModels(on) && !slices.Contains(all, on) {
			all = append(all, on)
		}
	}
	return all
}

func (id Place) compare(o Place) int {
	return cmp.Or(cmp.Compare(id.Project, o.Project), cmp.Compare(id.Model, o.Model))
}
