package gate

import (
	"context"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// reserve commits the slot that was planned. With no grant, wait or error the
// plan is out of date.
func (a *admission) reserve(ctx context.Context, offer scheduler.Offer, held uint64) (*Grant, *Wait, scheduler.Result, error) {
	a.g.tellOthers(offer.Project)
	demand, book := a.padded(), !offer.Now() && held == 0
	if book {
		demand = a.kept()
	}
	result, err := a.g.store.Apply(ctx, a.rules, offer.Project, scheduler.Reserve{
		Model: offer.Model, Demand: demand, ID: newID(), Hash: a.req.Hash,
		Booking: held, Came: a.came, Behind: a.g.behind(), Book: book, Planned: offer.Start, Since: a.since, Caller: a.req.Caller,
	})
	if err != nil {
		return nil, nil, result, err
	}
	switch result.Verdict {
	case scheduler.Admitted:
		if result.Booking.ID != 0 {
			a.since = result.Booking.Since
		}
		grant := &Grant{
			Project: offer.Project, Model: offer.Model, Reservation: result.Reservation,
			Booked: result.Booking.ID != 0, Probe: result.Probe, Caller: a.req.Caller,
		}
		result, err = a.cover(ctx, grant, result.Allowance-a.demand.Allowance)
		if err != nil || result.Verdict != scheduler.Admitted {
			return nil, nil, result, err
		}
		return grant, nil, result, nil
	case scheduler.Booked:
		b := result.Booking
		w := a.wait(offer, b.Start, result.Cause)
		w.Booked = true
		w.Ticket = a.g.signer.sign(Ticket{ID: b.ID, Hash: a.req.Hash, Start: b.Start, Since: b.Since, Tokens: a.demand.Tokens, Caller: a.req.Caller})
		return nil, w, result, nil
	case scheduler.Refused:
		if !book && result.Start != scheduler.Never {
			break // there was room when it was planned
		}
		if result.Start == scheduler.Never {
			return nil, nil, result, ErrTooLarge
		}
		offer.Start, offer.Cause = result.Start, result.Cause
		return nil, a.tell(offer), result, nil
	}
	return nil, nil, result, nil
}

// cover makes sure that the interval of a grant covers a request that is sent
// now, although its commit took a while: where it took longer than was allowed
// for, the interval is lengthened before anything is sent. What the request
// itself needs for its upload isn't touched. Half the skew counts as allowed;
// the other half is for the way to Google and for its clock.
func (a *admission) cover(ctx context.Context, grant *Grant, allowed time.Duration) (scheduler.Result, error) {
	result := scheduler.Result{Verdict: scheduler.Admitted, Reservation: grant.Reservation}
	for range maxReplans {
		late := a.g.Now().Sub(grant.Reservation.Start)
		a.g.lateness.note(late)
		if late <= allowed+a.rules.Skew/2 {
			return result, nil
		}
		// Lengthening is a commit too, and may take as long again.
		allowed = 2 * late
		var err error
		result, err = a.g.store.Apply(ctx, a.rules, grant.Project, scheduler.Extend{
			Model: grant.Model, ID: grant.Reservation.ID, Until: grant.Reservation.Start.Add(allowed + a.demand.Allowance),
			Yield: !grant.Booked, Caller: grant.Caller,
		})
		if err != nil {
			a.g.Cancel(grant, false)
			return result, err
		}
		if result.Verdict != scheduler.Admitted {
			return result, nil
		}
		grant.Reservation = result.Reservation
	}
	// The store gets slower and slower. The slot is given back.
	a.g.Cancel(grant, false)
	return scheduler.Result{Verdict: scheduler.Replan, Start: a.g.Now()}, nil
}

// tell answers a refusal for which nothing is kept, and remembers it.
func (a *admission) tell(offer scheduler.Offer) *Wait {
	now := a.g.Now()
	since := a.since
	if since == 0 {
		since = now
	}
	id := newID()
	a.g.told.add(offer.Project, offer.Model, scheduler.Booking{
		ID: id, Hash: a.req.Hash, Start: offer.Start, Since: since, Demand: a.demand,
	}, now)
	w := a.wait(offer, offer.Start, offer.Cause)
	w.Ticket = a.g.signer.sign(Ticket{ID: id, Hash: a.req.Hash, Start: offer.Start, Since: since, Tokens: a.demand.Tokens, Caller: a.req.Caller})
	return w
}

func (a *admission) wait(offer scheduler.Offer, start scheduler.Instant, cause scheduler.Cause) *Wait {
	w := &Wait{Start: start, Project: offer.Project, Model: offer.Model, Cause: cause}
	for i, id := range a.ids {
		if id == offer.Project {
			w.Limit = a.states[i].Calendar(offer.Model).EffectiveLimits(a.rules, a.g.Now())
		}
	}
	return w
}

// tellOthers has the short hashes of those that were told to wait for a project
// ride along with its next commit.
func (g *Gate) tellOthers(project string) {
	if told := g.told.takeNews(project); len(told) > 0 {
		g.store.Later(g.Rules(), project, scheduler.ShareWaitlist{Entries: told})
	}
}
