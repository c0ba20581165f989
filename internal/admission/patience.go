package admission

import (
	"context"
	"fmt"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/storage"
)

// GiveUp bounds how long a request waits for the store: for a decision, whatever is
// lost, read again and planned anew in it, and with WithPatience for all that it is
// decided by, and however often. After it the caller is told that the store can't be
// reached (storage.ErrUnavailable), which it may try again.
const GiveUp = 10 * time.Second

// errOutOfPatience is why an admission ends at GiveUp.
var errOutOfPatience = fmt.Errorf("%w: no decision within %v", storage.ErrUnavailable, GiveUp)

// A patience is how long a request may yet wait for the store.
type patience struct {
	mu   sync.Mutex
	left time.Duration
}

type patienceKey struct{}

// WithPatience returns a context for one request. What is asked of a Controller in it,
// snapshots and admissions, takes GiveUp together. What happens in between, above all
// at the provider, doesn't count.
func WithPatience(ctx context.Context) context.Context {
	return context.WithValue(ctx, patienceKey{}, &patience{left: GiveUp})
}

// patiently returns the context in which the store is asked, and what is to be called
// afterwards.
func patiently(ctx context.Context) (limited context.Context, done func()) {
	p, _ := ctx.Value(patienceKey{}).(*patience)
	if p == nil {
		return context.WithTimeoutCause(ctx, GiveUp, errOutOfPatience)
	}
	p.mu.Lock()
	left := p.left
	p.mu.Unlock()
	begun := time.Now()
	limited, cancel := context.WithTimeoutCause(ctx, left, errOutOfPatience)
	return limited, func() {
		cancel()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.left = max(0, p.left-time.Since(begun))
	}
}

// outOfPatience returns the error of something that was done patiently: where it is
// that of the limited context, what that ended for.
func outOfPatience(ctx, limited context.Context, err error) error {
	if err == nil || limited.Err() == nil || ctx.Err() != nil {
		return err
	}
	return context.Cause(limited)
}
