package admission

import (
	"slices"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// Bounds of what an instance remembers of refusals.
const (
	maxToldPerCalendar = 256
	maxToldPerHash     = scheduler.MaxBookingsPerHash
)

// early is how much before its start a booking counts as due: a caller that is
// told whole seconds and one that reads milliseconds come back at the same
// moment, give or take the clocks.
const early = scheduler.Instant(1000)

type calendarID struct{ project, model string }

// A waitlist is whom this instance told to come back when, without keeping
// anything: bookings that count only for what others are told.
type waitlist struct {
	hold time.Duration

	mu       sync.Mutex
	slots    map[calendarID][]scheduler.Booking
	also     map[uint64][]scheduler.Weight     // by ID of a slot: what it weighs on other calendars
	byHash   map[uint64][]calendarID           // where the slots of a hash lie
	unshared map[string][]scheduler.Waitlisted // by project: not yet known to others
	swept    scheduler.Instant                 // when what is over was last dropped everywhere
	came     [64]bool                          // whether the last callers came back
	next     int                               // place in came
}

// sweepEvery is how often what is over is dropped everywhere, so that places
// that nobody asks for any more are forgotten.
const sweepEvery = scheduler.Instant(60_000)

func newWaitlist(hold time.Duration) *waitlist {
	l := &waitlist{
		hold:     hold,
		slots:    make(map[calendarID][]scheduler.Booking),
		also:     make(map[uint64][]scheduler.Weight),
		byHash:   make(map[uint64][]calendarID),
		unshared: make(map[string][]scheduler.Waitlisted),
	}
	for i := range l.came {
		l.came[i] = true // until it is known better
	}
	return l
}

// add remembers a refusal. When a calendar has too many already it is not
// remembered: its caller is told the time all the same and, on its return, is
// new. Also is what it weighs beside its model's calendar.
func (l *waitlist) add(project, model string, b scheduler.Booking, now scheduler.Instant, also ...scheduler.Weight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := calendarID{project, model}
	l.expire(id, now)
	l.sweep(now)
	if len(l.slots[id]) >= maxToldPerCalendar || len(l.byHash[b.Hash]) >= maxToldPerHash {
		return
	}
	l.slots[id] = append(l.slots[id], b)
	if len(also) > 0 {
		l.also[b.ID] = also
	}
	if b.Hash == 0 {
		return
	}
	l.byHash[b.Hash] = append(l.byHash[b.Hash], id)
	unshared := append(l.unshared[project], scheduler.Waitlisted{Hash: shortHash(b.Hash), Start: b.Start})
	if n := len(unshared) - scheduler.MaxWaitlist; n > 0 {
		unshared = unshared[n:]
	}
	l.unshared[project] = unshared
}

// expire drops the slots of a calendar whose time is over: their callers didn't
// come. The lock is held.
func (l *waitlist) expire(id calendarID, now scheduler.Instant) {
	n := l.drop(id, func(b scheduler.Booking) bool { return l.over(b.Start, now) })
	for range n {
		l.note(false)
	}
}

func (l *waitlist) over(start, now scheduler.Instant) bool { return now > start.Add(l.hold) }

// sweep drops everywhere what is over. The lock is held.
func (l *waitlist) sweep(now scheduler.Instant) {
	if now-l.swept < sweepEvery {
		return
	}
	l.swept = now
	for id := range l.slots {
		l.expire(id, now)
	}
	for project, unshared := range l.unshared {
		unshared = slices.DeleteFunc(unshared, func(t scheduler.Waitlisted) bool { return l.over(t.Start, now) })
		if len(unshared) == 0 {
			delete(l.unshared, project)
		} else {
			l.unshared[project] = unshared
		}
	}
}

// note keeps whether a caller came back. The lock is held.
func (l *waitlist) note(came bool) {
	l.came[l.next] = came
	l.next = (l.next + 1) % len(l.came)
}

// drop forgets the slots of a calendar that match and returns how many that
// were. The lock is held.
func (l *waitlist) drop(id calendarID, match func(scheduler.Booking) bool) (dropped int) {
	if !slices.ContainsFunc(l.slots[id], match) {
		return 0
	}
	kept := make([]scheduler.Booking, 0, len(l.slots[id])) // the old ones may be in use
	for _, b := range l.slots[id] {
		if !match(b) {
			kept = append(kept, b)
			continue
		}
		dropped++
		delete(l.also, b.ID)
		places := l.byHash[b.Hash]
		if i := slices.Index(places, id); i >= 0 {
			places = slices.Delete(places, i, i+1)
		}
		if len(places) == 0 {
			delete(l.byHash, b.Hash)
		} else {
			l.byHash[b.Hash] = places
		}
	}
	if len(kept) == 0 {
		delete(l.slots, id)
	} else {
		l.slots[id] = kept
	}
	return dropped
}

// promised returns the slots that were told on a calendar and are not over,
// as far as their callers are expected. Without that, whoever comes after a
// flood of callers that never return would be told to wait for all of them.
//
// As long as at least one in four comes back, all are expected. The others make
// waits longer than they would be, and that does good: bookings, too, are not
// all returned to, and one that isn't leaves a gap that is hard to fill.
// The result is not to be changed.
func (l *waitlist) promised(project, calendar string, now scheduler.Instant) []scheduler.Booking {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.on(calendarID{project, calendar}, now)
	expect := 0 // of as many as are noted
	for _, came := range l.came {
		if came {
			expect += 4
		}
	}
	if expect >= len(l.came) {
		return slices.Clip(all)
	}
	var expected []scheduler.Booking
	for _, b := range all {
		// IDs are random; so a slot that is left out stays left out.
		if int(b.ID%uint64(len(l.came))) < expect {
			expected = append(expected, b)
		}
	}
	return expected
}

// on returns the slots on a calendar: those of its model, and what others of the project
// weigh on it. The lock is held.
func (l *waitlist) on(id calendarID, now scheduler.Instant) []scheduler.Booking {
	l.expire(id, now)
	all := slices.Clip(l.slots[id])
	if len(l.also) == 0 {
		return all
	}
	for other, slots := range l.slots {
		for _, b := range slots {
			if other.project != id.project || l.over(b.Start, now) {
				continue
			}
			for _, w := range l.also[b.ID] {
				if w.On == id.model {
					weight := b
					weight.Demand.Requests, weight.Demand.Tokens = w.Demand.Requests, w.Demand.Tokens
					all = append(all, weight)
				}
			}
		}
	}
	return all
}

// takeStarted forgets and returns the oldest slot of a request hash that has
// started, and says how many of that hash have not.
func (l *waitlist) takeStarted(hash uint64, now scheduler.Instant) (started *scheduler.Booking, waiting int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var at calendarID
	for _, id := range slices.Compact(slices.Clone(l.byHash[hash])) {
		for _, b := range l.slots[id] {
			switch {
			case b.Hash != hash:
			case b.Start > now+early:
				waiting++
			case started == nil || b.Start < started.Start:
				started, at = &b, id
			}
		}
	}
	if started != nil {
		l.note(true)
		l.drop(at, func(b scheduler.Booking) bool { return b.ID == started.ID })
	}
	return started, waiting
}

// take forgets the slot with that ID, for its caller is here, and reports
// whether there was one.
func (l *waitlist) take(id uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for at, slots := range l.slots {
		if slices.ContainsFunc(slots, func(b scheduler.Booking) bool { return b.ID == id }) {
			l.note(true)
			return l.drop(at, func(b scheduler.Booking) bool { return b.ID == id }) > 0
		}
	}
	return false
}

// takeUnshared returns what other instances should learn about a project.
func (l *waitlist) takeUnshared(project string) []scheduler.Waitlisted {
	l.mu.Lock()
	defer l.mu.Unlock()
	unshared := l.unshared[project]
	delete(l.unshared, project)
	return unshared
}
