package codec

import (
	"slices"

	"fluxgate.dev/fluxgate/scheduler"
)

// buckets holds the calendars that are refilled without a break, as others holds those
// with windows, and then what is missing in each. They are apart from those because there are
// builds that would drop what they hold too early. Where one of these has written since, what it
// may have used is as unsure as if it knew models only.
var buckets = Section{
	Tag:      19,
	Optional: true,
	Take: func(_ *scheduler.Rules, p *scheduler.Project) (*scheduler.Project, []byte) {
		if !bucketed(p) {
			return p, nil
		}
		rest, e := *p, &encoder{}
		rest.Calendars = nil
		var held []*scheduler.Calendar
		for _, c := range p.Calendars {
			if c.Debt.Per == 0 {
				rest.Calendars = append(rest.Calendars, c)
			} else {
				held = append(held, c)
			}
		}
		e.others(held)
		for _, c := range held {
			e.last = 0
			e.at(c.Debt.At)
			e.int(int64(c.Debt.Per))
			e.int(c.Debt.Tokens)
			e.int(c.Debt.Requests)
		}
		return &rest, e.b
	},
	Give: func(p *scheduler.Project, data []byte, current bool) *scheduler.Project {
		if len(data) == 0 {
			return p // there are none, or the section of the others is missing too
		}
		next := *p
		d := &decoder{b: data}
		held := d.others()
		for _, c := range held {
			d.last = 0
			c.Debt = scheduler.Debt{At: d.at(), Per: scheduler.Instant(d.int()), Tokens: d.int(), Requests: d.int()}
		}
		known := func(c *scheduler.Calendar) bool {
			return !scheduler.IsModel(c.Model) && c.Debt.Per > 0 && c.Debt.Tokens >= 0 && c.Debt.Requests >= 0
		}
		if d.bad || len(d.b) > 0 || slices.ContainsFunc(held, func(c *scheduler.Calendar) bool { return !known(c) }) {
			held, current = nil, false
		}
		unsure := p.Unsure
		if !current {
			held = reconciled(p, held)
			unsure = scheduler.Unsure{At: p.Latest, Requests: max(unsure.Requests, sentOn(p, scheduler.DayOf(p.Latest)))}
		}
		// What another build takes for a window is a bucket all the same.
		next.Calendars = slices.DeleteFunc(slices.Clone(p.Calendars), func(c *scheduler.Calendar) bool {
			return slices.ContainsFunc(held, func(b *scheduler.Calendar) bool { return b.Model == c.Model })
		})
		return unsureOf(&next, held, unsure)
	},
}

// bucketed reports whether any calendar is a bucket.
func bucketed(p *scheduler.Project) bool {
	return slices.ContainsFunc(p.Calendars, func(c *scheduler.Calendar) bool { return c.Debt.Per != 0 })
}
