package admission

import (
	"cmp"
	"context"
	"time"

	"fluxgate.dev/fluxgate/internal/admission/ticket"
	"fluxgate.dev/fluxgate/internal/admission/waitlist"
	"fluxgate.dev/fluxgate/scheduler"
)

// reserve commits the slot that was planned: one to be used now once the request has its
// place in its caller's own limits, which it gives back if it gets no slot. With no grant,
// wait or error the plan is out of date.
func (d *decision) reserve(ctx context.Context, offer scheduler.Offer, held uint64) (grant *Grant, wait *Wait, result scheduler.Result, err error) {
	d.shareWaitlist(offer.Project)
	var hold time.Duration
	demand, book := d.padded(), !offer.Now() && held == 0
	if book {
		demand, hold = d.kept(offer.Start)
	} else if !d.req.Limit.taken() {
		if held != 0 {
			wait, err = d.req.Limit.claim(ctx, held)
		} else {
			wait, err = d.req.Limit.reserve(ctx, d.req.Over, d.held, d.booking())
		}
		defer func() {
			if grant != nil {
				return
			}
			if d.req.Limit.GiveBack(); held != 0 {
				d.req.Limit.keep(held, d.due)
			}
		}()
		if wait != nil || err != nil {
			return nil, wait, result, err
		}
	}
	done := d.c.served.Reserving(scheduler.NameOf(offer.Model), scheduler.CallerOf(d.req.Caller))
	defer func() { done(grant != nil) }()
	key, usable := d.key(offer.Project), "" // others may have found that it isn't since
	if !book && key != d.req.TryKey {
		usable = key
	}
	var from scheduler.Instant
	if book && (d.proved || !d.returned || d.behindOthers(offer)) {
		from = offer.Start // what is before that others were told of
	}
	result, err = d.c.store.Apply(ctx, d.rules, offer.Project, scheduler.Reserve{
		Model: offer.Model, Demand: demand, Also: offer.Also, ID: cmp.Or(d.announced, ticket.NewIDOf(d.req.Caller)), Hash: d.req.Hash,
		Booking: held, Came: d.came, Behind: d.c.behind(), Book: book, Planned: offer.Start, From: from, Since: d.since, Hold: hold, Caller: d.req.Caller, Level: d.level(offer.Model), Contested: d.contested(offer.Model) || d.severalShare() || held != 0 && d.wanted(offer.Model), Levels: d.levels(offer, held),
		Key: usable, Over: d.req.Over,
	})
	if err != nil {
		return nil, nil, result, err
	}
	switch result.Verdict {
	case scheduler.Admitted:
		if result.Booking.ID != 0 {
			d.since = result.Booking.Since
		}
		grant := &Grant{
			Project: offer.Project, Key: key, Model: offer.Model, Asked: d.asked.Of(offer.Model), Reservation: result.Reservation, Also: result.Also,
			Booked: result.Booking.ID != 0, Probe: result.Probe, Beyond: result.Beyond, Trial: result.Trial, Caller: d.req.Caller,
		}
		result, err = d.cover(ctx, grant, result.Booking, result.Allowance-d.demand.Allowance)
		if err != nil || result.Verdict != scheduler.Admitted {
			return nil, nil, result, err
		}
		return grant, nil, result, nil
	case scheduler.Booked:
		b := result.Booking
		offer.On = result.On
		return nil, d.booked(offer, b, result.Cause), result, nil
	case scheduler.Refused:
		if !book && result.Start != scheduler.Never {
			break // there was room when it was planned
		}
		if result.Start == scheduler.Never {
			return nil, nil, result, d.tooLarge()
		}
		// No slot is kept so far ahead, or no more of them: it is told a time as whoever isn't booked.
		d.unbooked, d.looked = true, true
		offer.Start, offer.Cause, offer.On = result.Start, result.Cause, result.On
		if behind, cause := d.plan(); cause == scheduler.NoCause && !behind.Now() {
			offer = behind
		}
		return nil, d.tell(offer), result, nil
	}
	return nil, nil, result, nil
}

