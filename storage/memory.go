package storage

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage/internal/clock"
)

// Memory is a Store in the memory of one process: for a single instance, for
// tests and for simulations. Its state ends with the process.
//
// It counts what a database would have been asked, so that figures of a
// simulation compare with those of Firestore.
type Memory struct {
	now    func() time.Time
	latest atomic.Int64

	mu       sync.RWMutex
	projects map[string]*scheduler.Project
	records  map[string][]byte
	control  Control
	stats    Stats
	closed   bool
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store that takes its time from now; nil means
// time.Now.
func NewMemory(now func() time.Time) *Memory {
	if now == nil {
		now = time.Now
	}
	return &Memory{now: now, projects: make(map[string]*scheduler.Project), records: make(map[string][]byte)}
}

// Now implements Store.
func (m *Memory) Now() scheduler.Instant { return clock.Monotone(&m.latest, scheduler.At(m.now())) }

// Between implements Store; the time of a Memory is exact.
func (m *Memory) Between() (earliest, latest scheduler.Instant) {
	now := m.Now()
	return now, now
}

// Instances implements Store: a Memory is that of one.
func (m *Memory) Instances() int { return 1 }

// View implements Store.
func (m *Memory) View(ctx context.Context, ids []string) ([]*scheduler.Project, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return nil, ErrClosed
	}
	out := make([]*scheduler.Project, len(ids))
	for i, id := range ids {
		out[i] = m.projects[id]
	}
	return out, nil
}

// Refresh implements Store; the view of a Memory is never stale.
func (m *Memory) Refresh(ctx context.Context, _ []string, _ bool) error {
	_, err := m.View(ctx, nil)
	return err
}

// Apply implements Store.
func (m *Memory) Apply(ctx context.Context, rules *scheduler.Rules, id string, change scheduler.Change) (scheduler.Result, error) {
	if err := ctx.Err(); err != nil {
		return scheduler.Result{}, err
	}
	if err := check(change); err != nil {
		return scheduler.Result{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return scheduler.Result{}, ErrClosed
	}
	result := m.apply(rules, id, change)
	if result.Changed {
		m.stats.Writes++
	}
	return result, nil
}

func (m *Memory) apply(rules *scheduler.Rules, id string, change scheduler.Change) scheduler.Result {
	next, result := m.projects[id].Apply(rules.Of(id), m.Now(), change)
	if result.Changed {
		m.projects[id] = next
	}
	return result
}

// Later implements Store; here the change is made at once.
func (m *Memory) Later(rules *scheduler.Rules, id string, change scheduler.Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.apply(rules, id, change)
	}
}

// Control implements Store.
func (m *Memory) Control(ctx context.Context) (Control, error) {
	if err := ctx.Err(); err != nil {
		return Control{}, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return Control{}, ErrClosed
	}
	return m.control, nil
}

// FreshControl implements Store.
func (m *Memory) FreshControl(ctx context.Context) (Control, error) { return m.Control(ctx) }

// UpdateControl implements Store.
func (m *Memory) UpdateControl(ctx context.Context, change func(*Control) error) (Control, error) {
	if err := ctx.Err(); err != nil {
		return Control{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return Control{}, ErrClosed
	}
	next := m.control.clone()
	if err := change(&next); err != nil {
		return Control{}, err
	}
	next.Epoch = m.control.Epoch + 1
	m.control = next
	m.stats.Control++
	return next, nil
}

// Stats implements Store.
func (m *Memory) Stats() Stats {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.stats
}

// Close implements Store.
func (m *Memory) Close(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
