package gate

import (
	"context"
	"math/rand/v2"
	"slices"

	"fluxgate.dev/fluxgate/scheduler"
)

// An admission is one request on its way through the gate.
type admission struct {
	g      *Gate
	rules  *scheduler.Rules
	req    Request
	demand scheduler.Demand

	ids    []string
	states []*scheduler.Project // as of the last look, by position in ids

	refreshed bool  // what may have been stale was read again
	renewed   bool  // all was, after a race was lost
	conflicts int64 // races that this instance had lost when the request came
	tight     bool  // a booking fits later than a request that goes at its time

	came scheduler.Instant // when the request did

	// What the caller is recognised by.
	returned bool              // it was told to wait before
	since    scheduler.Instant // when it first was, 0: unknown
	held     uint64            // the booking that it holds, 0: none
	due      scheduler.Instant // when it starts
	project  string            // where it lies
	model    string
}

// look views the candidate projects.
func (a *admission) look(ctx context.Context) (err error) {
	if a.ids == nil {
		a.ids = projectIDs(a.req.Projects)
	}
	a.states, err = a.g.store.View(ctx, a.ids)
	return err
}

// candidates are the projects that have a usable key; the preferred one alone
// if it has.
func (a *admission) candidates() []scheduler.Candidate {
	list := make([]scheduler.Candidate, 0, len(a.ids))
	for i, p := range a.req.Projects {
		if !usable(a.states[i], p.Keys) {
			continue
		}
		cand := scheduler.Candidate{ID: p.ID, State: a.states[i]}
		if p.ID == a.req.Prefer {
			return []scheduler.Candidate{cand}
		}
		list = append(list, cand)
	}
	return list
}

func usable(state *scheduler.Project, keys []string) bool {
	for _, k := range keys {
		if state.Usable(k) {
			return true
		}
	}
	return false
}

// decide claims what the caller holds, or plans.
func (a *admission) decide(ctx context.Context) (*Grant, *Wait, error) {
	if a.held != 0 {
		grant, wait, err := a.claim(ctx)
		if grant != nil || wait != nil || err != nil {
			return grant, wait, err
		}
	}
	var offer scheduler.Offer
	var last scheduler.Result
	for range 1 + maxReplans {
		var cause scheduler.Cause
		var err error
		if offer, cause, err = a.best(ctx); err != nil {
			return nil, nil, err
		}
		// A booking that another instance made shows once its document is read.
		if a.rehold() {
			grant, wait, err := a.claim(ctx)
			if grant != nil || wait != nil || err != nil {
				return grant, wait, err
			}
		}
		switch cause {
		case scheduler.TooLarge:
			return nil, nil, ErrTooLarge
		case scheduler.Unavailable:
			return nil, nil, ErrNoProject
		}
		if !offer.Now() && !a.books() {
			return nil, a.tell(offer), nil
		}
		grant, wait, result, err := a.reserve(ctx, offer, 0)
		if err != nil || grant != nil || wait != nil {
			return grant, wait, err
		}
		last, a.tight = result, !offer.Now()
		if err := a.reread(ctx); err != nil {
			return nil, nil, err
		}
	}
	// The state changed under every plan. What was found last is the wait.
	if last.Start != 0 && last.Start != scheduler.Never {
		offer.Start = max(last.Start, a.g.Now()+1)
	}
	offer.Cause = last.Cause
	return nil, a.tell(offer), nil
}

// reread has every candidate read again, once, if this instance has lost a race
// since the request came: whoever was faster on one project may have been so on
// all of them, and each that only looks free would cost a plan.
func (a *admission) reread(ctx context.Context) error {
	if a.renewed || a.g.store.Stats().Conflicts == a.conflicts {
		return nil
	}
	a.renewed = true
	return a.g.store.Refresh(ctx, a.ids, true)
}

// best is the best offer there is. Before anybody is refused on the strength of
// what may be stale, that is read again.
func (a *admission) best(ctx context.Context) (offer scheduler.Offer, cause scheduler.Cause, err error) {
	if err := a.look(ctx); err != nil {
		return offer, cause, err
	}
	offer, cause = a.plan()
	if offer.Now() || a.refreshed {
		return offer, cause, nil
	}
	a.refreshed = true
	known := a.states
	if err := a.g.store.Refresh(ctx, a.ids, false); err != nil {
		return offer, cause, err
	}
	if err := a.look(ctx); err != nil {
		return offer, cause, err
	}
	if !slices.Equal(known, a.states) {
		offer, cause = a.plan()
	}
	return offer, cause, nil
}

