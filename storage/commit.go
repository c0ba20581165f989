package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage/internal/merge"
)

// A try is one attempt to commit a batch on top of a version.
type try struct {
	seq         uint64
	on          *scheduler.Project
	sections    []byte            // of on
	base        Version           // of on
	lost        *merge.Loss       // what is written back with it
	restored    scheduler.Instant // when the database was, where that matters to the batch; 0: it doesn't
	rules       *scheduler.Rules
	piggybacked []pending
	batch       []*waiting
	results     []scheduler.Result // of the batch
}

// commit makes a batch durable and returns a result for each of its changes.
// After any error it looks whether the commit applied all the same. Where that can't
// be found out, the results that it has then come with the error.
func (c *committer) commit() ([]scheduler.Result, error) {
	ctx, cancel := context.WithTimeout(c.g.alive, c.g.opts.GiveUp)
	defer cancel()
	c.look(ctx)
	var tries []try // those that may have applied, or may yet
	for {
		t, err := c.begin()
		if err != nil {
			return nil, err
		}
		if t.restored, err = c.g.restoredBefore(ctx, &t); err != nil {
			return nil, err
		}
		now := c.g.Now()
		next, rules := t.apply(now)
		if rules == nil {
			// Nothing changed after all. An earlier try may still arrive.
			c.cancelTries(tries)
			return t.results, nil
		}
		reads, writes := c.takeUncounted()
		next = next.Wrote(c.g.instance, t.seq).WithOperations(now, reads, writes+1)
		next.Epoch = c.g.ctl.newest(next.Epoch)
		doc := Document{}
		doc.Fields, err = c.g.codec.Pack(rules, now, next, t.sections)
		if err != nil {
			return nil, fmt.Errorf("project %s: %w", c.id, err)
		}
		// What was packed is what others will read, rounding included.
		if next, err = c.g.codec.Unpack(doc.Fields); err != nil {
			return nil, fmt.Errorf("project %s: %w", c.id, err)
		}
		tries = append(tries, t)
		doc.Version, err = c.put(ctx, doc, t.base)
		if err == nil {
			c.wrote(next, doc)
			return t.results, nil
		}
		// Whether it was counted is not known: rather twice than never.
		c.uncounted.add(reads, writes+1)
		// The pause comes before the reload: a state that was read before it
		// would be out of date after it, and lose the next race too.
		if !errors.Is(err, ErrDenied) && pause(ctx, c.g.opts.Jitter(len(tries))) != nil {
			return t.results, unavailable("commit", err)
		}
		switch done, lost, err := c.recognise(ctx, tries, err); {
		case done != nil || err != nil:
			return done, err
		case lost:
			tries = nil
		}
	}
}

// look reads the document before the first try where somebody else has probably
// written it: a race that is lost costs a write, a pause and the same read. That the
// read fails says nothing about the commit.
func (c *committer) look(ctx context.Context) {
	if !c.probablyStale() {
		return
	}
	epoch := c.readBegins()
	docs, err := c.g.get(ctx, []string{c.id})
	if err != nil {
		c.readFailed()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.updateLocked(docs[0], epoch)
	c.fillBatch() // with what came meanwhile
}

// begin returns a try of the batch, or why the document can't be written.
func (c *committer) begin() (try, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.invalid != nil {
		return try{}, c.invalid
	}
	c.seq++
	return try{
		seq: c.seq, on: c.base, sections: c.sections, base: c.version, lost: c.lost, rules: c.rules,
		piggybacked: slices.Clip(c.piggybacked[:c.carried]), batch: c.inFlight,
	}, nil
}

// apply computes the state after the changes, and the results. The rules are nil
// when nothing changed that is worth a write.
func (t *try) apply(now scheduler.Instant) (*scheduler.Project, *scheduler.Rules) {
	p := t.on
	var rules *scheduler.Rules
	if t.lost != nil {
		rules = t.rules
		p = t.lost.Restore(p, rules, now)
	}
	for _, x := range t.piggybacked {
		var res scheduler.Result
		if p, res = p.Apply(x.rules, now, x.change); res.Changed && !res.Rides {
			rules = x.rules
		}
	}
	t.results = make([]scheduler.Result, len(t.batch))
	for i, w := range t.batch {
		if closed := t.closeUnknown(p, now, w); closed != nil {
			p, rules = closed, w.rules
		}
		if p, t.results[i] = p.Apply(w.rules, now, w.change); t.results[i].Changed {
			rules = w.rules
		}
	}
	return p, rules
}

// takeUncounted takes what is to be counted with the next commit: what this
// committer and the instance as a whole have asked of the database since the last.
func (c *committer) takeUncounted() (reads, writes int64) {
	c.uncounted.add(c.g.uncounted.take())
	return c.uncounted.take()
}

// cancelTries takes back what earlier tries of a batch may yet reserve: those on
// top of what is still the latest version, as far as is known.
func (c *committer) cancelTries(tries []try) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, w := range c.inFlight {
		for _, t := range tries {
			if t.base.Equal(c.version) {
				c.takeBack(&waiting{pending: w.pending, result: t.results[i]})
			}
		}
	}
}

