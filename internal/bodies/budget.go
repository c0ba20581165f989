package bodies

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
)

// ErrFull means that the bodies in flight leave no room for another.
var ErrFull = errors.New("bodies: no room for another body")

// ErrNever means that a body takes more than the whole budget.
var ErrNever = errors.New("bodies: more than there is room for at all")

// A Budget is how much the bodies in flight may take, in bytes. It is safe for use by any
// number of goroutines. Nil: there is no bound.
//
// It is a number that changes by an atomic operation, and not a semaphore.Weighted, since
// nobody waits for it and every request takes from it.
type Budget struct {
	size int64
	held atomic.Int64 // in flight
	dead atomic.Int64 // given back, and not known to be collected

	collecting sync.Mutex
	collect    func() // has memory collected
}

// New returns a budget of so many bytes.
func New(size int64) *Budget { return &Budget{size: size, collect: runtime.GC} }

// Held returns how many bytes are taken.
func (b *Budget) Held() int64 { return b.held.Load() }

// take takes so many bytes, or fails with ErrFull.
func (b *Budget) take(n int64) error {
	for {
		held := b.held.Load()
		switch {
		case held+n > b.size:
			b.dead.Add(refused)
			return ErrFull
		case b.held.CompareAndSwap(held, held+n):
			return nil
		}
	}
}

const (
	// large is how much a body has at least of which it matters when it is collected.
	large = 256 << 10
	// spare is how much memory may be garbage in any case, beside an eighth of what is
	// held: below it collecting costs more than it saves.
	spare = 8 << 20
	// refused is about what a request leaves behind that is refused. There may be many
	// while there is no room.
	refused = 32 << 10
)

// give gives so many bytes back.
func (b *Budget) give(n int64) {
	b.held.Add(-n)
	if n >= large {
		b.dead.Add(n)
	}
}

// clear has memory collected, if what was given back has become too much beside what is
// held. Whoever needs room meanwhile waits: there may be none without.
func (b *Budget) clear() {
	if !b.tooMuch() {
		return
	}
	b.collecting.Lock()
	defer b.collecting.Unlock()
	if !b.tooMuch() {
		return
	}
	dead := b.dead.Load()
	b.collect()
	b.dead.Add(-dead)
}

func (b *Budget) tooMuch() bool { return b.dead.Load() > spare+b.held.Load()/8 }

// A Charge is what one request takes of a budget. It belongs to one goroutine. The zero
// value takes nothing and can't.
type Charge struct {
	budget *Budget
	taken  int64
}

// Charge takes so many bytes. It fails with ErrFull or ErrNever.
func (b *Budget) Charge(n int64) (Charge, error) {
	c := Charge{budget: b}
	return c, c.Grow(n)
}

// Grow takes so many bytes more. It fails with ErrFull or ErrNever.
func (c *Charge) Grow(n int64) error {
	if c.budget == nil {
		return nil
	}
	if c.taken+n > c.budget.size {
		return ErrNever // whatever others give back
	}
	if err := c.budget.take(n); err != nil {
		return err
	}
	c.taken += n
	return nil
}

// shrink gives so many bytes back, which are garbage now.
func (c *Charge) shrink(n int64) {
	if c.budget != nil {
		c.budget.give(n)
		c.taken -= n
	}
}

// Release gives everything back. Nothing may hold what was charged any more.
func (c *Charge) Release() {
	if c.taken > 0 {
		c.shrink(c.taken)
	}
}

// room allocates so many bytes, which were charged.
func (c *Charge) room(n int64) []byte {
	if n >= large && c.budget != nil {
		c.budget.clear()
	}
	return make([]byte, 0, n)
}
