package simquota

import (
	"sync"
	"time"
)

// A Ledger has the quotas of all projects and models. It is safe for concurrent use.
// Instants that come before an earlier one are taken for that earlier one.
type Ledger struct {
	mu     sync.Mutex
	limits func(project, model string) []Limit
	quotas map[account]*quota
	total  Counts
}

type account struct{ project, model string }

// Counts are how many requests were decided how.
type Counts struct{ Accepted, Refused int }

// A Charge is a request that was admitted.
type Charge struct {
	quota *quota
	entry *entry
	done  bool
}

// NewLedger returns a ledger in which each project and model begins with the limits
// that the function gives.
func NewLedger(limits func(project, model string) []Limit) *Ledger {
	return &Ledger{limits: limits, quotas: make(map[account]*quota)}
}

func (l *Ledger) quota(project, model string) *quota {
	id := account{project, model}
	q := l.quotas[id]
	if q == nil {
		q = newQuota(l.limits(project, model))
		l.quotas[id] = q
	}
	return q
}

// Try charges a request that arrives now, or says why it isn't admitted.
func (l *Ledger) Try(now time.Time, project, model string, want Amounts) (*Charge, *Refusal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.quota(project, model)
	if r := q.refusal(q.at(now), want); r != nil {
		q.counts.Refused++
		l.total.Refused++
		return nil, r
	}
	q.counts.Accepted++
	l.total.Accepted++
	return &Charge{quota: q, entry: q.charge(q.at(now), want)}, nil
}

// Settle says what a request really used, as of its arrival.
func (l *Ledger) Settle(now time.Time, c *Charge, used Amounts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.quota.settle(c.quota.at(now), c.entry, used)
}

// Add counts what is used now, whatever the limits say.
func (l *Ledger) Add(now time.Time, project, model string, used Amounts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.quota(project, model)
	q.charge(q.at(now), used)
}

// Done says that a request has been answered. It may be called more than once.
func (l *Ledger) Done(c *Charge) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !c.done {
		c.done = true
		c.quota.inFlight--
	}
}

// Standings returns what is left of each limit, in the order in which they were given.
func (l *Ledger) Standings(now time.Time, project, model string) []Standing {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.quota(project, model)
	return q.standings(q.at(now))
}

// SetLimits changes the limits of a project's model. What was charged within their periods counts
// against the new ones.
func (l *Ledger) SetLimits(project, model string, limits []Limit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.quota(project, model).setLimits(limits)
}

// Counts returns the decisions on one project and model.
func (l *Ledger) Counts(project, model string) Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.quota(project, model).counts
}

// Total returns all decisions.
func (l *Ledger) Total() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}

// Peak returns the most that was charged in any trailing period of that length.
func (l *Ledger) Peak(project, model string, d Dimension, per time.Duration) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.quota(project, model).peak(d, per)
}

// Used returns all that was ever charged.
func (l *Ledger) Used(project, model string) (sum Amounts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.quota(project, model).entries {
		for d := range sum {
			sum[d] += e.amounts[d]
		}
	}
	return sum
}
