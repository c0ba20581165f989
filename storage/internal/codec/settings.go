package codec

import "fluxgate.dev/fluxgate/scheduler"

// settings holds which settings of the deployment were the newest that the writer knew of: one
// number. A build that knows nothing of it leaves it as it was, which is true of those before.
var settings = Section{
	Tag:      21,
	Optional: true,
	Take: func(_ *scheduler.Rules, p *scheduler.Project) (*scheduler.Project, []byte) {
		if p.Epoch == 0 {
			return p, nil
		}
		e := &encoder{}
		e.int(p.Epoch)
		return p, e.b
	},
	Give: func(p *scheduler.Project, data []byte, _ bool) *scheduler.Project {
		if len(data) == 0 {
			return p
		}
		d := &decoder{b: data}
		n := d.int()
		if d.bad || len(d.b) > 0 {
			return p
		}
		p.Epoch = n
		return p
	},
}
