package codec

import (
	"encoding/binary"
	"slices"

	"fluxgate.dev/fluxgate/scheduler"
)

// idle holds what is kept of calendars that gave up their places: a count, and for
// each the short name, the day, and what was learned, a dozen bytes where nothing was;
// then the count for those that were forgotten. A build that doesn't know it may give
// such a model a place, and count from zero; whoever reads both adds them up.
var idle = Section{
	Tag:      17,
	Optional: true,
	Take: func(_ *scheduler.Rules, p *scheduler.Project) (*scheduler.Project, []byte) {
		if len(p.Idle) == 0 && p.Forgotten == (scheduler.DayCount{}) {
			return p, nil
		}
		e := &encoder{} // instants don't depend on the state, which another build may replace
		e.len(len(p.Idle))
		for i := range p.Idle {
			x := &p.Idle[i]
			e.b = binary.BigEndian.AppendUint32(e.b, x.Name)
			e.day(x.Day)
			e.lessons(x.Block, &x.Learned, x.Refused)
		}
		e.day(p.Forgotten)
		return p, e.b
	},
	Give: func(p *scheduler.Project, data []byte, _ bool) *scheduler.Project {
		if len(data) == 0 {
			return p
		}
		d := &decoder{b: data}
		all := list(d, func() (x scheduler.Idle) {
			x.Name = binary.BigEndian.Uint32(d.bytes(4))
			x.Day = d.day()
			x.Block, x.Learned, x.Refused = d.lessons()
			return x
		})
		forgotten := d.day()
		if d.bad || len(d.b) > 0 || len(all) > scheduler.MaxIdle {
			return p
		}
		return withIdle(p, all, forgotten)
	},
}

// withIdle returns the project with what is kept of calendars without a place. Where
// one of them has a place, another build gave it one without knowing of this: both
// count.
func withIdle(p *scheduler.Project, idle []scheduler.Idle, forgotten scheduler.DayCount) *scheduler.Project {
	next := *p
	next.Idle, next.Forgotten = nil, forgotten
	next.Calendars = slices.Clone(p.Calendars)
	for _, x := range idle {
		i := slices.IndexFunc(p.Calendars, func(c *scheduler.Calendar) bool { return scheduler.NameOf(c.Model) == x.Name })
		if i < 0 {
			next.Idle = append(next.Idle, x)
			continue
		}
		c := *p.Calendars[i]
		c.Days = slices.Clone(c.Days)
		if j := slices.IndexFunc(c.Days, func(d scheduler.DayCount) bool { return d.Day == x.Day.Day }); j >= 0 {
			c.Days[j].Requests += x.Day.Requests
			c.Days[j].Tokens += x.Day.Tokens
		} else if x.Day.Requests > 0 {
			c.Days = append(c.Days, x.Day)
		}
		if x.Block.Until > c.Block.Until {
			c.Block = x.Block
		}
		for j, l := range c.Learned.Each() {
			if was := *x.Learned.Each()[j]; was.At > l.At {
				*l = was
			}
		}
		if c.Refused == 0 || x.Refused > 0 && x.Refused < c.Refused {
			c.Refused = x.Refused
		}
		next.Calendars[i] = &c
	}
	return &next
}
