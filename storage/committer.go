package storage

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage/internal/merge"
)

// maxBatch bounds how many changes one commit carries, maxPiggybacked how many
// changes wait for somebody else's commit before they get one of their own.
const (
	maxBatch       = 256
	maxPiggybacked = 256
)

// A committer is the one in an instance that writes a project's document.
type committer struct {
	g  *Grouped
	id string

	mu       sync.Mutex
	known    bool               // base was read or written
	outdated bool               // an admin changed something: read before the next use
	epoch    uint64             // how often it was outdated; tells reads from before from those after
	reading  *sharedRead        // the read that callers wait for, nil: none
	base     *scheduler.Project // the document at version
	sections []byte             // its second field
	invalid  error              // why the document can't be read; nil: it can
	version  Version
	shown    *scheduler.Project // base with everything that is on its way
	lost     *merge.Loss        // what the document at version no longer says; nil: nothing
	rules    *scheduler.Rules   // those of the last change; nil: there was none

	queue       []*waiting // for the next commit
	inFlight    []*waiting // in the commit that is under way
	piggybacked []pending  // for the next commit, whoever asks for it
	carried     int        // how many of piggybacked are in the commit that is under way
	busy        bool       // somebody is committing
	seq         uint64     // of the last try
	first       uint64     // of the first try of the commit that is under way, 0: none
	uncounted   operations

	// By the local clock, for the store's may not be known yet.
	checked     time.Time // when base was last known to be current
	asked       time.Time // when the document was last asked for
	othersWrote time.Time // when another writer was last noticed
	committed   time.Time // when the last commit ended, for pacing
}

// A pending change is yet to be committed, under these rules.
type pending struct {
	rules  *scheduler.Rules
	change scheduler.Change
}

// A waiting change has a caller that waits for its result.
type waiting struct {
	pending
	done   chan struct{}
	result scheduler.Result
	err    error
	// abandoned is set, under the committer's lock, when the caller left.
	abandoned bool
}

// apply queues a change and waits until it is durable.
func (c *committer) apply(ctx context.Context, rules *scheduler.Rules, change scheduler.Change) (scheduler.Result, error) {
	w := &waiting{pending: pending{rules, change}, done: make(chan struct{})}
	if done, err := c.enqueue(w); done || err != nil {
		return w.result, err
	}
	select {
	case <-w.done:
		return w.result, w.err
	case <-ctx.Done():
		c.abandon(w)
		return scheduler.Result{}, ended("apply to project "+c.id, ctx)
	}
}

// enqueue queues a change, unless it changes nothing as far as this instance
// knows: then it is done.
func (c *committer) enqueue(w *waiting) (done bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.invalid != nil {
		return false, c.invalid
	}
	c.know(w.rules)
	next, preview := c.shown.Apply(w.rules, c.g.Now(), w.change)
	if !preview.Changed {
		w.result = preview
		return true, nil
	}
	c.shown = next
	c.queue = append(c.queue, w)
	if !c.start() {
		c.queue = c.queue[:len(c.queue)-1]
		return false, ErrClosed
	}
	return false, nil
}

// know notes the rules of a change. What was lost can be shown by them. The lock is held.
func (c *committer) know(rules *scheduler.Rules) {
	first := c.rules == nil
	c.rules = rules
	if first && c.lost != nil && c.known {
		c.show()
	}
}

// abandon is for a caller that leaves before its change is known to be durable.
// What it reserved is taken back, for it will never be sent.
func (c *committer) abandon(w *waiting) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w.abandoned = true
	if i := slices.Index(c.queue, w); i >= 0 {
		c.queue = slices.Concat(c.queue[:i], c.queue[i+1:])
	}
	select {
	case <-w.done: // it was decided in the meantime
		c.takeBack(w)
	default:
	}
	c.show()
}

// later keeps a change for the next commit.
func (c *committer) later(rules *scheduler.Rules, change scheduler.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.piggyback(pending{rules, change})
}

