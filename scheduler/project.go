package scheduler

import (
	"slices"
	"time"

	"fluxgate.dev/fluxgate/scheduler/limits"
)

// What a project keeps. The numbers bound the document that holds it.
const (
	MaxModels          = 16 // calendars of models per project
	MaxOthers          = 8  // other calendars per project
	MaxBookings        = 64 // bookings per project
	MaxBookingsPerHash = 8  // bookings per request hash
	MaxWaitlist        = 64 // entries of the waitlist that instances share
	MaxWriters         = 8  // instances whose last commit can be recognised
	MaxMarks           = 16 // keys marked disabled or invalid

	// waitlistFor is for how long after its start such an entry is kept, if not for the hold: half as long as
	// most are told to wait, for there are clients that come at any time until then.
	waitlistFor = Window / 2
	// MaxAhead is how far in the future a slot is kept.
	MaxAhead = 10 * time.Minute
)

// A Project is all that is known about one Google Cloud project, the unit that
// Google limits. It is what one storage document holds.
//
// A Project that has been handed out is never changed: Apply returns a new one
// that shares what did not change. So a *Project can be read by any number of
// goroutines.
type Project struct {
	// Latest is the instant of the last change. Decisions never go back behind
	// it, so a clock that runs backwards is harmless.
	Latest    Instant
	NextRank  uint64
	Calendars []*Calendar // in order of first use
	Marks     []Mark
	Waitlist  []Waitlisted
	Writers   []Writer
	Moved     int64 // promises moved since the document was made
	Totals    Totals
	Services  []Service // in the order in which they were last used
	Waiters   []Waiter  // in the order in which they were told

	// Idle are the calendars that gave up their places to others; Forgotten counts for
	// those of which nothing is kept one by one.
	Idle      []Idle
	Forgotten DayCount
	// Unsure is what another build may have used of calendars that aren't a model's.
	Unsure Unsure
	// Epoch tells which settings of the deployment are the newest that who wrote it last
	// knew of: they grow with every change. 0: none. No decision here depends on it.
	Epoch int64

	// Unreadable says why the stored state can't be read; empty: it can. Nothing
	// fits in a project whose state isn't known, none of its keys is usable, and no
	// change applies to it. It isn't stored.
	Unreadable string
}

// A Mark says that a key of the project is not to be used.
type Mark struct {
	Key      string // fingerprint
	Disabled bool   // by the operator
	Invalid  string // upstream's reason; empty: not known to be invalid
}

// A Waitlisted caller was told a start by one instance, which kept nothing for
// it; by its entry another instance recognises it when it comes back.
type Waitlisted struct {
	Hash  uint32 // short hash of the request
	Start Instant
}

// Until returns until when an entry is kept.
func (w Waitlisted) Until(rules *Rules) Instant { return w.Start.Add(max(rules.Hold, waitlistFor)) }

// A Writer is the last commit of an instance: by it a commit whose reply was
// lost is recognised, and commits of others are noticed.
type Writer struct {
	Instance uint32
	Seq      uint64
}

// Calendar returns the calendar of a model: an empty one if nothing is known.
func (p *Project) Calendar(model string) *Calendar {
	if c := p.find(model); c != nil {
		return c
	}
	return p.comeBack(model)
}

// Has reports whether the project has a calendar of that name, in its place.
func (p *Project) Has(name string) bool { return p.find(name) != nil }

// find returns the calendar of that name, or nil if the project has none in its place.
func (p *Project) find(name string) *Calendar {
	if p != nil {
		for _, c := range p.Calendars {
			if c.Model == name {
				return c
			}
		}
	}
	return nil
}

// known returns what is kept of a calendar, in its place or not; nil: nothing.
func (p *Project) known(name string) *Calendar {
	c := p.find(name)
	if c == nil && p != nil && p.idle(name) >= 0 {
		c = p.comeBack(name)
	}
	return c
}

// Mark returns what is marked for the key with that fingerprint.
func (p *Project) Mark(key string) Mark {
	if p != nil {
		for _, m := range p.Marks {
			if m.Key == key {
				return m
			}
		}
	}
	return Mark{Key: key}
}

// Usable reports whether the key with that fingerprint may be used.
func (p *Project) Usable(key string) bool {
	m := p.Mark(key)
	return !m.Disabled && m.Invalid == "" && !p.unreadable()
}

func (p *Project) unreadable() bool { return p != nil && p.Unreadable != "" }

// Booking returns the booking with that ID and the model it is for.
func (p *Project) Booking(id uint64) (model string, b Booking, ok bool) {
	if p == nil || id == 0 {
		return "", Booking{}, false
	}
	for _, c := range p.Calendars {
		if !IsModel(c.Model) {
			continue
		}
		for _, b := range c.Bookings {
			if b.ID == id {
				return c.Model, b, true
			}
		}
	}
	return "", Booking{}, false
}

// WroteLast returns the sequence number of an instance's last known commit.
func (p *Project) WroteLast(instance uint32) uint64 {
	if p != nil {
		for _, w := range p.Writers {
			if w.Instance == instance {
				return w.Seq
			}
		}
	}
	return 0
}

// Wrote returns the project with the commit noted as the instance's last.
func (p *Project) Wrote(instance uint32, seq uint64) *Project {
	next := p.clone()
	next.Writers = slices.DeleteFunc(slices.Clone(next.Writers), func(w Writer) bool { return w.Instance == instance })
	next.Writers = append(next.Writers, Writer{instance, seq})
	if n := len(next.Writers) - MaxWriters; n > 0 {
		next.Writers = next.Writers[n:]
	}
	return next
}

