package admission

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"

	"fluxgate.dev/fluxgate/internal/admission/fair"
	"fluxgate.dev/fluxgate/internal/admission/lateness"
	"fluxgate.dev/fluxgate/internal/admission/ticket"
	"fluxgate.dev/fluxgate/internal/admission/turns"
	"fluxgate.dev/fluxgate/internal/admission/waitlist"
	"fluxgate.dev/fluxgate/scheduler"
)

// maxReplans bounds how often a request is planned anew because the state was
// found changed when its reservation was to be committed.
const maxReplans = 3

// A decision is about one request.
type decision struct {
	c      *Controller
	rules  *scheduler.Rules
	req    Request
	demand scheduler.Demand // with what the caller's own limits add
	chain  []string         // the models in whose calendars it may be counted
	asked  Asked

	ids    []string // of few projects in few
	few    [8]string
	states []*scheduler.Project // as of the last look, by position in ids
	looked bool                 // and nothing was planned from them yet

	refreshed bool // what may have been stale was read again
	tight     bool // a booking fits later than a request that goes at its time

	came scheduler.Instant // when the request did

	// What the caller is recognised by.
	returned bool              // it was told to wait before
	since    scheduler.Instant // when it first was, 0: unknown
	held     uint64            // the booking that it holds, 0: none
	due      scheduler.Instant // when it starts
	project  string            // where it lies
	model    string
	promise  *waitlist.Promise // what it was told, and has come back before; nil: nothing

	announced uint64 // what is to be booked for a caller with limits of its own; 0: nothing

	turns    *turns.Turns // of the last plan; nil: there was room, or there is only one caller
	began    fair.Cost    // what the caller had had when it was first told to wait, on the calendar turn
	turn     string
	ahead    bool // the last plan has it wait, though there is room, as its caller is far ahead
	waited   bool // it has waited for that, or may have: what is left now the others don't use
	unbooked bool // nothing is kept for it so far ahead
	spread   bool // it came after the hold of what it was told, as [lateness.Spread] says
	starves  bool // and so often in vain that it is booked whatever that costs
	proved   bool // and it had sat out as much of it as it does in one go
}

// look views the candidate projects.
func (d *decision) look(ctx context.Context) (err error) {
	if d.ids == nil {
		d.ids = appendIDs(d.few[:0], d.req.Projects)
	}
	d.states, err = d.c.store.View(ctx, d.ids)
	d.looked = err == nil
	return err
}

// take decides: what the caller's own limits say, then what the projects do. A
// grant has its place in both.
func (d *decision) take(ctx context.Context) (*Grant, *Wait, error) {
	if err := d.look(ctx); err != nil {
		return nil, nil, err
	}
	if d.req.Over {
		grant, err := d.over(ctx)
		return grant, nil, err
	}
	refused, err := d.req.Limit.check(ctx, d.req.Hash, d.comesForSlot())
	if err != nil {
		return nil, nil, err
	}
	if refused != nil {
		d.promise = d.waitsFor() // a project's, which isn't in its own way
		wait, err := d.later(ctx, refused)
		return nil, wait, err
	}
	if err := d.recognise(ctx); err != nil {
		return nil, nil, err
	}
	grant, wait, err := d.decide(ctx)
	if d.promise != nil && (grant != nil || wait != nil && wait.Booked) {
		d.c.waitlist.Take(d.promise.ID, d.c.Now()) // it has had its turn
	}
	if grant != nil || wait != nil && wait.Caller == "" {
		d.req.Limit.came()
	}
	return grant, wait, err
}

// over takes the slot of a request that is sent in any case.
func (d *decision) over(ctx context.Context) (*Grant, error) {
	offer, _ := d.plan()
	if offer.Start == scheduler.Never { // it fits nowhere, or upstream won't have it
		usable := d.candidates()
		if len(usable) == 0 || len(d.chain) == 0 {
			return nil, ErrNoProject
		}
		model := d.chain[max(0, slices.IndexFunc(d.chain, func(m string) bool { return d.serves(usable[0].ID, m) }))]
		offer = scheduler.Offer{Project: usable[0].ID, Model: model, Also: d.req.also(model)}
	}
	offer.Start, offer.Wait = d.c.Now(), 0 // it goes now
	grant, _, _, err := d.reserve(ctx, offer, 0)
	if grant == nil {
		return nil, cmp.Or(err, ErrNoProject)
	}
	return grant, nil
}

