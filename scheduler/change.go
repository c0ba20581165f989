package scheduler

import (
	"cmp"
	"slices"
	"time"
)

// A Change is one step in the life of a project. Changes are values: a store
// that loses a race applies the same change again to what it finds.
type Change interface {
	apply(p *Project, rules *Rules, now Instant) Result
}

// A Verdict is what became of a Reserve.
type Verdict string

// The verdicts.
const (
	Admitted Verdict = "admitted" // the request goes now
	Booked   Verdict = "booked"   // a slot is kept from Start on
	Refused  Verdict = "refused"  // Start is the computed wait, nothing is kept
	Replan   Verdict = "replan"   // the start is later than was planned: look at other projects
)

// A Result is what a change did.
type Result struct {
	// Changed is false when the project is as before: there is nothing to store.
	Changed bool
	// Rides says that what changed is worth no write of its own: it is stored with what else changes.
	Rides bool
	// NoPlace says that what a RecordRefusal tells is remembered, but there is no place for the calendar.
	NoPlace bool
	// LateFor is for how long requests are taken to arrive as late as others, after an ArrivedLate that changed something.
	LateFor time.Duration

	// The rest is for Reserve.
	Verdict     Verdict
	Start       Instant
	Cause       Cause       // what stood between now and Start
	On          string      // the calendar on which it did; empty: the model's
	Reservation Reservation // when Admitted
	Also        []Share     // on other calendars, when Admitted
	// Allowance is how much later than its start, beyond the skew, the request
	// may arrive for that Reservation. It is what was demanded or more.
	Allowance time.Duration
	Booking   Booking // when Booked
	// Probe is the limit that an admitted request goes beyond, to see whether it
	// (still) holds.
	Probe Cause
	// Beyond says that it was let beyond a limit per day that is only a start, on one of its calendars.
	Beyond bool
	// Trial says that an admitted request is tried after a block: others wait until it is
	// settled.
	Trial bool
	// Moved is how many bookings got a later start.
	Moved int
}

// Apply returns the project after the change, and what the change did. The
// receiver stays as it was; it may be nil for a project without a document.
// The instant is that of the store; one before p.Latest counts as p.Latest.
func (p *Project) Apply(rules *Rules, now Instant, change Change) (*Project, Result) {
	if p.unreadable() {
		return p, Result{Verdict: Replan, Start: Never, Cause: Unavailable}
	}
	next := p.clone()
	now = max(now, next.Latest)
	result := change.apply(next, rules, now)
	if !result.Changed {
		if p == nil {
			return nil, result
		}
		return p, result
	}
	// Whatever was decided later must not be undone by a clock that is behind:
	// what has been dropped as over stays dropped.
	next.Latest = now
	next.Moved += int64(result.Moved)
	return next, result
}

// Reserve asks for a slot in the calendar of one model: now, or else as a
// booking if Book says so.
type Reserve struct {
	Model  string
	Demand Demand
	ID     uint64 // random; names the reservation or booking that comes of it
	Hash   uint64 // of the request; 0: unknown
	// Booking is the booking that the caller holds, 0 for none. It is claimed
	// in its time, and its remaining wait is told before it. One that has expired
	// is as if it had never been.
	Booking uint64
	// Came is when the holder of a booking came, by which it is in time or late; 0:
	// now. The change may be made later, at most MaxCommit.
	Came Instant
	// Behind is how far the clock of the instance may be behind: a holder that
	// is early by no more is in time.
	Behind time.Duration
	Book   bool
	// Also is what it weighs on other calendars of the project. It goes, or is booked,
	// when all of it fits.
	Also []Weight
	// Planned is the start that planning found. If it comes out later, the
	// verdict is Replan and nothing is done. 0 means any start is taken.
	Planned Instant
	From    Instant // the first start that is asked for, if not now; 0: now
	Since   Instant // when the caller was first told to wait, 0: never
	// Hold is how long a booking is kept that is made, where that is longer than usual, in
	// whole seconds; see [Booking].
	Hold   time.Duration
	Caller string // whom it is counted for; empty: nobody
	Level  int64  // where that caller begins; see [Service]
	// Contested says that other callers wait for the model, or may, at other instances, so that what this one is served
	// is to be kept.
	Contested bool
	Levels    []Level // the same of calendars beside the model's that several models share
	Key       string  // of the request; where it isn't usable any more it is planned anew; empty: any
	// Over takes the slot now, over whatever limit, block or booking is in the way: the
	// request is sent in any case, and only has to be counted.
	Over bool
}

