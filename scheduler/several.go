package scheduler

import (
	"slices"
	"time"

	"fluxgate.dev/fluxgate/scheduler/learned"
	"fluxgate.dev/fluxgate/scheduler/limits"
)

// A Weight is what a request counts on a calendar beside its model's: on one that isn't
// a model's ([OfFeature], [OfOutputs], [OfProject]), or on that of another model, as
// long as upstream may count the request there. For a model that upstream redirects:
//
//	Also: []Weight{{On: "gemini-3.8-flash", Demand: demand}}
//
// with the demand of the request itself. The request is sent to one model, its [Reserve].Model
// or the one of [Request].Chain, and counted for its caller once; but it goes when both have
// room, counts on the minute and the day of both, and is settled by [Settle].Counted where
// the other's tokens are known. The allowance of the demand is that of the request, or its own
// if that is longer.
type Weight struct {
	On     string // the calendar
	Demand Demand
	// IfKnown says that it counts only where something is known of that calendar: it
	// isn't made for it.
	IfKnown bool
	// IfPlace says that it counts only where there is a place for that calendar, beside those of a
	// project that are in use. Else the model's calendar is held to what is known of it, as far as it can be. (So it is
	// for any calendar of another provider's model, but where it can't be, the request doesn't fit without this.)
	IfPlace bool
}

// A Share is the reservation that a request has on such a calendar: of each once, in the
// order of its first weight.
type Share struct {
	On          string
	Reservation Reservation
}

// AtATime reports whether one of them is a place of those that are so many at a time.
func AtATime(rules *Rules, shares []Share) bool {
	return slices.ContainsFunc(shares, func(x Share) bool { return !IsModel(x.On) && rules.Spec(x.On).AtATime })
}

// A side is one of the calendars that a request weighs on.
type side struct {
	c    *Calendar
	t    Terms
	d    Demand
	told []Booking // who was told a time on it for which nothing is kept
}

// name returns the calendar's, of the i-th; empty is the model's.
func (x side) name(i int) string {
	if i == 0 {
		return ""
	}
	return x.c.Model
}

// sides appends the calendars that a request weighs on, its model's first, or says
// why it fits at no time on one of them. With edit they are for change. The project's
// is one of them as long as the whole project is blocked, another model's unless that isn't
// to be had.
func (p *Project) sides(all []side, rules *Rules, now Instant, model string, d Demand, also []Weight, edit bool) ([]side, Cause) {
	if n := p.missing(model, also); !edit && n > 1 && len(p.Calendars)+n > MinOthers {
		// One may take the place that another would have.
		p, edit = p.clone(), true
	}
	all, cause := p.side(all, rules, now, model, d, edit)
	if cause == NoCause {
		if x := p.known(OfProject); x != nil && (x.Block.Until > now || x.InDoubt()) {
			all, cause = p.side(all, rules, now, OfProject, d, edit)
		}
	}
	for i := 0; i < len(also) && cause == NoCause; i++ {
		w := also[i]
		if w.IfKnown && p.known(w.On) == nil {
			continue
		}
		if IsModel(w.On) {
			if p.Calendar(w.On).Block.Unavailable(now) {
				continue // the other model isn't to be had: it won't be counted there
			}
		}
		if p.without(rules, now, w, all) {
			cause = all[0].c.Barred(&all[0].t, now, all[0].d)
			continue
		}
		w.Demand.Allowance = max(w.Demand.Allowance, d.Allowance)
		j := slices.IndexFunc(all, func(s side) bool { return s.c.Model == w.On })
		if j < 0 {
			all, cause = p.side(all, rules, now, w.On, w.Demand, edit)
			continue
		}
		// Twice on one calendar is once with both weights.
		s := &all[j]
		s.d.Requests, s.d.Tokens = s.d.Count()+w.Demand.Count(), s.d.Tokens+w.Demand.Tokens
		cause = s.c.Barred(&s.t, now, s.d)
	}
	return all, cause
}

