package waitlist

import (
	"slices"

	"fluxgate.dev/fluxgate/scheduler"
)

// gatherEvery is how often it is gathered anew who waits: thousands may.
const gatherEvery = scheduler.Instant(1000)

// Share returns what other instances should learn about a project, and if there are some, which callers wait here for any.
func (l *List) Share(project string, now scheduler.Instant, some bool) scheduler.ShareWaitlist {
	share := scheduler.ShareWaitlist{Entries: l.TakeUnshared(project)}
	if some {
		share.Waiters = l.Waiters(now)
	}
	return share
}

// Waiters returns which callers are expected to come for what they were told, so that other instances know whose turns there
// are beside those of their own: of each model those that have waited for longest. Who waits is known for a window, or until its last time and the
// hold are over, if that is earlier. The list isn't to be changed.
func (l *List) Waiters(now scheduler.Instant) []scheduler.Waiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now-l.gathered < gatherEvery {
		return l.waiters
	}
	l.gathered, l.waiters = now, nil
	for model, queue := range l.queues {
		name, of := scheduler.NameOf(model), make(map[uint32]int)
		for _, p := range queue {
			if l.over(p.Start, now) || !l.returns.Of(p.Caller).Comes(p.ID, 4) {
				continue
			}
			i, ok := of[p.Tag]
			if !ok && len(of) == scheduler.MaxWaiters {
				continue
			}
			if !ok { // of one caller the first in a queue has waited for longest
				i = len(l.waiters)
				of[p.Tag], l.waiters = i, append(l.waiters, scheduler.Waiter{Model: name, Caller: p.Tag, Since: p.Since})
			}
			l.waiters[i].Until = max(l.waiters[i].Until, min(p.Start.Add(l.hold), now.Add(scheduler.Window)))
		}
	}
	return l.waiters
}

// TakeUnshared returns what other instances should learn about a project.
func (l *List) TakeUnshared(project string) []scheduler.Waitlisted {
	l.mu.Lock()
	defer l.mu.Unlock()
	unshared := l.unshared[project]
	delete(l.unshared, project)
	if len(unshared) > 0 {
		shared := slices.Concat(l.shared[project], unshared)
		l.shared[project] = shared[max(0, len(shared)-scheduler.MaxWaitlist):]
	}
	return unshared
}

// Shared reports whether an entry of a project's waitlist is of this instance.
func (l *List) Shared(project string, t scheduler.Waitlisted) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.shared[project], t)
}

// ShortHash is what other instances recognise a request hash by.
func ShortHash(hash uint64) uint32 { return uint32(hash) }
