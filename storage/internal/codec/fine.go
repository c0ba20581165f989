package codec

import (
	"slices"

	"fluxgate.dev/fluxgate/scheduler"
)

// fine holds where what was folded ends to the millisecond, on calendars of windows so short that
// a whole second would be much of them: the first field, and the other sections, have whole
// seconds, rounded up. Whoever doesn't know it, or finds that a build wrote since which doesn't,
// takes those.
var fine = Section{
	Tag:      23,
	Optional: true,
	Last:     true,
	Take: func(_ *scheduler.Rules, p *scheduler.Project) (*scheduler.Project, []byte) {
		if !fractional(p) {
			return p, nil
		}
		next, e := *p, &encoder{}
		next.Calendars = slices.Clone(p.Calendars)
		for i, c := range p.Calendars {
			if !fractions(c) {
				continue
			}
			e.str(c.Model)
			e.len(len(c.Folded))
			e.last = 0
			for _, x := range c.Folded {
				e.at(x.End)
				e.int(x.Tokens)
				e.int(x.Requests)
			}
			next.Calendars[i] = inSeconds(c, c.Folded)
		}
		return &next, e.b
	},
	Give: func(p *scheduler.Project, data []byte, current bool) *scheduler.Project {
		if !current || len(data) == 0 {
			return p
		}
		next := *p
		next.Calendars = slices.Clone(p.Calendars)
		d := &decoder{b: data}
		for len(d.b) > 0 {
			name := d.str()
			d.last = 0
			folded := list(d, func() scheduler.Folded {
				return scheduler.Folded{End: d.at(), Tokens: d.int(), Requests: d.int()}
			})
			i := slices.IndexFunc(next.Calendars, func(c *scheduler.Calendar) bool { return c.Model == name })
			if d.bad || i < 0 || !inOrder(folded) || !slices.Equal(inSeconds(next.Calendars[i], folded).Folded, next.Calendars[i].Folded) {
				return p
			}
			c := *next.Calendars[i]
			c.Folded = folded
			next.Calendars[i] = &c
		}
		return &next
	},
}

// inOrder reports whether sums are such as a calendar has.
func inOrder(folded []scheduler.Folded) bool {
	for i, x := range folded {
		if x.Tokens < 0 || x.Requests < 0 || i > 0 && x.End <= folded[i-1].End {
			return false
		}
	}
	return true
}

// inSeconds returns a calendar with sums that end at whole seconds, rounded up.
func inSeconds(c *scheduler.Calendar, folded []scheduler.Folded) *scheduler.Calendar {
	whole := *c
	whole.Folded = folded
	whole.RoundFolded(second)
	return &whole
}

// fractional reports whether anything that was folded ends within a second.
func fractional(p *scheduler.Project) bool { return slices.ContainsFunc(p.Calendars, fractions) }

func fractions(c *scheduler.Calendar) bool {
	return slices.ContainsFunc(c.Folded, func(x scheduler.Folded) bool { return x.End%second != 0 })
}
