package quota

import (
	"net/http"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/faults"
	"fluxgate.dev/fluxgate/internal/geminisim/journal"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// Config configures a [Ledger].
type Config struct {
	Window          Window
	RejectOversize  bool              // a request larger than TPM is refused; else it is admitted when the window is empty
	DailyRetryDelay time.Duration     // that a 429 claims which no wait of that length cures
	Limits          map[string]Limits // by resolved model

	// Resolve returns the model whose quota a name draws on.
	Resolve func(name string) (resolved string, ok bool)
}

// A Ledger is the quota of all projects, and what becomes of requests that cost some. It has
// no clock: every request brings its instant. It is safe for concurrent use.
type Ledger struct {
	cfg     Config
	journal *journal.Journal

	mu       sync.Mutex
	quotas   map[string]quota   // by resolved model
	own      map[bucketID]quota // of single projects, before quotas
	coming   []change           // in order of their instants
	standing map[string]Standing
	billing  map[string]*billing // by project
	buckets  map[bucketID]*bucket
	features map[featureID]FeatureLimits
	featured map[featuredID]*bucket
	failures int // how many are still to come; negative: until cleared
	failure  faults.Failure
}

// New returns a ledger that enters what becomes of requests in a journal.
func New(cfg Config, j *journal.Journal) *Ledger {
	l := &Ledger{
		cfg: cfg, journal: j,
		quotas: make(map[string]quota), own: make(map[bucketID]quota), standing: make(map[string]Standing),
		billing: make(map[string]*billing), buckets: make(map[bucketID]*bucket),
		features: make(map[featureID]FeatureLimits), featured: make(map[featuredID]*bucket),
	}
	for model, limits := range cfg.Limits {
		l.quotas[model] = quota{Limits: limits}
	}
	return l
}

// A Demand is a request that costs quota.
type Demand struct {
	Project   string
	Key       string // its fingerprint
	Model     string // resolved
	Embed     bool   // the limits of embeddings have other names
	Streaming bool   // it can fail on its way
	Body      []byte
	Arrived   time.Time
	Requests  int64 // that it counts as
	Tokens    int64 // of input
	Images    int64 // that it makes
}

// FailNext makes the next n requests fail; n < 0: all until the next call, n == 0: none.
// Requests that are refused for another reason don't use up a failure; nor, with a charged
// failure, do requests that the quota refuses.
func (l *Ledger) FailNext(n int, f faults.Failure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures, l.failure = n, f
}

// Admit charges a request to the quota, or refuses it, or lets it fail as injected, and
// enters the outcome in the journal. All of it is one step. A request that isn't refused may
// be a stream that breaks on its way, and ends with an error.
func (l *Ledger) Admit(d Demand) (refused, breaks *wire.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucketOf(bucketID{d.Project, d.Model}, d.Embed)
	now := b.arrive(d.Arrived)
	l.advance(now)
	e := l.standing[d.Project].refuse(d.Body)
	if e == nil {
		e = l.billing[d.Project].refuse(now, d.Tokens)
	}
	if e != nil {
		l.record(d, now, e.Code, e.Reason, 0, nil)
		return e, nil
	}
	f, failing := l.failure, l.failures != 0
	if !d.Streaming {
		f = f.Plain()
	}
	if !failing || f.Charged() {
		charges := append(l.featuresOf(d), charge{on: b, requests: d.Requests, tokens: d.Tokens})
		if violated := l.charge(d.Arrived, charges); violated != nil {
			e := errQuota(d.Model, b.embed, violated, l.cfg.DailyRetryDelay)
			if l.unnamed(d.Project, violated) {
				unnamed := errUnnamed()
				e.Message, e.Details = unnamed.Message, unnamed.Details
			}
			l.record(d, now, e.Code, e.Reason, 0, violated)
			return e, nil
		}
	}
	if !failing {
		l.billing[d.Project].spend(now, d.Tokens)
		l.record(d, now, http.StatusOK, "", d.Requests, nil)
		return nil, nil
	}
	return l.fail(d, now, f)
}

// charge counts a request against every quota that it draws on if all of them have room, and
// otherwise returns the limits that don't. The caller holds l.mu.
func (l *Ledger) charge(arrived time.Time, charges []charge) []violation {
	var violated []violation
	for _, c := range charges {
		for _, v := range c.on.refuse(c.on.arrive(arrived), c.requests, c.tokens, l.cfg.RejectOversize) {
			v.feature = c.feature
			violated = append(violated, v)
		}
	}
	if violated != nil {
		return violated
	}
	for _, c := range charges {
		c.on.add(c.on.arrive(arrived), c.requests, c.tokens)
	}
	return nil
}

// fail lets a request fail. The caller holds l.mu.
func (l *Ledger) fail(d Demand, now int64, f faults.Failure) (refused, breaks *wire.Error) {
	if l.failures > 0 {
		l.failures--
	}
	charged := d.Requests
	if !f.Charged() {
		charged = 0
	}
	e := f.Answer(d.Model)
	if f.MidStream() {
		l.record(d, now, http.StatusOK, f.String(), charged, nil)
		return nil, e
	}
	l.record(d, now, e.Code, f.String(), charged, nil)
	return e, nil
}

// record enters what became of a request.
func (l *Ledger) record(d Demand, now int64, code int, reason string, charged int64, violated []violation) {
	var hits journal.Hits
	for _, v := range violated {
		if v.limit == 0 {
			continue // none is no limit that was hit
		}
		if v.feature != noFeature {
			hits.Feature = true
			continue
		}
		hits.RPM = hits.RPM || v.kind == perMinuteRequests
		hits.TPM = hits.TPM || v.kind == perMinuteTokens
		hits.RPD = hits.RPD || v.kind == perDayRequests
	}
	l.journal.Record(journal.Entry{
		At: time.Unix(0, now).UTC(), Project: d.Project, Model: d.Model, Key: d.Key, Tokens: d.Tokens,
		Status: code, Reason: reason, Charged: charged,
	}, hits)
}