// flush starts a commit if there are piggybacked changes.
func (c *committer) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.piggybacked) > 0 && c.known {
		c.start()
	}
}

// run commits batches until nothing waits.
func (c *committer) run() {
	for {
		c.pace()
		if !c.nextBatch() {
			return
		}
		results, err := c.commit()
		if !c.answer(results, err) {
			return
		}
	}
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

// nextBatch takes what the next commit carries, and reports whether there is
// anything. If not, nobody is committing any more.
func (c *committer) nextBatch() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.queue)
	if !c.restores() && (n == 0 && len(c.piggybacked) < maxPiggybacked && !c.g.closing.Load() || n+len(c.piggybacked) == 0) {
		c.busy = false
		return false
	}
	c.fillBatch()
	return true
}

// answer tells the callers of a batch what became of it, and reports whether to
// go on. When the database can't be reached, or the document can't be read, it
// also tells those that came later, so that nobody waits longer than GiveUp.
func (c *committer) answer(results []scheduler.Result, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	batch := c.inFlight
	if err == nil || c.g.closing.Load() {
		c.piggybacked = c.piggybacked[c.carried:]
	}
	c.inFlight, c.carried, c.first = nil, 0, 0
	for i, w := range batch {
		if w.err = err; i < len(results) {
			w.result = results[i]
		}
		if w.abandoned || err != nil {
			c.takeBack(w)
		}
		w.decided()
	}
	if errors.Is(err, ErrUnavailable) || errors.Is(err, errUnreadable) {
		for _, w := range c.queue {
			w.err = err
			w.decided()
		}
		c.queue = nil
	}
	c.show()
	if err != nil && len(c.queue) == 0 {
		c.busy = false // piggybacked changes wait for the next one
		return false
	}
	return true
}

// decided has the caller go on. One that found room in a project whose document
// turns out to be unreadable looks for it elsewhere.
func (w *waiting) decided() {
	if _, ok := w.change.(scheduler.Reserve); ok && errors.Is(w.err, errUnreadable) {
		w.err = nil
		w.result = scheduler.Result{Verdict: scheduler.Replan, Start: scheduler.Never, Cause: scheduler.Unavailable}
	}
	close(w.done)
}

// takeBack undoes the reservation of a caller that isn't there any more, or was
// told that there is none: it has its booking again. The lock is held.
func (c *committer) takeBack(w *waiting) {
	r, ok := w.change.(scheduler.Reserve)
	if !ok || w.err == nil && w.result.Verdict != scheduler.Admitted {
		return
	}
	// With an error the commit may have applied. Taking back what isn't there is harmless.
	x := scheduler.Cancel{Model: r.Model, ID: r.ID, Also: shares(r), Caller: r.Caller, Booking: w.result.Booking}
	if w.err == nil {
		x.ID, x.Reserved, x.Also = w.result.Reservation.ID, w.result.Reservation, w.result.Also
	}
	c.piggyback(pending{w.rules, x})
}

// shares are what a reservation may have on calendars beside its model's.
func shares(r scheduler.Reserve) (all []scheduler.Share) {
	for _, w := range r.Also {
		all = append(all, scheduler.Share{On: w.On, Reservation: scheduler.Reservation{ID: r.ID}})
	}
	return all
}

// piggyback keeps a change for the next commit. The lock is held.
func (c *committer) piggyback(p pending) {
	if len(c.piggybacked) >= 2*maxPiggybacked {
		return // the database can't be reached, and nobody is admitted
	}
	c.know(p.rules)
	c.piggybacked = append(c.piggybacked, p)
	if c.known {
		c.shown, _ = c.shown.Apply(p.rules, c.g.Now(), p.change)
	}
	if len(c.piggybacked) >= maxPiggybacked {
		c.start()
	}
}

// start makes sure that somebody is committing, and reports whether there can
// be. The lock is held.
func (c *committer) start() bool {
	if c.busy || !c.known || c.invalid != nil {
		return true
	}
	c.busy = c.g.work(c.run)
	return c.busy
}
