package calendar

import "fluxgate.dev/fluxgate/scheduler/limits"

// Reached returns the most that the limit can be that a cause names, since upstream refused the
// request with that reservation by it: one less than all that had been sent by then. 0: that
// says nothing, for there was nothing else, the limit is no higher as it is, or what was sent isn't
// known any more.
func (c *Calendar) Reached(rules *Rules, now Instant, id uint64, cause Cause) int64 {
	i := c.sent(id)
	if i < 0 || !limits.IsModel(c.Model) {
		return 0
	}
	t, own := c.Terms(rules, now), c.Sent[i]
	var requests, tokens int64
	for _, r := range c.Sent {
		if r.Start <= own.Start && r.End > own.Start {
			requests, tokens = requests+r.Requests, tokens+r.Tokens
		}
	}
	for _, x := range c.Folded {
		if x.End > own.Start {
			requests, tokens = requests+x.Requests, tokens+x.Tokens
		}
	}
	all, alone := requests, own.Requests
	switch cause {
	case ByTPM:
		all, alone = tokens, own.Tokens
	case ByRPD:
		all = 0
		for _, x := range c.Days {
			if x.Day == t.day(own.Start) {
				all = x.Requests
			}
		}
	}
	if inForce, _ := c.limit(rules, now, cause); all > alone && all-1 < inForce {
		return all - 1
	}
	return 0
}
