package totals

import (
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/scheduler/instant"
)

// Bounds of what is counted per project and day beside the calendars.
const (
	// MaxCallers is how many callers are counted by name, of which
	// MaxCallerName bytes are kept; the others are summed under OtherCallers.
	MaxCallers    = 16
	MaxCallerName = 48
	OtherCallers  = "(others)"
	// MaxFailures is how many classes of upstream errors are counted.
	MaxFailures = 16
)

// Totals are what is counted on a project within one Pacific day, for whoever
// wants to know who used it and what it cost. Nothing is decided by them.
type Totals struct {
	Day      instant.Day
	Callers  []CallerTotal
	Failures []FailureTotal
	// Reads and Writes are what all instances asked of the database for this
	// project, and with it of the documents that belong to the deployment.
	Reads, Writes int64
}

// A CallerTotal is what one caller used.
type CallerTotal struct {
	Caller           string
	Requests, Tokens int64 // input tokens, as reserved or settled
}

// A FailureTotal is how often upstream failed in one way.
type FailureTotal struct {
	Class string
	N     int64
}

// Use returns the totals with what a caller used added; with no name nothing is counted.
func (t Totals) Use(caller string, requests, tokens int64) Totals {
	if caller == "" || requests == 0 && tokens == 0 {
		return t
	}
	if len(caller) > MaxCallerName {
		caller = strings.ToValidUTF8(caller[:MaxCallerName], "")
	}
	t.Callers = slices.Clone(t.Callers)
	find := func(name string) int {
		return slices.IndexFunc(t.Callers, func(x CallerTotal) bool { return x.Caller == name })
	}
	i := find(caller)
	if i < 0 && len(t.Callers) >= MaxCallers-1 {
		caller = OtherCallers
		i = find(caller)
	}
	if i < 0 {
		t.Callers = append(t.Callers, CallerTotal{Caller: caller})
		i = len(t.Callers) - 1
	}
	x := &t.Callers[i]
	x.Requests, x.Tokens = max(0, x.Requests+requests), max(0, x.Tokens+tokens)
	return t
}

// Fail returns the totals with an upstream error added; with no class none is.
func (t Totals) Fail(class string) Totals {
	if class == "" {
		return t
	}
	t.Failures = slices.Clone(t.Failures)
	i := slices.IndexFunc(t.Failures, func(x FailureTotal) bool { return x.Class == class })
	switch {
	case i >= 0:
		t.Failures[i].N++
	case len(t.Failures) < MaxFailures:
		t.Failures = append(t.Failures, FailureTotal{class, 1})
	}
	return t
}