func (r Reserve) apply(p *Project, rules *Rules, now Instant) Result {
	result := r.decide(p, rules, now)
	var tried []*Calendar
	for i := 0; i < len(p.Calendars) && result.Trial; i++ {
		// Whoever holds a booking there comes after it.
		if c := p.Calendars[i]; c.Tried(now) {
			// It may be one that the request has no weight on.
			c, _ = p.edit(rules, now, c.Model)
			tried = append(tried, c)
		}
	}
	result.Moved += p.moveBookings(rules, now, tried...)
	return result
}

func (r *Reserve) decide(p *Project, rules *Rules, now Instant) Result {
	// Whole milliseconds, so that nothing is lost when it is stored.
	r.Demand.Allowance = millis(r.Demand.Allowance).Sub(0)
	var few [4]side
	all, cause := p.sides(few[:0], rules, now, r.Model, r.Demand, r.Also, true)
	if r.Key != "" && !p.Usable(r.Key) {
		cause = Unavailable
	}
	if len(all) == 0 || cause != NoCause && !r.Over { // there may be no place for a calendar of no limits
		return Result{Verdict: Replan, Start: Never, Cause: cause}
	}
	if r.Book {
		last(all)
	}
	c, t := all[0].c, all[0].t
	came := cmp.Or(r.Came, now)
	held := func(b Booking) bool { return b.ID == r.Booking && t.Claimable(&b, came, now) }
	if i := slices.IndexFunc(c.Bookings, held); r.Booking != 0 && i >= 0 {
		return r.claim(p, rules, all, i, now)
	}
	if r.Over {
		return r.reserve(p, all, now)
	}
	if r.Planned != 0 {
		for i := range all {
			all[i].t = all[i].t.After(now - r.Planned)
		}
	}
	start, cause, on, probe, probed := startOfAll(rules, all, now, max(now, r.From))
	switch {
	case start == now:
		result := r.reserve(p, all, now)
		if result.Probe = probe; probed != nil {
			reserved := result.Reservation
			for _, x := range result.Also {
				if x.On == probed.Model {
					reserved = x.Reservation
				}
			}
			probed.Probe(rules, now, reserved, probe)
			result.Beyond = slices.ContainsFunc(all, func(x side) bool { return x.c.BeyondDay(rules, now) })
		}
		return result
	case r.Planned != 0 && start >= r.Planned+second:
		return Result{Verdict: Replan, Start: start, Cause: cause, On: on}
	case !r.Book || cause == ByTest || start.Sub(now) > MaxAhead || p.full(rules, now, all, r.Hash):
		return Result{Verdict: Refused, Start: start, Cause: cause, On: on}
	}
	b := Booking{ID: r.ID, Hash: r.Hash, Rank: p.NextRank, Start: start, Since: r.Since, Demand: r.Demand, Hold: r.Hold}
	if b.Since == 0 {
		b.Since = now
	}
	p.NextRank++
	for i, x := range all {
		x.c.Bookings = append(x.c.Bookings, lying(b, i, x))
	}
	return Result{Changed: true, Verdict: Booked, Start: start, Cause: cause, On: on, Booking: b}
}

// claim answers the holder of the i-th booking of its model. Only what was sent and
// older bookings can be in its way; then it keeps its rank and is told the rest. Who asks for
// more than was booked is planned anew where that is in the way of younger ones.
func (r *Reserve) claim(p *Project, rules *Rules, all []side, i int, now Instant) Result {
	b := all[0].c.Bookings[i]
	if now < b.Start && b.Start.Sub(now) <= r.Behind {
		now = b.Start // as it is by the clock that told the holder when to come
	}
	if now < b.Start {
		return Result{Verdict: Booked, Start: b.Start, Booking: b}
	}
	start, cause, on := earliestOfAll(all, now, now, b.Rank, false)
	if later, cause, on := r.beyondBooked(all, b, now); start == now && later != now {
		return Result{Verdict: Replan, Start: later, Cause: cause, On: on}
	}
	if start == now {
		p.booked(rules, now, b.Rank, all, func(c *Calendar) {
			c.DropBookings(func(x *Booking) bool { return x.Rank == b.Rank })
		})
		// Everybody planned for the booking to last that long. What was kept for
		// its lateness covers a slow commit, until it is settled: who books in the
		// meantime must not be told a time that the commit then takes away. A short window
		// is over before it is settled, so that nothing of it would be given back: there
		// a commit that is slower than those before it has others wait.
		late, short := b.Start.Add(b.Demand.Allowance).Sub(now), false
		for i := range all {
			if x := &all[i]; x.t.Short() {
				short = true
			} else {
				x.d.Allowance = max(x.d.Allowance, late)
			}
		}
		if !short {
			r.Demand.Allowance = max(r.Demand.Allowance, late)
		}
		result := r.reserve(p, all, now)
		result.Booking = b
		return result
	}
	b.Start = start
	p.booked(rules, now, b.Rank, all, func(c *Calendar) { c.PutOff(b.Rank, start) })
	return Result{Changed: true, Verdict: Booked, Start: start, Cause: cause, On: on, Booking: b}
}

