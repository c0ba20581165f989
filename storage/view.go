package storage

import (
	"slices"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// othersFor is how long other writers stay in evidence, refreshEvery how often a
// view is read at most, and retryEvery how old the view of a document may be that
// couldn't be read. A view no older than freshFor isn't read before it is written on.
const (
	freshFor     = 50 * time.Millisecond
	othersFor    = 5 * time.Minute
	refreshEvery = time.Second
	retryEvery   = scheduler.Window
)

// view returns what planning sees, and why the document can't be read if it
// can't.
func (c *committer) view() (*scheduler.Project, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shown, c.invalid
}

// usable reports whether the view will do, which it does as long as nothing is
// known to have changed. No commit would tell of a change to a document that
// couldn't be read, so that is read again now and then. The lock is held.
func (c *committer) usable() bool {
	return c.known && !c.outdated && (c.invalid == nil || time.Since(c.checked) < retryEvery)
}

// stale reports whether the view is worth a read now. The lock is held.
func (c *committer) stale(force bool) bool {
	if time.Since(c.asked) < refreshEvery {
		return false
	}
	return force || time.Since(c.othersWrote) < othersFor || time.Since(c.checked) >= scheduler.Window
}

// probablyStale reports whether somebody else has probably written since the document
// was last known to be current: whoever was noticed a while ago is expected to have
// written again once it is half as long since. What is hardly older than a read takes
// is current.
func (c *committer) probablyStale() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	age, others := time.Since(c.checked), time.Since(c.othersWrote)
	return age >= freshFor && others < othersFor && age >= others/2
}

// changesNothing reports whether a change would change nothing in what is shown.
func (c *committer) changesNothing(rules *scheduler.Rules, change scheduler.Change) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, preview := c.shown.Apply(rules, c.g.Now(), change)
	return !preview.Changed
}

// expire has the next View read the project anew.
func (c *committer) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outdated = true
	c.epoch++
	c.reading = nil // it may have begun too early
}

// readBegins notes that the document is being read, and returns the epoch that
// the read belongs to.
func (c *committer) readBegins() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = time.Now()
	c.uncounted.add(1, 0)
	return c.epoch
}

// readFailed notes that the read failed, so that the next Refresh doesn't rely
// on it.
func (c *committer) readFailed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = time.Time{}
}

// update takes over a document that was read in the given epoch. One that is
// older than what is known is ignored: reads and commits overtake one another.
func (c *committer) update(doc Document, epoch uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.updateLocked(doc, epoch)
}

func (c *committer) updateLocked(doc Document, epoch uint64) {
	now := time.Now()
	if epoch == c.epoch {
		c.outdated = false
	}
	if c.known && !doc.newerThan(c.version) {
		if doc.Version.Equal(c.version) {
			c.checked = now
		}
		return
	}
	p, err := c.g.decode(c.id, doc)
	if c.known && err == nil && c.invalid == nil {
		c.compare(p)
	}
	if p != nil {
		c.g.ctl.hear(p.Epoch)
	}
	switch {
	case err != nil, c.known && p != nil && !wroteThis(p, c.g.instance),
		// Somebody else was at work until just now, and may still be.
		!c.known && p != nil && c.g.Now().Sub(p.Latest) < othersFor:
		c.othersWrote = now
		c.g.others.Store(&now)
	}
	c.g.writers.notice(c.g.instance, c.known && c.invalid == nil, c.base, p, now, c.g.Now())
	if c.lost == nil || !doc.Version.IsZero() {
		c.sections = doc.Sections // what others know of a document that is gone goes back, too
	}
	c.known, c.base, c.invalid = true, p, err
	c.version, c.checked = doc.Version, now
	c.show()
	if c.restores() {
		c.start()
	}
}

// newerThan reports whether a document that was read is newer than a version.
// One that is gone is newer than what it was before it was deleted, and so is an older
// one that was put in its place.
func (d Document) newerThan(v Version) bool {
	return d.Version.After(v) || d.Version.Before(v) && d.Read.After(v)
}

// wroteThis reports whether a state is the work of an instance.
func wroteThis(p *scheduler.Project, instance uint32) bool {
	return p != nil && len(p.Writers) > 0 && p.Writers[len(p.Writers)-1].Instance == instance
}

// show computes what planning sees: the base with all that is on its way and wanted.
func (c *committer) show() {
	now := c.g.Now()
	piggybacked, inFlight := c.piggybacked, c.inFlight
	if c.applied() {
		piggybacked, inFlight = piggybacked[c.carried:], nil
	}
	p := c.restored(now)
	for _, x := range piggybacked {
		p, _ = p.Apply(x.rules, now, x.change)
	}
	for _, w := range slices.Concat(inFlight, c.queue) {
		if !w.abandoned {
			p, _ = p.Apply(w.rules, now, w.change)
		}
	}
	c.shown = p
}

// applied reports whether the commit that is under way is in the base already,
// whatever its reply will say.
func (c *committer) applied() bool {
	return c.first != 0 && c.base.WroteLast(c.g.instance) >= c.first
}
