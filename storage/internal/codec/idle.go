package codec

import (
	"encoding/binary"

	"fluxgate.dev/fluxgate/scheduler"
)

// idle holds what is kept of calendars that gave up their places: a count, and for
// each the short name, the day, and what was learned, a dozen bytes where nothing was;
// then the count for those that were forgotten. A build that doesn't know it may give
// such a model a place, and count from zero; whoever reads both adds them up.
var idle = Section{
	Tag:      17,
	Optional: true,
	Take: func(p *scheduler.Project) (*scheduler.Project, []byte) {
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
		return p.WithIdle(all, forgotten)
	},
}