// without reports whether a request goes without one of its weights, as there is no place for that calendar, of
// another provider's model. The model's is held to limits that the other's hold within.
func (p *Project) without(rules *Rules, now Instant, w Weight, all []side) bool {
	if p == nil || p.Has(w.On) || !w.IfPlace && !limits.OfOther(w.On) {
		return false
	}
	if _, ok := p.place(rules, now, w.On, all...); ok {
		return false
	}
	c := p.Calendar(w.On)
	held, ok := rules.Within(w.On, c.EffectiveLimits(rules, now))
	if ok = ok && c.Block.Until <= now && !c.InDoubt(); ok {
		t := &all[0].t
		was := t.Limits
		t.Limits = was.Stricter(held)
		t.Probes = t.Probes && t.Limits == was // nobody refuses what is beyond that
	}
	return ok || w.IfPlace
}

// last has what is planned to be booked last for whole windows, where these are short.
func last(all []side) {
	for i := range all {
		x := &all[i]
		x.d.Allowance = x.t.Whole(x.d.Allowance)
	}
}

// missing is how many calendars of a request the project doesn't have, if it has any.
func (p *Project) missing(model string, also []Weight) (n int) {
	if p == nil || len(also) == 0 {
		return 0 // there is room
	}
	if !p.Has(model) {
		n++
	}
	for _, w := range also {
		if !w.IfKnown && !p.Has(w.On) {
			n++
		}
	}
	return n
}

func (p *Project) side(all []side, rules *Rules, now Instant, name string, d Demand, edit bool) ([]side, Cause) {
	before := all
	all = append(all, side{})
	x := &all[len(before)]
	if edit {
		x.c, x.t = p.edit(rules, now, name, before...)
	} else if x.c = p.find(name); x.c != nil || p.room(rules, now, name) {
		if x.c == nil {
			x.c = p.comeBack(name)
			p.begin(rules, now, x.c)
		}
		x.t = x.c.Terms(rules, now)
	}
	if x.c == nil {
		// One that is in nobody's way needs no place.
		if c := p.Calendar(name); !IsModel(name) && c.Limitless(rules, now) {
			return before, NoCause
		}
		return before, Unavailable
	}
	x.d = x.t.Within(d)
	return all, x.c.Barred(&x.t, now, x.d)
}

// earliestOfAll returns the first start from an instant on that can be told, at which
// every weight fits, and the cause and name of the calendar that is the last to have room.
// With told, that is after those who were told times.
func earliestOfAll(all []side, now, from Instant, below uint64, told bool) (s Instant, cause Cause, on string) {
	if len(all) == 1 {
		x := &all[0]
		x.t.Rounded = from > now
		s, cause = x.c.EarliestWhole(&x.t, now, from, x.d, below, x.others(told))
		return s, cause, ""
	}
	step := all[0].t.Step
	for i := range all {
		step = min(step, all[i].t.Step)
	}
	return agreed(all, from, func(i int, s Instant) (Instant, Cause) {
		x := &all[i]
		x.t.Rounded, x.t.Step = s > now, step
		return x.c.EarliestWhole(&x.t, now, s, x.d, below, x.others(told))
	})
}

// others returns who was told times, if that matters.
func (x *side) others(told bool) []Booking {
	if !told {
		return nil
	}
	return x.told
}

// agreed asks the calendars in turn for their first start from an instant on, until all
// agree. The cause and name are of the last that put it off.
func agreed(all []side, from Instant, first func(i int, s Instant) (Instant, Cause)) (s Instant, cause Cause, on string) {
	s = from
	for i, agree := 0, 0; agree < len(all) && s != Never; i, agree = (i+1)%len(all), agree+1 {
		if next, kept := first(i, s); next != s {
			s, cause, on, agree = next, kept, all[i].name(i), -1
		}
	}
	return s, cause, on
}

// Earliest returns the first instant, not before now and in whole milliseconds, at
// which a request fits on its model's calendar and all others, and the cause of the one
// that is the last to have room. It is Never for one that fits at no time.
func (p *Project) Earliest(rules *Rules, now Instant, model string, d Demand, also []Weight) (Instant, Cause) {
	all, cause := p.sides(nil, rules, now, model, d, also, false)
	if cause != NoCause {
		return Never, cause
	}
	s, cause, _ := agreed(all, now, func(i int, s Instant) (Instant, Cause) {
		x := &all[i]
		return x.c.EarliestFrom(&x.t, now, s, x.d)
	})
	return s, cause
}

