package admission

import (
	"math/rand/v2"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/internal/admission/fair"
	"fluxgate.dev/fluxgate/internal/admission/packing"
	"fluxgate.dev/fluxgate/internal/admission/ticket"
	"fluxgate.dev/fluxgate/internal/admission/turns"
	"fluxgate.dev/fluxgate/scheduler"
)

// turnsFor says whose turn it is on a model, and on what the request weighs beside it.
func (d *decision) turnsFor(model string, also []scheduler.Weight, now scheduler.Instant) *turns.Turns {
	who := turns.Asker{Caller: scheduler.CallerOf(d.req.Caller), Since: d.waitingSince(), Began: d.began, Turn: d.turn, Promise: d.promise}
	return d.c.turns.Turns(d.setting(now), who, model, d.demand, also)
}

// setting is where whose turn it is is looked at.
func (d *decision) setting(now scheduler.Instant) turns.Setting {
	in := turns.Setting{Now: now, Rules: d.rules, List: d.c.waitlist, Weight: d.c.weight, Served: &d.c.served, Held: d.held}
	in.Projects = make([]scheduler.Candidate, 0, len(d.ids))
	for i, state := range d.states {
		if d.usable(i) {
			in.Projects = append(in.Projects, scheduler.Candidate{ID: d.ids[i], State: state})
		}
	}
	return in
}

// byTurns plans beside those whose turn it is before the request's, given the first offer that
// there is without regard to them. Of projects that have room now it takes the one on which the
// request leaves least unused, and of those that will have some the one on which least is idle
// until then. Who can't wait goes where there is room all the same, a conversation to its project,
// and nobody gets a worse model by that, or a project that others are to be used before.
func (d *decision) byTurns(first scheduler.Offer, candidates []scheduler.Candidate, req scheduler.Request) (scheduler.Offer, scheduler.Cause) {
	now := d.c.Now()
	if !first.Now() {
		return d.inTurn(now, candidates, req)
	}
	k := d.turns.On("")
	average := k.Average()
	if later := d.tooSoon(now, candidates, average, req.Instances > 1); later > 0 {
		req.From = now.Add(later)
		return d.inTurn(now, candidates, req)
	}
	packed, choose := packing.Pack(d.rules, now, candidates, k.Calendar, req, average, d.waits() && first.Project != req.Near)
	offer, cause := d.goes(now, packed, req, choose)
	if len(packed) < len(candidates) && (cause != scheduler.NoCause || offer.Model != first.Model || d.rules.Prefers(first.Project) && !d.rules.Prefers(offer.Project)) {
		packed, choose = packing.Pack(d.rules, now, candidates, k.Calendar, req, average, false)
		offer, cause = d.goes(now, packed, req, choose)
	}
	return offer, cause
}

// tooSoon returns for how long the request waits lest its caller be too far ahead of others: with sizes that use up tokens first, while
// more of them wait than there are projects and unless much would be left beside it; with others where it is far ahead at
// one of several instances, as most of them may wait elsewhere.
func (d *decision) tooSoon(now scheduler.Instant, candidates []scheduler.Candidate, average int64, several bool) time.Duration {
	switch k := d.turns.On(""); {
	case !d.waits():
	case !packing.Large(d.rules, now, candidates, k.Calendar, average):
		if several && !d.waited {
			later := k.FarAhead(k.Request)
			d.ahead = later > 0
			return later
		}
	case k.Crowded():
		if later := k.TooSoon(k.Request, several); later > 0 && !packing.MuchLeft(d.rules, now, candidates, k.Calendar, d.demand) {
			return later
		}
	}
	return 0
}

// waits reports whether the request may be told a later time than the first.
func (d *decision) waits() bool { return d.req.MaxWait == nil && d.req.Within == nil }

// goes plans a request for which there is room now, if it is its turn.
func (d *decision) goes(now scheduler.Instant, candidates []scheduler.Candidate, req scheduler.Request, choose func(int) int) (scheduler.Offer, scheduler.Cause) {
	req.Waitlist = d.turns.First(now)
	if offer, cause := scheduler.Plan(d.rules, now, candidates, req, choose); cause != scheduler.NoCause || offer.Now() {
		return offer, cause
	}
	return d.inTurn(now, candidates, req)
}