func (c *committer) put(ctx context.Context, doc Document, base Version) (Version, error) {
	ctx, cancel := context.WithTimeout(ctx, c.g.opts.CommitTimeout)
	defer cancel()
	c.g.stats.writes.Add(1)
	v, err := c.g.docs.Put(ctx, c.id, doc.Fields, base)
	c.committed = time.Now()
	return v, err
}

// wrote takes over what was committed, unless something newer was read since.
func (c *committer) wrote(p *scheduler.Project, doc Document) {
	c.g.writers.wrote(time.Now())
	c.mu.Lock()
	defer c.mu.Unlock()
	if doc.Version.After(c.version) {
		c.base, c.sections, c.invalid = p, doc.Sections, nil
		c.version, c.checked, c.lost = doc.Version, time.Now(), nil
		c.show()
	}
}

// recognise reloads the document after a commit that reported an error. If one
// of the tries applied its results are returned; an error means giving up, with those of
// the last; with neither the batch is to be tried again. It has lost a race if somebody else
// wrote: no try can apply any more, being on top of what is gone, and whatever
// has come in the meantime joins the batch. Otherwise who loses again and again
// would keep it waiting.
func (c *committer) recognise(ctx context.Context, tries []try, cause error) (done []scheduler.Result, lost bool, err error) {
	last := tries[len(tries)-1]
	doc, epoch, err := c.reload(ctx)
	if err != nil {
		return last.results, false, unavailable("commit", cause)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.updateLocked(doc, epoch); c.invalid != nil {
		return nil, false, c.invalid
	}
	wrote := c.base.WroteLast(c.g.instance)
	for _, t := range tries {
		if t.seq == wrote {
			c.g.stats.recovered.Add(1)
			return t.results, false, nil
		}
	}
	if !c.version.Equal(last.base) {
		c.g.stats.conflicts.Add(1)
		c.fillBatch()
		return nil, true, nil
	}
	// Nobody wrote: the database refused or didn't answer.
	if ctx.Err() != nil || errors.Is(cause, ErrDenied) {
		return last.results, false, unavailable("commit", cause)
	}
	return nil, false, nil
}

// reload reads the document until that succeeds or can't.
func (c *committer) reload(ctx context.Context) (Document, uint64, error) {
	for n := 1; ; n++ {
		epoch := c.readBegins()
		docs, err := c.g.get(ctx, []string{c.id})
		if err == nil {
			return docs[0], epoch, nil
		}
		if errors.Is(err, ErrDenied) || pause(ctx, c.g.opts.Jitter(n)) != nil {
			return Document{}, 0, err
		}
	}
}

// fillBatch adds what waits to the batch that is in flight, as far as there is room,
// without those that left. No try of it may still be able to apply. The lock is held.
func (c *committer) fillBatch() {
	c.inFlight = slices.DeleteFunc(slices.Clone(c.inFlight), func(w *waiting) bool { return w.abandoned })
	n := min(len(c.queue), maxBatch-len(c.inFlight))
	c.inFlight = append(c.inFlight, c.queue[:n]...)
	c.queue = c.queue[n:]
	c.carried, c.first = len(c.piggybacked), c.seq+1
}