// startOfAll is earliestOfAll for a request without a booking. It may start now as the
// probe of a limit, if nothing else is in its way; that of the calendar probed. Where only a day's
// limit is in its way that is being tested, it is told to come again soon ([ByTest]): that is no start
// that can be kept.
func startOfAll(rules *Rules, all []side, now, from Instant) (s Instant, cause Cause, on string, probe Cause, probed *Calendar) {
	if s, cause, on = earliestOfAll(all, now, from, everyone, true); s == now {
		return s, NoCause, "", NoCause, nil
	}
	for i := 0; i < len(all) && from == now; i++ {
		if limit := beyond(rules, all, i, now, cause); limit != NoCause {
			return now, NoCause, "", limit, all[i].c
		}
	}
	if at, tested := inTest(rules, all, now, from); at < s {
		return at, ByTest, tested, NoCause, nil
	}
	return s, cause, on, NoCause, nil
}

// inTest returns when a request may come again that finds a day's limit used up of which it is being
// found out whether it holds, and the name of its calendar: when there is room for it but for that, and
// the probe before it wasn't refused. As one goes at a time, others that were told times come at others. It is
// Never where no such limit is in its way.
func inTest(rules *Rules, all []side, now, from Instant) (at Instant, on string) {
	const least = Instant(learned.RefusedFor / time.Millisecond)
	at = Never
	var others []Instant
	// The days' limits are put back below: a deferred function would have each plan and reservation
	// keep its calendars on the heap, though hardly any comes here.
	was := make([]int64, len(all))
	for i := range all {
		x := &all[i]
		was[i] = x.t.RPD
		if !x.t.Probes || x.t.RPD == Unlimited || x.c.Spent(&x.t, now, x.d) != ByRPD || !x.c.InTest(rules, now, ByRPD) {
			continue
		}
		x.t.RPD = Unlimited
		if named := rules.EffectiveLimits(x.c.Model); !named.RPDFrom.Start() {
			x.t.RPD = named.RPD // what doesn't fit into that tests nothing
		}
		if at == Never {
			at, on = max(from, now.Add(learned.ToldFor)), x.name(i)
		}
		if p := &x.c.Learned.Probe; p.Active(now.Add(learned.ToldFor)) {
			at = max(at, now+min(p.Until-now, Instant(learned.AnswerFor/time.Millisecond)).Ceil(second))
		}
		for j := range x.told {
			others = append(others, x.told[j].Start)
		}
	}
	if at == Never {
		return Never, ""
	}
	at, _, _ = earliestOfAll(all, now, at, everyone, true)
	for i := range all {
		all[i].t.RPD = was[i]
	}
	slices.Sort(others)
	for _, other := range others {
		if other > at-least && other < at+least {
			at += second
		}
	}
	return at, on
}

// beyond returns the limit of the i-th calendar that a request would go beyond as a probe
// if it started now, or NoCause if it can't. Where it goes beyond several, of which none is
// known to hold, that is the first, but a minute's rather than a day's, whose probe isn't waited for
// until it is answered: the others are probed once it has given way.
func beyond(rules *Rules, all []side, i int, now Instant, cause Cause) (probe Cause) {
	x := &all[i]
	if !x.t.Probes || x.c.Probing(now) != NoCause {
		return NoCause // nothing is to be tested, or it is: there is one at a time
	}
	was := x.t
	defer func() { x.t = was }()
	for range 3 {
		if len(all) > 1 {
			x.t.Rounded = false
			_, cause = x.c.EarliestWhole(&x.t, now, now, x.d, everyone, nil)
		}
		without, ok := x.c.Beyond(rules, x.t, now, cause, x.d)
		if !ok {
			return NoCause
		}
		if x.t = without; probe == NoCause || probe == ByRPD {
			probe = cause
		}
		free, next, _ := earliestOfAll(all, now, now, everyone, false)
		if free == now {
			return probe
		}
		cause = next
	}
	return NoCause
}

// reserve puts an admitted request into the calendars.
func (r *Reserve) reserve(p *Project, all []side, now Instant) Result {
	result := Result{Changed: true, Verdict: Admitted, Start: now, Allowance: r.Demand.Allowance}
	for i := range all {
		x := &all[i]
		x.d.Allowance = max(x.d.Allowance, r.Demand.Allowance)
		reserved := x.c.Reserve(x.t, r.ID, now, x.d)
		if i == 0 {
			result.Reservation = reserved
		} else {
			result.Also = append(result.Also, Share{x.c.Model, reserved})
			p.serveBeside(now, r, x.c.Model, x.d.Count(), x.d.Tokens)
		}
		result.Trial = x.c.Try(reserved.ID, now) || result.Trial
	}
	p.countAdmitted(now, r, r.Demand.Count(), r.Demand.Tokens)
	return result
}