// later returns what a caller is told whose own limits demand a wait: that one, behind those of its
// requests that were told one before, or the projects' if it is longer, since coming back before it would be in vain. Of
// the projects' nothing is booked, for the caller couldn't use it, and it isn't put
// on the waitlist: what it is told is in nobody's way but its own.
func (d *decision) later(ctx context.Context, own *Wait) (*Wait, error) {
	if d.rehold() {
		// It has a slot, which must not count as an obstacle to itself.
		if d.due > own.Start {
			return d.booked(scheduler.Offer{Project: d.project, Model: d.model}, d.holding(), scheduler.NoCause), nil
		}
		return own, nil
	}
	own, err := d.req.Limit.later(ctx, own, own.Start, d.slots())
	if err != nil {
		return nil, err
	}
	// What may be stale is read only where it would be what is told: a caller that
	// keeps asking costs no reads.
	offer, cause := d.plan()
	if cause != scheduler.NoCause || offer.Start > own.Start {
		if offer, cause, err = d.best(ctx); err != nil {
			return nil, err
		}
	}
	switch {
	case cause == scheduler.TooLarge:
		return nil, d.tooLarge()
	case cause == scheduler.Unavailable:
		return nil, d.noProject()
	}
	longer := offer.Start > own.Start
	if longer {
		if own, err = d.req.Limit.later(ctx, own, offer.Start, d.slots()); err != nil {
			return nil, err
		}
	}
	d.req.Limit.own.Tell(own.Start, d.c.Now())
	if longer && own.Start <= offer.Start {
		return d.told(offer, ticket.NewID()), nil
	}
	return own, nil
}

// beyond returns what a caller is told that can't use a slot which it is offered, since
// what it was promised and has booked is all that its own limits let it use; nil if it
// can. Who comes before its time has its promise.
func (d *decision) beyond(ctx context.Context, offer scheduler.Offer) (*Wait, error) {
	if d.req.Limit == nil || d.promise != nil && !d.books() {
		return nil, nil
	}
	own, err := d.req.Limit.beside(ctx, offer.Start, d.slots())
	if own == nil {
		return nil, err
	}
	return d.later(ctx, own)
}

// decide claims what the caller holds, or plans.
func (d *decision) decide(ctx context.Context) (*Grant, *Wait, error) {
	if d.held != 0 {
		grant, wait, err := d.claim(ctx)
		if grant != nil || wait != nil || err != nil {
			return grant, wait, err
		}
	}
	var offer scheduler.Offer
	var last scheduler.Result
	for n := range 1 + maxReplans {
		var cause scheduler.Cause
		var err error
		if offer, cause, err = d.best(ctx); err != nil {
			return nil, nil, err
		}
		// A booking that another instance made shows once its document is read.
		if d.rehold() {
			grant, wait, err := d.claim(ctx)
			if grant != nil || wait != nil || err != nil {
				return grant, wait, err
			}
		}
		switch cause {
		case scheduler.TooLarge:
			return nil, nil, d.tooLarge()
		case scheduler.Unavailable:
			return nil, nil, d.noProject()
		}
		if !offer.Now() {
			switch {
			case refused(offer.On, offer.Cause):
				return nil, d.tell(offer), nil
			case d.late(offer):
				// Nothing is kept, and nobody waits for the caller.
				return nil, d.wait(offer, offer.Start, offer.Cause), nil
			case offer.Cause == scheduler.ByTest:
				return nil, d.tell(offer), nil // nothing can be kept
			case d.proved && !d.untimely(offer):
				offer = d.standing(offer)
			default:
				wait, err := d.beyond(ctx, offer)
				if wait != nil || err != nil {
					return nil, wait, err
				}
				if !d.books() && !d.keepsAtOnce(offer) {
					return nil, d.tell(offer), nil
				}
				if d.untimely(offer) || d.spread && !d.starves && !lateness.Keeps(offer.Start.Sub(d.c.Now())) {
					d.unbooked, d.looked = true, true
					if offer, cause = d.plan(); cause == scheduler.NoCause && !offer.Now() {
						return nil, d.tell(offer), nil
					}
				}
			}
		}
		grant, wait, result, err := d.commit(ctx, offer)
		if err != nil || grant != nil || wait != nil {
			return grant, wait, err
		}
		last, d.tight = result, !offer.Now()
		// What was planned on was read again when it turned out to be out of date. The
		// last plan is made on what is certain of all of them.
		if n == maxReplans-1 {
			if err := d.c.store.Refresh(ctx, d.ids, true); err != nil {
				return nil, nil, err
			}
		}
	}
	// The state changed under every plan. What was found last is the wait.
	if last.Start != 0 && last.Start != scheduler.Never {
		offer.Start = max(last.Start, d.c.Now()+1)
	}
	offer.Cause, offer.On = last.Cause, last.On
	return nil, d.tell(offer), nil
}

