package gate

import (
	"sync"
	"sync/atomic"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// A rulebook keeps the rules that hold under the control document that was seen
// last. They are made anew only when that has another epoch.
type rulebook struct {
	under   func(storage.Control) *scheduler.Rules
	mu      sync.Mutex
	current atomic.Pointer[edition]
}

// An edition is the rules of one epoch.
type edition struct {
	epoch int64
	rules *scheduler.Rules
}

// follow takes over what a control document says and returns the rules in force.
// One that is older than what was seen already changes nothing: reads overtake
// one another.
func (b *rulebook) follow(c storage.Control) *scheduler.Rules {
	if e := b.current.Load(); e != nil && e.epoch >= c.Epoch {
		return e.rules
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.current.Load(); e != nil && e.epoch >= c.Epoch {
		return e.rules
	}
	e := &edition{c.Epoch, b.under(c)}
	b.current.Store(e)
	return e.rules
}