// lying returns a booking as it lies on the i-th of its calendars, on each by the same rank. By its ID and the hash of
// its request it is found on its model's, and by the ID on those that aren't models';
// another model has it under an ID that nobody else has.
func lying(b Booking, i int, x side) Booking {
	if b.Demand = x.d; i > 0 {
		b.Hash = 0
		if IsModel(x.c.Model) {
			b.ID = ^b.ID
		}
	}
	return b
}

// BookingID returns the ID of a booking that lies on a calendar: its own, or the one that it has on its model's.
func (p *Project) BookingID(calendar string, b *Booking) uint64 {
	if IsModel(calendar) && b.Hash == 0 {
		for _, c := range p.Calendars {
			if c.Model != calendar && slices.ContainsFunc(c.Bookings, func(x Booking) bool { return x.Rank == b.Rank && x.ID == ^b.ID }) {
				return ^b.ID
			}
		}
	}
	return b.ID
}

// booked calls f with every calendar that the booking of a rank lies on, for change. Some
// are edited already.
func (p *Project) booked(rules *Rules, now Instant, rank uint64, edited []side, f func(*Calendar)) {
	for i := range p.Calendars {
		c := p.Calendars[i]
		if !c.HasBooking(rank) {
			continue
		}
		if !slices.ContainsFunc(edited, func(x side) bool { return x.c == c }) {
			c, _ = p.edit(rules, now, c.Model)
		}
		f(c)
	}
}

// parts calls f with every calendar on which a request has a reservation, for change:
// its model's, with i = -1, and then the others. It reports whether there is the first.
func (p *Project) parts(rules *Rules, now Instant, model string, id uint64, reserved Reservation, also []Share, f func(c *Calendar, t Terms, id uint64, reserved Reservation, i int)) (found bool) {
	for i := -1; i < len(also); i++ {
		name := model
		if i >= 0 {
			name, id, reserved = also[i].On, also[i].Reservation.ID, also[i].Reservation
		}
		if c, t := p.edit(rules, now, name); c != nil {
			f(c, t, id, reserved, i)
			found = found || i < 0
		}
	}
	return found
}

// moveBookings moves the bookings that no longer fit on calendars that are edited; see
// [Calendar.MoveBookings]. One that weighs on several moves on all of them: where there is
// such a one, all of the project's are looked at, once.
func (p *Project) moveBookings(rules *Rules, now Instant, edited ...*Calendar) (moved int) {
	if len(edited) == 0 {
		return 0
	}
	var some [MaxBookings]uint64
	ranks := some[:0]
	for _, c := range p.Calendars {
		for i := range c.Bookings {
			ranks = append(ranks, c.Bookings[i].Rank)
		}
	}
	slices.Sort(ranks)
	all := len(ranks)
	if ranks = slices.Compact(ranks); len(ranks) == all { // none lies on several
		for _, c := range edited {
			moved += c.MoveBookings(c.Terms(rules, now), now)
		}
		return moved
	}
	var before [][]Booking
	p.each(rules, now, func(c *Calendar) {
		before = append(before, c.Bookings)
		c.Bookings = nil
	})
	for _, rank := range ranks {
		var all []side
		var was []Booking
		for i, c := range p.Calendars {
			for _, b := range before[i] {
				if b.Rank == rank {
					all, was = append(all, side{c: c, t: c.Terms(rules, now), d: b.Demand}), append(was, b)
				}
			}
		}
		if len(all) == 0 {
			continue // it has expired
		}
		from := max(was[0].Start, now)
		if s := from; !all[0].t.Expired(&was[0], now) {
			// One that fits at no time is told so when its holder comes.
			if s, _, _ = earliestOfAll(all, now, from, everyone, false); s > from && s != Never {
				moved++
				for i := range was {
					was[i].Start = s
				}
			}
		}
		for i, x := range all {
			x.c.Bookings = append(x.c.Bookings, was[i])
		}
	}
	return moved
}
