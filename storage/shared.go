package storage

import "context"

// A sharedRead is a read of documents that any number of callers wait for. It
// goes on when one of them leaves.
//
// It isn't a singleflight.Group, which shares calls by key: here one call reads
// all documents that its caller needs and nobody is reading yet, in one batch,
// and other callers wait for some of them, each with others of their own.
type sharedRead struct {
	done chan struct{}
	err  error
}

func newSharedRead() *sharedRead { return &sharedRead{done: make(chan struct{})} }

// finish ends the read.
func (r *sharedRead) finish(err error) {
	r.err = err
	close(r.done)
}

// wait waits for the end of the read or of ctx.
func (r *sharedRead) wait(ctx context.Context, operation string) error {
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ended(operation, ctx)
	}
}

// load makes sure that every committer knows its document. A clock that is not
// to be believed has everything read, for an answer puts it right.
func (g *Grouped) load(ctx context.Context, cs []*committer) error {
	anew := !g.docs.Steady()
	return g.fetch(ctx, cs, func(c *committer) need {
		if c.usable() && !anew {
			return needNothing
		}
		return needRead
	}, func() { anew = false })
}

// refresh reads what is stale, and waits for what is being read already, once.
func (g *Grouped) refresh(ctx context.Context, cs []*committer, force bool) error {
	done := false
	return g.fetch(ctx, cs, func(c *committer) need {
		switch {
		case done:
			return needNothing
		case c.stale(force):
			return needRead
		}
		return needCurrent
	}, func() { done = true })
}

// A need is what a caller wants of a committer's document.
type need int

const (
	needNothing need = iota
	needCurrent      // wait if it is being read
	needRead         // have it read, if it isn't being read already
)

// fetch has documents read, in one batch for what nobody is reading yet, until
// nobody needs any. After every round it calls next.
func (g *Grouped) fetch(ctx context.Context, cs []*committer, what func(*committer) need, next func()) error {
	for {
		own := newSharedRead()
		var mine []*committer
		var wait []*sharedRead
		for _, c := range cs {
			switch r, first := c.join(own, what); {
			case r == nil:
			case first:
				mine = append(mine, c)
			case r != own:
				wait = append(wait, r)
			}
		}
		if len(mine)+len(wait) == 0 {
			return nil
		}
		if len(mine) > 0 {
			g.readShared(own, mine)
			wait = append(wait, own)
		}
		for _, r := range wait {
			if err := r.wait(ctx, "read projects"); err != nil {
				return err
			}
		}
		next() // what was expired in the meantime is read once more
	}
}

// readShared reads the documents of committers that joined r first.
func (g *Grouped) readShared(r *sharedRead, cs []*committer) {
	end := func(err error) {
		for _, c := range cs {
			c.leave(r)
		}
		r.finish(err)
	}
	if !g.work(func() { end(g.read(g.alive, cs)) }) {
		end(ErrClosed)
	}
}

// read reads the documents of the given committers in one batch.
func (g *Grouped) read(ctx context.Context, cs []*committer) error {
	if len(cs) == 0 {
		return nil
	}
	ids, epochs := make([]string, len(cs)), make([]uint64, len(cs))
	for i, c := range cs {
		ids[i], epochs[i] = c.id, c.readBegins()
	}
	docs, err := g.get(ctx, ids)
	if err != nil {
		for _, c := range cs {
			c.readFailed()
		}
		return err
	}
	for i, c := range cs {
		c.update(docs[i], epochs[i])
	}
	return nil
}

// join returns the read to wait for, nil if there is no need for any. It is the
// given one, which the caller then has to start, if there is none yet.
func (c *committer) join(own *sharedRead, what func(*committer) need) (r *sharedRead, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch n := what(c); {
	case n == needNothing:
		return nil, false
	case c.reading != nil || n == needCurrent:
		return c.reading, false
	}
	c.reading = own
	return own, true
}

// leave ends what join began.
func (c *committer) leave(r *sharedRead) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reading == r {
		c.reading = nil
	}
}