// cover makes sure that the interval of a grant covers a request that is sent
// now, although its commit took a while: where it took longer than was allowed
// for, the interval is lengthened before anything is sent. What the request
// itself needs for its upload isn't touched. Half the skew counts as allowed, of all the
// grant's calendars the least; the other half is for the way to Google and for its clock. Where it can't be
// lengthened the holder has its booking again, for it is told to ask again.
func (d *decision) cover(ctx context.Context, grant *Grant, held scheduler.Booking, allowed time.Duration) (scheduler.Result, error) {
	result, skew := scheduler.Result{Verdict: scheduler.Admitted, Reservation: grant.Reservation}, d.rules.Skew
	for _, x := range grant.Also {
		skew = min(skew, d.rules.Of(grant.Project).Late(x.On))
	}
	for range maxReplans {
		late := d.c.Now().Sub(grant.Reservation.Start)
		d.c.lateness.Note(late)
		if late <= allowed+skew/2 {
			return result, nil
		}
		// Lengthening is a commit too, and may take as long again.
		allowed = 2 * late
		var err error
		result, err = d.c.store.Apply(ctx, d.rules, grant.Project, scheduler.Extend{
			Model: grant.Model, ID: grant.Reservation.ID, Until: grant.Reservation.Start.Add(allowed + d.demand.Allowance),
			Yield: !grant.Booked, Reserved: grant.Reservation, Also: grant.Also, Caller: grant.Caller,
		})
		if err != nil {
			d.c.cancel(grant, scheduler.Cancel{Booking: held})
			return result, err
		}
		if result.Verdict != scheduler.Admitted {
			return result, nil
		}
		grant.Reservation, grant.Also = result.Reservation, result.Also
	}
	// The store gets slower and slower. The slot is given back.
	d.c.Cancel(grant, false)
	return scheduler.Result{Verdict: scheduler.Replan, Start: d.c.Now()}, nil
}

// tell answers a refusal for which nothing is kept, and remembers it, unless upstream
// refuses what is asked for: nobody is to come back for what may not be there. Who was
// told a time before is told that again, unless it can go earlier, or others have made it
// untrue.
func (d *decision) tell(offer scheduler.Offer) *Wait {
	if refused(offer.On, offer.Cause) {
		return d.told(offer, ticket.NewID())
	}
	now := d.c.Now()
	if p := d.promise; p != nil {
		offer = d.standing(offer)
		p.For = offer.On
		d.c.waitlist.TellAgain(p, waitlist.Place{Project: offer.Project, Model: offer.Model}, offer.Start, now, offer.Also...)
		return d.told(offer, p.ID)
	}
	b := scheduler.Booking{ID: ticket.NewID(), Hash: d.req.Hash, Start: offer.Start, Since: d.waitingSince(), Demand: d.demand}
	p := waitlist.Promise{Booking: b, At: waitlist.Place{Project: offer.Project, Model: offer.Model}, Also: offer.Also, Caller: d.req.Caller, Ahead: d.ahead, Tells: uint8(min(offer.Instances, 255))}
	p.For = offer.On
	p.Began, p.Turn = d.had(offer)
	d.c.waitlist.Add(p, now)
	return d.told(offer, b.ID)
}

// told is the wait for a slot that isn't kept.
func (d *decision) told(offer scheduler.Offer, id uint64) *Wait {
	w := d.wait(offer, offer.Start, offer.Cause)
	w.Ticket = d.ticket(id, offer.Start, d.waitingSince())
	return w
}

// booked is the wait for a slot that is kept.
func (d *decision) booked(offer scheduler.Offer, b scheduler.Booking, cause scheduler.Cause) *Wait {
	d.c.waitlist.TellBooking(b.ID, d.c.Now())
	w := d.wait(offer, b.Start, cause)
	w.Booked, w.Ticket = true, d.ticket(b.ID, b.Start, b.Since)
	return w
}

func (d *decision) ticket(id uint64, start, since scheduler.Instant) string {
	return d.c.signing().Sign(Ticket{ID: id, Hash: d.req.Hash, Start: start, Since: since, Tokens: d.demand.Tokens, Caller: d.req.Caller})
}

// waitingSince is when the caller was first told to wait: now, if it wasn't before.
func (d *decision) waitingSince() scheduler.Instant {
	if d.since != 0 {
		return d.since
	}
	return d.c.Now()
}

func (d *decision) wait(offer scheduler.Offer, start scheduler.Instant, cause scheduler.Cause) *Wait {
	w := &Wait{Start: start, Project: offer.Project, Model: offer.Model, On: offer.On, Cause: cause, Contested: d.contested(offer.Model)}
	for i, id := range d.ids {
		if id == offer.Project {
			w.Preferred = len(d.ids) > 1 && d.prefers(i)
			w.Limit = d.states[i].Calendar(cmp.Or(offer.On, offer.Model)).EffectiveLimits(d.rules.Of(id), d.c.Now())
		}
	}
	return w
}

// shareWaitlist has the short hashes of those that were told to wait for a project, and who waits,
// ride along with its next commit.
func (d *decision) shareWaitlist(project string) {
	var turns func(calendar string) bool
	if d.severalShare() {
		turns = d.hasTurns
	}
	if told := d.c.waitlist.Share(project, d.c.Now(), turns); len(told.Entries)+len(told.Waiters) > 0 {
		d.c.store.Later(d.rules, project, told)
	}
}
