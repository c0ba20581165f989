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
	underWay       map[servedOn]underWay
}

// underWay are the reservations for a caller that this instance is making.
type underWay struct {
	reservations int
	shown        scheduler.Instant // when it was last served, if they are made; 0: no contest has shown that
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

// Reserving notes that a reservation for a caller on a model is under way. A project shows it
// as made already, while another instance may turn out to have been first. So nothing is
// remembered of the caller until the function that it returns is told whether it was made.
func (s *Served) Reserving(model, caller uint32) (reserved func(made bool)) {
	whom := on(model, caller)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.underWay == nil {
		s.underWay = make(map[servedOn]underWay)
	}
	x := s.underWay[whom]
	x.reservations++
	s.underWay[whom] = x
	return func(made bool) { s.reserved(whom, made) }
}

// reserved notes that a reservation isn't under way any more, and whether it was made.
func (s *Served) reserved(whom servedOn, made bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.underWay[whom]
	if made && x.shown != 0 {
		s.keep(whom, max(x.shown, s.at(whom)))
	}
	if x.reservations--; x.reservations > 0 {
		s.underWay[whom] = x
	} else {
		delete(s.underWay, whom)
	}
}

// recall fills in when each of the parties was last served, and has that remembered of whom
// nothing is under way.
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
		whom := on(k.model, p.caller)
		if p.last = max(p.at, k.served.at(whom)); p.at == 0 {
			continue
		}
		if x, ok := k.served.underWay[whom]; ok {
			x.shown = p.last
			k.served.underWay[whom] = x
		} else {
			k.served.keep(whom, p.last)
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
