package codec

import (
	"slices"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// holds holds for how long bookings are kept, of those that are kept for longer than usual:
// their ranks and whole seconds, two or three bytes each. A build that doesn't know it keeps
// them as long as usual, and lets others go before a holder that is later: that one is told
// the rest of its wait. Ranks are never used twice, so what another build left of the
// bookings has its holds.
var holds = Section{
	Tag:      22,
	Optional: true,
	Take: func(_ *scheduler.Rules, p *scheduler.Project) (*scheduler.Project, []byte) {
		var e encoder
		last := int64(0)
		for _, c := range p.Calendars {
			for _, b := range c.Bookings {
				if b.Hold > 0 && scheduler.IsModel(c.Model) { // each lies on its model's, too
					e.int(int64(b.Rank) - last)
					e.int(int64(b.Hold / time.Second))
					last = int64(b.Rank)
				}
			}
		}
		return p, e.b
	},
	Give: func(p *scheduler.Project, data []byte, _ bool) *scheduler.Project {
		if len(data) == 0 {
			return p
		}
		of, last := make(map[uint64]time.Duration), int64(0)
		d := &decoder{b: data}
		for len(d.b) > 0 && !d.bad {
			last += d.int()
			of[uint64(last)] = time.Duration(d.int()) * time.Second
		}
		if d.bad {
			return p
		}
		return withHolds(p, func(b scheduler.Booking) time.Duration { return min(max(0, of[b.Rank]), time.Hour) })
	},
}

// withHolds returns the project with other holds of its bookings.
func withHolds(p *scheduler.Project, hold func(scheduler.Booking) time.Duration) *scheduler.Project {
	next := *p
	next.Calendars = slices.Clone(p.Calendars)
	for i, c := range p.Calendars {
		if !slices.ContainsFunc(c.Bookings, func(b scheduler.Booking) bool { return hold(b) != b.Hold }) {
			continue
		}
		other := *c
		other.Bookings = slices.Clone(c.Bookings)
		for j := range other.Bookings {
			b := &other.Bookings[j]
			b.Hold = hold(*b)
		}
		next.Calendars[i] = &other
	}
	return &next
}