// beyondBooked returns the first start of the holder of a booking beside younger ones, as far as it asks for more than was
// booked: now, if it doesn't. Another request than that which it is for has to leave them room on each calendar on which it
// weighs more. So has one that comes later than the booking has an allowance for, for its holder said that it is punctual, if
// they are of other callers; a booking without any allowance doesn't say how late its holder may be.
func (r *Reserve) beyondBooked(all []side, b Booking, now Instant) (start Instant, cause Cause, on string) {
	allowed, another := b.Demand.Allowance, r.Hash != b.Hash
	late := allowed > 0 && cmp.Or(r.Came, now).Sub(b.Start) > allowed
	if !late && !another {
		return now, NoCause, ""
	}
	kept := make([][]Booking, len(all))
	for i := range all {
		x := &all[i]
		j := slices.IndexFunc(x.c.Bookings, func(o Booking) bool { return o.Rank == b.Rank })
		larger := another && (j < 0 || x.d.Tokens > x.c.Bookings[j].Demand.Tokens || x.d.Count() > x.c.Bookings[j].Demand.Count())
		kept[i], x.c.Bookings = x.c.Bookings, slices.DeleteFunc(slices.Clone(x.c.Bookings), func(o Booking) bool {
			return o.Rank == b.Rank || o.Rank > b.Rank && !larger && !(late && !sameCaller(o.ID, b.ID))
		})
	}
	start, cause, on = earliestOfAll(all, now, now, everyone, false)
	for i := range all {
		all[i].c.Bookings = kept[i]
	}
	return start, cause, on
}

// sameCaller reports whether bookings are of one caller, or of callers that aren't known: which it is the upper 31 bits
// of an ID say. Where a booking lies on another model's calendar, too, they are inverted there; see lying.
func sameCaller(id, other uint64) bool {
	x := (id ^ other) >> 33
	return x == 0 || x == 1<<31-1
}

// Release gives a booking back.
type Release struct{ Booking uint64 }

func (r Release) apply(p *Project, rules *Rules, now Instant) Result {
	_, b, ok := p.Booking(r.Booking)
	if !ok {
		return Result{}
	}
	changed := false
	p.booked(rules, now, b.Rank, nil, func(c *Calendar) {
		changed = c.DropBookings(func(x *Booking) bool { return x.Rank == b.Rank }) > 0 || changed
	})
	return Result{Changed: changed}
}

// RecordRefusal records that upstream refused a request for a model on this
// project, and what its answer said: until when to stay away, and its limits. The model
// may be what isn't one; a block of [OfProject] keeps every request away.
type RecordRefusal struct {
	Model  string
	ID     uint64 // of the reservation that was refused, 0: unknown
	Block  Block  // Cause "": no block
	Limits Limits // those that upstream named; 0: not named
	// Reached are limits that it said are reached without saying what they are: what was sent
	// bounds them.
	Reached []Cause
	// Oversize is the size of a request above TPM that was refused for it.
	Oversize int64
	// Admitted is when the request was; 0: unknown. One that was under way when a block
	// began doesn't make it grow.
	Admitted Instant
	At       Instant // when it did, where it is recorded later than that; 0: now
}

func (r RecordRefusal) apply(p *Project, rules *Rules, now Instant) Result {
	at := min(now, cmp.Or(r.At, now))
	c, _ := p.edit(rules, now, r.Model)
	if c == nil {
		return p.remember(rules, now, r)
	}
	was, learned, refused := c.Block, c.Learned, c.Refused
	counted := r.learn(c, rules, at)
	if r.Block.Cause == ByDay || r.Block.Cause != NoCause && !counted {
		c.Keep(rules, at, r.Block, r.Admitted)
	}
	if c.Block == was && c.Learned == learned && c.Refused == refused {
		return Result{}
	}
	changed := []*Calendar{c}
	if c.Block != was && c.Block.Cause == ByBare {
		changed = p.takeTurns(rules, now, c)
	}
	if c.Learned != learned {
		p.beginAs(rules, now, c)
	}
	return Result{Changed: true, Moved: p.moveBookings(rules, now, changed...)}
}

