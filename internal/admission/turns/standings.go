package turns

import (
	"slices"
	"sync"

	"fluxgate.dev/fluxgate/internal/admission/fair"
	"fluxgate.dev/fluxgate/internal/admission/ticket"
	"fluxgate.dev/fluxgate/internal/admission/waitlist"
	"fluxgate.dev/fluxgate/scheduler"
)

// A Setting is where a request is decided about, but for the calendar.
type Setting struct {
	Now      scheduler.Instant
	Rules    *scheduler.Rules
	Projects []scheduler.Candidate // that can be used
	List     *waitlist.List
	Weight   func(caller uint32) int64
	Served   *fair.Served
	Held     uint64 // the booking that its caller holds; 0: none
}

// Standings are who waits for a calendar and what each has had, whoever asks. They aren't changed.
type Standings struct {
	All         *fair.Contest // of all that wait, in the eyes of nobody
	line        *waitlist.Line
	tokens, of  int64             // what that many promises weigh, on projects that can be used
	on          []usable          // projects
	open        int               // of these: they take requests now, or none does
	all         bool              // the promises lie on these projects
	price       fair.Price        // by the limits that are in force
	From, until scheduler.Instant // when they are right, if nothing changes
}

// A usable is a project that can be used, as of a look.
type usable struct {
	id    string
	state *scheduler.Project
	// shut says that the calendar is blocked, while that of others isn't: then only what was promised there counts.
	shut bool
}

// A Book keeps the last standings of each calendar, which are right for whoever asks next
// if nothing has changed. It is safe for concurrent use, and its zero value is empty.
type Book struct {
	mu   sync.Mutex
	last map[string]*Standings
}

// maxStandings bounds of how many calendars they are kept.
const maxStandings = 32

// Standings returns who waits for a calendar. With thousands that wait it takes longer than all else
// to gather them, so it is done when others wait, or a project has changed, not for each answer.
func (b *Book) Standings(in Setting, calendar string) *Standings {
	s := &Standings{From: in.Now, on: make([]usable, 0, len(in.Projects))}
	for _, p := range in.Projects {
		x := usable{p.ID, p.State, p.State.Calendar(calendar).Block.Until > in.Now}
		if s.on = append(s.on, x); !x.shut {
			s.open++
		}
	}
	if s.open == 0 {
		for i := range s.on {
			s.on[i].shut = false
		}
		s.open = len(s.on)
	}
	for _, x := range s.on {
		if !x.shut {
			s.price.Add(x.state.Calendar(calendar).EffectiveLimits(in.Rules.Of(x.id), in.Now).Limits)
		}
	}
	s.line = in.List.WaitingFor(calendar, in.Now)
	b.mu.Lock()
	last := b.last[calendar]
	b.mu.Unlock()
	if last != nil && in.Held == 0 && last.holds(s, in.Now) {
		if last.line == s.line {
			return last
		}
		next := *last
		next.line = s.line
		s = &next
	} else {
		s.gather(in, calendar)
	}
	if in.Held == 0 {
		b.keep(calendar, s)
	}
	return s
}

func (b *Book) keep(calendar string, s *Standings) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last == nil || len(b.last) >= maxStandings {
		b.last = make(map[string]*Standings)
	}
	b.last[calendar] = s
}

// holds reports whether standings are those of another line, projects and price too, but for where
// the promises lie.
func (s *Standings) holds(now *Standings, at scheduler.Instant) bool {
	return s.From <= at && at < s.until && s.price == now.price && slices.Equal(s.on, now.on) &&
		(s.line == now.line || s.all && s.line.Of == now.line.Of && now.line.Within(s.has))
}

// gather completes standings of which line, projects and price are known.
func (s *Standings) gather(in Setting, calendar string) {
	k := fair.New(in.Now, in.Weight)
	k.Price = s.price
	k.Expect(len(s.line.Promises))
	s.All, s.all, s.until = k, s.line.Within(s.has), scheduler.Never
	name := scheduler.NameOf(calendar)
	for _, x := range s.on {
		if x.state == nil || x.shut {
			continue
		}
		for _, y := range x.state.Services {
			if y.Model == name {
				k.Serve(y)
			}
		}
		s.until = min(s.until, k.Elsewhere(x.state.Waiters, name))
		for _, b := range x.state.Calendar(calendar).Bookings {
			id, until := x.state.BookingID(calendar, &b), b.Until(in.Rules)
			if id != in.Held && in.Now <= until {
				k.Book(fair.Slot{Caller: ticket.CallerOf(id), Cost: cost(k, b.Demand), Since: b.Since, Began: fair.Unknown})
				s.until = min(s.until, until+1)
			}
		}
	}
	for i, p := range s.line.Promises {
		if !s.all && !s.has(p.At.Project) {
			k.Skip()
			continue
		}
		d, began := s.line.Demand(i), p.Began
		if began != 0 && p.Turn != calendar {
			began = fair.Unknown // what it had had is told in the costs of another
		}
		k.Promise(fair.Slot{Caller: p.Tag, Cost: cost(k, d), Since: p.Since, Order: p.Order, Began: began})
		s.tokens, s.of = s.tokens+d.Tokens, s.of+1
	}
	k.Weigh(in.Served, name)
	s.until = min(s.until, k.Until())
}

// has reports whether a project is one of them.
func (s *Standings) has(project string) bool {
	return slices.ContainsFunc(s.on, func(x usable) bool { return x.id == project })
}

// average is how many tokens they have on average that wait, but for one.
func (s *Standings) average(but *waitlist.Promise) int64 {
	tokens, of := s.tokens, s.of
	if but != nil && s.has(but.At.Project) {
		if i, ok := s.line.Number(but); ok {
			tokens, of = tokens-s.line.Demand(i).Tokens, of-1
		}
	}
	return tokens / max(1, of)
}

// cost is what a request costs. No requests are one, as in a [scheduler.Demand].
func cost(k *fair.Contest, d scheduler.Demand) fair.Cost { return k.Of(max(d.Requests, 1), d.Tokens) }
