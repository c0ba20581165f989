package storage

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// documents is the database behind a Grouped store: packed project states with
// versions, and the control document.
type documents interface {
	// get reads project documents. A missing one has the zero version.
	get(ctx context.Context, ids []string) ([]document, error)
	// put writes a project document if it still has the given version, the
	// zero version meaning that it doesn't exist, and returns the new version.
	// After an error it is unknown whether the document was written.
	put(ctx context.Context, id string, data []byte, base version) (version, error)
	// control reads the control document.
	control(ctx context.Context) (Control, error)
	// updateControl changes it in a transaction, so that no change is lost.
	updateControl(ctx context.Context, change func(*Control) error) (Control, error)
	// record reads a record, nil if there is none.
	record(ctx context.Context, name string) ([]byte, error)
	// updateRecord changes one in a transaction, by changeRecord.
	updateRecord(ctx context.Context, name string, change func([]byte) ([]byte, error)) ([]byte, error)
	// now is the database's time.
	now() scheduler.Instant
	// between returns the instants between which that time is.
	between() (earliest, latest scheduler.Instant)
	// steady reports whether now is to be believed. If not, an answer of the
	// database puts it right.
	steady() bool
}

// A version is the update time of a document. The zero version stands for a
// document that doesn't exist.
type version = time.Time

type document struct {
	data    []byte
	version version
	read    time.Time // the database's time at which it was like this
}

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
}

func (o Options) withDefaults() Options {
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
	return o
}

// Grouped is a Store that keeps a view of every project in memory and commits
// in groups: per project one committer drains the changes that are waiting,
// applies them one after another to the view, and writes once, on condition
// that nobody else wrote in between.
type Grouped struct {
	docs     documents
	opts     Options
	instance uint32 // random; names this store in the documents' writers
	stats    counters
	owed     operations // of the deployment's documents, not yet counted anywhere

	ctl      controlCache
	updating gate // one transaction that reads at a time
	closing  atomic.Bool
	reached  atomic.Bool // the database has answered before

	mu       sync.Mutex
	projects map[string]*committer
	ended    bool // no further work may begin

	// alive ends when the store is closed; commits of an answer that was
	// abandoned go on until then.
	alive context.Context
	end   context.CancelFunc
	wg    sync.WaitGroup
}

var _ Store = (*Grouped)(nil)

func newGrouped(docs documents, opts Options) *Grouped {
	g := &Grouped{
		docs: docs, opts: opts.withDefaults(), instance: rand.Uint32(),
		projects: make(map[string]*committer), updating: make(gate, 1),
	}
	g.alive, g.end = context.WithCancel(context.Background())
	return g
}

// Now implements Store.
func (g *Grouped) Now() scheduler.Instant { return g.docs.now() }

// Between implements Store.
func (g *Grouped) Between() (earliest, latest scheduler.Instant) { return g.docs.between() }

// committer returns the committer of a project, made on first use.
func (g *Grouped) committer(id string) (*committer, error) {
	if g.closing.Load() {
		return nil, ErrClosed
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.projects[id]
	if c == nil {
		c = &committer{g: g, id: id}
		g.projects[id] = c
	}
	return c, nil
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
	for i, c := range cs {
		out[i] = c.view()
	}
	return out, nil
}

func (g *Grouped) committers(ids []string) ([]*committer, error) {
	cs := make([]*committer, len(ids))
	for i, id := range ids {
		c, err := g.committer(id)
		if err != nil {
			return nil, err
		}
		cs[i] = c
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

// read reads the documents of the given committers in one batch.
func (g *Grouped) read(ctx context.Context, cs []*committer) error {
	if len(cs) == 0 {
		return nil
	}
	ids, epochs := make([]string, len(cs)), make([]uint64, len(cs))
	for i, c := range cs {
		ids[i], epochs[i] = c.id, c.asked()
	}
	docs, err := g.get(ctx, ids)
	if err != nil {
		for _, c := range cs {
			c.unasked()
		}
		return err
	}
	var failed error
	for i, c := range cs {
		if err := c.learn(docs[i], epochs[i]); err != nil && failed == nil {
			failed = err
		}
	}
	return failed
}

// patience is how long one read may take. Until the database has answered for
// the first time that is as long as all tries of a commit: a connection has to be
// made first, and an emulator may have been started a moment ago.
func (g *Grouped) patience() time.Duration {
	if g.reached.Load() {
		return g.opts.CommitTimeout
	}
	return max(g.opts.GiveUp, g.opts.CommitTimeout)
}

func (g *Grouped) get(ctx context.Context, ids []string) ([]document, error) {
	limited, cancel := context.WithTimeout(ctx, g.patience())
	defer cancel()
	g.stats.reads.Add(int64(len(ids)))
	docs, err := g.docs.get(limited, ids)
	switch {
	case err == nil:
		g.reached.Store(true)
		return docs, nil
	case g.alive.Err() != nil:
		return nil, fmt.Errorf("read projects: %w", ErrClosed)
	case ctx.Err() != nil:
		return nil, ended("read projects", ctx)
	}
	return nil, unavailable("read projects", err)
}

// Apply implements Store.
func (g *Grouped) Apply(ctx context.Context, rules *scheduler.Rules, id string, change scheduler.Change) (scheduler.Result, error) {
	if err := ctx.Err(); err != nil {
		return scheduler.Result{}, ended("apply", ctx)
	}
	if err := check(change); err != nil {
		return scheduler.Result{}, err
	}
	c, err := g.committer(id)
	if err != nil {
		return scheduler.Result{}, err
	}
	if err := g.load(ctx, []*committer{c}); err != nil {
		return scheduler.Result{}, err
	}
	if !answersFromView(change) && c.idle(rules, change) {
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
		c.later(rules, change)
	}
}

// work runs f in a goroutine that Close waits for, unless the store has ended.
func (g *Grouped) work(f func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return false
	}
	g.wg.Go(f)
	return true
}

// Stats implements Store.
func (g *Grouped) Stats() Stats { return g.stats.snapshot() }

// all returns every committer.
func (g *Grouped) all() []*committer {
	g.mu.Lock()
	defer g.mu.Unlock()
	cs := make([]*committer, 0, len(g.projects))
	for _, c := range g.projects {
		cs = append(cs, c)
	}
	return cs
}

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
	return err
}
