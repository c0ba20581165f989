package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// run commits batches until nothing waits.
func (c *committer) run() {
	for {
		c.pace()
		if !c.depart() {
			return
		}
		results, err := c.commit()
		if !c.settle(results, err) {
			return
		}
	}
}

// depart takes what the next commit carries, and reports whether there is
// anything. If not the committer is idle.
func (c *committer) depart() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.queue)
	if n == 0 && len(c.riders) < maxRiders && !c.g.closing.Load() || n+len(c.riders) == 0 {
		c.busy = false
		return false
	}
	c.embark()
	return true
}

// embark has what waits join the commit that is under way, as far as there is
// room. No try of it may still be able to apply. The lock is held.
func (c *committer) embark() {
	n := min(len(c.queue), maxBatch-len(c.flying))
	c.flying = append(slices.Clip(c.flying), c.queue[:n]...)
	c.queue = c.queue[n:]
	c.aboard, c.first = len(c.riders), c.seq+1
}

// settle tells the callers of a batch what became of it, and reports whether to
// go on. When the database can't be reached it also tells those that came
// later, so that nobody waits longer than GiveUp.
func (c *committer) settle(results []scheduler.Result, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	batch := c.flying
	if err == nil || c.g.closing.Load() {
		c.riders = c.riders[c.aboard:]
	}
	c.flying, c.aboard, c.first = nil, 0, 0
	for i, w := range batch {
		if w.err = err; err == nil {
			w.result = results[i]
		}
		close(w.done)
		if w.abandoned || err != nil {
			c.takeBack(w)
		}
	}
	if errors.Is(err, ErrUnavailable) {
		for _, w := range c.queue {
			w.err = err
			close(w.done)
		}
		c.queue = nil
	}
	c.show()
	if err != nil && len(c.queue) == 0 {
		c.busy = false // what rides along waits for the next change
		return false
	}
	return true
}

// pace waits until the document may be written again.
func (c *committer) pace() {
	wait := c.g.opts.Pace - time.Since(c.committed)
	if wait <= 0 || c.committed.IsZero() || c.g.closing.Load() {
		return
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.g.alive.Done():
	}
}

// A try is one attempt to commit a batch on top of a version.
type try struct {
	seq     uint64
	on      *scheduler.Project
	base    version // of on
	riders  []rider
	batch   []*waiting
	results []scheduler.Result // of the batch
}

// owing takes what is to be counted with the next commit: what this committer and
// the instance as a whole have asked of the database since the last.
func (c *committer) owing() (reads, writes int64) {
	c.owed.add(c.g.owed.take())
	return c.owed.take()
}

// commit makes a batch durable and returns a result for each of its changes.
// After any error it looks whether the commit applied all the same.
func (c *committer) commit() ([]scheduler.Result, error) {
	ctx, cancel := context.WithTimeout(c.g.alive, c.g.opts.GiveUp)
	defer cancel()
	var tries []try // those that may have applied, or may yet
	for {
		t := c.begin()
		now := c.g.Now()
		next, rules := t.apply(now)
		if rules == nil {
			// Nothing changed after all. An earlier try may still arrive.
			c.forgo(tries)
			return t.results, nil
		}
		reads, writes := c.owing()
		next = next.Wrote(c.g.instance, t.seq).WithOperations(now, reads, writes+1)
		data, err := pack(rules, now, next)
		if err != nil {
			return nil, fmt.Errorf("project %s: %w", c.id, err)
		}
		// What was packed is what others will read, rounding included.
		if next, err = unpack(data); err != nil {
			return nil, fmt.Errorf("project %s: %w", c.id, err)
		}
		tries = append(tries, t)
		v, err := c.put(ctx, data, t.base)
		if err == nil {
			c.wrote(next, v)
			return t.results, nil
		}
		// Whether it was counted is not known: rather twice than never.
		c.owed.add(reads, writes+1)
		// The pause comes before the reload: a state that was read before it
		// would be out of date after it, and lose the next race too.
		if !permanent(err) && pause(ctx, c.g.opts.Jitter(len(tries))) != nil {
			return nil, unavailable("commit", err)
		}
		switch done, lost, err := c.recognise(ctx, tries, err); {
		case done != nil || err != nil:
			return done, err
		case lost:
			tries = nil
		}
	}
}

