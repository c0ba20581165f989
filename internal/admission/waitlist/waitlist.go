package waitlist

import (
	"slices"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/internal/admission/returns"
	"fluxgate.dev/fluxgate/scheduler"
)

// Bounds of what an instance remembers of refusals.
const (
	// maxToldPerCalendar is far more than wait for one, so that all are told different times: who
	// isn't remembered is in nobody's way, and the next is told the same.
	maxToldPerCalendar = 1024
	maxTold            = 16_384 // each takes less than 700 bytes
	maxToldPerHash     = scheduler.MaxBookingsPerHash
	minCallersNoted    = 2048 // of whom it is known how often they come back, at least
)

// Early is how much before its start a booking counts as due: a caller that is
// told whole seconds and one that reads milliseconds come back at the same
// moment, give or take the clocks.
const Early = scheduler.Instant(1000)

// parallel is how long after one was told to wait the same request of the same caller
// is another one: nobody has the answer, waits and sends again within that. A batch of
// equal prompts arrives within a few milliseconds, and the first retry of the clients
// that are known comes after 375 ms or more.
const parallel = scheduler.Instant(100)

// A List is the promises of this instance.
type List struct {
	hold time.Duration

	mu       sync.Mutex
	slots    map[Place][]*Promise              // never changed
	queues   map[string][]*Promise             // by calendar, a model's or one that several models share, those that have waited for longest first
	lines    map[string]*Line                  // by such a calendar, as last asked for; none: who is expected has changed since
	lineups  uint64                            // lines so far in which others were expected
	byHash   map[uint64][]Place                // where the slots of a hash lie
	unshared map[string][]scheduler.Waitlisted // by project: not yet known to others
	shared   map[string][]scheduler.Waitlisted // by project: what others were told of last, as many as a project keeps
	booked   map[uint64]scheduler.Instant      // when the holder of a booking was last told of it
	returns  *returns.Records
	late     late
	taken    taken                        // for which somebody came
	waiters  []scheduler.Waiter           // as last gathered
	gathered scheduler.Instant            // when these were
	knows    map[string]bool              // projects that were told these
	lost     map[uint64]scheduler.Instant // bookings by which somebody who came after the hold was recognised, and when
	foreign  scheduler.Instant            // when a caller last came for what another instance told it
	swept    scheduler.Instant            // when what is over was last dropped everywhere
	made     uint64                       // promises so far
	kept     int                          // of these
	of       map[string]int               // of these, by caller
}

// sweepEvery is how often what is over is dropped everywhere, so that places
// that nobody asks for any more are forgotten.
const sweepEvery = scheduler.Instant(60_000)

// New returns a list on which nobody is yet. A promise is kept for the hold after its start.
func New(hold time.Duration) *List {
	return &List{
		hold:     hold,
		slots:    make(map[Place][]*Promise),
		queues:   make(map[string][]*Promise),
		lines:    make(map[string]*Line),
		byHash:   make(map[uint64][]Place),
		unshared: make(map[string][]scheduler.Waitlisted),
		shared:   make(map[string][]scheduler.Waitlisted),
		lost:     make(map[uint64]scheduler.Instant),
		booked:   make(map[uint64]scheduler.Instant),
		knows:    make(map[string]bool),
		returns:  returns.NewRecords(minCallersNoted),
		late:     make(late),
		of:       make(map[string]int),
	}
}

// Add remembers a promise. When there are too many already, on a calendar or at all, the caller that was told
// most is remembered one less, if that is more than this one's. Else the promise is not
// remembered: its caller is told the time all the same and, on its return, is new, unless it
// has a ticket: that says since when it has waited.
func (l *List) Add(p Promise, now scheduler.Instant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(p.At, now)
	l.sweep(now)
	if len(l.byHash[p.Hash]) >= maxToldPerHash {
		return
	}
	last, ok := l.room(&p)
	if !ok {
		return
	}
	if last != nil {
		l.drop(last.At, func(x *Promise) bool { return x.ID == last.ID })
	}
	l.made++
	p.Order, p.Told, p.Tag = l.made, now, scheduler.CallerOf(p.Caller)
	p.Late = uint16(min(l.returns.Of(p.Caller).Late(), max(0, l.hold-time.Second)).Milliseconds())
	l.put(&p)
}

// put puts a promise into the list. The lock is held.
func (l *List) put(p *Promise) {
	l.renew(p)
	l.kept++
	l.of[p.Caller]++
	l.slots[p.At] = append(l.slots[p.At], p)
	for _, calendar := range p.calendars() {
		queue := l.queues[calendar]
		i, _ := slices.BinarySearchFunc(queue, p, byAge)
		l.queues[calendar] = slices.Insert(queue, i, p)
	}
	if p.Hash == 0 {
		return
	}
	l.byHash[p.Hash] = append(l.byHash[p.Hash], p.At)
	unshared := append(l.unshared[p.At.Project], scheduler.Waitlisted{Hash: ShortHash(p.Hash), Start: p.Start})
	if n := len(unshared) - scheduler.MaxWaitlist; n > 0 {
		unshared = unshared[n:]
	}
	l.unshared[p.At.Project] = unshared
}

