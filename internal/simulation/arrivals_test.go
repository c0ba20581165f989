package simulation

import (
	"cmp"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// Arrivals is the log of what reached each project, and the judge of it. It
// shares no code with the scheduler.
type arrivals struct {
	limits scheduler.Limits
	window time.Duration // of what counts; a minute for a model
	by     map[string][]arrival
}

type arrival struct {
	at     time.Duration
	tokens int64
}

func newArrivals(limits scheduler.Limits) *arrivals {
	return &arrivals{limits: limits, window: time.Minute, by: make(map[string][]arrival)}
}

func (a *arrivals) arrive(project string, at time.Duration, tokens int64) {
	a.by[project] = append(a.by[project], arrival{at, tokens})
}

// tokens returns how many tokens arrived before the end.
func (a *arrivals) tokens(end time.Duration) (sum int64) {
	for _, log := range a.by {
		for _, x := range log {
			if x.at < end {
				sum += x.tokens
			}
		}
	}
	return sum
}

// violations counts the arrivals that found more than RPM or TPM in the 60 s
// that ended with them. A request larger than TPM must find its project empty
// and keeps it to itself for tokens/TPM minutes.
func (a *arrivals) violations() int {
	type counted struct {
		over   time.Duration
		tokens int64
	}
	n := 0
	for _, log := range a.by {
		slices.SortStableFunc(log, func(x, y arrival) int { return cmp.Compare(x.at, y.at) })
		var counting []counted
		for _, x := range log {
			counting = slices.DeleteFunc(counting, func(y counted) bool { return y.over <= x.at })
			counting = append(counting, counted{a.over(x), min(x.tokens, a.limits.TPM)})
			var tokens int64
			for _, y := range counting {
				tokens += y.tokens
			}
			if a.limits.TPM >= 0 && tokens > a.limits.TPM || a.limits.RPM >= 0 && int64(len(counting)) > a.limits.RPM {
				n++
			}
		}
	}
	return n
}

// full returns how much of a minute's requests or tokens was used, of whichever was used more
// at each instant: a minute that has all its requests takes no more, whatever tokens it has
// left.
func (a *arrivals) full(end time.Duration) float64 {
	sum, looks := 0.0, 0
	for _, log := range a.by {
		slices.SortStableFunc(log, func(x, y arrival) int { return cmp.Compare(x.at, y.at) })
		first, next, tokens := 0, 0, int64(0)
		for at := time.Duration(0); at < end; at += time.Second {
			for ; next < len(log) && log[next].at <= at; next++ {
				tokens += log[next].tokens
			}
			for ; first < next && log[first].at <= at-a.window; first++ {
				tokens -= log[first].tokens
			}
			sum += max(float64(tokens)/float64(a.limits.TPM), float64(next-first)/float64(a.limits.RPM))
			looks++
		}
	}
	return sum / float64(max(looks, 1))
}

// over is when an arrival stops counting.
func (a *arrivals) over(x arrival) time.Duration {
	return x.at + max(a.window, a.cooldown(x.tokens))
}

// cooldown is how long that many tokens keep one project busy if nothing else
// does: tokens/TPM minutes.
func (a *arrivals) cooldown(tokens int64) time.Duration {
	return time.Duration(float64(tokens) / float64(a.limits.TPM) * float64(time.Minute))
}

// drained is when the last arrival stops counting.
func (a *arrivals) drained() (end time.Duration) {
	for _, log := range a.by {
		for _, x := range log {
			end = max(end, a.over(x))
		}
	}
	return end
}

// left is how long what was sent to all the projects, if it were spread evenly
// over that many, would keep them busy from now on.
func (a *arrivals) left(now time.Duration, projects int) time.Duration {
	var sum float64
	for _, log := range a.by {
		for _, x := range log {
			if over := a.over(x); over > now {
				sum += float64(min(x.tokens, a.limits.TPM)) * (over - now).Seconds() / float64(a.limits.TPM)
			}
		}
	}
	return time.Duration(sum / float64(projects) * float64(time.Second))
}

// room is how long it takes from now on until one of the projects has room for
// that many tokens, were nothing else sent any more.
func (a *arrivals) room(now time.Duration, tokens int64, projects int) time.Duration {
	if len(a.by) < projects {
		return 0
	}
	first := time.Duration(-1)
	for _, log := range a.by {
		var counting []arrival
		var sum int64
		for _, x := range log {
			if a.over(x) > now {
				counting = append(counting, x)
				sum += min(x.tokens, a.limits.TPM)
			}
		}
		slices.SortFunc(counting, func(x, y arrival) int { return cmp.Compare(a.over(x), a.over(y)) })
		at := now
		for _, x := range counting {
			if sum+min(tokens, a.limits.TPM) <= a.limits.TPM {
				break
			}
			sum -= min(x.tokens, a.limits.TPM)
			at = a.over(x)
		}
		if first < 0 || at-now < first {
			first = at - now
		}
	}
	return first
}
