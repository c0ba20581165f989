package storage

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// controlCache keeps the control document for ControlAge.
type controlCache struct {
	mu     sync.Mutex
	known  bool
	read   time.Time // local: the store's time may not be known yet
	doc    Control
	flight *flight // the read that is under way
	// taken grows with every document that is noted: what was asked for before
	// then may be older.
	taken uint64
}

// Control implements Store.
func (g *Grouped) Control(ctx context.Context) (Control, error) {
	return g.controlWithin(ctx, ControlAge)
}

// FreshControl implements Store.
func (g *Grouped) FreshControl(ctx context.Context) (Control, error) {
	return g.controlWithin(ctx, refreshEvery)
}

func (g *Grouped) controlWithin(ctx context.Context, age time.Duration) (Control, error) {
	for {
		doc, f, err := g.cachedControl(age)
		if f == nil {
			return doc, err
		}
		if err := f.wait(ctx, "read control document"); err != nil {
			return Control{}, err
		}
	}
}

// cachedControl returns the document, or the read to wait for.
func (g *Grouped) cachedControl(age time.Duration) (Control, *flight, error) {
	if g.closing.Load() {
		return Control{}, nil, ErrClosed
	}
	c := &g.ctl
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known && time.Since(c.read) < age {
		return c.doc, nil, nil
	}
	if c.flight == nil {
		f, taken := newFlight(), c.taken
		if !g.work(func() { f.land(g.readControl(f, taken)) }) {
			return Control{}, nil, ErrClosed
		}
		c.flight = f
	}
	return Control{}, c.flight, nil
}

func (g *Grouped) readControl(f *flight, taken uint64) error {
	ctx, cancel := context.WithTimeout(g.alive, g.patience())
	defer cancel()
	g.stats.control.Add(1)
	g.owed.reads.Add(1)
	asked := time.Now()
	doc, err := g.docs.control(ctx)

	g.ctl.mu.Lock()
	if g.ctl.flight == f {
		g.ctl.flight = nil
	}
	changed := false
	if err == nil && g.ctl.taken == taken {
		changed = g.ctl.take(asked, doc)
	}
	g.ctl.mu.Unlock()
	if err != nil {
		return unavailable("read control document", err)
	}
	g.reached.Store(true)
	if changed {
		g.expireAll()
	}
	return nil
}

// take notes a control document and reports whether every view is to be read
// anew: with another epoch, and with the first, for there is no telling what
// the views that were read before it saw. The lock is held.
func (c *controlCache) take(now time.Time, doc Control) bool {
	changed := !c.known || doc.Epoch != c.doc.Epoch
	c.known, c.read, c.doc = true, now, doc.clone()
	c.taken++
	return changed
}

// expireAll makes every view stale, so that good news (a key enabled, a block
// lifted) arrives as surely as bad.
func (g *Grouped) expireAll() {
	for _, c := range g.all() {
		c.expire()
	}
}

// expire has the next View read the project anew.
func (c *committer) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outdated = true
	c.epoch++
	c.loading = nil // it may have begun too early
}

// UpdateControl implements Store.
func (g *Grouped) UpdateControl(ctx context.Context, change func(*Control) error) (Control, error) {
	if g.closing.Load() {
		return Control{}, ErrClosed
	}
	doc, err := g.updateControl(ctx, change)
	if err != nil {
		return Control{}, g.failed(ctx, "change control document", err)
	}
	g.ctl.mu.Lock()
	changed := g.ctl.take(time.Now(), doc)
	g.ctl.mu.Unlock()
	if changed {
		g.expireAll()
	}
	return doc, nil
}

// updateControl tries until GiveUp: a transaction that lost too many races has
// changed nothing.
func (g *Grouped) updateControl(ctx context.Context, change func(*Control) error) (Control, error) {
	ctx, cancel := context.WithTimeout(ctx, g.opts.GiveUp)
	defer cancel()
	// Transactions of one instance would only get in one another's way.
	if err := g.updating.lock(ctx); err != nil {
		return Control{}, err
	}
	defer g.updating.unlock()
	var doc Control
	err := g.contended(ctx, func() (err error) {
		doc, err = g.docs.updateControl(ctx, func(c *Control) error {
			epoch := c.Epoch
			if err := change(c); err != nil {
				return &refusal{err}
			}
			c.Epoch = epoch + 1
			return nil
		})
		return err
	})
	return doc, err
}

// contended runs a transaction that reads until it is not aborted for having
// lost too many races, or ctx ends.
func (g *Grouped) contended(ctx context.Context, transaction func() error) error {
	for try := 1; ; try++ {
		g.stats.control.Add(2)
		g.owed.reads.Add(1)
		g.owed.writes.Add(1)
		err := transaction()
		if status.Code(err) != codes.Aborted || pause(ctx, g.opts.Jitter(try)) != nil {
			return err
		}
	}
}

// A gate lets one at a time through and gives up with the context.
type gate chan struct{}

func (m gate) lock(ctx context.Context) error {
	select {
	case m <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m gate) unlock() { <-m }

// operations are what was asked of the database and is yet to be counted in a
// document, for the totals of all instances.
type operations struct{ reads, writes atomic.Int64 }

// take returns what is owed, which is then no longer.
func (o *operations) take() (reads, writes int64) { return o.reads.Swap(0), o.writes.Swap(0) }

func (o *operations) add(reads, writes int64) {
	o.reads.Add(reads)
	o.writes.Add(writes)
}

// counters are Stats under way.
type counters struct {
	reads, writes, conflicts, recovered, control atomic.Int64
}

func (c *counters) snapshot() Stats {
	return Stats{
		Reads: c.reads.Load(), Writes: c.writes.Load(), Conflicts: c.conflicts.Load(),
		Recovered: c.recovered.Load(), Control: c.control.Load(),
	}
}
