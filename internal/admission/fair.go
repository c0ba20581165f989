package admission

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/internal/admission/fair"
	"fluxgate.dev/fluxgate/internal/admission/packing"
	"fluxgate.dev/fluxgate/internal/admission/ticket"
	"fluxgate.dev/fluxgate/internal/admission/waitlist"
	"fluxgate.dev/fluxgate/scheduler"
)

// A contest is who waits for a model, in the eyes of one request.
type contest struct {
	*fair.Contest
	*standings
	model   string
	mine    uint32
	request fair.Slot
	promise *waitlist.Promise // what the request was told, if it comes early
	buffer  []scheduler.Booking
}

// contestFor says whose turn it is on a model.
func (d *decision) contestFor(model string, now scheduler.Instant) *contest {
	k := &contest{standings: d.standings(model, now), model: model, mine: scheduler.CallerOf(d.req.Caller), promise: d.promise}
	k.request = fair.Slot{Caller: k.mine, Cost: cost(k.contest, d.demand), Since: d.waitingSince(), Order: math.MaxUint64, Began: d.began}
	if d.promise != nil {
		k.request.Order = d.promise.Order
	}
	k.Contest = k.contest.With(k.request, now)
	return k
}

// byTurns plans beside those whose turn it is before the request's, given the first offer that
// there is without regard to them. Of projects that have room now it takes the one on which the
// request leaves least unused, and of those that will have some the one on which least is idle
// until then. Who can't wait goes where there is room all the same, a conversation to its project,
// and nobody gets a worse model by that, or a project that others are to be used before.
func (d *decision) byTurns(first scheduler.Offer, candidates []scheduler.Candidate, req scheduler.Request) (scheduler.Offer, scheduler.Cause) {
	now := d.c.Now()
	k := d.contest
	if !first.Now() {
		return d.inTurn(now, candidates, req)
	}
	average := k.average(k.promise)
	if later := d.tooSoon(now, candidates, average, req.Instances > 1); later > 0 {
		req.From = now.Add(later)
		return d.inTurn(now, candidates, req)
	}
	packed, choose := packing.Pack(d.rules, now, candidates, k.model, req, average, d.waits() && first.Project != req.Near)
	offer, cause := d.goes(now, packed, req, choose)
	if len(packed) < len(candidates) && (cause != scheduler.NoCause || offer.Model != first.Model || d.rules.Prefers(first.Project) && !d.rules.Prefers(offer.Project)) {
		packed, choose = packing.Pack(d.rules, now, candidates, k.model, req, average, false)
		offer, cause = d.goes(now, packed, req, choose)
	}
	return offer, cause
}

// tooSoon returns for how long the request waits lest its caller be too far ahead of others. That is while more
// of them wait than there are projects, with sizes that use up tokens first, and not much would be left beside it.
func (d *decision) tooSoon(now scheduler.Instant, candidates []scheduler.Candidate, average int64, several bool) time.Duration {
	k := d.contest
	if !k.crowded() || !d.waits() || !packing.Large(d.rules, now, candidates, k.model, average) ||
		packing.MuchLeft(d.rules, now, candidates, k.model, d.demand) {
		return 0
	}
	return k.TooSoon(k.request, several)
}

// waits reports whether the request may be told a later time than the first.
func (d *decision) waits() bool { return d.req.MaxWait == nil && d.req.Within == nil }

// goes plans a request for which there is room now, if it is its turn.
func (d *decision) goes(now scheduler.Instant, candidates []scheduler.Candidate, req scheduler.Request, choose func(int) int) (scheduler.Offer, scheduler.Cause) {
	req.Waitlist = d.contest.first(now)
	if offer, cause := scheduler.Plan(d.rules, now, candidates, req, choose); cause != scheduler.NoCause || offer.Now() {
		return offer, cause
	}
	return d.inTurn(now, candidates, req)
}

// inTurn plans behind those that have their turn before the request. Beside other callers it may be later than
// the first room that there is, but for who was told a time that can be kept.
func (d *decision) inTurn(now scheduler.Instant, candidates []scheduler.Candidate, req scheduler.Request) (scheduler.Offer, scheduler.Cause) {
	k := d.contest
	req.Waitlist = k.before()
	offer, cause := scheduler.Plan(d.rules, now, candidates, req, rand.IntN)
	if d.promise == nil && offer.Instances > 0 { // what each will have been served by then isn't known
		req.Waitlist = k.slots(k.line.Tomorrow(k.mine, d.c.weight))
		offer, cause = scheduler.Plan(d.rules, now, candidates, req, rand.IntN)
	}
	if cause != scheduler.NoCause || offer.Now() || !d.waits() {
		return offer, cause
	}
	later := packing.LeastIdle(d.rules, now, candidates, req, offer)
	if d.promise != nil && offer.Start <= d.promise.Start && d.promise.Start < later.Start {
		return offer, cause
	}
	return later, cause
}

