package admission

import (
	"context"
	"sync"
	"sync/atomic"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// A Snapshot is what is decided by, as of one reading of the control document. A
// request takes one and goes by it. It is shared and never changed.
type Snapshot struct {
	Control storage.Control
	Rules   *scheduler.Rules
	Mode    scheduler.Mode
}

// Chain returns the models of the chain that a mode lets through; "" is the mode
// in force.
func (s *Snapshot) Chain(mode scheduler.Mode) []string {
	if mode == "" {
		mode = s.Mode
	}
	return s.Rules.Policy.Chain(mode)
}

func (c *Controller) snapshot(control storage.Control) *Snapshot {
	return &Snapshot{Control: control, Rules: c.rules.follow(control), Mode: c.mode(control)}
}

// Snapshot returns what is decided by now. The control document is at most
// storage.ControlAge old.
func (c *Controller) Snapshot(ctx context.Context) (*Snapshot, error) {
	control, err := c.store.Control(ctx)
	if err != nil {
		return nil, err
	}
	return c.snapshot(control), nil
}

// FreshSnapshot is Snapshot for a control document that is at most a second old.
func (c *Controller) FreshSnapshot(ctx context.Context) (*Snapshot, error) {
	control, err := c.store.FreshControl(ctx)
	if err != nil {
		return nil, err
	}
	return c.snapshot(control), nil
}

// UpdateControl changes the control document, and returns what is decided by from
// then on.
func (c *Controller) UpdateControl(ctx context.Context, change func(*storage.Control) error) (*Snapshot, error) {
	control, err := c.store.UpdateControl(ctx, change)
	if err != nil {
		return nil, err
	}
	return c.snapshot(control), nil
}

// Rules returns what is decided with, as of the last control document that was
// seen.
func (c *Controller) Rules() *scheduler.Rules { return c.rules.current.Load().rules }

// rulesInForce keeps the rules that hold under the control document that was seen
// last. They are made anew only when that has another epoch.
type rulesInForce struct {
	under   func(storage.Control) *scheduler.Rules
	mu      sync.Mutex
	current atomic.Pointer[rulesOfEpoch]
}

type rulesOfEpoch struct {
	epoch int64
	rules *scheduler.Rules
}

// follow takes over what a control document says and returns the rules in force.
// One that is older than what was seen already changes nothing: reads overtake
// one another.
func (r *rulesInForce) follow(c storage.Control) *scheduler.Rules {
	if e := r.current.Load(); e != nil && e.epoch >= c.Epoch {
		return e.rules
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.current.Load(); e != nil && e.epoch >= c.Epoch {
		return e.rules
	}
	e := &rulesOfEpoch{c.Epoch, r.under(c)}
	r.current.Store(e)
	return e.rules
}