// commit commits the slot that was planned. What a caller with limits of its own books it announces before, and what it
// can't use then isn't booked.
func (d *decision) commit(ctx context.Context, offer scheduler.Offer) (grant *Grant, wait *Wait, result scheduler.Result, err error) {
	if d.announced = 0; d.req.Limit != nil && !offer.Now() {
		d.announced = ticket.NewIDOf(d.req.Caller)
		defer func() {
			if wait == nil || !wait.Booked {
				d.req.Limit.withdraw(d.announced)
			}
		}()
		own, err := d.req.Limit.announce(ctx, d.announced, offer.Start, d.slots())
		if own != nil {
			wait, err = d.later(ctx, own)
		}
		if own != nil || err != nil {
			return nil, wait, result, err
		}
	}
	if grant, wait, result, err = d.reserve(ctx, offer, 0); wait != nil && wait.Caller != "" {
		wait, err = d.later(ctx, wait)
	}
	return grant, wait, result, err
}

// best is the best offer there is. Before anybody is refused on the strength of
// what may be stale, that is read again.
func (d *decision) best(ctx context.Context) (offer scheduler.Offer, cause scheduler.Cause, err error) {
	if !d.looked {
		if err := d.look(ctx); err != nil {
			return offer, cause, err
		}
	}
	offer, cause = d.plan()
	if offer.Now() || d.refreshed {
		return offer, cause, nil
	}
	d.refreshed = true
	known := d.states
	if err := d.c.store.Refresh(ctx, d.ids, false); err != nil {
		return offer, cause, err
	}
	if err := d.look(ctx); err != nil {
		return offer, cause, err
	}
	if !slices.Equal(known, d.states) {
		offer, cause = d.plan()
	}
	return offer, cause, nil
}

// books reports whether the request gets a booking if there is no room.
func (d *decision) books() bool { return (d.returned || d.req.Book) && !d.unbooked }

func (d *decision) plan() (scheduler.Offer, scheduler.Cause) {
	offer, cause := d.planFor(d.padded(), false)
	if d.tight && cause == scheduler.NoCause && !offer.Now() {
		demand, _ := d.kept(offer.Start)
		offer, cause = d.planFor(demand, true)
	}
	return offer, cause
}

// planFor plans. What was told but not kept is in nobody's way who has come back and gets a booking. Who
// comes before its time gets no room that others were told of: coming early gains it
// nothing. Where several callers wait, it is by turns instead; see [turns.Turns].
func (d *decision) planFor(demand scheduler.Demand, book bool) (scheduler.Offer, scheduler.Cause) {
	d.looked, d.turns, d.ahead = false, nil, false
	now, candidates := d.c.Now(), d.candidates()
	req := scheduler.Request{Chain: d.chain, Demand: demand, Serves: d.req.Serves, MaxWait: d.req.MaxWait, Also: d.req.Also, Near: d.req.Near, Book: book, Instances: d.c.store.Instances()}
	plan := func() (scheduler.Offer, scheduler.Cause) {
		return scheduler.Plan(d.rules, now, candidates, req, rand.IntN)
	}
	early := d.promise != nil && d.promise.Early && !d.books()
	offer, cause := plan()
	if cause != scheduler.NoCause || offer.Now() && (!d.c.shared && !early || d.c.shared && !d.othersWait(offer.Model, offer.Also, now)) {
		return offer, cause
	}
	if d.c.shared {
		d.turns = d.turnsFor(offer.Model, offer.Also, now)
	}
	if offer.Now() && !early && !d.contested(offer.Model) {
		return offer, cause
	}
	req.Queue = true // whether there is room now is known
	if d.contested(offer.Model) {
		return d.byTurns(offer, candidates, req)
	}
	switch {
	case d.books() && d.returned:
		return offer, cause
	case d.promise != nil:
		req.Waitlist = d.promised(waitlist.Asker{Self: d.promise.ID, Before: early})
	default:
		req.Waitlist = d.promised(waitlist.Asker{})
	}
	return plan()
}

// late reports whether an offer is later than the caller can wait.
func (d *decision) late(offer scheduler.Offer) bool {
	return d.req.Within != nil && offer.Start.Sub(d.came) > *d.req.Within
}

