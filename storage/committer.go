package storage

import (
	"context"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// maxBatch bounds how many changes one commit carries, maxRiders how many
// changes wait to ride along before they get a commit of their own.
const (
	maxBatch  = 256
	maxRiders = 256
)

// A committer is the one in an instance that writes a project's document.
type committer struct {
	g  *Grouped
	id string

	mu       sync.Mutex
	known    bool               // base was read or written
	outdated bool               // an admin changed something: read before the next use
	epoch    uint64             // how often it was outdated; tells reads from before from those after
	loading  *flight            // the read that callers wait for, nil: none
	base     *scheduler.Project // the document at version
	version  version
	shown    *scheduler.Project // base with everything that is on its way
	flying   []*waiting         // in the commit that is under way
	queue    []*waiting
	riders   []rider
	aboard   int // how many riders are in the commit that is under way
	busy     bool
	seq      uint64 // of the last try
	first    uint64 // of the first try of the commit that is under way, 0: none
	owed     operations

	// By the local clock, for the store's may not be known yet.
	checked   time.Time // when base was last known to be current
	read      time.Time // when it was last asked for
	foreign   time.Time // when another writer was last noticed
	committed time.Time // pacing
}

type rider struct {
	rules  *scheduler.Rules
	change scheduler.Change
}

// A waiting change has a caller that waits for its result.
type waiting struct {
	rider
	done   chan struct{}
	result scheduler.Result
	err    error
	// abandoned is set, under the committer's lock, when the caller left.
	abandoned bool
}

// apply queues a change and waits until it is durable.
func (c *committer) apply(ctx context.Context, rules *scheduler.Rules, change scheduler.Change) (scheduler.Result, error) {
	w := &waiting{rider: rider{rules, change}, done: make(chan struct{})}
	c.mu.Lock()
	next, preview := c.shown.Apply(rules, c.g.Now(), change)
	if !preview.Changed {
		// As far as this instance knows there is nothing to write.
		c.mu.Unlock()
		return preview, nil
	}
	c.shown = next
	c.queue = append(c.queue, w)
	if !c.start() {
		c.queue = c.queue[:len(c.queue)-1]
		c.mu.Unlock()
		return scheduler.Result{}, ErrClosed
	}
	c.mu.Unlock()

	select {
	case <-w.done:
		return w.result, w.err
	case <-ctx.Done():
		c.abandon(w)
		return scheduler.Result{}, ended("apply to project "+c.id, ctx)
	}
}

// abandon is for a caller that leaves before its change is known to be durable.
// What it reserved is taken back, for it will never be sent.
func (c *committer) abandon(w *waiting) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, q := range c.queue {
		if q == w {
			c.queue = append(c.queue[:i:i], c.queue[i+1:]...)
			c.show()
			return
		}
	}
	w.abandoned = true
	select {
	case <-w.done: // it was decided in the meantime
		c.takeBack(w)
	default:
	}
}

// takeBack undoes the reservation of a caller that isn't there any more, or was
// told that there is none. The lock is held.
func (c *committer) takeBack(w *waiting) {
	r, ok := w.change.(scheduler.Reserve)
	switch {
	case !ok:
	case w.err != nil:
		// Unknown: the commit may have applied. Taking back what isn't there
		// is harmless.
		c.ride(rider{w.rules, scheduler.Cancel{Model: r.Model, ID: r.ID}})
	case w.result.Verdict == scheduler.Admitted:
		c.ride(rider{w.rules, scheduler.Cancel{Model: r.Model, ID: w.result.Reservation.ID}})
	}
}

// later has a change ride along with the next commit.
func (c *committer) later(rules *scheduler.Rules, change scheduler.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ride(rider{rules, change})
}

func (c *committer) ride(r rider) {
	if len(c.riders) >= 2*maxRiders {
		return // the database can't be reached; they only give something back
	}
	c.riders = append(c.riders, r)
	if c.known {
		c.shown, _ = c.shown.Apply(r.rules, c.g.Now(), r.change)
	}
	if len(c.riders) >= maxRiders {
		c.start()
	}
}

// flush starts a commit if anything waits to ride along.
func (c *committer) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.riders) > 0 && c.known {
		c.start()
	}
}

// start makes sure that somebody is committing, and reports whether there can
// be. The lock is held.
func (c *committer) start() bool {
	if c.busy || !c.known {
		return true
	}
	c.busy = c.g.work(c.run)
	return c.busy
}
