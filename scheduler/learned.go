package scheduler

import "fluxgate.dev/fluxgate/scheduler/learned"

// What was learned from upstream's refusals, by its names in package learned.
type (
	Learned      = learned.Learned
	LearnedLimit = learned.LearnedLimit
	Probe        = learned.Probe
	Cause        = learned.Cause
)

// The causes of a wait or a refusal, as package learned explains them.
const (
	NoCause, ByRPM, ByTPM, ByRPD = learned.NoCause, learned.ByRPM, learned.ByTPM, learned.ByRPD
	ByTest                       = learned.ByTest
	ByMinute, ByDay, ByBare      = learned.ByMinute, learned.ByDay, learned.ByBare
	Unavailable, TooLarge        = learned.Unavailable, learned.TooLarge
)