// Compact returns a project in which nothing is kept that no longer counts, and
// of which less is kept exactly: at most n sent requests a calendar, and of
// MaxOpen*n/MaxExact a project that they are on their way; the ends of the others are
// rounded up to whole multiples of grain, if that is more than they are anyway, and summed.
// A store calls it when a document would grow beyond its bound.
func (p *Project) Compact(rules *Rules, now Instant, n int, grain time.Duration) *Project {
	next := p.clone()
	next.Latest = max(now, next.Latest)
	open := next.openEach(MaxOpen * n / MaxExact)
	for i, c := range next.Calendars {
		t := c.Terms(rules, next.Latest)
		if n < MaxExact {
			t = t.Forgetting()
		}
		rounded := len(c.Folded) == 0 || IsModel(c.Model) && grain <= time.Second
		if rounded && len(c.Sent) <= n && len(c.Open) <= open && !c.Expires(&t, next.Latest) {
			continue // it stays as it is, as most do
		}
		c = c.Clone()
		c.Expire(t, next.Latest)
		c.Fold(t, n)
		c.Open = slices.Clip(c.Open[max(0, len(c.Open)-open):])
		c.Coarsen(t, millis(grain))
		next.Calendars[i] = c
	}
	return next
}

// openEach returns of how many reservations each calendar may know that they are on
// their way, so that the project knows it of at most so many.
func (p *Project) openEach(most int) int {
	each := MaxOpen
	for {
		all := 0
		for _, c := range p.Calendars {
			all += min(len(c.Open), each)
		}
		if all <= most {
			return each
		}
		each = each * 3 / 4
	}
}

// clone returns the project for change, with a list of calendars of its own.
func (p *Project) clone() *Project {
	if p == nil {
		return &Project{NextRank: 1}
	}
	next := &struct { // at once, for most changes take little longer than what they allocate
		Project
		calendars [6]*Calendar
	}{Project: *p}
	if next.Calendars = nil; len(p.Calendars) > 0 { // none may have room that others append to
		next.Calendars = append(next.calendars[:0], p.Calendars...)
	}
	return &next.Project
}

// room reports whether the project has a calendar for the model or can have one.
func (p *Project) room(rules *Rules, now Instant, model string) bool {
	if p.unreadable() {
		return false
	}
	if p == nil || p.Has(model) {
		return true
	}
	_, ok := p.place(rules, now, model)
	return ok
}

// edit returns the calendar of a model for change, made new if need be, and what it decides
// by; nil when there is no place for it. Those that are edited already keep theirs.
func (p *Project) edit(rules *Rules, now Instant, model string, edited ...side) (*Calendar, Terms) {
	for i, c := range p.Calendars {
		if c.Model == model {
			c = c.Clone()
			t := c.Terms(rules, now)
			c.Expire(t, now)
			p.Calendars[i] = c
			return c, t
		}
	}
	victim, ok := p.place(rules, now, model, edited...)
	if !ok {
		return nil, Terms{}
	}
	c := p.comeBack(model)
	p.begin(rules, now, c)
	if i := p.idle(model); i >= 0 {
		p.Idle = slices.Concat(p.Idle[:i], p.Idle[i+1:])
	}
	if victim >= 0 {
		p.giveUp(rules, now, victim)
	}
	p.Calendars = append(p.Calendars, c)
	return c, c.Terms(rules, now)
}

// begin has a calendar that gets a place begin with what may count on it, if nothing does yet.
func (p *Project) begin(rules *Rules, now Instant, c *Calendar) {
	switch {
	case IsModel(c.Model):
	case rules.Limited(c.Model):
		p.beginAs(rules, now, c)
	case p != nil && len(c.Days) == 0 && p.idle(c.Model) >= 0 && limits.OfOther(c.Model): // it had none since its limits are known
		p.beginAs(rules, now, c)
		held, _ := rules.Within(c.Model, c.EffectiveLimits(rules, now))
		c.Held(c.Terms(rules, now), now, held)
	}
}

// beginAs has a calendar of what is sent to a model, or is under way, begin with what was sent before anybody knew of its
// limits, where nothing is on it.
func (p *Project) beginAs(rules *Rules, now Instant, c *Calendar) {
	model, ok := limits.CountsSent(c.Model)
	if !ok {
		model, ok = limits.CountsOpen(c.Model)
	}
	if ok {
		if of := p.find(model); of != nil {
			c.Begin(c.Terms(rules, now), now, of, of.Terms(rules, now))
		}
	}
}

// each calls f with every calendar, for change.
func (p *Project) each(rules *Rules, now Instant, f func(*Calendar)) {
	for i := range p.Calendars {
		c := p.Calendars[i].Clone()
		c.Expire(c.Terms(rules, now), now)
		p.Calendars[i] = c
		f(c)
	}
}

// full reports whether no further booking may be made: for the project, or for
// the request. Bookings whose hold is over make room for others. What is edited are
// calendars that edit has returned.
func (p *Project) full(rules *Rules, now Instant, edited []side, hash uint64) bool {
	live, over, same := 0, 0, 0
	for _, c := range p.Calendars {
		t := c.Terms(rules, now)
		for i := range c.Bookings {
			switch b := &c.Bookings[i]; {
			case t.Expired(b, now):
				over++
			case hash != 0 && b.Hash == hash:
				live, same = live+1, same+1
			default:
				live++
			}
		}
	}
	if over > 0 && live+over >= MaxBookings {
		for i, c := range p.Calendars {
			if !slices.ContainsFunc(edited, func(x side) bool { return x.c == c }) {
				c = c.Clone()
				p.Calendars[i] = c
			}
			t := c.Terms(rules, now)
			c.DropBookings(func(b *Booking) bool { return t.Expired(b, now) })
		}
	}
	return live >= MaxBookings || same >= MaxBookingsPerHash
}
