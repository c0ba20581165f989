package storage

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage/internal/codec"
)

// Options tune a Grouped store. The zero value means the defaults.
type Options struct {
	// Pace is the least time between two commits of one document by this
	// instance. Production sustains few commits a second on a document, and
	// paced batches grow instead of conflicting. Default 200 ms; negative: none.
	Pace time.Duration
	// CommitTimeout bounds one commit. Default 3 s.
	CommitTimeout time.Duration
	// GiveUp bounds all tries of a commit together. Default 10 s.
	GiveUp time.Duration
	// Jitter returns the pause after the nth try (1, 2, …) since a race was last
	// lost; that is 1 after every lost race.
	// Default: random, up to 50 ms doubled with every try, at most 1 s.
	Jitter func(try int) time.Duration
	// Logger is told of documents that can't be read, and of those that have lost what
	// was durable. Default: slog.Default.
	Logger *slog.Logger
	// Noticed, if not nil, is told too when documents have lost what was durable, once a
	// minute at most. The context ends with the store, which it may use.
	Noticed func(ctx context.Context, what string)
}

// WithDefaults returns the options with the defaults in place of zero values.
func (o Options) WithDefaults() Options {
	if o.Pace == 0 {
		o.Pace = 200 * time.Millisecond
	}
	if o.CommitTimeout == 0 {
		o.CommitTimeout = 3 * time.Second
	}
	if o.GiveUp == 0 {
		o.GiveUp = 10 * time.Second
	}
	if o.Jitter == nil {
		o.Jitter = func(try int) time.Duration {
			return rand.N(min(50*time.Millisecond<<min(try-1, 5), time.Second)) + time.Millisecond
		}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Grouped is a Store that keeps a view of every project in memory and commits
// in groups: per project one committer drains the changes that are waiting,
// applies them one after another to the view, and writes once, on condition
// that nobody else wrote in between.
type Grouped struct {
	docs      Documents
	codec     *codec.Codec
	opts      Options
	instance  uint32 // random; names this store in the documents' writers
	stats     counters
	uncounted operations // of the deployment's documents, not yet counted anywhere

	ctl      controlCache
	updating turns // of changes of the control document and of records, by their names
	closing  atomic.Bool
	reached  atomic.Bool               // the database has answered before
	others   atomic.Pointer[time.Time] // when another writer was last noticed, anywhere, or might have been
	writers  writers                   // which others have been, and when each

	mu       sync.Mutex
	projects map[string]*committer
	records  map[string]knownRecord // as they were read or written last
	noticed  time.Time              // when Options.Noticed was last told something
	ended    bool                   // no further work may begin

	// alive ends when the store is closed; commits of an answer that was
	// abandoned go on until then.
	alive context.Context
	end   context.CancelFunc
	wg    sync.WaitGroup
}

var _ Store = (*Grouped)(nil)

// NewGrouped returns a Store over documents, which it closes with itself. The codec tells
// what is in those of projects. Package gcpfirestore makes one over Cloud Firestore.
func NewGrouped(docs Documents, c *codec.Codec, opts Options) *Grouped {
	g := &Grouped{
		docs: docs, codec: c, opts: opts.WithDefaults(), instance: rand.Uint32(),
		projects: make(map[string]*committer), records: make(map[string]knownRecord),
	}
	began := time.Now() // others may have been at work until just now
	g.others.Store(&began)
	g.alive, g.end = context.WithCancel(context.Background())
	return g
}

// View implements Store.
func (g *Grouped) View(ctx context.Context, ids []string) ([]*scheduler.Project, error) {
	cs, err := g.committers(ids)
	if err != nil {
		return nil, err
	}
	if err := g.load(ctx, cs); err != nil {
		return nil, err
	}
	out := make([]*scheduler.Project, len(cs))
	readable := len(cs) == 0
	var failed error
	for i, c := range cs {
		var err error
		if out[i], err = c.view(); err == nil {
			readable = true
		} else if failed == nil {
			failed = err
		}
	}
	if !readable {
		return nil, failed
	}
	return out, nil
}

func (g *Grouped) committers(ids []string) ([]*committer, error) {
	cs := make([]*committer, len(ids))
	var err error
	for i, id := range ids {
		if cs[i], err = g.committer(id); err != nil {
			return nil, err
		}
	}
	return cs, nil
}

// Refresh implements Store.
func (g *Grouped) Refresh(ctx context.Context, ids []string, force bool) error {
	cs, err := g.committers(ids)
	if err != nil {
		return err
	}
	if err := g.load(ctx, cs); err != nil {
		return err
	}
	return g.refresh(ctx, cs, force)
}

// Apply implements Store.
func (g *Grouped) Apply(ctx context.Context, rules *scheduler.Rules, id string, change scheduler.Change) (scheduler.Result, error) {
	if err := ctx.Err(); err != nil {
		return scheduler.Result{}, ended("apply", ctx)
	}
	if err := check(change); err != nil {
		return scheduler.Result{}, err
	}
	rules = rules.Of(id)
	// A change may have to wait for the whole of the commit before its own.
	ctx, cancel := context.WithTimeoutCause(ctx, g.opts.GiveUp+g.opts.CommitTimeout, errGaveUp)
	defer cancel()
	c, err := g.committer(id)
	if err != nil {
		return scheduler.Result{}, err
	}
	if err := g.load(ctx, []*committer{c}); err != nil {
		return scheduler.Result{}, err
	}
	if !answersFromView(change) && c.changesNothing(rules, change) {
		// Nothing to do as far as is known, but others may know better.
		if err := g.read(ctx, []*committer{c}); err != nil {
			return scheduler.Result{}, err
		}
	}
	return c.apply(ctx, rules, change)
}

// answersFromView reports whether a change that changes nothing in this
// instance's view may be answered from it. What an admin or the holder of a
// ticket orders may concern what another instance did a moment ago.
func answersFromView(change scheduler.Change) bool {
	switch change.(type) {
	case scheduler.SetMark, scheduler.Release:
		return false
	}
	return true
}

// Later implements Store.
func (g *Grouped) Later(rules *scheduler.Rules, id string, change scheduler.Change) {
	if c, err := g.committer(id); err == nil {
		c.later(rules.Of(id), change)
	}
}

// Instances implements Store.
func (g *Grouped) Instances() int { return 1 + int(g.writers.atWork.Load()) }

// Stats implements Store.
func (g *Grouped) Stats() Stats { return g.stats.snapshot() }

// Close implements Store. When ctx ends before everything is written, what is
// left is given up, with the error of ctx.
func (g *Grouped) Close(ctx context.Context) error {
	first := !g.closing.Swap(true)
	if first {
		for _, c := range g.all() {
			c.flush()
		}
		g.mu.Lock()
		g.ended = true
		g.mu.Unlock()
	}
	done := make(chan struct{})
	go func() { g.wg.Wait(); close(done) }()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ended("close store", ctx)
	}
	g.end()
	<-done
	g.docs.Close()
	return err
}
