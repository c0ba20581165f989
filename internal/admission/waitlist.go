package admission

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/internal/admission/fair"
	"fluxgate.dev/fluxgate/internal/admission/returns"
	"fluxgate.dev/fluxgate/scheduler"
)

// Bounds of what an instance remembers of refusals.
const (
	maxToldPerCalendar = 256
	maxToldPerHash     = scheduler.MaxBookingsPerHash
	maxCallersNoted    = 1024 // of whom it is known how often they come back
)

// early is how much before its start a booking counts as due: a caller that is
// told whole seconds and one that reads milliseconds come back at the same
// moment, give or take the clocks.
const early = scheduler.Instant(1000)

// parallel is how long after one was told to wait the same request of the same caller
// is another one: nobody has the answer, waits and sends again within that. A batch of
// equal prompts arrives within a few milliseconds, and the first retry of the clients
// that are known comes after 375 ms or more.
const parallel = scheduler.Instant(100)

type calendarID struct{ project, model string }

// A promise is what one request was told: a slot that isn't kept for it, and counts
// only for what others are told.
type promise struct {
	scheduler.Booking
	at     calendarID
	also   []scheduler.Weight // what it weighs on other calendars
	caller string
	tag    uint32            // of the caller
	began  fair.Cost         // what that had had when its request was first told to wait
	order  uint64            // in which they were made; the lower is the older
	told   scheduler.Instant // when last
	early  bool              // its caller has come back before its time
}

// A waitlist is the promises of this instance.
type waitlist struct {
	hold time.Duration

	mu       sync.Mutex
	slots    map[calendarID][]*promise         // never changed
	queues   map[string][]*promise             // by model, those that have waited for longest first
	byHash   map[uint64][]calendarID           // where the slots of a hash lie
	unshared map[string][]scheduler.Waitlisted // by project: not yet known to others
	booked   map[uint64]scheduler.Instant      // when the holder of a booking was last told of it
	returns  map[string]returns.Record         // by caller
	foreign  scheduler.Instant                 // when a caller last came for what another instance told it
	swept    scheduler.Instant                 // when what is over was last dropped everywhere
	made     uint64                            // promises so far
}

// sweepEvery is how often what is over is dropped everywhere, so that places
// that nobody asks for any more are forgotten.
const sweepEvery = scheduler.Instant(60_000)

func newWaitlist(hold time.Duration) *waitlist {
	return &waitlist{
		hold:     hold,
		slots:    make(map[calendarID][]*promise),
		queues:   make(map[string][]*promise),
		byHash:   make(map[uint64][]calendarID),
		unshared: make(map[string][]scheduler.Waitlisted),
		booked:   make(map[uint64]scheduler.Instant),
		returns:  make(map[string]returns.Record),
	}
}

// add remembers a promise. When a calendar has too many already it is not
// remembered: its caller is told the time all the same and, on its return, is
// new.
func (l *waitlist) add(p promise, now scheduler.Instant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(p.at, now)
	l.sweep(now)
	if len(l.slots[p.at]) >= maxToldPerCalendar || len(l.byHash[p.Hash]) >= maxToldPerHash {
		return
	}
	l.made++
	p.order, p.told, p.tag = l.made, now, scheduler.CallerOf(p.caller)
	l.put(&p)
}

// put puts a promise into the list. The lock is held.
func (l *waitlist) put(p *promise) {
	l.slots[p.at] = append(l.slots[p.at], p)
	queue := l.queues[p.at.model]
	i, _ := slices.BinarySearchFunc(queue, p, byAge)
	l.queues[p.at.model] = slices.Insert(queue, i, p)
	if p.Hash == 0 {
		return
	}
	l.byHash[p.Hash] = append(l.byHash[p.Hash], p.at)
	unshared := append(l.unshared[p.at.project], scheduler.Waitlisted{Hash: shortHash(p.Hash), Start: p.Start})
	if n := len(unshared) - scheduler.MaxWaitlist; n > 0 {
		unshared = unshared[n:]
	}
	l.unshared[p.at.project] = unshared
}

// tellAgain notes that a promise was told to its caller before its time, with the place
// and start that it has now.
func (l *waitlist) tellAgain(p *promise, at calendarID, start, now scheduler.Instant, also ...scheduler.Weight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.slots[p.at], func(x *promise) bool { return x.ID == p.ID })
	if i < 0 {
		return
	}
	next := *l.slots[p.at][i]
	next.told, next.early = now, next.early || p.early
	if next.at == at && next.Start == start {
		j, _ := slices.BinarySearchFunc(l.queues[at.model], &next, byAge)
		l.slots[at][i], l.queues[at.model][j] = &next, &next
		return
	}
	l.drop(p.at, func(x *promise) bool { return x.ID == p.ID })
	next.at, next.Start, next.also = at, start, also
	l.put(&next)
}

