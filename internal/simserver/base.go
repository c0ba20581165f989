package simserver

import (
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fluxgate.dev/fluxgate/internal/simquota"
)

// A Key is one API key. S are the states that it can be in.
type Key[S any] struct {
	Value   string
	Project string // its organisation, which is what is limited; "": one of its own
	State   S
}

// Config configures a [Base].
type Config[S any] struct {
	Keys    []Key[S]
	Models  []string                    // that there are
	Limits  map[string][]simquota.Limit // by model, of every project; "" stands for any other model
	Default []simquota.Limit            // where Limits has neither
	Now     func() time.Time            // nil: time.Now
	Latency time.Duration               // see [Base.Delay]
}

// A Base is what a simulated server is built on, and controlled by. S are the states of its keys,
// F the failures that it can be told to have. It is safe for concurrent use.
type Base[S, F any] struct {
	now     func() time.Time
	latency time.Duration
	ledger  *simquota.Ledger
	serial  atomic.Int64

	mu       sync.Mutex
	keys     map[string]Key[S] // by value
	models   []string
	failures int // that are still to come; negative: all
	failure  F
	log      []Request
}

// New returns a base with the given configuration.
func New[S, F any](cfg Config[S]) *Base[S, F] {
	b := &Base[S, F]{now: cfg.Now, latency: cfg.Latency, keys: make(map[string]Key[S]), models: slices.Clone(cfg.Models)}
	if b.now == nil {
		b.now = time.Now
	}
	b.ledger = simquota.NewLedger(func(_, model string) []simquota.Limit {
		for _, name := range []string{model, ""} {
			if limits, ok := cfg.Limits[name]; ok {
				return limits
			}
		}
		return cfg.Default
	})
	for _, k := range cfg.Keys {
		b.SetKey(k)
	}
	return b
}

// Now returns the instant.
func (b *Base[S, F]) Now() time.Time { return b.now() }

// Ledger returns what was accepted, refused and used, by project and model.
func (b *Base[S, F]) Ledger() *simquota.Ledger { return b.ledger }

// Serial returns a number that is larger than all before, for names of what is made.
func (b *Base[S, F]) Serial() int64 { return b.serial.Add(1) }

// SetKey adds a key, or replaces what was known of it.
func (b *Base[S, F]) SetKey(k Key[S]) {
	if k.Project == "" {
		k.Project = "org-" + k.Value[max(0, len(k.Value)-6):]
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keys[k.Value] = k
}

// Key returns what is known of a key.
func (b *Base[S, F]) Key(value string) (Key[S], bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k, ok := b.keys[value]
	return k, ok
}

// SetModels replaces the models that there are.
func (b *Base[S, F]) SetModels(models ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.models = slices.Clone(models)
}

// Models returns the models that there are.
func (b *Base[S, F]) Models() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.models)
}

// Knows reports whether there is a model of that name.
func (b *Base[S, F]) Knows(model string) bool { return slices.Contains(b.Models(), model) }

// FailNext has the next n requests of models fail; negative: all until the next call.
func (b *Base[S, F]) FailNext(n int, f F) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures, b.failure = n, f
}

// NextFailure returns how a request fails that is to be served, if it does.
func (b *Base[S, F]) NextFailure() (f F, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures == 0 {
		return f, false
	}
	b.failures = max(-1, b.failures-1)
	return b.failure, true
}

// A Request is what one request said.
type Request struct {
	At            time.Time
	Method, Path  string
	Project       string // "": the key is unknown
	Model         string
	Header        http.Header // without credentials
	Status        int
	Body          []byte
	Input, Output int64 // tokens; where what is read from a cache doesn't count, without it
}

// minLog is how many requests Requests returns at least, if there were so many.
const minLog = 4096

// Requests returns the latest requests, 4,096 at least, in the order in which they were answered.
func (b *Base[S, F]) Requests() []Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.log)
}

// Begin reads a request's body, whose end is the request's arrival. The headers that hold
// credentials are left out of the log.
func (b *Base[S, F]) Begin(w http.ResponseWriter, r *http.Request, body io.Reader, credentials ...string) *Call[S] {
	raw, err := io.ReadAll(body)
	if err != nil {
		panic(http.ErrAbortHandler) // the client has gone
	}
	c := &Call[S]{W: w, R: r, Arrived: b.now(), Body: raw}
	header := r.Header.Clone()
	for _, name := range credentials {
		header.Del(name)
	}
	c.Log = Request{At: c.Arrived, Method: r.Method, Path: r.URL.Path, Header: header, Body: raw}
	return c
}

// End ends a call that has been answered, or was broken off: it isn't in flight any more.
func (b *Base[S, F]) End(c *Call[S]) {
	if c.Charge != nil {
		b.ledger.Done(c.Charge)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.log = append(b.log, c.Log); len(b.log) >= 2*minLog {
		b.log = slices.Clone(b.log[minLog:])
	}
}

// Try charges a call to a model's quota of its project, or says why it is refused.
func (b *Base[S, F]) Try(c *Call[S], model string, want simquota.Amounts) (refused *simquota.Refusal) {
	c.Charge, refused = b.ledger.Try(c.Arrived, c.Key.Project, model, want)
	return refused
}

// Standings returns what is left of a model's limits to a call's project.
func (b *Base[S, F]) Standings(c *Call[S], model string) []simquota.Standing {
	return b.ledger.Standings(c.Arrived, c.Key.Project, model)
}

// Delay takes as long as an answer takes, and ends the request if its client goes meanwhile.
func (b *Base[S, F]) Delay(ctx context.Context) {
	if b.latency <= 0 {
		return
	}
	t := time.NewTimer(b.latency)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		panic(http.ErrAbortHandler)
	}
}
