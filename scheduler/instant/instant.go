package instant

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
	// The Pacific calendar must not depend on the zone files of the machine:
	// a function's base image need not have any.
	_ "time/tzdata"
)

// An Instant is a point in time in whole milliseconds since the Unix epoch
// (UTC). Milliseconds are the resolution of the product; an integer compares,
// packs and hashes without a time zone in the way.
type Instant int64

// At returns the instant that t falls into, rounding down to the millisecond.
func At(t time.Time) Instant { return Instant(t.UnixMilli()) }

// Time returns i as a time.Time in UTC.
func (i Instant) Time() time.Time { return time.UnixMilli(int64(i)).UTC() }

// Add returns i+d. A fraction of a millisecond is rounded up, so that an
// interval never ends early.
func (i Instant) Add(d time.Duration) Instant { return i + Millis(d) }

// Sub returns the duration i-j.
func (i Instant) Sub(j Instant) time.Duration { return time.Duration(i-j) * time.Millisecond }

// Millis returns d in milliseconds, rounded up.
func Millis(d time.Duration) Instant { return Instant(CeilDiv(int64(d), int64(time.Millisecond))) }

// Ceil rounds i up to a multiple of unit.
func (i Instant) Ceil(unit Instant) Instant {
	if unit == 1 {
		return i // nearly always, and a division takes longer than all else that a plan does with an end
	}
	return Instant(CeilDiv(int64(i), int64(unit))) * unit
}

// CeilDiv returns a/b rounded towards positive infinity, for b > 0.
func CeilDiv(a, b int64) int64 {
	q := a / b
	if a%b > 0 {
		q++
	}
	return q
}

// CeilMulDiv returns a*b/c rounded towards positive infinity, for c > 0 and others that aren't negative; the most there is if that is more.
func CeilMulDiv(a, b, c int64) int64 {
	high, low := bits.Mul64(uint64(a), uint64(b))
	if high >= uint64(c) {
		return math.MaxInt64
	}
	whole, rest := bits.Div64(high, low, uint64(c))
	return int64(min(whole+min(rest, 1), math.MaxInt64))
}

// pacific is the zone in whose midnight Gemini resets requests per day.
var pacific = func() *time.Location {
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		panic("scheduler: the embedded zone data has no America/Los_Angeles: " + err.Error())
	}
	return zone
}()

// A Day is a calendar date in America/Los_Angeles, unless another zone is named, counted
// from 1970-01-01. It lasts 24 h, 23 h when daylight saving begins and 25 h when it ends.
type Day int32

// DayOf returns the Pacific date on which i falls.
func DayOf(i Instant) Day {
	if last := lastDay.Load(); last != nil && last.start <= i && i < last.end {
		return last.day
	}
	y, m, d := i.Time().In(pacific).Date()
	day := Day(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
	lastDay.Store(&daySpan{day, day.Start(), day.End()})
	return day
}

// lastDay is the day that DayOf found last. A plan asks for the same one some
// hundred times, and the time package takes a while to answer.
var lastDay atomic.Pointer[daySpan]

type daySpan struct {
	day        Day
	start, end Instant
}

// Start returns the Pacific midnight with which d begins.
func (d Day) Start() Instant {
	y, m, day := time.Unix(int64(d)*86400, 0).UTC().Date()
	return At(time.Date(y, m, day, 0, 0, 0, 0, pacific))
}

// End returns the Pacific midnight with which d ends, at which RPD is reset.
func (d Day) End() Instant { return (d + 1).Start() }

// DayIn returns the date on which i falls in a zone; nil is the Pacific one.
func DayIn(zone *time.Location, i Instant) Day {
	if zone == nil {
		return DayOf(i)
	}
	y, m, d := i.Time().In(zone).Date()
	return Day(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// StartIn returns the midnight of a zone with which d begins; nil is the Pacific one.
func (d Day) StartIn(zone *time.Location) Instant {
	if zone == nil {
		return d.Start()
	}
	y, m, day := time.Unix(int64(d)*86400, 0).UTC().Date()
	return At(time.Date(y, m, day, 0, 0, 0, 0, zone))
}

// String returns d as YYYY-MM-DD.
func (d Day) String() string {
	return time.Unix(int64(d)*86400, 0).UTC().Format(time.DateOnly)
}

// Common returns the least length that is a whole number of times one and another, where that is no more than most; else one.
func Common(one, another, most Instant) Instant {
	for all := one; all <= most; all += one {
		if all%another == 0 {
			return all
		}
	}
	return one
}