// tellBooking notes that the holder of a booking is told of it.
func (l *waitlist) tellBooking(id uint64, now scheduler.Instant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.booked[id] = now
}

// justTold reports whether the holder of a booking was told of it so lately that the
// same request is another one.
func (l *waitlist) justTold(id uint64, now scheduler.Instant) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	told, ok := l.booked[id]
	return ok && now-told < parallel
}

// expire drops the slots of a calendar whose time is over: their callers didn't
// come. The lock is held.
func (l *waitlist) expire(id calendarID, now scheduler.Instant) {
	for _, p := range l.drop(id, func(p *promise) bool { return l.over(p.Start, now) }) {
		l.note(p.caller, false)
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
	for id, told := range l.booked {
		if now-told >= parallel {
			delete(l.booked, id)
		}
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

// drop forgets the slots of a calendar that match and returns them. The lock is held.
func (l *waitlist) drop(id calendarID, match func(*promise) bool) (dropped []*promise) {
	if !slices.ContainsFunc(l.slots[id], match) {
		return nil
	}
	kept := make([]*promise, 0, len(l.slots[id]))
	for _, p := range l.slots[id] {
		if !match(p) {
			kept = append(kept, p)
			continue
		}
		dropped = append(dropped, p)
		queue := l.queues[p.at.model]
		if i, ok := slices.BinarySearchFunc(queue, p, byAge); ok {
			queue = slices.Delete(queue, i, i+1)
		}
		if l.queues[p.at.model] = queue; len(queue) == 0 {
			delete(l.queues, p.at.model)
		}
		places := l.byHash[p.Hash]
		if i := slices.Index(places, id); i >= 0 {
			places = slices.Delete(places, i, i+1)
		}
		if len(places) == 0 {
			delete(l.byHash, p.Hash)
		} else {
			l.byHash[p.Hash] = places
		}
	}
	if len(kept) == 0 {
		delete(l.slots, id)
	} else {
		l.slots[id] = kept
	}
	return dropped
}

// An asker is for whom it is asked what is in the way.
type asker struct {
	self   uint64 // its own promise; 0: none
	older  uint64 // only promises older than that are in its way; 0: all
	before bool   // it has come back before its time
}

// promised returns the slots on a calendar that an asker has to leave to others: those of
// its model, and what others of the project weigh on it. The promises of those that came
// back before their time are in nobody's way: who doesn't wait for the time that it was
// told need not be waited for. Those of callers that rarely return count in part: without
// that, whoever comes after a flood of requests that never return would be told to wait
// for all of them.
func (l *waitlist) promised(project, calendar string, now scheduler.Instant, who asker) (out []scheduler.Booking) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(calendarID{project, calendar}, now)
	for at, slots := range l.slots {
		if at.project != project {
			continue
		}
		for _, p := range slots {
			switch {
			case p.early, p.ID == who.self, who.older != 0 && p.order >= who.older:
			case who.before && p.overdue(now), l.over(p.Start, now): // nobody came for it
			case l.returns[p.caller].Expects(p.ID):
				out = p.on(out, calendar)
			}
		}
	}
	return out
}

// on appends what a promise weighs on a calendar, if it does.
func (p *promise) on(out []scheduler.Booking, calendar string) []scheduler.Booking {
	if p.at.model == calendar {
		return append(out, p.Booking)
	}
	for _, w := range p.also {
		if w.On == calendar {
			b := p.Booking
			b.Demand.Requests, b.Demand.Tokens = w.Demand.Requests, w.Demand.Tokens
			out = append(out, b)
		}
	}
	return out
}

// of returns the slots that a caller was told, wherever they lie, but for one.
func (l *waitlist) of(caller string, except uint64, now scheduler.Instant) (out []scheduler.Booking) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, slots := range l.slots {
		for _, p := range slots {
			if p.caller == caller && p.ID != except && !l.over(p.Start, now) {
				out = append(out, p.Booking)
			}
		}
	}
	return out
}

// waits reports whether anything was promised of a model.
func (l *waitlist) waits(model string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queues[model]) > 0
}

