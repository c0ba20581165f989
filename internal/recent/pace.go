package recent

import (
	"sync"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// A Pace knows when an instance last did what it does from time to time. It is safe for
// use by any number of goroutines.
type Pace struct {
	mu   sync.Mutex
	last scheduler.Instant
}

// Elapsed reports whether it is time again, and whether there was a time before. If it is
// time, it is taken as done now.
func (p *Pace) Elapsed(now scheduler.Instant, every time.Duration) (elapsed, before bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before = p.last != 0
	if before && now.Sub(p.last) < every {
		return false, true
	}
	p.last = now
	return true, before
}
