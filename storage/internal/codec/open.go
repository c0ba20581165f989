package codec

import (
	"slices"

	"fluxgate.dev/fluxgate/scheduler"
)

// Sections returns the sections that this build knows.
func Sections() []Section { return []Section{open, idle} }

// open holds which reservations are known to be on their way, of calendars with
// some: per calendar its position, a count, and three bytes for each. Where another
// build has written since, none is: it may have settled any of them.
var open = Section{
	Tag:      16,
	Optional: true,
	Take: func(p *scheduler.Project) (*scheduler.Project, []byte) {
		if !slices.ContainsFunc(p.Calendars, func(c *scheduler.Calendar) bool { return len(c.Open) > 0 }) {
			return p, nil
		}
		e := &encoder{}
		for i, c := range p.Calendars {
			if len(c.Open) == 0 {
				continue
			}
			e.len(i)
			e.len(len(c.Open))
			for _, id := range c.Open {
				e.b = append(e.b, byte(id>>16), byte(id>>8), byte(id))
			}
		}
		return p, e.b
	},
	Give: func(p *scheduler.Project, data []byte, current bool) *scheduler.Project {
		if !current || len(data) == 0 {
			return p
		}
		next := *p
		next.Calendars = slices.Clone(p.Calendars)
		d := &decoder{b: data}
		for len(d.b) > 0 {
			i, n := d.uint(), d.len()
			ids := d.bytes(3 * n)
			if d.bad || i >= uint64(len(next.Calendars)) || n > scheduler.MaxOpen {
				return p
			}
			c := *next.Calendars[i]
			c.Open = make([]uint32, n)
			for j := range c.Open {
				c.Open[j] = uint32(ids[3*j])<<16 | uint32(ids[3*j+1])<<8 | uint32(ids[3*j+2])
			}
			next.Calendars[i] = &c
		}
		return &next
	},
}
