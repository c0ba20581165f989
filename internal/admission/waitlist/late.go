package waitlist

import (
	"maps"
	"time"

	"fluxgate.dev/fluxgate/internal/admission/lateness"
	"fluxgate.dev/fluxgate/scheduler"
)

// maxLate bounds of how many it is known that they may come after the hold.
const maxLate = 1024

// A late keeps what was told to those that may come after the hold, by request hash: of the
// same request the last.
type late map[uint64]*Promise

// keep remembers a promise whose hold is over.
func (l late) keep(p *Promise) {
	if p.Hash != 0 && (len(l) < maxLate || l[p.Hash] != nil) {
		l[p.Hash] = p
	}
}

// take forgets and returns the promise for a request hash; nil if there is none, or nobody
// comes for it any more.
func (l late) take(hash uint64, now scheduler.Instant) *Promise {
	p := l[hash]
	delete(l, hash)
	if p == nil || !p.mayCome(now) {
		return nil
	}
	return p
}

// Told reports whether it was this instance that told a request a time, whose hold is over and by which it
// may be recognised still, or for which somebody has come: who brings a ticket twice got no answer to the first.
func (l *List) Told(hash, id uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.late[hash]
	return p != nil && p.ID == id || l.taken.has(id)
}

// taken are the IDs of promises for which somebody came: the last maxLate at least, and at most twice as many.
type taken struct{ recent, before map[uint64]bool }

func (t *taken) add(id uint64) {
	if t.recent == nil || len(t.recent) >= maxLate {
		t.before, t.recent = t.recent, make(map[uint64]bool)
	}
	t.recent[id] = true
}

func (t *taken) has(id uint64) bool { return t.recent[id] || t.before[id] }

// sweep forgets those for which nobody comes any more.
func (l late) sweep(now scheduler.Instant) {
	for hash, p := range l {
		if !p.mayCome(now) {
			delete(l, hash)
		}
	}
}

// mayCome reports whether somebody may still come for what it was told, after the hold.
func (p *Promise) mayCome(now scheduler.Instant) bool {
	return lateness.Spread(p.Start.Sub(p.Told), now.Sub(p.Start))
}

// lostFor is longer than a booking lies anywhere that was lost.
const lostFor = 10 * time.Minute

// CameLate reports whether somebody was recognised by a booking that it had lost.
func (l *List) CameLate(booking uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.lost[booking]
	return ok
}

// ComesLate notes that somebody is recognised by a booking that it has lost.
func (l *List) ComesLate(booking uint64, now scheduler.Instant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lost) >= maxLate {
		maps.DeleteFunc(l.lost, func(_ uint64, at scheduler.Instant) bool { return now.Sub(at) > lostFor })
	}
	if len(l.lost) < maxLate {
		l.lost[booking] = now
	}
}

// Returns reports whether anything is known of how often a caller comes back, and whether it mostly does.
func (l *List) Returns(caller string) (known, mostly bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.returns.Of(caller).Mostly()
}
