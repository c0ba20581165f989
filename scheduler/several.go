package scheduler

import "slices"

// A Weight is what a request counts on a calendar beside its model's. The allowance
// of its demand is that of the request.
type Weight struct {
	On     string // a calendar that isn't a model's
	Demand Demand
}

// A Share is the reservation that a request has on such a calendar.
type Share struct {
	On          string
	Reservation Reservation
}

// A side is one of the calendars that a request weighs on.
type side struct {
	c *Calendar
	t terms
	d Demand
}

// name returns the calendar's, of the i-th; empty is the model's.
func (x side) name(i int) string {
	if i == 0 {
		return ""
	}
	return x.c.Model
}

// sides appends the calendars that a request weighs on, its model's first, or says
// why it fits at no time on one of them. With edit they are for change.
func (p *Project) sides(all []side, rules *Rules, now Instant, model string, d Demand, also []Weight, edit bool) ([]side, Cause) {
	all, cause := p.side(all, rules, now, model, d, edit)
	for i := 0; i < len(also) && cause == NoCause; i++ {
		w := also[i]
		w.Demand.Allowance = d.Allowance
		j := slices.IndexFunc(all, func(s side) bool { return s.c.Model == w.On })
		switch {
		case IsModel(w.On):
			return all, Unavailable
		case j < 0:
			all, cause = p.side(all, rules, now, w.On, w.Demand, edit)
		default: // twice on one calendar is once with both weights
			s := &all[j]
			s.d.Requests, s.d.Tokens = s.d.requests()+w.Demand.requests(), s.d.Tokens+w.Demand.Tokens
			cause = s.c.barred(s.t, now, s.d)
		}
	}
	return all, cause
}

func (p *Project) side(all []side, rules *Rules, now Instant, name string, d Demand, edit bool) ([]side, Cause) {
	var c *Calendar
	if edit {
		c = p.edit(rules, now, name, all...)
	} else if c = p.Calendar(name); !p.room(rules, now, name) {
		c = nil
	}
	if c == nil {
		return all, Unavailable
	}
	t := c.terms(rules, now)
	return append(all, side{c, t, d}), c.barred(t, now, d)
}

// earliestOfAll returns the first start from an instant on that can be told, at which
// every weight fits, and the cause and name of the calendar that is the last to have room.
func earliestOfAll(all []side, now, from Instant, below uint64, extra []Booking) (s Instant, cause Cause, on string) {
	if len(all) == 1 {
		all[0].t.rounded = from > now
		s, cause = all[0].c.earliestWhole(all[0].t, now, from, all[0].d, below, extra)
		return s, cause, ""
	}
	return agreed(all, from, func(i int, s Instant) (Instant, Cause) {
		x := all[i]
		x.t.rounded = s > now
		var told []Booking
		if i == 0 {
			told = extra // who was told a time waits for the model
		}
		return x.c.earliestWhole(x.t, now, s, x.d, below, told)
	})
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
		x := all[i]
		l := x.c.load(x.t, now, x.d, everyone, nil, 1)
		defer l.free()
		return l.earliest(s)
	})
	return s, cause
}

// startOfAll is earliestOfAll for a request without a booking. It may start now as the
// probe of a learned limit, if nothing else is in its way; that of the calendar probed.
func startOfAll(rules *Rules, all []side, now, from Instant, extra []Booking) (s Instant, cause Cause, on string, probe Cause, probed *Calendar) {
	if s, cause, on = earliestOfAll(all, now, from, everyone, extra); s == now {
		return s, NoCause, "", NoCause, nil
	}
	for i := 0; i < len(all) && from == now; i++ {
		x := &all[i]
		kept := cause
		if len(all) > 1 {
			_, kept = x.c.earliestWhole(x.t, now, now, x.d, everyone, nil)
		}
		without, ok := x.c.withoutLearned(rules, x.t, now, kept)
		if !ok {
			continue
		}
		was := x.t
		x.t = without
		free, _, _ := earliestOfAll(all, now, now, everyone, nil)
		x.t = was
		if free == now {
			return now, NoCause, "", kept, x.c
		}
	}
	return s, cause, on, NoCause, nil
}

// reserve puts an admitted request into the calendars.
func (r Reserve) reserve(p *Project, all []side, now Instant) Result {
	result := Result{Changed: true, Verdict: Admitted, Start: now, Allowance: r.Demand.Allowance}
	for i, x := range all {
		x.d.Allowance = r.Demand.Allowance
		reserved := x.c.reserve(x.t, r.ID, now, x.d)
		if i == 0 {
			result.Reservation = reserved
		} else {
			result.Also = append(result.Also, Share{x.c.Model, reserved})
		}
	}
	p.countUse(now, r.Caller, r.Demand.requests(), r.Demand.Tokens)
	return result
}

// booked calls f with every calendar that a booking lies on, for change. Some are
// edited already.
func (p *Project) booked(rules *Rules, now Instant, booking uint64, edited []side, f func(*Calendar)) {
	for i := range p.Calendars {
		c := p.Calendars[i]
		if !slices.ContainsFunc(c.Bookings, func(b Booking) bool { return b.ID == booking }) {
			continue
		}
		if !slices.ContainsFunc(edited, func(x side) bool { return x.c == c }) {
			c = p.edit(rules, now, c.Model)
		}
		f(c)
	}
}

// parts calls f with every calendar on which a request has a reservation, for change:
// its model's, with i = -1, and then the others. It reports whether there is the first.
func (p *Project) parts(rules *Rules, now Instant, model string, id uint64, reserved Reservation, also []Share, f func(c *Calendar, t terms, id uint64, reserved Reservation, i int)) (found bool) {
	for i := -1; i < len(also); i++ {
		name := model
		if i >= 0 {
			name, id, reserved = also[i].On, also[i].Reservation.ID, also[i].Reservation
		}
		if c := p.edit(rules, now, name); c != nil {
			f(c, c.terms(rules, now), id, reserved, i)
			found = found || i < 0
		}
	}
	return found
}

// moveBookings moves the bookings that no longer fit; see [Calendar.moveBookings].
// One that weighs on several calendars moves on all of them.
func (p *Project) moveBookings(rules *Rules, now Instant, c *Calendar) (moved int) {
	if !slices.ContainsFunc(p.Calendars, func(c *Calendar) bool { return !IsModel(c.Model) && len(c.Bookings) > 0 }) {
		return c.moveBookings(c.terms(rules, now), now)
	}
	var ranks []uint64
	var before [][]Booking
	p.each(rules, now, func(c *Calendar) {
		for i := range c.Bookings {
			ranks = append(ranks, c.Bookings[i].Rank)
		}
		before = append(before, c.Bookings)
		c.Bookings = nil
	})
	slices.Sort(ranks)
	for _, rank := range slices.Compact(ranks) {
		var all []side
		var was []Booking
		for i, c := range p.Calendars {
			for _, b := range before[i] {
				if b.Rank == rank {
					all, was = append(all, side{c, c.terms(rules, now), b.Demand}), append(was, b)
				}
			}
		}
		from := max(was[0].Start, now)
		if s := from; !all[0].t.expired(&was[0], now) {
			// One that fits at no time is told so when its holder comes.
			if s, _, _ = earliestOfAll(all, now, from, everyone, nil); s > from && s != Never {
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
