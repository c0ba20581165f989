package codec

import (
	"slices"

	"fluxgate.dev/fluxgate/scheduler"
)

// others holds the calendars that aren't a model's, as the first field holds those of
// models, after the requests of the day that models had when it was written. So
// whoever finds that a build wrote since which doesn't know it knows what that can
// have used: no more requests than it sent, all of them until a moment ago.
//
// It is written as soon as there are limits for such calendars, before any is used: then
// the first to use one needn't think of the builds that would have counted nothing on it.
// A document without it was last written by one of those, or under other rules, and what it
// has sent may have used any of them; so whoever first uses one waits for a window to pass
// since, and the day's requests count as used.
var others = Section{
	Tag:      18,
	Optional: true,
	Take: func(rules *scheduler.Rules, p *scheduler.Project) (*scheduler.Project, []byte) {
		if len(rules.Specs) == 0 && !slices.ContainsFunc(p.Calendars, func(c *scheduler.Calendar) bool { return !scheduler.IsModel(c.Model) }) {
			return p, nil // whoever finds that another is used takes it conservatively
		}
		rest := *p
		rest.Calendars = nil
		var held []*scheduler.Calendar
		for _, c := range p.Calendars {
			if scheduler.IsModel(c.Model) || c.Debt.Per != 0 {
				rest.Calendars = append(rest.Calendars, c)
			} else {
				held = append(held, c)
			}
		}
		today := scheduler.DayOf(p.Latest)
		e := &encoder{}
		e.int(int64(today))
		e.int(certain(&rest, today))
		e.at(p.Unsure.At)
		e.int(p.Unsure.Requests)
		e.others(held)
		return &rest, e.b
	},
	Give: func(p *scheduler.Project, data []byte, current bool) *scheduler.Project {
		d := &decoder{b: data}
		today, day, was := scheduler.DayOf(p.Latest), scheduler.Day(d.int()), d.int()
		unsure := scheduler.Unsure{At: d.at(), Requests: d.int()}
		held := d.others()
		if d.bad || len(d.b) > 0 || slices.ContainsFunc(held, func(c *scheduler.Calendar) bool { return scheduler.IsModel(c.Model) }) {
			day, unsure, held, current = 0, scheduler.Unsure{}, nil, false
		}
		switch before := today - scheduler.DayOf(unsure.At); {
		case before > 1:
			unsure = scheduler.Unsure{}
		case before == 1 && !current:
			unsure.Requests = 0
		}
		if !current {
			if day != today {
				was = 0
			}
			held = reconciled(p, held)
			unsure = scheduler.Unsure{At: p.Latest, Requests: unsure.Requests + max(0, sentOn(p, today)-was)}
		}
		return unsureOf(p, held, unsure)
	},
}

// unsureOf gives a project more calendars that aren't a model's, of all of which is unsure
// what another build has used.
func unsureOf(p *scheduler.Project, held []*scheduler.Calendar, unsure scheduler.Unsure) *scheduler.Project {
	p.Unsure = unsure
	if len(held) == 0 && !slices.ContainsFunc(p.Calendars, func(c *scheduler.Calendar) bool { return !scheduler.IsModel(c.Model) }) {
		return p
	}
	p.Calendars = slices.Concat(p.Calendars, held)
	for i, c := range p.Calendars {
		if !scheduler.IsModel(c.Model) {
			own := *c
			own.Unsure, p.Calendars[i] = unsure, &own
		}
	}
	return p
}

// others encodes calendars that aren't models', as the first field has those of models.
func (e *encoder) others(held []*scheduler.Calendar) {
	e.len(len(held))
	for _, c := range held {
		e.last = 0 // another build may replace what the state's instants begin with
		e.calendar(c)
		e.open(c.Open)
	}
}

func (d *decoder) others() []*scheduler.Calendar {
	return list(d, func() *scheduler.Calendar {
		d.last = 0
		c := d.calendar()
		c.Open = d.open()
		return c
	})
}

// sentOn is how many requests the models of a project had on a day.
func sentOn(p *scheduler.Project, day scheduler.Day) (n int64) {
	for _, c := range p.Calendars {
		for _, d := range c.Days {
			if d.Day == day {
				n += d.Requests
			}
		}
	}
	return n
}

// certain is how many of them can't be taken back any more.
func certain(p *scheduler.Project, today scheduler.Day) int64 {
	n := sentOn(p, today)
	for _, c := range p.Calendars {
		for _, r := range c.Sent {
			if !r.Note() {
				n -= r.Requests
			}
		}
		for _, x := range c.Folded {
			n -= x.Requests
		}
	}
	return max(0, n)
}

// reconciled returns the calendars with nothing to give back and the bookings that another build has left, at
// the starts that it gave them: it changes a booking on the model's calendar only.
func reconciled(p *scheduler.Project, held []*scheduler.Calendar) []*scheduler.Calendar {
	for _, c := range held {
		c.Open = nil
		kept := c.Bookings[:0]
		for _, b := range c.Bookings {
			if _, left, ok := p.Booking(b.ID); ok {
				b.Start = left.Start
				kept = append(kept, b)
			}
		}
		c.Bookings = kept
	}
	return held
}
