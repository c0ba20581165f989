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
	// first are the first contexts in which it asks, which is all that most have. None is used
	// twice: somebody may yet hold it.
	first [3]Limited
	given int
}

type key struct{}

// With returns a context for one request. All that is asked of the store in it takes
// GiveUp together.
func With(ctx context.Context) context.Context {
	return context.WithValue(ctx, key{}, &patience{left: GiveUp})
}

// Limit returns the context in which the store is asked, which is to be ended
// afterwards. Without With, GiveUp is for what is asked in it. Within another limited
// context the time counts once.
func Limit(ctx context.Context) *Limited {
	var l *Limited
	switch outer := ctx.Value(key{}).(type) {
	case *patience:
		l = outer.limited()
		l.counts = true
	case *Limited:
		l = outer.of.limited()
	default:
		l = &Limited{left: GiveUp}
	}
	l.Context, l.deadline = ctx, time.Now().Add(l.left)
	return l
}

// limited returns a context, to be completed, that has what is left of a patience.
func (p *patience) limited() *Limited {
	p.mu.Lock()
	defer p.mu.Unlock()
	var l *Limited
	if p.given < len(p.first) {
		l = &p.first[p.given]
		p.given++
	} else {
		l = new(Limited)
	}
	l.of, l.left = p, p.left
	return l
}

// End is called when nothing more is asked of the store in this context.
func (l *Limited) End() {
	l.stop()
	if l.counts {
		l.of.mu.Lock()
		defer l.of.mu.Unlock()
		l.of.left = max(0, l.of.left-(l.left-time.Until(l.deadline)))
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
