package codectest

import (
	"encoding/binary"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage/internal/codec"
)

// Searched is a model that only a build with the section knows, SearchLimit its limit a day.
const (
	Searched    = "search"
	SearchLimit = 6
)

// Search is a section with what a feature was used for: how often today. Where it
// can't be known, the limit of the day counts as used.
func Search(tag uint64) codec.Section {
	return codec.Section{
		Tag: tag,
		Take: func(_ *scheduler.Rules, p *scheduler.Project) (*scheduler.Project, []byte) {
			rest := *p
			rest.Calendars = nil
			var days []byte
			for _, c := range p.Calendars {
				if c.Model != Searched {
					rest.Calendars = append(rest.Calendars, c)
					continue
				}
				for _, d := range c.Days {
					days = binary.AppendVarint(days, int64(d.Day))
					days = binary.AppendVarint(days, d.Requests)
				}
			}
			return &rest, days
		},
		Give: func(p *scheduler.Project, data []byte, current bool) *scheduler.Project {
			all, today := *p, scheduler.DayOf(p.Latest)
			c := &scheduler.Calendar{Model: Searched}
			for len(data) > 0 {
				day, n := binary.Varint(data)
				requests, m := binary.Varint(data[n:])
				data = data[n+m:]
				c.Days = append(c.Days, scheduler.DayCount{Day: scheduler.Day(day), Requests: requests})
			}
			if !current {
				c.Days = []scheduler.DayCount{{Day: today, Requests: SearchLimit}}
			}
			all.Calendars = append(append([]*scheduler.Calendar(nil), p.Calendars...), c)
			return &all
		},
	}
}