// learn keeps the limits, and reports whether the calendar itself says from now on when there
// is room: a probe was refused for what it tested, so nobody else was, and none need wait for it.
func (r RecordRefusal) learn(c *Calendar, rules *Rules, now Instant) (counted bool) {
	if r.ID != 0 {
		counted = c.ProbeRefused(rules, now, r.ID, r.Limits, r.Reached)
	}
	for _, cause := range r.Reached {
		c.Reached(rules, now, r.ID, cause)
	}
	c.Learned.Record(r.Limits, now)
	if r.Oversize > 0 && (c.Refused == 0 || r.Oversize < c.Refused) {
		c.Refused = r.Oversize
	}
	return counted
}

// Redirected records that upstream has begun to answer requests for a model by another. Those
// that it has in its window may count on the other too, from the first that it redirected on,
// and nobody knows which that was; so all of them weigh on both, or the one with the ID Only,
// where that isn't 0. Later ones say so themselves ([Reserve].Also).
type Redirected struct {
	Model, By string
	Only      uint64
}

func (x Redirected) apply(p *Project, rules *Rules, now Instant) Result {
	if p.known(x.Model) == nil {
		return Result{}
	}
	c, t := p.edit(rules, now, x.By)
	if c == nil || !c.Copy(t, now, p.Calendar(x.Model), x.Only) {
		return Result{}
	}
	return Result{Changed: true, Moved: p.moveBookings(rules, now, c)}
}

// Reset deletes what was recorded of upstream's refusals for every model of the
// project: blocks, learned limits, and the size that is too large. It is the
// operator's word that they no longer hold.
type Reset struct{}

func (Reset) apply(p *Project, rules *Rules, now Instant) (result Result) {
	p.each(rules, now, func(c *Calendar) {
		if c.Block != (Block{}) || c.Learned != (Learned{}) || c.Refused != 0 {
			c.Block, c.Learned, c.Refused = Block{}, Learned{}, 0
			result.Changed = true
		}
	})
	p.Idle = slices.Clone(p.Idle)
	for i := range p.Idle {
		if x := &p.Idle[i]; x.Block != (Block{}) || x.Learned != (Learned{}) || x.Refused != 0 {
			x.Block, x.Learned, x.Refused = Block{}, Learned{}, 0
			result.Changed = true
		}
	}
	return result
}

// Review moves the bookings that no longer fit, after the policy gave models
// smaller limits.
type Review struct{}

func (Review) apply(p *Project, rules *Rules, now Instant) (result Result) {
	p.each(rules, now, func(*Calendar) {})
	result.Moved = p.moveBookings(rules, now, p.Calendars...)
	result.Changed = result.Moved > 0
	return result
}

// SetMark disables or enables a key, or notes that upstream calls it invalid.
// A nil field stays as it is.
type SetMark struct {
	Key      string // fingerprint
	Disabled *bool
	Invalid  *string // upstream's reason; empty: valid again
}

func (s SetMark) apply(p *Project, _ *Rules, _ Instant) Result {
	before := p.Mark(s.Key)
	m := before
	if s.Disabled != nil {
		m.Disabled = *s.Disabled
	}
	if s.Invalid != nil {
		m.Invalid = *s.Invalid
	}
	if m == before {
		return Result{}
	}
	p.Marks = slices.DeleteFunc(slices.Clone(p.Marks), func(x Mark) bool { return x.Key == s.Key })
	if m.Disabled || m.Invalid != "" {
		p.Marks = append(p.Marks, m)
	}
	for len(p.Marks) > MaxMarks {
		// An invalid key makes itself known again; the operator's word doesn't.
		i := max(0, slices.IndexFunc(p.Marks, func(x Mark) bool { return !x.Disabled }))
		p.Marks = slices.Delete(p.Marks, i, i+1)
	}
	return Result{Changed: true}
}

// ShareWaitlist adds entries to the project's waitlist, so that other instances
// recognise these callers when they return, and has them know who waits.
type ShareWaitlist struct {
	Entries []Waitlisted
	Waiters []Waiter
}

func (x ShareWaitlist) apply(p *Project, rules *Rules, now Instant) Result {
	if len(x.Entries) == 0 && len(x.Waiters) == 0 {
		return Result{}
	}
	p.Waiters = Waiting(p.Waiters, x.Waiters, now)
	kept := slices.DeleteFunc(slices.Clone(p.Waitlist), func(o Waitlisted) bool {
		return now > o.Until(rules) || slices.ContainsFunc(x.Entries, func(n Waitlisted) bool { return n.Hash == o.Hash })
	})
	p.Waitlist = append(kept, x.Entries...)
	if n := len(p.Waitlist) - MaxWaitlist; n > 0 {
		p.Waitlist = p.Waitlist[n:]
	}
	return Result{Changed: true, Rides: len(x.Entries) == 0}
}
