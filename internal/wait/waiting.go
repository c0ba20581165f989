package wait

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// A waiter is one request that waits.
type waiter struct {
	what   string // the model, or why else
	quota  string // the id of the limit in the way, if it was told
	until  time.Time
	booked bool
}

// A list is who waits. It is safe for use by any number of goroutines.
type list struct {
	mu      sync.Mutex
	all     map[uint64]waiter
	next    uint64
	changed chan struct{} // has something in it after a change
}

func newList() *list { return &list{all: make(map[uint64]waiter), changed: make(chan struct{}, 1)} }

// enter adds a waiter. It stays until leave is called.
func (l *list) enter(w waiter) (leave func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	id := l.next
	l.all[id] = w
	l.tell()
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.all, id)
		l.tell()
	}
}

// tell notes a change. The lock is held.
func (l *list) tell() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// A group is those that wait for the same.
type group struct {
	what, quota string
	n, booked   int
	first, last time.Time // of their returns
}

// groups returns who waits, the one that returns first before the others.
func (l *list) groups() []group {
	l.mu.Lock()
	defer l.mu.Unlock()
	by := make(map[[2]string]*group)
	for _, w := range l.all {
		g := by[[2]string{w.what, w.quota}]
		if g == nil {
			g = &group{what: w.what, quota: w.quota, first: w.until, last: w.until}
			by[[2]string{w.what, w.quota}] = g
		}
		g.n++
		if w.booked {
			g.booked++
		}
		if w.until.Before(g.first) {
			g.first = w.until
		}
		if w.until.After(g.last) {
			g.last = w.until
		}
	}
	out := make([]group, 0, len(by))
	for _, g := range by {
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b group) int { return cmp.Or(a.first.Compare(b.first), cmp.Compare(a.what, b.what)) })
	return out
}
