package admission

import (
	"context"
	"sync"
	"sync/atomic"

	"fluxgate.dev/fluxgate/internal/admission/patience"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// A Snapshot is what is decided by, as of one reading of the control document. A
// request takes one and goes by it. It is shared and never changed.
type Snapshot struct {
	Control storage.Control
	Rules   *scheduler.Rules
	Mode    scheduler.Mode

	kinds []*scheduler.Rules
}

// Kinds are the different rules that there are: of all projects, and of those that have others.
func (s *Snapshot) Kinds() []*scheduler.Rules { return s.kinds }

// Chain returns the models of the chain that a mode lets through; "" is the mode
// in force.
func (s *Snapshot) Chain(mode scheduler.Mode) []string {
	if mode == "" {
		mode = s.Mode
	}
	return s.Rules.Policy.Chain(mode)
}

// Snapshot returns what is decided by now. The control document is at most
// storage.ControlAge old.
func (c *Controller) Snapshot(ctx context.Context) (*Snapshot, error) {
	limited := patience.Limit(ctx)
	defer limited.End()
	control, err := c.store.Control(limited)
	if err != nil {
		return nil, limited.Explain(err)
	}
	return c.snapshots.of(control), nil
}

// FreshSnapshot is Snapshot for a control document that is at most a second old.
func (c *Controller) FreshSnapshot(ctx context.Context) (*Snapshot, error) {
	control, err := c.store.FreshControl(ctx)
	if err != nil {
		return nil, err
	}
	return c.snapshots.of(control), nil
}

// UpdateControl changes the control document, and returns what is decided by from
// then on.
func (c *Controller) UpdateControl(ctx context.Context, change func(*storage.Control) error) (*Snapshot, error) {
	control, err := c.store.UpdateControl(ctx, change)
	if err != nil {
		return nil, err
	}
	return c.snapshots.of(control), nil
}

// Rules returns what is decided with, as of the last control document that was
// seen.
func (c *Controller) Rules() *scheduler.Rules { return c.snapshots.latest.Load().Rules }

// Renew has everything decided by new rules from now on: what these are made of beside the
// control document has changed.
func (c *Controller) Renew() { c.snapshots.renew() }

// snapshots keeps the snapshot of the control document that was seen last. It is
// made anew only when that has another epoch.
type snapshots struct {
	rules  func(storage.Control) *scheduler.Rules
	mode   func(storage.Control) scheduler.Mode
	mu     sync.Mutex
	latest atomic.Pointer[Snapshot]
}

// of returns the snapshot of a control document, or the latest one if the document
// is older than what was seen already: reads overtake one another.
func (s *snapshots) of(control storage.Control) *Snapshot {
	if latest := s.latest.Load(); latest != nil && latest.Control.Epoch >= control.Epoch {
		return latest
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if latest := s.latest.Load(); latest != nil && latest.Control.Epoch >= control.Epoch {
		return latest
	}
	return s.take(control)
}

func (s *snapshots) renew() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take(s.latest.Load().Control)
}

// take makes the snapshot of a control document. The lock is held.
func (s *snapshots) take(control storage.Control) *Snapshot {
	next := &Snapshot{Control: control, Rules: s.rules(control), Mode: s.mode(control)}
	next.kinds = []*scheduler.Rules{next.Rules}
	seen := map[*scheduler.Rules]bool{}
	for _, own := range next.Rules.Projects {
		if !seen[own] {
			seen[own], next.kinds = true, append(next.kinds, own)
		}
	}
	s.latest.Store(next)
	return next
}
