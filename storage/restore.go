package storage

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage/internal/merge"
)

// noticeEvery is how often Options.Noticed is told of documents that were lost: a
// database that was emptied has lost all of them.
const noticeEvery = time.Minute

// compare finds out whether the document that was read, with this state, has come of
// what was known, and notes what it has lost. The lock is held.
func (c *committer) compare(found *scheduler.Project) {
	if c.lost != nil && merge.Follows(found, c.lost.Known) {
		c.lost = nil // somebody has written it back
	}
	if merge.Follows(found, c.base) {
		return
	}
	known := c.base
	if c.lost != nil {
		known = merge.Projects(c.lost.Known, c.base)
	}
	c.lost = &merge.Loss{Known: known, Unseen: time.Since(*c.g.others.Load()) < othersFor, Since: c.g.Now()}
	c.g.notice(fmt.Sprintf("the document of project %s was missing or older than what was durable: what this instance knows of it is written back", c.id))
}

// restored returns the base with what its document has lost. The lock is held.
func (c *committer) restored(now scheduler.Instant) *scheduler.Project {
	if c.lost == nil {
		return c.base
	}
	return c.lost.Restore(c.base, c.rules, now)
}

// restoredBefore returns when the database was restored after it had been emptied; 0: never,
// or the batch asks for nothing but what is known to have been used. What only others have
// used looks the same after the database was emptied as before; the control document tells,
// and is read for it. A model is used for the first time once in the life of a project.
func (g *Grouped) restoredBefore(ctx context.Context, t *try) (scheduler.Instant, error) {
	_, known := g.ctl.within(forever)
	if !known || !slices.ContainsFunc(t.batch, func(w *waiting) bool { return firstUse(t.on, w.change) }) {
		return 0, nil
	}
	if err := g.shareControl(ctx); err != nil {
		return 0, err
	}
	control, _ := g.ctl.within(forever)
	return control.RestoredAt, nil
}

// firstUse reports whether a change asks for a model that was never used, as far as is known.
func firstUse(p *scheduler.Project, change scheduler.Change) bool {
	r, ok := change.(scheduler.Reserve)
	return ok && !p.Has(r.Model) && len(p.Calendar(r.Model).Days) == 0
}

// closeUnknown returns the project with the model that is asked for closed, if it may have
// been used before the database was emptied, until that can't count any more; nil: it can't.
func (t *try) closeUnknown(p *scheduler.Project, now scheduler.Instant, w *waiting) *scheduler.Project {
	if t.restored == 0 || !firstUse(p, w.change) {
		return nil
	}
	block := merge.Closed(t.restored, w.rules)
	if now >= block.Until {
		return nil
	}
	p, _ = p.Apply(w.rules, now, scheduler.RecordRefusal{Model: w.change.(scheduler.Reserve).Model, Block: block})
	return p
}

// restores reports whether there is something to write back, which isn't put off until
// somebody has something to change. The lock is held.
func (c *committer) restores() bool { return c.lost != nil && c.rules != nil && c.invalid == nil }

// notice says which document has lost what was durable, in the log and to
// Options.Noticed; empty: none.
func (g *Grouped) notice(what string) {
	if what == "" {
		return
	}
	g.stats.lost.Add(1)
	g.opts.Logger.Error("the store has lost what was durable", "what", what)
	g.mu.Lock()
	due := g.opts.Noticed != nil && (g.noticed.IsZero() || time.Since(g.noticed) >= noticeEvery)
	if due {
		g.noticed = time.Now()
	}
	g.mu.Unlock()
	if due {
		g.work(func() { g.opts.Noticed(g.alive, what) })
	}
}

// hasLost reports whether a control document that was found hasn't come of the one that
// was known. One of another incarnation has lost what whoever made it didn't know. Any
// other has if its epoch is less.
func (c *Control) hasLost(known *Control) bool {
	if c.Incarnation != "" && c.Incarnation != known.Incarnation {
		return c.Restored < known.Epoch
	}
	return c.Epoch < known.Epoch
}

// recover gives a control document back what it has lost, and returns what is to be said
// of it once it is written; empty: nothing was lost.
func (c *Control) recover(known *Control, now scheduler.Instant) (what string) {
	if !c.hasLost(known) {
		return ""
	}
	what = fmt.Sprintf("the control document was missing or older than what was durable (epoch %d, not %d): mode, limits, aliases and the key of tickets are written back as this instance knows them", c.Epoch, known.Epoch)
	c.restore(*known, now)
	return what
}

// restore gives a control document back what was known. What is dated goes by its date.
// Of the rest, what was set since the document was made anew, or restored, is newer than
// what is known; otherwise it is a copy, and older. The key is the one that tickets
// were signed with.
func (c *Control) restore(known Control, now scheduler.Instant) {
	found, known := *c, known.clone()
	newer := !bytes.Equal(found.TicketKey, known.TicketKey) || found.Incarnation != known.Incarnation && found.Epoch > found.Restored+1
	*c = known
	c.Epoch = max(found.Epoch, known.Epoch)
	c.Incarnation, c.Restored, c.RestoredAt = rand.Text(), c.Epoch, now
	if found.LimitsAt.After(known.LimitsAt) {
		c.Limits, c.LimitsAt = found.Limits, found.LimitsAt
	}
	if found.ReportedAt.After(known.ReportedAt) {
		c.Reported, c.Discovered, c.Windows, c.ReportedAt = found.Reported, found.Discovered, found.Windows, found.ReportedAt
	}
	if len(known.TicketKey) == 0 {
		c.TicketKey = found.TicketKey
	}
	if !newer {
		return
	}
	c.Mode, c.Prefer = cmp.Or(found.Mode, c.Mode), cmp.Or(found.Prefer, c.Prefer)
	if len(found.Chain)+len(found.Across) > 0 {
		c.Chain, c.Across = found.Chain, found.Across
	}
	maps.Copy(c.Aliases, found.Aliases)
}

// maxRecords bounds how many records an instance remembers, the oldest going first: more
// than there are, but for those that there is one of for every day. The largest have some
// 128 KiB.
const maxRecords = 64

// A knownRecord is what a record is known to hold.
type knownRecord struct {
	data []byte
	at   time.Time // when that was read or written last
}

// remember keeps what a record is known to hold.
func (g *Grouped) remember(name string, data []byte) {
	if len(data) == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.records[name] = knownRecord{bytes.Clone(data), time.Now()}
	if len(g.records) <= maxRecords {
		return
	}
	oldest := name
	for other, x := range g.records {
		if x.at.Before(g.records[oldest].at) {
			oldest = other
		}
	}
	delete(g.records, oldest)
}

// remembered returns what a record is known to have held; nil: nothing.
func (g *Grouped) remembered(name string) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	return bytes.Clone(g.records[name].data)
}