// compare says of a wait what it is for, and names the model of the chain that could take
// the request sooner: within the time that the caller can wait, or else now.
func (d *decision) compare(w *Wait) {
	w.Within, w.Models, w.Projects = d.req.Within, d.req.Models, len(d.candidates())
	if len(d.chain) < 2 || w.Caller != "" || w.Refused() {
		return
	}
	within := d.req.Try
	if d.req.Within != nil {
		within = *d.req.Within
	}
	other, cause := scheduler.Plan(d.rules, d.c.Now(), d.candidates(), scheduler.Request{
		Chain: d.chain, Demand: d.padded(), Serves: d.req.Serves, MaxWait: &within, Also: d.req.Also, Waitlist: d.promised(waitlist.Asker{}),
	}, rand.IntN)
	if cause == scheduler.NoCause && other.Model != w.Model && (other.Now() || other.Start.Sub(d.came) <= within) && other.Start < w.Start {
		w.Instead, w.InsteadAt = d.asked.Of(other.Model), other.Start
	}
}

// claim asks for the slot that the caller holds. With no result at all the
// caller is to be planned for like one that has returned without a booking.
func (d *decision) claim(ctx context.Context) (*Grant, *Wait, error) {
	now := d.c.Now()
	if !d.serves(d.project, d.model) {
		return nil, nil, d.drop(ctx)
	}
	offer := scheduler.Offer{Project: d.project, Model: d.model, Start: now, Also: d.req.also(d.model)}
	var grant *Grant
	var wait *Wait
	var err error
	if d.due > now.Add(d.c.behind())+waitlist.Early {
		wait = d.booked(offer, d.holding(), scheduler.NoCause) // it is asked for in vain
	} else {
		var result scheduler.Result
		grant, wait, result, err = d.reserve(ctx, offer, d.held)
		if err == nil && result.Verdict == scheduler.Replan && result.Cause == scheduler.Unavailable && d.another(ctx) {
			grant, wait, _, err = d.reserve(ctx, offer, d.held)
		}
		if wait != nil && wait.Booked && wait.Start <= d.c.Now() { // it began while it was asked for too early
			grant, wait, _, err = d.reserve(ctx, offer, d.held)
		}
	}
	switch came := max(d.came, d.due); {
	case grant != nil:
		// Reads, paces and lost races included.
		d.c.holders.Used(d.manner(), came.Sub(d.due), max(0, d.c.Now().Sub(came)))
	case now >= d.due:
		d.c.holders.Used(d.manner(), came.Sub(d.due), 0)
	}
	switch {
	case err != nil || grant != nil:
		return grant, nil, err
	case wait != nil && wait.Caller != "":
		return nil, wait, nil // it keeps its booking
	case wait == nil, wait.Start.Sub(now) > scheduler.MaxAhead:
		// The place can't serve it any more, or has been put off: the day is spent
		// there.
		return nil, nil, d.drop(ctx)
	}
	grant, err = d.elsewhere(ctx)
	if grant != nil || err != nil {
		return grant, nil, err
	}
	return nil, wait, nil
}

// another reads again the project of the booking that the caller holds, where others have found that the key can't be
// used, or the model isn't to be had, and reports whether it may serve the caller all the same: by another key.
func (d *decision) another(ctx context.Context) bool {
	ok := d.c.store.Refresh(ctx, []string{d.project}, true) == nil && d.look(ctx) == nil && d.serves(d.project, d.model)
	d.looked = false
	return ok
}

// elsewhere is for the holder of a booking that has come in vain: a holder
// before it was late, or upstream refused and the booking was moved, or it is
// early. Where a walk-in could go now it goes too; if there is no such place it
// keeps its rank.
func (d *decision) elsewhere(ctx context.Context) (*Grant, error) {
	if err := d.look(ctx); err != nil {
		return nil, err
	}
	offer, cause := d.planFor(d.padded(), false)
	if cause != scheduler.NoCause || !offer.Now() {
		return nil, nil
	}
	grant, _, _, err := d.reserve(ctx, offer, 0)
	if grant != nil {
		d.c.store.Later(d.rules, d.project, scheduler.Release{Booking: d.held})
		d.req.Limit.withdraw(d.held)
	}
	return grant, err
}

// drop gives up the booking that the caller holds.
func (d *decision) drop(ctx context.Context) error {
	_, err := d.c.store.Apply(ctx, d.rules, d.project, scheduler.Release{Booking: d.held})
	d.req.Limit.withdraw(d.held)
	d.held = 0
	return err
}

// serves reports whether the request may go to that project and model.
func (d *decision) serves(project, model string) bool {
	for i, p := range d.req.Projects {
		if p.ID == project && d.usable(i) {
			return slices.Contains(d.chain, model) && (d.req.Serves == nil || d.req.Serves(project, model))
		}
	}
	return false
}
