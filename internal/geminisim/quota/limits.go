package quota

import (
	"cmp"
	"slices"
	"time"
)

// Limits of one model on one project. A negative number means unlimited. Zero
// admits nothing: the refusal says "limit: 0", as for a model without quota.
type Limits struct {
	RPM int64 // requests per minute
	TPM int64 // input tokens per minute
	RPD int64 // requests per Pacific calendar day
}

// DefaultLimits returns the limits that a project has unless others are set. For the text models they are the built-in defaults of
// the product by family (5, 10 and 15 RPM; 250,000 TPM; 100, 250 and 1000 RPD
// for pro, flash and flash-lite); for embeddings, what the free tier had
// through 2025.
func DefaultLimits() map[string]Limits {
	pro := Limits{RPM: 5, TPM: 250_000, RPD: 100}
	flash := Limits{RPM: 10, TPM: 250_000, RPD: 250}
	lite := Limits{RPM: 15, TPM: 250_000, RPD: 1000}
	return map[string]Limits{
		"gemini-2.5-pro":                pro,
		"gemini-2.5-flash":              flash,
		"gemini-2.5-flash-lite":         lite,
		"gemini-3.1-pro-preview":        pro,
		"gemini-3-flash-preview":        flash,
		"gemini-3.1-flash-lite-preview": lite,
		"gemini-embedding-001":          {RPM: 100, TPM: 30_000, RPD: 1000},
	}
}

// A bucketID is a model on a project. Models are the resolved ones.
type bucketID struct{ project, model string }

// quota is the limits of a model, or the fact that there are none to be had.
type quota struct {
	Limits
	none bool
}

// SetLimits changes the limits of a model on a project, at once and for what
// has already arrived. An empty project means all of them, including those
// with limits of their own. It ends SetNone.
func (l *Ledger) SetLimits(project, model string, limits Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.set(bucketID{project, model}, quota{Limits: limits})
}

// SetNone takes all quota of a model away on a project (empty: on all):
// requests get a 429 that says "limit: 0" and names no quotaValue.
func (l *Ledger) SetNone(project, model string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.set(bucketID{project, model}, quota{none: true})
}

// change is one of limits that is to come.
type change struct {
	at            int64
	project, name string
	limits        Limits
}

// SetLimitsAt is SetLimits from an instant on: for the first request that arrives then or
// later. The model goes by any name, and is looked up when the time has come.
func (l *Ledger) SetLimitsAt(at time.Time, project, name string, limits Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.coming = append(l.coming, change{at.UnixNano(), project, name, limits})
	slices.SortStableFunc(l.coming, func(a, b change) int { return cmp.Compare(a.at, b.at) })
}

// LimitsOf returns the limits in force at an instant; none: there is no quota.
func (l *Ledger) LimitsOf(project, model string, at time.Time) (limits Limits, none bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.advance(at.UnixNano())
	q := l.quotaOf(bucketID{project, model})
	return q.Limits, q.none
}

// advance makes the changes that are due by now. The caller holds l.mu.
func (l *Ledger) advance(now int64) {
	for len(l.coming) > 0 && l.coming[0].at <= now {
		due := l.coming[0]
		l.coming = l.coming[1:]
		if model, ok := l.cfg.Resolve(due.name); ok {
			l.set(bucketID{due.project, model}, quota{Limits: due.limits})
		}
	}
}

// set is what SetLimits does. The caller holds l.mu.
func (l *Ledger) set(of bucketID, q quota) {
	if of.project == "" {
		l.quotas[of.model] = q
	} else {
		l.own[of] = q
	}
	for id := range l.own {
		if of.project == "" && id.model == of.model {
			delete(l.own, id)
		}
	}
	for id, b := range l.buckets {
		if id.model == of.model && (of.project == "" || id.project == of.project) {
			b.quota = q
		}
	}
}

// quotaOf returns the limits in force. The caller holds l.mu.
func (l *Ledger) quotaOf(id bucketID) quota {
	if q, ok := l.own[id]; ok {
		return q
	}
	return l.quotas[id.model]
}

// bucketOf returns the bucket of a project and model. The caller holds l.mu.
func (l *Ledger) bucketOf(id bucketID, embed bool) *bucket {
	b := l.buckets[id]
	if b == nil {
		b = newBucket(l.cfg.Window, l.quotaOf(id), embed)
		l.buckets[id] = b
	}
	return b
}
