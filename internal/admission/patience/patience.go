package patience

import (
	"context"
	"fmt"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/storage"
)

// GiveUp is how long a request waits for the store in all. After it the caller is told
// that the store can't be reached (storage.ErrUnavailable), which it may try again.
const GiveUp = 10 * time.Second

// errOver is why an admission ends at GiveUp.
var errOver = fmt.Errorf("%w: no decision within %v", storage.ErrUnavailable, GiveUp)

// A patience is how long a request may yet wait for the store.
type patience struct {
	mu   sync.Mutex
	left time.Duration
}

type key struct{}

// With returns a context for one request. All that is asked of the store in it takes
// GiveUp together.
func With(ctx context.Context) context.Context {
	return context.WithValue(ctx, key{}, &patience{left: GiveUp})
}

// Limit returns the context in which the store is asked, and what is to be called
// afterwards. Without With, GiveUp is for what is asked in it. Within another limited
// context the time counts once.
func Limit(ctx context.Context) (_ *Limited, done func()) {
	p, _ := ctx.Value(key{}).(*patience)
	begun := time.Now()
	if p == nil {
		l := &Limited{Context: ctx, deadline: begun.Add(GiveUp)}
		return l, l.stop
	}
	p.mu.Lock()
	left := p.left
	p.mu.Unlock()
	l := &Limited{Context: ctx, deadline: begun.Add(left)}
	if ctx.Value(within{}) != nil {
		return l, l.stop
	}
	return l, func() {
		l.stop()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.left = max(0, p.left-time.Since(begun))
	}
}

// Explain returns the error of something that was asked in a limited context: where it is
// that of the context, what that ended for.
func (l *Limited) Explain(err error) error {
	if err == nil || l.Err() == nil || l.Context.Err() != nil {
		return err
	}
	return context.Cause(l)
}
