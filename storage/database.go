package storage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// Now implements Store.
func (g *Grouped) Now() scheduler.Instant { return g.docs.Now() }

// Between implements Store.
func (g *Grouped) Between() (earliest, latest scheduler.Instant) { return g.docs.Between() }

// readTimeout is how long one read may take. Until the database has answered for
// the first time that is as long as all tries of a commit: a connection has to be
// made first, and an emulator may have been started a moment ago.
func (g *Grouped) readTimeout() time.Duration {
	if g.reached.Load() {
		return g.opts.CommitTimeout
	}
	return max(g.opts.GiveUp, g.opts.CommitTimeout)
}

func (g *Grouped) get(ctx context.Context, ids []string) ([]Document, error) {
	limited, cancel := context.WithTimeout(ctx, g.readTimeout())
	defer cancel()
	g.stats.reads.Add(int64(len(ids)))
	docs, err := g.docs.Get(limited, ids)
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

// all returns every committer.
func (g *Grouped) all() []*committer {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Values(g.projects))
}

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

// decode decodes a project's document, nil if there is none. One that can't be
// read is a project in which nothing fits, with the error.
func (g *Grouped) decode(id string, doc Document) (*scheduler.Project, error) {
	if doc.Version.IsZero() {
		return nil, nil
	}
	var p *scheduler.Project
	err := doc.Invalid
	if err == nil {
		p, err = g.codec.Unpack(doc.Fields)
	}
	if err != nil {
		err = fmt.Errorf("project %s: %w: %w", id, errUnreadable, err)
		g.stats.unreadable.Add(1)
		g.opts.Logger.Error("a project is out of use, for its document can't be read", "project", id, "error", err.Error())
		return &scheduler.Project{Unreadable: err.Error()}, err
	}
	return p, nil
}

// update reads the control document or a record, and writes what change makes of it on
// condition that nobody wrote in between, again until it is the first or ctx ends. A read
// or write that gets no answer ends it sooner: silence counts before all is given up.
// Those of one document and instance run one after another: they would only get in one
// another's way. The control document has no name.
func update[T any](ctx context.Context, g *Grouped, name string, read func(context.Context) (T, Version, error), change func(T) (next T, changed bool, err error), write func(context.Context, T, Version) error) (next T, err error) {
	done, err := g.updating.take(ctx, name)
	if err != nil {
		return next, err
	}
	defer done()
	once := func() error {
		g.stats.control.Add(2)
		g.uncounted.add(1, 1)
		reading, cancel := context.WithTimeout(ctx, g.readTimeout())
		defer cancel()
		was, base, err := read(reading)
		if err != nil {
			return err
		}
		var changed bool
		if next, changed, err = change(was); err != nil || !changed {
			return err
		}
		writing, cancel := context.WithTimeout(ctx, g.readTimeout())
		defer cancel()
		return write(writing, next, base)
	}
	for try := 1; ; try++ {
		if err = once(); !errors.Is(err, ErrRace) || pause(ctx, g.opts.Jitter(try)) != nil {
			return next, err
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

// failed says why the database gave no answer: because the caller left, or
// because it can't be reached.
func (g *Grouped) failed(ctx context.Context, operation string, err error) error {
	if ctx.Err() != nil {
		return ended(operation, ctx)
	}
	return unavailable(operation, err)
}

// work runs f in a goroutine that Close waits for, unless the store has ended.
func (g *Grouped) work(f func()) bool {
	if !g.enter() {
		return false
	}
	go func() {
		defer g.wg.Done()
		f()
	}()
	return true
}

// enter has Close wait until g.wg.Done is called, unless the store has ended.
func (g *Grouped) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.ended {
		g.wg.Add(1)
	}
	return !g.ended
}

// operations are what was asked of the database and is yet to be counted in a
// document, for the totals of all instances.
type operations struct{ reads, writes atomic.Int64 }

// take returns what is to be counted, which then no longer is.
func (o *operations) take() (reads, writes int64) { return o.reads.Swap(0), o.writes.Swap(0) }

func (o *operations) add(reads, writes int64) {
	o.reads.Add(reads)
	o.writes.Add(writes)
}

// counters are Stats under way.
type counters struct {
	reads, writes, conflicts, recovered, control, unreadable, lost atomic.Int64
}

func (c *counters) snapshot() Stats {
	return Stats{
		Reads: c.reads.Load(), Writes: c.writes.Load(), Conflicts: c.conflicts.Load(),
		Recovered: c.recovered.Load(), Control: c.control.Load(), Unreadable: c.unreadable.Load(), Lost: c.lost.Load(),
	}
}
