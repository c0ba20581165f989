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

// A servedOn is a caller on a model: scheduler.NameOf and, in the lower half, scheduler.CallerOf.
// It is one number, since that is looked up faster than two.
type servedOn uint64

func on(model, caller uint32) servedOn { return servedOn(model)<<32 | servedOn(caller) }

// maxServed is how many it remembers at least, and at most twice as many, some 40 bytes
// each: those that were served last.
const maxServed = 16_384

// at returns when a caller was last served. The lock is held.
func (s *Served) at(whom servedOn) scheduler.Instant { return max(s.recent[whom], s.before[whom]) }

// keep remembers when a caller was last served. The lock is held.
func (s *Served) keep(whom servedOn, at scheduler.Instant) {
	if _, ok := s.recent[whom]; !ok && (s.recent == nil || len(s.recent) >= maxServed) {
		s.before, s.recent = s.recent, make(map[servedOn]scheduler.Instant)
	}
	s.recent[whom] = at
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
	for i := range k.parties {
		p := &k.parties[i]
		if p.last = max(p.at, k.served.at(on(k.model, p.caller))); p.at != 0 {
			k.served.keep(on(k.model, p.caller), p.last)
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
	return k.served.at(on(k.model, caller))
}