// inTurn plans behind those that have their turn before the request. Beside other callers it may be later than
// the first room that there is, but for who was told a time that can be kept.
func (d *decision) inTurn(now scheduler.Instant, candidates []scheduler.Candidate, req scheduler.Request) (scheduler.Offer, scheduler.Cause) {
	req.Waitlist = d.turns.Before()
	offer, cause := scheduler.Plan(d.rules, now, candidates, req, rand.IntN)
	if d.promise == nil && offer.Instances > 0 { // what each will have been served by then isn't known
		req.Waitlist = d.turns.Tomorrow(d.c.weight)
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

// turnsOn returns those of the last plan, if it was for that model.
func (d *decision) turnsOn(model string) *turns.Turns {
	if d.turns == nil || d.turns.Model != model {
		return nil
	}
	return d.turns
}

// had is what the caller has had of what an offer waits for, to be kept with what it is told, and on which calendar that is.
func (d *decision) had(offer scheduler.Offer) (had fair.Cost, turn string) {
	if t := d.turnsOn(offer.Model); t != nil && t.Contested() {
		k := t.On(offer.On)
		had, turn = k.Had(k.Mine), k.Calendar
	}
	if turn == "" || d.turn == turn || d.began == 0 {
		had = min(d.began, had)
	}
	return had, turn
}

// level is where the caller begins on a model, to be kept with what it is served.
func (d *decision) level(model string) int64 {
	if t := d.turnsOn(model); t != nil {
		return t.Level()
	}
	return 0
}

// levels are where it begins on what it weighs beside that and others wait for.
func (d *decision) levels(offer scheduler.Offer, held uint64) []scheduler.Level {
	if t := d.turnsOn(offer.Model); t != nil {
		return t.Levels()
	}
	var all []scheduler.Level
	for i := range offer.Also {
		if w := &offer.Also[i]; held != 0 && turns.Shared(offer.Model, w) && d.hasTurns(w.On) && d.wanted(w.On) {
			all = append(all, scheduler.Level{On: w.On})
		}
	}
	return all
}

// contested reports whether others wait for a model, or for what the request weighs beside it, or were served lately.
func (d *decision) contested(model string) bool {
	t := d.turnsOn(model)
	return t != nil && t.Contested()
}

// othersWait reports whether anybody was told to wait for a model, or for what a request weighs beside it, here or elsewhere.
func (d *decision) othersWait(model string, also []scheduler.Weight, now scheduler.Instant) bool {
	waits := func(on string) bool {
		return d.c.waitlist.Waits(on) || scheduler.OthersWait(d.states, on, d.req.Caller, now)
	}
	return waits(model) || slices.ContainsFunc(also, func(w scheduler.Weight) bool { return turns.Shared(model, &w) && waits(w.On) })
}

// severalShare reports whether several callers may come to several instances. There one that is alone here is served what
// others wait for elsewhere, so that is kept.
func (d *decision) severalShare() bool { return d.c.shared && d.c.store.Instances() > 1 }

// hasTurns reports whether callers wait for a calendar by turns: not for a feature of which no limit is known.
func (d *decision) hasTurns(calendar string) bool {
	return scheduler.IsModel(calendar) || turns.Limited(d.setting(d.c.Now()), calendar)
}

// wanted reports whether others wait for a calendar, or have booked it, where nothing was planned: the caller comes for
// what it has booked. So what it is served by that is kept like all else.
func (d *decision) wanted(calendar string) bool {
	if !d.c.shared {
		return false
	}
	mine := scheduler.CallerOf(d.req.Caller)
	if d.c.waitlist.Others(calendar, mine) || scheduler.OthersWait(d.states, calendar, d.req.Caller, d.c.Now()) {
		return true
	}
	for _, state := range d.states {
		for _, b := range state.Calendar(calendar).Bookings {
			if ticket.CallerOf(state.BookingID(calendar, &b)) != mine {
				return true
			}
		}
	}
	return false
}

// untimely reports whether a slot isn't booked for the sake of other callers; see [fair.Contest.Untimely].
func (d *decision) untimely(offer scheduler.Offer) bool {
	t := d.turnsOn(offer.Model)
	if t == nil {
		return false
	}
	k := t.On(offer.On)
	return k.Untimely(k.Request, fair.Booking{
		Asked: d.req.Book, Has: d.has(offer.Model), Far: offer.Start.Sub(d.c.Now()) > scheduler.Window+d.rules.Hold,
		Crowded: k.Crowded(), Several: d.c.store.Instances() > 1,
	})
}

// behindOthers reports whether what the caller books comes after what was told to those whose turn is before.
func (d *decision) behindOthers(offer scheduler.Offer) bool {
	if !d.contested(offer.Model) {
		return false
	}
	k := d.turns.On(offer.On)
	return !d.returned || !k.Behind(k.Mine, 0)
}

// has reports whether the caller has booked another slot of a model.
func (d *decision) has(model string) (has bool) {
	d.ownBookings(func(of string, _ scheduler.Booking) { has = has || of == model })
	return has
}

// keepsAtOnce reports whether a request that is refused for the first time is booked as if it had asked for that.
// Where several instances are at work, others don't know what this one tells it, and give that to whoever comes to them.
// So it is for who has had less than somebody else by two such requests or more, or is far behind with what others have booked,
// or hasn't been served lately, and comes back; of who isn't known yet for one.
func (d *decision) keepsAtOnce(offer scheduler.Offer) bool {
	t := d.turnsOn(offer.Model)
	if t == nil || d.promise != nil || d.c.store.Instances() == 1 {
		return false
	}
	k := t.On(offer.On)
	if k.Crowded() || k.Alone() || !k.Absent(k.Mine) && !k.BehindMost(k.Mine, 2*k.Request.Cost) && !k.FarBehind(k.Mine) {
		return false
	}
	known, returns := d.c.waitlist.Returns(d.req.Caller)
	return returns && (known || !d.has(offer.Model))
}
