package calendar

import (
	"time"

	"fluxgate.dev/fluxgate/scheduler/instant"
	"fluxgate.dev/fluxgate/scheduler/learned"
	"fluxgate.dev/fluxgate/scheduler/limits"
)

// What packages instant, limits and learned say of time, quota and refusals, by the
// names that it has there.
type (
	Instant = instant.Instant
	Day     = instant.Day
	Limits  = limits.Limits
	Rules   = limits.Rules
	Learned = learned.Learned
	Probe   = learned.Probe
	Cause   = learned.Cause
)

// Values of these types, as their packages explain them.
const (
	Unlimited                    = limits.Unlimited
	NoCause, ByRPM, ByTPM, ByRPD = learned.NoCause, learned.ByRPM, learned.ByTPM, learned.ByRPD
	ByDay, ByBare                = learned.ByDay, learned.ByBare
	Unavailable, TooLarge        = learned.Unavailable, learned.TooLarge
)

// DayOf is [instant.DayOf].
func DayOf(i Instant) Day { return instant.DayOf(i) }

// millis is a length in milliseconds, rounded up.
func millis(d time.Duration) Instant { return instant.Millis(d) }

// second is the unit of every wait that is told to a caller: Retry-After
// carries whole seconds.
const second = Instant(1000)
