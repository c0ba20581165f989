package storage

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// turns have one of each name at a time. What nobody holds or waits for takes no memory. The
// zero value is ready to use.
type turns struct {
	mu    sync.Mutex
	names map[string]*turn
}

type turn struct {
	one   *semaphore.Weighted
	users int // that hold it or wait for it
}

// take waits for a turn of that name, or until ctx ends. Whoever has it calls done.
func (t *turns) take(ctx context.Context, name string) (done func(), err error) {
	t.mu.Lock()
	w := t.names[name]
	if w == nil {
		w = &turn{one: semaphore.NewWeighted(1)}
		if t.names == nil {
			t.names = make(map[string]*turn)
		}
		t.names[name] = w
	}
	w.users++
	t.mu.Unlock()
	if err := w.one.Acquire(ctx, 1); err != nil {
		t.leave(name, w)
		return nil, err
	}
	return func() {
		w.one.Release(1)
		t.leave(name, w)
	}, nil
}

// leave forgets a turn that nobody uses any more.
func (t *turns) leave(name string, w *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w.users--; w.users == 0 {
		delete(t.names, name)
	}
}
