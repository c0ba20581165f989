package patience

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A Limited context ends when a request's patience does. Nearly all that is asked of the
// store is answered from memory, so there is no timer until somebody waits for Done.
type Limited struct {
	context.Context               // of the request
	of              *patience     // nil: no request's
	counts          bool          // what it takes is taken from that; else it is within another that does
	left            time.Duration // from the beginning to the deadline
	deadline        time.Time
	once            sync.Once
	timed           atomic.Pointer[timed] // nil: nobody has waited
}

// timed is a limited context with its timer.
type timed struct {
	context.Context
	cancel context.CancelFunc
}

// start starts the timer.
func (l *Limited) start() *timed {
	l.once.Do(func() {
		var t timed
		t.Context, t.cancel = context.WithDeadlineCause(l.Context, l.deadline, errOver)
		l.timed.Store(&t)
	})
	return l.timed.Load()
}

// stop releases the timer, if there is one.
func (l *Limited) stop() {
	if t := l.timed.Load(); t != nil {
		t.cancel()
	}
}

// Done implements context.Context.
func (l *Limited) Done() <-chan struct{} { return l.start().Done() }

// Deadline implements context.Context.
func (l *Limited) Deadline() (time.Time, bool) {
	if first, ok := l.Context.Deadline(); ok && first.Before(l.deadline) {
		return first, true
	}
	return l.deadline, true
}

// Err implements context.Context.
func (l *Limited) Err() error {
	if l.timed.Load() == nil && time.Until(l.deadline) > 0 {
		return l.Context.Err()
	}
	return l.start().Err()
}

// Value implements context.Context. With the timer's, package context finds what ended it.
// What asks for the patience finds that it is within this context.
func (l *Limited) Value(k any) any {
	if l.of != nil && k == (key{}) {
		return l
	}
	if t := l.timed.Load(); t != nil {
		return t.Value(k)
	}
	return l.Context.Value(k)
}