// renew has the lines made anew on which a promise lies. The lock is held.
func (l *List) renew(p *Promise) {
	for _, calendar := range p.calendars() {
		delete(l.lines, calendar)
	}
}

// TellBooking notes that the holder of a booking is told of it.
func (l *List) TellBooking(id uint64, now scheduler.Instant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.booked[id] = now
}

// JustTold reports whether the holder of a booking was told of it so lately that the
// same request is another one.
func (l *List) JustTold(id uint64, now scheduler.Instant) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	told, ok := l.booked[id]
	return ok && now-told < parallel
}

// expire drops the slots of a calendar whose time is over: their callers didn't
// come. The lock is held.
func (l *List) expire(id Place, now scheduler.Instant) {
	for _, p := range l.drop(id, func(p *Promise) bool { return l.over(p.Start, now) }) {
		l.note(p.Caller, false)
		l.late.keep(p)
	}
}

func (l *List) over(start, now scheduler.Instant) bool { return now > start.Add(l.hold) }

// sweep drops everywhere what is over. The lock is held.
func (l *List) sweep(now scheduler.Instant) {
	if now-l.swept < sweepEvery {
		return
	}
	l.swept = now
	for id := range l.slots {
		l.expire(id, now)
	}
	l.late.sweep(now)
	for id, told := range l.booked {
		if now-told >= parallel {
			delete(l.booked, id)
		}
	}
	for _, of := range []map[string][]scheduler.Waitlisted{l.unshared, l.shared} {
		for project, told := range of {
			if told = slices.DeleteFunc(told, func(t scheduler.Waitlisted) bool { return l.over(t.Start, now) }); len(told) == 0 {
				delete(of, project)
			} else {
				of[project] = told
			}
		}
	}
}

// drop forgets the slots of a calendar that match and returns them. The lock is held.
func (l *List) drop(id Place, match func(*Promise) bool) (dropped []*Promise) {
	if !slices.ContainsFunc(l.slots[id], match) {
		return nil
	}
	kept := make([]*Promise, 0, len(l.slots[id]))
	for _, p := range l.slots[id] {
		if !match(p) {
			kept = append(kept, p)
			continue
		}
		dropped = append(dropped, p)
		l.renew(p)
		l.kept--
		if l.of[p.Caller]--; l.of[p.Caller] == 0 {
			delete(l.of, p.Caller)
		}
		for _, calendar := range p.calendars() {
			queue := l.queues[calendar]
			if i, ok := slices.BinarySearchFunc(queue, p, byAge); ok {
				queue = slices.Delete(queue, i, i+1)
			}
			if l.queues[calendar] = queue; len(queue) == 0 {
				delete(l.queues, calendar)
			}
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

// An Asker is for whom it is asked what is in the way.
type Asker struct {
	Self   uint64            // its own promise; 0: none
	Older  uint64            // only promises older than that are in its way; 0: all
	Since  scheduler.Instant // where Older isn't known: only those of requests that waited before then are; 0: all
	Before bool              // it has come back before its time
}

// Promised returns the slots on a calendar that an Asker has to leave to others: those of
// its model, and what others of the project weigh on it. The promises of those that came
// back before their time are in nobody's way: who doesn't wait for the time that it was
// told need not be waited for. Those of callers that rarely return count in part: without
// that, whoever comes after a flood of requests that never return would be told to wait
// for all of them.
func (l *List) Promised(project, calendar string, now scheduler.Instant, who Asker) (out []scheduler.Booking) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(Place{project, calendar}, now)
	for at, slots := range l.slots {
		if at.Project != project {
			continue
		}
		for _, p := range slots {
			switch {
			case p.Early, p.ID == who.Self, who.Older != 0 && p.Order >= who.Older, who.Older == 0 && who.Since != 0 && p.Since >= who.Since:
			case who.Before && p.Overdue(now), l.over(p.Start, now): // nobody came for it
			case l.returns.Of(p.Caller).Expects(p.ID, int(p.Tells)):
				out = p.On(out, calendar)
			}
		}
	}
	return out
}

// Of returns the slots that a caller was told, wherever they lie, but for one.
func (l *List) Of(caller string, except uint64, now scheduler.Instant) (out []scheduler.Booking) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, slots := range l.slots {
		for _, p := range slots {
			if p.Caller == caller && p.ID != except && !l.over(p.Start, now) {
				out = append(out, p.Booking)
			}
		}
	}
	return out
}

// Waits reports whether anything was promised of a calendar, a model's or one that several models share.
func (l *List) Waits(calendar string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queues[calendar]) > 0
}