// first returns the promises that keep the request from going now, though it has room:
// those of callers that have had less, and those for requests of its own caller that have
// waited for longer. But one of these that is due, and no larger, it goes in place of. Who
// hasn't come a second after its time isn't waited for; but while more callers wait than there are
// projects, and little is booked, who came late for others is waited for as much longer.
func (k *contest) first(now scheduler.Instant) func(project, calendar string) []scheduler.Booking {
	turn, crowded, ahead := k.Turn(k.mine), k.crowded(), k.Ahead(k.mine)
	return k.slots(func(i int) bool {
		switch p := k.line.Promises[i]; {
		case p.Overdue(now) && (!crowded && !ahead || p.Missed(now)):
			return false
		case p.Tag == k.mine:
			return k.older(p) && (p.Start > now || cost(k.contest, p.Demand) > k.request.Cost)
		}
		return k.Before(i, turn, k.request)
	})
}

// before returns the promises that have their turn before the request.
func (k *contest) before() func(project, model string) []scheduler.Booking {
	turn := k.TurnOf(k.request)
	return k.slots(func(i int) bool {
		if k.By(i) == k.mine {
			return k.older(k.line.Promises[i])
		}
		return k.Before(i, turn, k.request)
	})
}

// older reports whether a promise is for a request of the caller that has waited for longer
// than this one, and as it was told to: who doesn't need not be waited for.
func (k *contest) older(p *waitlist.Promise) bool {
	return !p.Early && fair.Slot{Since: p.Since, Order: p.Order}.Older(k.request)
}

// slots returns the promises that match, by number, as they lie on a calendar. Those of a model
// are right until others are asked for.
func (k *contest) slots(match func(i int) bool) func(project, calendar string) []scheduler.Booking {
	return func(project, calendar string) (out []scheduler.Booking) {
		s := k.line.On(project)
		if calendar == k.model {
			k.buffer = slices.Grow(k.buffer[:0], len(s.Slots))
			return s.Those(match, k.buffer)
		}
		for _, i := range s.Numbers {
			if match(i) {
				out = k.line.Promises[i].On(out, calendar)
			}
		}
		return out
	}
}

// contestOn returns the contest of the last plan, if it was for that model.
func (d *decision) contestOn(model string) *contest {
	if d.contest == nil || d.contest.model != model {
		return nil
	}
	return d.contest
}

// had is what the caller has had of a model, to be kept with what it is told.
func (d *decision) had(model string) fair.Cost {
	if k := d.contestOn(model); k != nil && !k.Alone(k.mine) {
		return k.Had(k.mine)
	}
	return 0
}

// level is where the caller begins on a model, to be kept with what it is served.
func (d *decision) level(model string) int64 {
	if k := d.contestOn(model); k != nil {
		return k.Level(k.mine)
	}
	return 0
}

// contested reports whether others wait for a model, or were served lately.
func (d *decision) contested(model string) bool {
	k := d.contestOn(model)
	return k != nil && !k.Alone(k.mine)
}

// wanted reports whether others wait for a model, or have booked it, where nothing was planned: the caller comes for
// what it has booked. So what it is served by that is kept like all else.
func (d *decision) wanted(model string) bool {
	if !d.c.shared {
		return false
	}
	mine := scheduler.CallerOf(d.req.Caller)
	others := d.c.waitlist.Others(model, mine) || scheduler.OthersWait(d.states, model, d.req.Caller, d.c.Now())
	d.bookings(func(_, of string, b scheduler.Booking) {
		others = others || of == model && ticket.CallerOf(b.ID) != mine
	})
	return others
}

// crowded reports whether more callers wait than there are projects, and more than two.
func (k *contest) crowded() bool { return k.Waiting() > max(2, k.open) }

// untimely reports whether a slot isn't booked for the sake of other callers; see [fair.Contest.Untimely].
func (d *decision) untimely(offer scheduler.Offer) bool {
	k := d.contestOn(offer.Model)
	return k != nil && k.Untimely(k.request, fair.Booking{
		Asked: d.req.Book, Has: d.has(offer.Model), Far: offer.Start.Sub(d.c.Now()) > scheduler.Window+d.rules.Hold,
		Crowded: k.crowded(), Several: d.c.store.Instances() > 1,
	})
}

// behindOthers reports whether what the caller books comes after what was told to those whose turn is before.
func (d *decision) behindOthers(model string) bool {
	return d.contested(model) && (!d.returned || !d.contest.Behind(d.contest.mine, 0))
}

// has reports whether the caller has booked another slot of a model.
func (d *decision) has(model string) (has bool) {
	d.ownBookings(func(of string, _ scheduler.Booking) { has = has || of == model })
	return has
}

// keepsAtOnce reports whether a request that is refused for the first time is booked as if it had asked for that.
// Where several instances are at work, others don't know what this one tells it, and give that to whoever comes to them.
// So it is for who has had less than somebody else by two such requests or more, or is far behind with what others have booked,
// and comes back; of who isn't known yet for one.
func (d *decision) keepsAtOnce(offer scheduler.Offer) bool {
	k := d.contestOn(offer.Model)
	if k == nil || d.promise != nil || d.c.store.Instances() == 1 || k.crowded() || !k.BehindMost(k.mine, 2*k.request.Cost) && !k.FarBehind(k.mine) {
		return false
	}
	known, returns := d.c.waitlist.Returns(d.req.Caller)
	return returns && (known || !d.has(offer.Model))
}
