package scheduler

import (
	"time"

	"fluxgate.dev/fluxgate/scheduler/instant"
)

// Points in time and Pacific days, by the names that they have in package instant.
type (
	Instant = instant.Instant
	Day     = instant.Day
)

// At is [instant.At].
func At(t time.Time) Instant { return instant.At(t) }

// DayOf is [instant.DayOf].
func DayOf(i Instant) Day { return instant.DayOf(i) }

// millis is a length in milliseconds, rounded up.
func millis(d time.Duration) Instant { return instant.Millis(d) }

// second is the unit of every wait that is told to a caller: Retry-After
// carries whole seconds.
const second = Instant(1000)
