package scheduler

import "fluxgate.dev/fluxgate/scheduler/learned"

// What was learned from upstream's refusals, by its names in package learned.
type (
	Learned      = learned.Learned
	LearnedLimit = learned.LearnedLimit
	Probe        = learned.Probe
	Block        = learned.Block
	Cause        = learned.Cause
)

// LearnedFor is [learned.LearnedFor].
const LearnedFor = learned.LearnedFor

// The causes of a wait or a refusal, as package learned explains them.
const (
	NoCause, ByRPM, ByTPM, ByRPD = learned.NoCause, learned.ByRPM, learned.ByTPM, learned.ByRPD
	ByMinute, ByDay, ByBare      = learned.ByMinute, learned.ByDay, learned.ByBare
	Unavailable, TooLarge        = learned.Unavailable, learned.TooLarge
)

// Probing returns the limit that a probe is testing at now, or NoCause.
func (c *Calendar) Probing(now Instant) Cause {
	if c.Learned.Probe.Active(now) {
		return c.Learned.Probe.Cause
	}
	return NoCause
}

// weighs reports whether a sent request counts at now: all do but a probe of a limit
// whose answer isn't known yet.
func (c *Calendar) weighs(r *Reservation, now Instant) bool {
	p := &c.Learned.Probe
	return r.ID != p.ID || p.Cause.OfBlock() || !p.Active(now)
}