// waitingFor returns the promises for a model whose callers are expected to come, those
// first that have waited for longest. Who hasn't come a second after its time counts as one
// that doesn't for what else its caller was told, until it does.
func (l *waitlist) waitingFor(model string, now scheduler.Instant) []*promise {
	l.mu.Lock()
	defer l.mu.Unlock()
	for at := range l.slots {
		if at.model == model {
			l.expire(at, now)
		}
	}
	doubts := make(map[string]returns.Record) // of whom somebody is overdue
	for _, p := range l.queues[model] {
		if p.overdue(now) {
			r, ok := doubts[p.caller]
			if !ok {
				r = l.returns[p.caller]
			}
			doubts[p.caller] = r.And(false)
		}
	}
	out := make([]*promise, 0, len(l.queues[model]))
	for _, p := range l.queues[model] {
		r, ok := doubts[p.caller]
		if !ok || p.overdue(now) {
			r = l.returns[p.caller]
		}
		if l.likely(p, r, now) {
			out = append(out, p)
		}
	}
	return out
}

// overdue reports whether the caller hasn't come a second after its time.
func (p *promise) overdue(now scheduler.Instant) bool { return p.Start < now-early }

// byAge compares promises by how long their requests have waited.
func byAge(a, b *promise) int {
	return cmp.Or(cmp.Compare(a.Since, b.Since), cmp.Compare(a.order, b.order))
}

// each calls f with every slot of a hash. The lock is held.
func (l *waitlist) each(hash uint64, f func(p *promise)) {
	places := l.byHash[hash]
	if len(places) == 0 {
		return // most requests were told nothing
	}
	for _, id := range slices.Compact(slices.SortedFunc(slices.Values(places), calendarID.compare)) {
		for _, p := range l.slots[id] {
			if p.Hash == hash {
				f(p)
			}
		}
	}
}

func (id calendarID) compare(o calendarID) int {
	return cmp.Or(cmp.Compare(id.project, o.project), cmp.Compare(id.model, o.model))
}

// takeStarted forgets and returns the oldest slot of a request hash that has started;
// nil if none has.
func (l *waitlist) takeStarted(hash uint64, now scheduler.Instant) *promise {
	l.mu.Lock()
	defer l.mu.Unlock()
	var oldest *promise
	l.each(hash, func(p *promise) {
		if p.Start <= now+early && (oldest == nil || p.Start < oldest.Start) {
			oldest = p
		}
	})
	if oldest == nil {
		return nil
	}
	started := *oldest
	l.note(started.caller, true)
	l.drop(started.at, func(p *promise) bool { return p.ID == started.ID })
	return &started
}

// waiting returns the first slot of a request hash of which the caller wasn't told just
// now, before its time; nil if there is none.
func (l *waitlist) waiting(hash uint64, now scheduler.Instant) (first *promise) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.each(hash, func(p *promise) {
		if now-p.told >= parallel && p.Start > now && (first == nil || p.Start < first.Start) {
			first = p
		}
	})
	if first != nil {
		one := *first
		first = &one
	}
	return first
}

// find returns the slot with that ID; nil if there is none.
func (l *waitlist) find(id uint64) *promise {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, slots := range l.slots {
		for _, p := range slots {
			if p.ID == id {
				one := *p
				return &one
			}
		}
	}
	return nil
}

// take forgets and returns the slot with that ID, for its caller is here; nil if there is
// none.
func (l *waitlist) take(id uint64) *promise {
	l.mu.Lock()
	defer l.mu.Unlock()
	mine := func(p *promise) bool { return p.ID == id }
	for at := range l.slots {
		for _, p := range l.drop(at, mine) {
			l.note(p.caller, true)
			return p
		}
	}
	return nil
}

// takeUnshared returns what other instances should learn about a project.
func (l *waitlist) takeUnshared(project string) []scheduler.Waitlisted {
	l.mu.Lock()
	defer l.mu.Unlock()
	unshared := l.unshared[project]
	delete(l.unshared, project)
	return unshared
}

// note keeps whether a caller came back. The lock is held.
func (l *waitlist) note(caller string, came bool) {
	r, known := l.returns[caller]
	if !known && len(l.returns) >= maxCallersNoted {
		clear(l.returns) // it is known again after a few
	}
	l.returns[caller] = r.And(came)
}

// elsewhere is for how long after cameHere callers are taken to return to others, too.
const elsewhere = scheduler.Instant(5 * 60_000)

// cameHere notes that a caller came here for what another instance told it.
func (l *waitlist) cameHere(now scheduler.Instant) { l.mu.Lock(); defer l.mu.Unlock(); l.foreign = now }

// likely reports whether the caller of a slot is waited for where callers are served by
// turns: then a slot that isn't used is somebody else's at once. Where callers return to
// other instances too, who comes for one slot in four here is taken to come for all. The
// lock is held.
func (l *waitlist) likely(p *promise, r returns.Record, now scheduler.Instant) bool {
	times := 1
	if l.foreign != 0 && now-l.foreign < elsewhere {
		times = 4
	}
	return r.Comes(p.ID, times)
}
