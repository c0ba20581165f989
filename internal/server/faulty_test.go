package server_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// A faulty store can be made unreachable, counts its calls, and notes changes.
type faulty struct {
	storage.Store
	mu      sync.Mutex
	down    bool
	calls   int
	slow    time.Duration // how long Apply takes
	changes []scheduler.Change
}

func (f *faulty) call() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if f.down {
		return fmt.Errorf("dial 10.1.2.3: %w", storage.ErrUnavailable)
	}
	return nil
}

func (f *faulty) setDown(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

func (f *faulty) View(ctx context.Context, ids []string) ([]*scheduler.Project, error) {
	if err := f.call(); err != nil {
		return nil, err
	}
	return f.Store.View(ctx, ids)
}

func (f *faulty) Refresh(ctx context.Context, ids []string, force bool) error {
	if err := f.call(); err != nil {
		return err
	}
	return f.Store.Refresh(ctx, ids, force)
}

func (f *faulty) Apply(ctx context.Context, rules *scheduler.Rules, id string, change scheduler.Change) (scheduler.Result, error) {
	if err := f.call(); err != nil {
		return scheduler.Result{}, err
	}
	f.note(change)
	result, err := f.Store.Apply(ctx, rules, id, change)
	time.Sleep(f.slow)
	return result, err
}

func (f *faulty) Later(rules *scheduler.Rules, id string, change scheduler.Change) {
	f.note(change)
	f.Store.Later(rules, id, change)
}

func (f *faulty) note(change scheduler.Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes = append(f.changes, change)
}

func (f *faulty) Control(ctx context.Context) (storage.Control, error) {
	if err := f.call(); err != nil {
		return storage.Control{}, err
	}
	return f.Store.Control(ctx)
}

func (f *faulty) UpdateControl(ctx context.Context, change func(*storage.Control) error) (storage.Control, error) {
	if err := f.call(); err != nil {
		return storage.Control{}, err
	}
	return f.Store.UpdateControl(ctx, change)
}
