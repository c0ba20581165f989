package waitlist

import (
	"slices"

	"fluxgate.dev/fluxgate/scheduler"
)

// gatherEvery is how often it is gathered anew who waits: thousands may.
const gatherEvery = scheduler.Instant(1000)

// Share returns what other instances should learn about a project, and if there are some, which callers wait here for any. That is for
// the calendars on which there are turns; nil: there are no other instances. Each project is told these once as they were gathered.
func (l *List) Share(project string, now scheduler.Instant, turns func(calendar string) bool) scheduler.ShareWaitlist {
	share := scheduler.ShareWaitlist{Entries: l.TakeUnshared(project)}
	if turns == nil {
		return share
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gather(now, turns); !l.knows[project] {
		l.knows[project], share.Waiters = true, l.waiters
	}
	return share
}

// gather finds out which callers are expected to come for what they were told, if that was long ago, so that other instances know
// whose turns there are beside those of their own: of each calendar those that have waited for longest, and as many of one as of another
// where a project doesn't keep all. Who waits is known for a window, or until its last time and the hold are over, if that
// is earlier. The list isn't changed once it is gathered. The lock is held.
func (l *List) gather(now scheduler.Instant, turns func(calendar string) bool) {
	if now-l.gathered < gatherEvery {
		return
	}
	l.gathered, l.waiters = now, nil
	clear(l.knows)
	of := make([][]scheduler.Waiter, 0, len(l.queues))
	for calendar, queue := range l.queues {
		if turns(calendar) {
			of = append(of, l.waitersOf(calendar, queue, now))
		}
	}
	for nth := range scheduler.MaxWaiters {
		for _, all := range of {
			if nth < len(all) && len(l.waiters) < scheduler.MaxWaiters {
				l.waiters = append(l.waiters, all[nth])
			}
		}
	}
}

// waitersOf returns who waits for a calendar: of many those that have waited for longest. The lock is held.
func (l *List) waitersOf(calendar string, queue []*Promise, now scheduler.Instant) (all []scheduler.Waiter) {
	name, of := scheduler.NameOf(calendar), make(map[uint32]int)
	for _, p := range queue {
		if l.over(p.Start, now) || !l.returns.Of(p.Caller).Comes(p.ID, 4) {
			continue
		}
		i, ok := of[p.Tag]
		if !ok && len(all) == scheduler.MaxWaiters {
			continue
		}
		if !ok { // of one caller the first in a queue has waited for longest
			i = len(all)
			of[p.Tag], all = i, append(all, scheduler.Waiter{Model: name, Caller: p.Tag, Since: p.Since})
		}
		all[i].Until = max(all[i].Until, min(p.Start.Add(l.hold), now.Add(scheduler.Window)))
	}
	return all
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
