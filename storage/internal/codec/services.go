package codec

import (
	"encoding/binary"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// services holds what callers were served, by which it is known whose turn it is where
// several wait: two short names, two counts, a level and how long ago, some twenty bytes
// each. No limit depends on it, so what another build served meanwhile is missing in it
// and does no harm.
var services = Section{
	Tag:      20,
	Optional: true,
	Take: func(_ *scheduler.Rules, p *scheduler.Project) (*scheduler.Project, []byte) {
		if len(p.Services) == 0 {
			return p, nil
		}
		e := &encoder{}
		e.int(int64(p.Latest / servedGrain))
		e.len(len(p.Services))
		for _, x := range p.Services {
			e.b = binary.BigEndian.AppendUint32(e.b, x.Model)
			e.b = binary.BigEndian.AppendUint32(e.b, x.Caller)
			e.int(x.Requests)
			e.int(x.Tokens)
			e.int(x.Level)
			e.int(int64(p.Latest/servedGrain - x.At/servedGrain))
		}
		return p, e.b
	},
	Give: func(p *scheduler.Project, data []byte, _ bool) *scheduler.Project {
		if len(data) == 0 {
			return p
		}
		d := &decoder{b: data}
		latest := scheduler.Instant(d.int())
		all := list(d, func() (x scheduler.Service) {
			x.Model, x.Caller = binary.BigEndian.Uint32(d.bytes(4)), binary.BigEndian.Uint32(d.bytes(4))
			x.Requests, x.Tokens, x.Level = d.int(), d.int(), d.int()
			x.At = (latest - scheduler.Instant(d.int())) * servedGrain
			return x
		})
		if d.bad || len(d.b) > 0 || len(all) > scheduler.MaxServices {
			return p
		}
		next := *p
		next.Services = all
		return &next
	},
}

// servedGrain is what the instant at which a caller was last served is rounded down to.
const servedGrain = scheduler.Instant(time.Second / time.Millisecond)
