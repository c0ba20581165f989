package storage

import (
	"context"
	"math"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"fluxgate.dev/fluxgate/storage/internal/newer"
)

// controlCache keeps the control document for ControlAge, or until a project's document
// speaks of a newer one.
type controlCache struct {
	reads singleflight.Group // of the document, one at a time

	mu    sync.Mutex
	known bool
	asked time.Time // local: the store's time may not be known yet
	doc   Control
	// taken grows with every document that is noted: what was asked for before
	// then may be older.
	taken uint64
	newer newer.Epochs
}

// Control implements Store.
func (g *Grouped) Control(ctx context.Context) (Control, error) {
	return g.controlWithin(ctx, ControlAge)
}

// FreshControl implements Store.
func (g *Grouped) FreshControl(ctx context.Context) (Control, error) {
	return g.controlWithin(ctx, refreshEvery)
}

// controlWithin returns a control document that was no older than age when it was asked for:
// a read may take longer than that. Callers share a read, which goes on when one of them leaves.
func (g *Grouped) controlWithin(ctx context.Context, age time.Duration) (Control, error) {
	for begun := time.Now(); ; {
		if g.closing.Load() {
			return Control{}, ErrClosed
		}
		if doc, ok := g.ctl.within(age + time.Since(begun)); ok {
			return doc, nil
		}
		if err := g.shareControl(ctx); err != nil {
			return Control{}, err
		}
	}
}

// shareControl has the control document read, or waits for the read that is under way.
func (g *Grouped) shareControl(ctx context.Context) error {
	select {
	case read := <-g.ctl.reads.DoChan("control", func() (any, error) { return nil, g.readControl() }):
		return read.Err
	case <-ctx.Done():
		return ended("read control document", ctx)
	}
}

// readControl reads the control document, whoever asked for it.
func (g *Grouped) readControl() error {
	if !g.enter() {
		return ErrClosed
	}
	defer g.wg.Done()
	ctx, cancel := context.WithTimeout(g.alive, g.readTimeout())
	defer cancel()
	g.stats.control.Add(1)
	g.uncounted.add(1, 0)
	asked, taken, sought := g.ctl.begin()
	doc, _, err := g.docs.Control(ctx)
	if err != nil {
		return unavailable("read control document", err)
	}
	g.reached.Store(true)
	if g.ctl.lost(taken, &doc) {
		// Before anything more is decided by it.
		if doc, err = g.updateControl(g.alive, func(*Control) error { return nil }); err != nil {
			return unavailable("restore control document", err)
		}
	}
	if g.ctl.took(asked, taken, sought, doc) {
		g.expireAll()
	}
	return nil
}

// forever is an age at which any document will do that was ever known.
const forever = time.Duration(math.MaxInt64)

// within returns the document if it is no older than age.
func (c *controlCache) within(age time.Duration) (Control, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.doc, c.known && time.Since(c.asked) < age && (c.newer.Heard() == 0 || age == forever)
}

// hear notes the epoch that a project's document tells.
func (c *controlCache) hear(epoch int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known {
		c.newer.Hear(epoch, c.doc.Epoch)
	}
}

// newest returns the newest epoch that is known of, else what a project's document tells.
func (c *controlCache) newest(told int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known {
		return told
	}
	return max(c.doc.Epoch, c.newer.Heard())
}

// begin returns what took is to be told of a read that begins now.
func (c *controlCache) begin() (asked time.Time, taken uint64, sought int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now(), c.taken, c.newer.Heard()
}

// lost reports whether what was read hasn't come of what was known when that began, and
// still is.
func (c *controlCache) lost(taken uint64, doc *Control) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known && c.taken == taken && doc.hasLost(&c.doc)
}

// took takes over what was read, unless another document was noted meanwhile,
// and reports whether every view is to be read anew.
func (c *controlCache) took(asked time.Time, taken uint64, sought int64, doc Control) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.taken == taken && c.takeLocked(asked, sought, doc)
}

// take takes over what was written, and reports whether every view is to be read
// anew.
func (c *controlCache) take(doc Control) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.takeLocked(time.Now(), 0, doc)
}

// takeLocked takes over a control document and reports whether every view is to
// be read anew: with another epoch, and with the first, for there is no telling
// what the views that were read before it saw.
func (c *controlCache) takeLocked(asked time.Time, sought int64, doc Control) bool {
	changed := !c.known || doc.Epoch != c.doc.Epoch
	c.newer.Read(doc.Epoch, sought)
	c.known, c.asked, c.doc = true, asked, doc.clone()
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

// UpdateControl implements Store.
func (g *Grouped) UpdateControl(ctx context.Context, change func(*Control) error) (Control, error) {
	if g.closing.Load() {
		return Control{}, ErrClosed
	}
	doc, err := g.updateControl(ctx, change)
	if err != nil {
		return Control{}, g.failed(ctx, "change control document", err)
	}
	if g.ctl.take(doc) {
		g.expireAll()
	}
	return doc, nil
}

// updateControl tries until GiveUp, as long as it only loses races.
func (g *Grouped) updateControl(ctx context.Context, change func(*Control) error) (Control, error) {
	ctx, cancel := context.WithTimeout(ctx, g.opts.GiveUp)
	defer cancel()
	var lost string
	known, ok := g.ctl.within(forever)
	doc, err := update(ctx, g, "", g.docs.Control, func(c Control) (Control, bool, error) {
		if lost = ""; ok {
			lost = c.recover(&known, g.Now())
		}
		epoch := c.Epoch
		if err := change(&c); err != nil {
			return Control{}, false, &refusal{err}
		}
		c.Epoch = epoch + 1
		return c, true, nil
	}, g.docs.PutControl)
	if err == nil {
		g.notice(lost)
	}
	return doc, err
}