// begin returns a try of what is aboard.
func (c *committer) begin() try {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	return try{seq: c.seq, on: c.base, base: c.version, riders: slices.Clip(c.riders[:c.aboard]), batch: c.flying}
}

// apply computes the state after the changes, and the results. The rules are nil
// when nothing changed.
func (t *try) apply(now scheduler.Instant) (*scheduler.Project, *scheduler.Rules) {
	p := t.on
	var rules *scheduler.Rules
	for _, r := range t.riders {
		var res scheduler.Result
		if p, res = p.Apply(r.rules, now, r.change); res.Changed {
			rules = r.rules
		}
	}
	t.results = make([]scheduler.Result, len(t.batch))
	for i, w := range t.batch {
		if p, t.results[i] = p.Apply(w.rules, now, w.change); t.results[i].Changed {
			rules = w.rules
		}
	}
	return p, rules
}

// forgo takes back what earlier tries of a batch may yet reserve: those on top
// of what is still the latest version, as far as is known.
func (c *committer) forgo(tries []try) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, w := range c.flying {
		for _, t := range tries {
			if t.base.Equal(c.version) && t.results[i].Verdict == scheduler.Admitted {
				c.takeBack(&waiting{rider: w.rider, result: t.results[i]})
				break
			}
		}
	}
}

func (c *committer) put(ctx context.Context, data []byte, base version) (version, error) {
	ctx, cancel := context.WithTimeout(ctx, c.g.opts.CommitTimeout)
	defer cancel()
	c.g.stats.writes.Add(1)
	v, err := c.g.docs.put(ctx, c.id, data, base)
	c.committed = time.Now()
	return v, err
}

// wrote takes over what was committed, unless something newer was read since.
func (c *committer) wrote(p *scheduler.Project, v version) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v.After(c.version) {
		c.base, c.version, c.checked = p, v, time.Now()
		c.show()
	}
}

// recognise reloads the document after a commit that reported an error. If one
// of the tries applied its results are returned; an error means giving up; with
// neither the batch is to be tried again. It has lost a race if somebody else
// wrote: no try can apply any more, being on top of what is gone, and whatever
// has come in the meantime goes along with the next. Otherwise who loses again
// and again would keep it waiting.
func (c *committer) recognise(ctx context.Context, tries []try, cause error) (done []scheduler.Result, lost bool, err error) {
	doc, epoch, err := c.reload(ctx)
	if err != nil {
		return nil, false, unavailable("commit", cause)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.learnLocked(doc, epoch); err != nil {
		return nil, false, err
	}
	wrote := c.base.WroteLast(c.g.instance)
	for _, t := range tries {
		if t.seq == wrote {
			c.g.stats.recovered.Add(1)
			return t.results, false, nil
		}
	}
	if !c.version.Equal(tries[len(tries)-1].base) {
		c.g.stats.conflicts.Add(1)
		c.embark()
		return nil, true, nil
	}
	// Nobody wrote: the database refused or didn't answer.
	if ctx.Err() != nil || permanent(cause) {
		return nil, false, unavailable("commit", cause)
	}
	return nil, false, nil
}

// reload reads the document until that succeeds or can't.
func (c *committer) reload(ctx context.Context) (document, uint64, error) {
	for n := 1; ; n++ {
		epoch := c.asked()
		docs, err := c.g.get(ctx, []string{c.id})
		if err == nil {
			return docs[0], epoch, nil
		}
		if permanent(err) || pause(ctx, c.g.opts.Jitter(n)) != nil {
			return document{}, 0, err
		}
	}
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