// Others reports whether anything was promised of it to other callers than that one.
func (l *List) Others(calendar string, than uint32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.queues[calendar], func(p *Promise) bool { return p.Tag != than })
}

// each calls f with every slot of a hash. The lock is held.
func (l *List) each(hash uint64, f func(p *Promise)) {
	places := l.byHash[hash]
	if len(places) == 0 {
		return // most requests were told nothing
	}
	for _, id := range slices.Compact(slices.SortedFunc(slices.Values(places), Place.compare)) {
		for _, p := range l.slots[id] {
			if p.Hash == hash {
				f(p)
			}
		}
	}
}

// TakeStarted forgets and returns the oldest slot of a request hash that has started; nil if none has.
func (l *List) TakeStarted(hash uint64, now scheduler.Instant) *Promise {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest := l.started(hash, now)
	if oldest != nil {
		l.came(oldest, now+Early)
		l.drop(oldest.At, func(p *Promise) bool { return p.ID == oldest.ID })
	}
	return oldest
}

// Started returns the oldest slot of a request hash that has started; nil if none has.
func (l *List) Started(hash uint64, now scheduler.Instant) *Promise {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.started(hash, now)
}

// started returns a copy of it. The lock is held.
func (l *List) started(hash uint64, now scheduler.Instant) *Promise {
	var oldest *Promise
	l.each(hash, func(p *Promise) {
		if p.Start <= now+Early && !l.over(p.Start, now+Early) && (oldest == nil || p.Start < oldest.Start) {
			oldest = p
		}
	})
	if oldest == nil {
		return nil
	}
	one := *oldest
	return &one
}

// TakeLate forgets and returns what the caller of a request hash was told that comes after
// the hold; nil if that isn't known.
func (l *List) TakeLate(hash uint64, now scheduler.Instant) *Promise {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, at := range slices.Clone(l.byHash[hash]) {
		l.expire(at, now)
	}
	p := l.late.take(hash, now)
	if p != nil {
		l.note(p.Caller, true)
	}
	return p
}

// Waiting returns the first slot of a request hash of which the caller wasn't told just
// now, before its time; nil if there is none.
func (l *List) Waiting(hash uint64, now scheduler.Instant) (first *Promise) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.each(hash, func(p *Promise) {
		if now-p.Told >= parallel && p.Start > now && (first == nil || p.Start < first.Start) {
			first = p
		}
	})
	if first != nil {
		one := *first
		first = &one
	}
	return first
}

// Find returns the slot with that ID; nil if there is none.
func (l *List) Find(id uint64) *Promise {
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

// Take forgets and returns the slot with that ID, for its caller is here; nil if there is none.
func (l *List) Take(id uint64, now scheduler.Instant) *Promise {
	l.mu.Lock()
	defer l.mu.Unlock()
	mine := func(p *Promise) bool { return p.ID == id }
	for at := range l.slots {
		for _, p := range l.drop(at, mine) {
			l.came(p, now)
			return p
		}
	}
	return nil
}

// note keeps whether a caller came back. The lock is held.
func (l *List) note(caller string, came bool) {
	l.returns.Note(caller, came)
	clear(l.lines)
}

// came keeps that the caller of a promise did, and how late. The lock is held.
func (l *List) came(p *Promise, now scheduler.Instant) {
	l.taken.add(p.ID)
	if now < p.Start || l.over(p.Start, now) {
		l.note(p.Caller, true)
		return
	}
	l.returns.Came(p.Caller, now.Sub(p.Start))
	clear(l.lines)
}

// elsewhere is for how long after cameHere callers are taken to return to others, too.
const elsewhere = scheduler.Instant(5 * 60_000)

// CameHere notes that a caller came here for what another instance told it.
func (l *List) CameHere(now scheduler.Instant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.trusting(now) {
		clear(l.lines)
	}
	l.foreign = now
}

// trusting reports whether callers are taken to return to other instances, too. The lock is held.
func (l *List) trusting(now scheduler.Instant) bool {
	return l.foreign != 0 && now-l.foreign < elsewhere
}

// likely reports whether the caller of a slot is waited for where callers are served by
// turns: then a slot that isn't used is somebody else's at once. Where callers return to
// other instances too, who comes for one slot in four here is taken to come for all. So is, for what it was told of
// another day, who comes for one in four to any instance. The lock is held.
func (l *List) likely(p *Promise, r returns.Record, now scheduler.Instant) bool {
	times := 1
	switch {
	case p.Tells > 0:
		return r.Expects(p.ID, int(p.Tells))
	case l.trusting(now):
		times = 4
	}
	return r.Comes(p.ID, times)
}
