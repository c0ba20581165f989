package admission

import (
	"math/rand/v2"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/internal/admission/lateness"
	"fluxgate.dev/fluxgate/internal/admission/waitlist"
	"fluxgate.dev/fluxgate/scheduler"
)

// standing returns what the caller is told that has come back before its time: what it
// was told, unless it can go earlier, or others have made it untrue. Then it is what is left behind those that are
// older: where it isn't by turns, who was told a time after it has its turn after it.
func (d *decision) standing(offer scheduler.Offer) scheduler.Offer {
	if offer.Start <= d.promise.Start {
		return offer
	}
	told, ok := d.stands()
	if !ok && !d.contested(offer.Model) {
		told, _ = d.behind(d.candidates(), []string{offer.Model}, d.older())
		ok = told.Start < offer.Start
	}
	if ok {
		offer.Project, offer.Model, offer.Start, offer.Also = told.Project, told.Model, told.Start, told.Also
	}
	return offer
}

// stands reports whether the time that the caller was told is still true: whether the
// request fits then beside whatever is older. Where that is, only the instance knows that
// told it.
func (d *decision) stands() (scheduler.Offer, bool) {
	p, older := d.promise, d.older()
	candidates, chain := d.candidates(), d.chain
	if p.At.Project != "" {
		if d.contested(p.At.Model) {
			older = d.turns.Before()
		}
		chain = []string{p.At.Model}
		candidates = slices.DeleteFunc(candidates, func(c scheduler.Candidate) bool { return c.ID != p.At.Project })
	}
	offer, cause := d.behind(candidates, chain, older)
	return offer, cause == scheduler.NoCause && offer.Start == p.Start
}

// behind plans for the time that the caller was told, or the first after it, behind some others.
func (d *decision) behind(candidates []scheduler.Candidate, chain []string, others func(project, model string) []scheduler.Booking) (scheduler.Offer, scheduler.Cause) {
	return scheduler.Plan(d.rules, d.c.Now(), candidates, scheduler.Request{
		Chain: chain, Demand: d.padded(), Serves: d.req.Serves, Also: d.req.Also, From: d.promise.Start, Waitlist: others,
	}, rand.IntN)
}

// older returns what is older than what the caller was told. Before which others that was, only the instance knows that
// told it: at another those are older whose requests have waited for longer.
func (d *decision) older() func(project, model string) []scheduler.Booking {
	return d.promised(waitlist.Asker{Self: d.promise.ID, Older: d.promise.Order, Since: d.promise.Since})
}

// promised returns what an asker has to leave to others.
func (d *decision) promised(who waitlist.Asker) func(project, model string) []scheduler.Booking {
	now := d.c.Now()
	return func(project, model string) []scheduler.Booking {
		return d.c.waitlist.Promised(project, model, now, who)
	}
}

// padded is the demand with an allowance for the time that its commit takes.
func (d *decision) padded() scheduler.Demand {
	demand := d.demand
	demand.Allowance += d.c.lateness.Allowance()
	return demand
}

// kept is the demand for which a booking is made at a start, and how long it is kept, if
// longer than usual: its holder may be late.
func (d *decision) kept(start scheduler.Instant) (demand scheduler.Demand, hold time.Duration) {
	demand = d.padded()
	slack := d.c.holders.Slack(d.manner())
	if d.spread {
		if hold = lateness.Hold(start.Sub(d.c.Now())); hold <= d.rules.Hold {
			hold = 0
		}
		slack = max(slack, hold)
	}
	demand.Allowance += slack
	return demand, hold
}

// manner is how the caller comes back, as far as it says.
func (d *decision) manner() lateness.Manner {
	return lateness.Manner{Caller: d.req.Caller, Punctual: d.req.Punctual}
}
