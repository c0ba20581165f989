package scheduler

import (
	"slices"
	"strings"
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
	Day      Day
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

// Today returns the totals of the day that now falls on.
func (p *Project) Today(now Instant) Totals {
	if p == nil || p.Totals.Day != DayOf(now) {
		return Totals{Day: DayOf(now)}
	}
	return p.Totals
}

// totals returns the totals of today for change.
func (p *Project) totals(now Instant) *Totals {
	p.Totals = p.Today(now)
	return &p.Totals
}

// countUse counts for a caller; with no name nothing is counted.
func (p *Project) countUse(now Instant, caller string, requests, tokens int64) {
	if caller == "" || requests == 0 && tokens == 0 {
		return
	}
	if len(caller) > MaxCallerName {
		caller = strings.ToValidUTF8(caller[:MaxCallerName], "")
	}
	t := p.totals(now)
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
}

// countFailure counts an upstream error.
func (p *Project) countFailure(now Instant, class string) {
	if class == "" {
		return
	}
	t := p.totals(now)
	t.Failures = slices.Clone(t.Failures)
	i := slices.IndexFunc(t.Failures, func(x FailureTotal) bool { return x.Class == class })
	switch {
	case i >= 0:
		t.Failures[i].N++
	case len(t.Failures) < MaxFailures:
		t.Failures = append(t.Failures, FailureTotal{class, 1})
	}
}

// WithOperations returns the project with so many more database operations counted on the
// day of now.
func (p *Project) WithOperations(now Instant, reads, writes int64) *Project {
	next := p.clone()
	t := next.totals(now)
	t.Reads, t.Writes = t.Reads+reads, t.Writes+writes
	return next
}

// WithoutTotals returns the project without what is counted to be looked at,
// for a store that would otherwise have no room for it.
func (p *Project) WithoutTotals() *Project {
	next := p.clone()
	next.Totals.Callers, next.Totals.Failures = nil, nil
	next.Calendars = slices.Clone(next.Calendars)
	for i, c := range next.Calendars {
		next.Calendars[i] = c.clone()
		for j := range next.Calendars[i].Days {
			next.Calendars[i].Days[j].Tokens = 0
		}
	}
	return next
}