// books reports whether the request gets a booking if there is no room.
func (a *admission) books() bool { return a.returned || a.req.Book }

func (a *admission) plan() (scheduler.Offer, scheduler.Cause) {
	offer, cause := a.planFor(a.padded())
	if a.tight && cause == scheduler.NoCause && !offer.Now() {
		offer, cause = a.planFor(a.kept())
	}
	return offer, cause
}

// planFor plans. What was told but not kept is in nobody's way who gets a
// booking.
func (a *admission) planFor(demand scheduler.Demand) (scheduler.Offer, scheduler.Cause) {
	now := a.g.Now()
	req := scheduler.Request{Chain: a.req.Chain, Demand: demand, MaxWait: a.req.MaxWait}
	if !a.books() {
		req.Waitlist = func(project, model string) []scheduler.Booking { return a.g.told.promised(project, model, now) }
	}
	return scheduler.Plan(a.rules, now, a.candidates(), req, rand.IntN)
}

// padded is the demand with an allowance for the time that its commit takes.
func (a *admission) padded() scheduler.Demand {
	d := a.demand
	d.Allowance += a.g.lateness.allowance()
	return d
}

// kept is the demand for which a booking is made: its holder may be late.
func (a *admission) kept() scheduler.Demand {
	d := a.padded()
	d.Allowance += a.g.punctual.slack()
	return d
}

// claim asks for the slot that the caller holds. With no result at all the
// caller is to be planned for like one that has returned without a booking.
func (a *admission) claim(ctx context.Context) (*Grant, *Wait, error) {
	now := a.g.Now()
	if !a.serves(a.project, a.model) {
		return nil, nil, a.drop(ctx)
	}
	offer := scheduler.Offer{Project: a.project, Model: a.model, Start: now}
	grant, wait, _, err := a.reserve(ctx, offer, a.held)
	if came := max(a.came, a.due); grant != nil {
		// Reads, paces and lost races included.
		a.g.punctual.used(came.Sub(a.due), max(0, a.g.Now().Sub(came)))
	} else if now >= a.due {
		a.g.punctual.used(came.Sub(a.due), 0)
	}
	switch {
	case err != nil || grant != nil:
		return grant, nil, err
	case wait == nil, wait.Start.Sub(now) > scheduler.MaxAhead:
		// The place can't serve it any more, or has been put off: the day is spent
		// there.
		return nil, nil, a.drop(ctx)
	}
	grant, err = a.elsewhere(ctx)
	if grant != nil || err != nil {
		return grant, nil, err
	}
	return nil, wait, nil
}

// elsewhere is for the holder of a booking that has come in vain: a holder
// before it was late, or upstream refused and the booking was moved, or it is
// early. Where a walk-in could go now it goes too; if there is no such place it
// keeps its rank.
func (a *admission) elsewhere(ctx context.Context) (*Grant, error) {
	if err := a.look(ctx); err != nil {
		return nil, err
	}
	offer, cause := a.planFor(a.padded())
	if cause != scheduler.NoCause || !offer.Now() {
		return nil, nil
	}
	grant, _, _, err := a.reserve(ctx, offer, 0)
	if grant != nil {
		a.g.store.Later(a.rules, a.project, scheduler.Release{Booking: a.held})
	}
	return grant, err
}

// drop gives up the booking that the caller holds.
func (a *admission) drop(ctx context.Context) error {
	_, err := a.g.store.Apply(ctx, a.rules, a.project, scheduler.Release{Booking: a.held})
	a.held = 0
	return err
}

// serves reports whether the request may go to that project and model.
func (a *admission) serves(project, model string) bool {
	for i, p := range a.req.Projects {
		if p.ID != project || !usable(a.states[i], p.Keys) {
			continue
		}
		for _, m := range a.req.Chain {
			if m == model {
				return true
			}
		}
	}
	return false
}
