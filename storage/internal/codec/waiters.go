package codec

import (
	"encoding/binary"

	"fluxgate.dev/fluxgate/scheduler"
)

// waiters holds which callers some instance told a time: two short names, for how long each has waited and until
// when it is taken to, some twelve bytes each. No limit depends on it, and it is right for a minute whoever
// wrote meanwhile.
var waiters = Section{
	Tag:      25,
	Optional: true,
	Take: func(_ *scheduler.Rules, p *scheduler.Project) (*scheduler.Project, []byte) {
		if len(p.Waiters) == 0 {
			return p, nil
		}
		e := &encoder{}
		e.int(int64(p.Latest))
		e.len(len(p.Waiters))
		for _, x := range p.Waiters {
			e.b = binary.BigEndian.AppendUint32(e.b, x.Model)
			e.b = binary.BigEndian.AppendUint32(e.b, x.Caller)
			e.int(int64(p.Latest - x.Since))
			e.int(int64(x.Until - p.Latest))
		}
		return p, e.b
	},
	Give: func(p *scheduler.Project, data []byte, _ bool) *scheduler.Project {
		if len(data) == 0 {
			return p
		}
		d := &decoder{b: data}
		latest := scheduler.Instant(d.int())
		all := list(d, func() (x scheduler.Waiter) {
			x.Model, x.Caller = binary.BigEndian.Uint32(d.bytes(4)), binary.BigEndian.Uint32(d.bytes(4))
			x.Since = latest - scheduler.Instant(d.int())
			x.Until = latest + scheduler.Instant(d.int())
			return x
		})
		if d.bad || len(d.b) > 0 || len(all) > scheduler.MaxWaiters {
			return p
		}
		next := *p
		next.Waiters = all
		return &next
	},
}
