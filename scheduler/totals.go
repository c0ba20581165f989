package scheduler

import "fluxgate.dev/fluxgate/scheduler/totals"

// What is counted of a project and its day, by the names that it has in package totals.
type (
	Totals       = totals.Totals
	CallerTotal  = totals.CallerTotal
	FailureTotal = totals.FailureTotal
)

// The bounds of what is counted, as package totals explains them.
const MaxCallers, MaxFailures = totals.MaxCallers, totals.MaxFailures

// Today returns the totals of the day that now falls on.
func (p *Project) Today(now Instant) Totals {
	if p == nil || p.Totals.Day != DayOf(now) {
		return Totals{Day: DayOf(now)}
	}
	return p.Totals
}

// countUse counts for a caller; with no name nothing is counted.
func (p *Project) countUse(now Instant, model, caller string, requests, tokens int64) {
	p.countAdmitted(now, &Reserve{Model: model, Caller: caller}, requests, tokens)
}

// recount counts for a caller what its request turned out to weigh on one of its calendars, as [Project].parts numbers them.
func (p *Project) recount(now Instant, model, caller string, also []Share, i int, requests, tokens int64) {
	switch {
	case i < 0:
		p.countUse(now, model, caller, requests, tokens)
	case requests != 0 || tokens != 0:
		p.serveBeside(now, &Reserve{Caller: caller}, also[i].On, requests, tokens)
	}
}

// countAdmitted counts what was reserved.
func (p *Project) countAdmitted(now Instant, r *Reserve, requests, tokens int64) {
	if r.Caller != "" && (requests != 0 || tokens != 0) {
		p.serve(now, r, requests, tokens)
		p.Totals = p.Today(now).Use(r.Caller, requests, tokens)
	}
}

// countFailure counts an upstream error.
func (p *Project) countFailure(now Instant, class string) {
	if class != "" {
		p.Totals = p.Today(now).Fail(class)
	}
}

// WithOperations returns the project with so many more database operations counted on the
// day of now.
func (p *Project) WithOperations(now Instant, reads, writes int64) *Project {
	next := p.clone()
	next.Totals = next.Today(max(now, next.Latest)) // or two clocks would begin a day in turn
	next.Totals.Reads, next.Totals.Writes = next.Totals.Reads+reads, next.Totals.Writes+writes
	return next
}
