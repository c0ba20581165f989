package codec

import (
	"slices"

	"fluxgate.dev/fluxgate/scheduler"
)

// wider holds the limits of tokens of models whose tokens count out of a bucket beside them, which hold more in
// a minute than that does at once: by position, as in the first field, which has the bucket's there. A
// build that doesn't know the bucket may send that much at once; where one has written since,
// that holds until an answer says more.
var wider = Section{
	Tag:      24,
	Optional: true,
	Last:     true,
	Take: func(_ *scheduler.Rules, p *scheduler.Project) (*scheduler.Project, []byte) {
		next, e := p, &encoder{}
		for i, model := range models(p) {
			c := p.Calendars[model]
			bucket, own := p.Calendar(scheduler.OfUsed(c.Model)).Learned.TPM.Limit, c.Learned.TPM.Limit
			if bucket <= 0 || own <= bucket {
				continue
			}
			e.int(int64(i))
			e.int(own)
			next = withTokens(next, model, bucket)
		}
		return next, e.b
	},
	Give: func(p *scheduler.Project, data []byte, current bool) *scheduler.Project {
		if !current {
			return p
		}
		next, all := p, models(p)
		for d := (&decoder{b: data}); len(d.b) > 0; {
			i, own := d.int(), d.int()
			if d.bad || i < 0 || i >= int64(len(all)) || own <= next.Calendars[all[i]].Learned.TPM.Limit {
				return p
			}
			next = withTokens(next, all[i], own)
		}
		return next
	},
}

// models returns where a project has the calendars of models.
func models(p *scheduler.Project) (at []int) {
	for i, c := range p.Calendars {
		if scheduler.IsModel(c.Model) {
			at = append(at, i)
		}
	}
	return at
}

// withTokens returns the project with another limit of tokens learned on a calendar.
func withTokens(p *scheduler.Project, at int, limit int64) *scheduler.Project {
	next, c := *p, *p.Calendars[at]
	c.Learned.TPM.Limit = limit
	next.Calendars = slices.Clone(p.Calendars)
	next.Calendars[at] = &c
	return &next
}
