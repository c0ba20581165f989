package telemetry

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// Store returns the store with its operations measured. Its counters are
// reported from then on, and what it shows is remembered for the quotas. The nil
// Recorder returns the store as it is.
func (r *Recorder) Store(store storage.Store) storage.Store {
	if r == nil || r.m == nil {
		return store
	}
	r.stats.Store(&storeStats{store.Stats})
	return &observedStore{Store: store, r: r}
}

// storeStats reads the counters of a store.
type storeStats struct{ stats func() storage.Stats }

// An observedStore measures a Store. View isn't timed: it answers from memory,
// and what it reads first time is in the store's own counters.
type observedStore struct {
	storage.Store
	r *Recorder
}

// View implements storage.Store.
func (o *observedStore) View(ctx context.Context, ids []string) ([]*scheduler.Project, error) {
	states, err := o.Store.View(ctx, ids)
	if err == nil {
		o.r.seen.remember(ids, states)
	}
	return states, err
}

// Refresh implements storage.Store.
func (o *observedStore) Refresh(ctx context.Context, ids []string, force bool) error {
	start := time.Now()
	err := o.Store.Refresh(ctx, ids, force)
	o.done(ctx, "refresh", start, err)
	return err
}

// Apply implements storage.Store.
func (o *observedStore) Apply(ctx context.Context, rules *scheduler.Rules, id string, change scheduler.Change) (scheduler.Result, error) {
	start := time.Now()
	result, err := o.Store.Apply(ctx, rules, id, change)
	o.done(ctx, "apply", start, err)
	if err == nil {
		// What it has become is in memory, and may not be asked for again soon.
		_, _ = o.View(ctx, []string{id})
	}
	return result, err
}

// UpdateControl implements storage.Store.
func (o *observedStore) UpdateControl(ctx context.Context, change func(*storage.Control) error) (storage.Control, error) {
	start := time.Now()
	control, err := o.Store.UpdateControl(ctx, change)
	o.done(ctx, "update_control", start, err)
	return control, err
}

func (o *observedStore) done(ctx context.Context, operation string, start time.Time, err error) {
	m := o.r.m
	m.store.add(ctx, storeKey{operation, storeFailure(err)}, time.Since(start).Seconds())
}

// storeFailure classifies an error of a store; "": none.
func storeFailure(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, storage.ErrUnavailable):
		return "unavailable"
	case errors.Is(err, storage.ErrClosed):
		return "closed"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return other
}

// lastSeen is what this instance saw of its projects last.
type lastSeen struct {
	states table[string, *atomic.Pointer[scheduler.Project]]
}

// maxSeen bounds the documents that are remembered. Callers with limits of their
// own have some too.
const maxSeen = 512

// remember keeps states. They are never changed once they are shown.
func (s *lastSeen) remember(ids []string, states []*scheduler.Project) {
	for i, id := range ids {
		p, room := s.states.all()[id], true
		if p == nil {
			p, room = s.states.add(id, maxSeen, func() *atomic.Pointer[scheduler.Project] { return new(atomic.Pointer[scheduler.Project]) })
		}
		if room && p.Load() != states[i] {
			p.Store(states[i])
		}
	}
}

// each calls f for every project that has a state.
func (s *lastSeen) each(f func(id string, state *scheduler.Project)) {
	for id, p := range s.states.all() {
		if state := p.Load(); state != nil {
			f(id, state)
		}
	}
}
