package storage

import (
	"fmt"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// foreignFor is how long other writers stay in evidence, refreshEvery how often
// a view is read at most.
const (
	foreignFor   = 5 * time.Minute
	refreshEvery = time.Second
)

func (c *committer) view() *scheduler.Project {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shown
}

// stale reports whether the view is worth a read now. The lock is held.
func (c *committer) stale(force bool) bool {
	if time.Since(c.read) < refreshEvery {
		return false
	}
	return force || time.Since(c.foreign) < foreignFor || time.Since(c.checked) >= scheduler.Window
}

// asked notes that the document is being read, and returns the epoch that the
// read belongs to.
func (c *committer) asked() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = time.Now()
	c.owed.add(1, 0)
	return c.epoch
}

// unasked notes that the read failed, so that the next Refresh doesn't rely on it.
func (c *committer) unasked() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = time.Time{}
}

// learn takes over a document that was read in the given epoch. One that is
// older than what is known is ignored: reads and commits overtake one another.
func (c *committer) learn(doc document, epoch uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.learnLocked(doc, epoch)
}

func (c *committer) learnLocked(doc document, epoch uint64) error {
	now := time.Now()
	if c.known && !doc.newerThan(c.version) {
		if doc.version.Equal(c.version) {
			c.checked = now
		}
		c.fresh(epoch)
		return nil
	}
	var p *scheduler.Project
	if !doc.version.IsZero() {
		var err error
		if p, err = unpack(doc.data); err != nil {
			return fmt.Errorf("project %s: %w", c.id, err)
		}
	}
	switch {
	case c.known:
		if !wroteThis(p, c.g.instance) {
			c.foreign = now
		}
	case p != nil && c.g.Now().Sub(p.Latest) < foreignFor:
		// Somebody else was at work until just now, and may still be.
		c.foreign = now
	}
	c.known, c.base, c.version, c.checked = true, p, doc.version, now
	c.fresh(epoch)
	c.show()
	return nil
}

// newerThan reports whether a document that was read is newer than a version.
// One that is gone is newer than what it was before it was deleted.
func (d document) newerThan(v version) bool {
	if d.version.IsZero() {
		return !v.IsZero() && d.read.After(v)
	}
	return d.version.After(v)
}

// wroteThis reports whether a state is the work of an instance.
func wroteThis(p *scheduler.Project, instance uint32) bool {
	return p != nil && len(p.Writers) > 0 && p.Writers[len(p.Writers)-1].Instance == instance
}

// fresh notes that a read of the given epoch arrived.
func (c *committer) fresh(epoch uint64) {
	if epoch == c.epoch {
		c.outdated = false
	}
}

// landed reports whether the commit that is under way is in the base already,
// whatever its reply will say.
func (c *committer) landed() bool {
	return c.first != 0 && c.base.WroteLast(c.g.instance) >= c.first
}

// show computes what planning sees: the base with all that is on its way.
func (c *committer) show() {
	now := c.g.Now()
	riders, flying := c.riders, c.flying
	if c.landed() {
		riders, flying = riders[c.aboard:], nil
	}
	p := c.base
	for _, r := range riders {
		p, _ = p.Apply(r.rules, now, r.change)
	}
	for _, list := range [][]*waiting{flying, c.queue} {
		for _, w := range list {
			p, _ = p.Apply(w.rules, now, w.change)
		}
	}
	c.shown = p
}

// idle reports whether a change would change nothing in what is shown.
func (c *committer) idle(rules *scheduler.Rules, change scheduler.Change) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, preview := c.shown.Apply(rules, c.g.Now(), change)
	return !preview.Changed
}
