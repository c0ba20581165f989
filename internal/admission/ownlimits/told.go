package ownlimits

import (
	"math/rand/v2"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/internal/admission/ticket"
	"fluxgate.dev/fluxgate/internal/admission/waitlist"
	"fluxgate.dev/fluxgate/scheduler"
)

// Told is whom one instance told which time for the sake of its own limits. Another instance doesn't know it. It is
// safe for concurrent use, and bounded as a [waitlist.List].
type Told struct{ list *waitlist.List }

// NewTold returns one on which nobody is yet. Who doesn't come in the hold after its time is waited for no longer.
func NewTold(hold time.Duration) *Told { return &Told{list: waitlist.New(hold)} }

// soon is how far ahead a time that was told keeps a new request from going for which there is room. Further ahead the
// room is idle, as nobody came for it or it was given back: who is told that time waits a little longer, less than half
// a window, rather than that nobody goes.
const soon = scheduler.Window / 2

// An Asker is one request of a caller that has limits of its own.
type Asker struct {
	Told   *Told
	Rules  *scheduler.Rules
	Caller string
	Hash   uint64 // of the request; 0: it can't be recognised, and is told a time but not remembered
	Demand scheduler.Demand

	mine *waitlist.Promise // what it was told; nil: nothing
}

// Recognise finds out whether it was told a time before.
func (a *Asker) Recognise(now scheduler.Instant) {
	if a.mine = nil; a.Hash != 0 {
		if a.mine = a.Told.list.Started(a.Hash, now); a.mine == nil {
			a.mine = a.Told.list.Waiting(a.Hash, now)
		}
	}
}

// Goes returns when it may go by the limits, beside those that are to come soon for what they were told before; not beside
// them if it holds a slot.
func (a *Asker) Goes(now scheduler.Instant, state *scheduler.Project, holds bool) scheduler.Offer {
	if holds {
		return a.Plan(now, state, 0, nil)
	}
	who := waitlist.Asker{Before: true}
	if a.mine != nil {
		if who.Self = a.mine.ID; a.mine.Start <= now+waitlist.Early {
			who.Older = a.mine.Order // it is its turn
		}
	}
	others := slices.DeleteFunc(a.others(now, who), func(b scheduler.Booking) bool { return b.Start.Sub(now) >= soon })
	return a.Plan(now, state, 0, others)
}

// Later returns when it may go at an instant or after it: behind those that were told a time, or if that is later than
// what it was told before, at that, or what is left behind those that are older.
func (a *Asker) Later(now scheduler.Instant, state *scheduler.Project, from scheduler.Instant, kept []scheduler.Booking) scheduler.Offer {
	who := waitlist.Asker{Before: true}
	if a.mine != nil {
		if who.Self = a.mine.ID; from > a.mine.Start && from-a.mine.Start < 1000 {
			from = a.mine.Start // the rest is for whole seconds from now
		}
	}
	offer := a.Plan(now, state, from, append(a.others(now, who), kept...))
	if a.mine == nil || offer.Start <= a.mine.Start {
		return offer
	}
	who.Older = a.mine.Order
	if own := a.Plan(now, state, max(from, a.mine.Start), append(a.others(now, who), kept...)); own.Start < offer.Start {
		return own
	}
	return offer
}

// others returns what was told to others of its caller that are expected.
func (a *Asker) others(now scheduler.Instant, who waitlist.Asker) []scheduler.Booking {
	return a.Told.list.Promised(Document(a.Caller), Model, now, who)
}

// Plan plans beside some others.
func (a *Asker) Plan(now scheduler.Instant, state *scheduler.Project, from scheduler.Instant, others []scheduler.Booking) scheduler.Offer {
	offer, _ := scheduler.Plan(a.Rules, now, []scheduler.Candidate{{ID: Document(a.Caller), State: state}}, scheduler.Request{
		Chain: []string{Model}, Demand: a.Demand, From: from, Queue: true, Waitlist: func(string, string) []scheduler.Booking { return others },
	}, rand.IntN)
	return offer
}

// Tell remembers what it is told.
func (a *Asker) Tell(start, now scheduler.Instant) {
	at := waitlist.Place{Project: Document(a.Caller), Model: Model}
	switch {
	case a.mine != nil:
		a.Told.list.TellAgain(a.mine, at, start, now)
		a.mine = nil
	case a.Hash != 0:
		b := scheduler.Booking{ID: ticket.NewID(), Hash: a.Hash, Start: start, Since: now, Demand: a.Demand}
		a.Told.list.Add(waitlist.Promise{Booking: b, At: at, Caller: a.Caller}, now)
	}
}

// Came forgets what it was told: it goes, or waits for a project.
func (a *Asker) Came(now scheduler.Instant) {
	if a.mine != nil {
		a.Told.list.Take(a.mine.ID, now)
		a.mine = nil
	}
}
