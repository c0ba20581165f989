package dispatch

import (
	"encoding/json"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// entries returns what a record holds by name; one that can't be read is replaced.
func entries[V any](data []byte) map[string]V {
	all := make(map[string]V)
	if len(data) > 0 && json.Unmarshal(data, &all) != nil {
		return make(map[string]V)
	}
	return all
}

// A pace knows when an instance last did what it does from time to time.
type pace struct {
	mu   sync.Mutex
	last scheduler.Instant
}

// elapsed reports whether it is time again, and whether there was a time before. If it is
// time, it is taken as done now.
func (p *pace) elapsed(now scheduler.Instant, every time.Duration) (elapsed, before bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before = p.last != 0
	if before && now.Sub(p.last) < every {
		return false, true
	}
	p.last = now
	return true, before
}
