package fair

import (
	"sync"

	"fluxgate.dev/fluxgate/scheduler"
)

// A Served remembers when callers were last served, of those too that the projects have
// forgotten: a project keeps scheduler.MaxServices, and an instance sees them all go by. It
// is safe for concurrent use; the zero Served remembers nothing yet.
type Served struct {
	mu             sync.Mutex
	recent, before map[servedOn]scheduler.Instant
}

// A servedOn is a caller on a model, by scheduler.CallerOf and scheduler.NameOf.
type servedOn struct{ model, caller uint32 }

// maxServed is how many it remembers at least, and at most twice as many, some 40 bytes
// each: those that were served last.
const maxServed = 16_384

// at returns when a caller was last served. The lock is held.
func (s *Served) at(on servedOn) scheduler.Instant { return max(s.recent[on], s.before[on]) }

// keep remembers when a caller was last served. The lock is held.
func (s *Served) keep(on servedOn, at scheduler.Instant) {
	if _, ok := s.recent[on]; !ok && (s.recent == nil || len(s.recent) >= maxServed) {
		s.before, s.recent = s.recent, make(map[servedOn]scheduler.Instant)
	}
	s.recent[on] = at
}

// recall fills in when each of the parties was last served, and has that remembered.
func (k *Contest) recall() {
	for i := range k.parties {
		k.parties[i].last = k.parties[i].at
	}
	if k.served == nil {
		return
	}
	k.served.mu.Lock()
	defer k.served.mu.Unlock()
	for caller, i := range k.numbers {
		p, on := &k.parties[i], servedOn{k.model, caller}
		if p.last = max(p.at, k.served.at(on)); p.at != 0 {
			k.served.keep(on, p.last)
		}
	}
}

// lastServed returns when a caller was last served that isn't one of the parties.
func (k *Contest) lastServed(caller uint32) scheduler.Instant {
	if k.served == nil {
		return 0
	}
	k.served.mu.Lock()
	defer k.served.mu.Unlock()
	return k.served.at(servedOn{k.model, caller})
}
