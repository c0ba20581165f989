package storage

import "context"

// A flight is a read that any number of callers wait for. It goes on when one of
// them leaves.
type flight struct {
	done chan struct{}
	err  error
}

func newFlight() *flight { return &flight{done: make(chan struct{})} }

// land ends the flight.
func (f *flight) land(err error) {
	f.err = err
	close(f.done)
}

// wait waits for the end of the flight or of ctx.
func (f *flight) wait(ctx context.Context, operation string) error {
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ended(operation, ctx)
	}
}

// load makes sure that every committer knows its document. A clock that is not
// to be believed has everything read, for an answer puts it right.
func (g *Grouped) load(ctx context.Context, cs []*committer) error {
	anew := !g.docs.steady()
	return g.fetch(ctx, cs, func(c *committer) need {
		if c.known && !c.outdated && !anew {
			return nothing
		}
		return read
	}, func() { anew = false })
}

// refresh reads what is stale, and waits for what is being read already, once.
func (g *Grouped) refresh(ctx context.Context, cs []*committer, force bool) error {
	done := false
	return g.fetch(ctx, cs, func(c *committer) need {
		switch {
		case done:
			return nothing
		case c.stale(force):
			return read
		}
		return join
	}, func() { done = true })
}

// A need is what a caller wants of a committer's document.
type need int

const (
	nothing need = iota
	join         // wait if it is being read
	read         // have it read, if it isn't being read already
)

// fetch has documents read, in one batch for what nobody is reading yet, until
// nobody needs any. After every round it calls landed.
func (g *Grouped) fetch(ctx context.Context, cs []*committer, what func(*committer) need, landed func()) error {
	for {
		own := newFlight()
		var mine []*committer
		var others []*flight
		for _, c := range cs {
			switch f, first := c.board(own, what); {
			case f == nil:
			case first:
				mine = append(mine, c)
			case f != own:
				others = append(others, f)
			}
		}
		if len(mine)+len(others) == 0 {
			return nil
		}
		if len(mine) > 0 {
			g.fly(own, mine)
			others = append(others, own)
		}
		for _, f := range others {
			if err := f.wait(ctx, "read projects"); err != nil {
				return err
			}
		}
		landed() // what was expired in the meantime is read once more
	}
}

// fly reads the documents of committers that boarded f.
func (g *Grouped) fly(f *flight, cs []*committer) {
	work := func() {
		err := g.read(g.alive, cs)
		for _, c := range cs {
			c.leave(f)
		}
		f.land(err)
	}
	if !g.work(work) {
		for _, c := range cs {
			c.leave(f)
		}
		f.land(ErrClosed)
	}
}

// board returns the read to wait for, nil if there is no need for any. It is
// the given one, which the caller then has to start, if there is none yet.
func (c *committer) board(own *flight, what func(*committer) need) (f *flight, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch n := what(c); {
	case n == nothing:
		return nil, false
	case c.loading != nil || n == join:
		return c.loading, false
	}
	c.loading = own
	return own, true
}

func (c *committer) leave(f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loading == f {
		c.loading = nil
	}
}
