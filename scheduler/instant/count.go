package instant

import (
	"math"
	"slices"
)

// A DayCount is what started on a Pacific day. Only the requests are limited;
// the tokens are for whoever wants to know.
type DayCount struct {
	Day              Day
	Requests, Tokens int64
}

// Later returns the count of the later day, of one day the larger.
func (a DayCount) Later(b DayCount) DayCount {
	if a.Day > b.Day || a.Day == b.Day && a.Requests > b.Requests {
		return a
	}
	return b
}

// Days are counts of several days, each of which is there at most once.
type Days []DayCount

// Requests returns how many started on a day.
func (x Days) Requests(day Day) int64 {
	for _, d := range x {
		if d.Day == day {
			return d.Requests
		}
	}
	return 0
}

// CountRequests adds n requests to a day, or takes them away.
func (x *Days) CountRequests(day Day, n int64) {
	for i := range *x {
		if d := &(*x)[i]; d.Day == day {
			d.Requests = max(0, d.Requests+n)
			return
		}
	}
	if n > 0 {
		*x = append(*x, DayCount{Day: day, Requests: n})
	}
}

// CountTokens adds tokens to a day on which requests are counted, or takes them away.
func (x Days) CountTokens(day Day, tokens int64) {
	for i := range x {
		if x[i].Day == day {
			x[i].Tokens = max(0, x[i].Tokens+tokens)
			return
		}
	}
}

// Expire drops the days before one on which something started, but for the last of
// them: who keeps a history may not have seen it yet, after days without a request.
func (x *Days) Expire(before Day) {
	last := Day(math.MinInt32)
	for _, d := range *x {
		if d.Day < before && d.Requests > 0 {
			last = max(last, d.Day)
		}
	}
	*x = slices.DeleteFunc(*x, func(d DayCount) bool { return d.Day < before && d.Day != last || d.Requests == 0 })
}
