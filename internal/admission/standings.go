package admission

import (
	"slices"
	"sync"

	"fluxgate.dev/fluxgate/internal/admission/fair"
	"fluxgate.dev/fluxgate/internal/admission/ticket"
	"fluxgate.dev/fluxgate/internal/admission/waitlist"
	"fluxgate.dev/fluxgate/scheduler"
)

// A standings is who waits for a model and what each has had, whoever asks. It isn't changed.
type standings struct {
	contest     *fair.Contest
	line        *waitlist.Line
	tokens, of  int64             // what that many promises weigh, on projects that can be used
	on          []usable          // projects
	open        int               // of these: they take requests now, or none does
	all         bool              // the promises lie on these projects
	price       fair.Price        // by the limits that are in force
	from, until scheduler.Instant // when it is right, if nothing changes
}

// A usable is a project that can be used, as of a look.
type usable struct {
	id    string
	state *scheduler.Project
	// shut says that its model is blocked, while that of others isn't: then only what was promised there counts.
	shut bool
}

// A standingsOf keeps the last standings of each model, which are right for whoever asks next
// if nothing has changed.
type standingsOf struct {
	mu     sync.Mutex
	last   map[string]*standings
	served fair.Served
}

// maxStandings bounds of how many models they are kept.
const maxStandings = 32

// standings says who waits for a model. With thousands that wait it takes longer than all else
// to gather them, so it is done when others wait, or a project has changed, not for each answer.
func (d *decision) standings(model string, now scheduler.Instant) *standings {
	s := &standings{from: now, on: make([]usable, 0, len(d.ids))}
	for i, state := range d.states {
		if d.usable(i) {
			x := usable{d.ids[i], state, state.Calendar(model).Block.Until > now}
			if s.on = append(s.on, x); !x.shut {
				s.open++
			}
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
			s.price.Add(x.state.Calendar(model).EffectiveLimits(d.rules.Of(x.id), now).Limits)
		}
	}
	s.line = d.c.waitlist.WaitingFor(model, now)
	kept := &d.c.standings
	kept.mu.Lock()
	last := kept.last[model]
	kept.mu.Unlock()
	if last != nil && d.held == 0 && last.holds(s, now) {
		if last.line == s.line {
			return last
		}
		next := *last
		next.line = s.line
		s = &next
	} else {
		d.gather(s, model, now)
	}
	if d.held == 0 {
		kept.mu.Lock()
		if len(kept.last) >= maxStandings {
			clear(kept.last)
		}
		kept.last[model] = s
		kept.mu.Unlock()
	}
	return s
}

// holds reports whether standings are those of another line, projects and price too, but for where
// the promises lie.
func (s *standings) holds(now *standings, at scheduler.Instant) bool {
	return s.from <= at && at < s.until && s.price == now.price && slices.Equal(s.on, now.on) &&
		(s.line == now.line || s.all && s.line.Of == now.line.Of && now.line.Within(s.has))
}

// gather completes standings of which line, projects and price are known.
func (d *decision) gather(s *standings, model string, now scheduler.Instant) {
	k := fair.New(now, d.c.weight)
	k.Price = s.price
	k.Expect(len(s.line.Promises))
	s.contest, s.all, s.until = k, s.line.Within(s.has), scheduler.Never
	name := scheduler.NameOf(model)
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
		for _, b := range x.state.Calendar(model).Bookings {
			if until := b.Until(d.rules); b.ID != d.held && now <= until {
				k.Book(fair.Slot{Caller: ticket.CallerOf(b.ID), Cost: cost(k, b.Demand), Since: b.Since, Began: fair.Unknown})
				s.until = min(s.until, until+1)
			}
		}
	}
	for _, p := range s.line.Promises {
		if !s.all && !s.has(p.At.Project) {
			k.Skip()
			continue
		}
		k.Promise(fair.Slot{Caller: p.Tag, Cost: cost(k, p.Demand), Since: p.Since, Order: p.Order, Began: p.Began})
		s.tokens, s.of = s.tokens+p.Demand.Tokens, s.of+1
	}
	k.Weigh(&d.c.standings.served, name)
	s.until = min(s.until, k.Until())
}

// has reports whether a project is one of them.
func (s *standings) has(project string) bool {
	return slices.ContainsFunc(s.on, func(x usable) bool { return x.id == project })
}

// average is how many tokens they have on average that wait, but for one.
func (s *standings) average(but *waitlist.Promise) int64 {
	tokens, of := s.tokens, s.of
	if but != nil && s.line.Has(but) && s.has(but.At.Project) {
		tokens, of = tokens-but.Demand.Tokens, of-1
	}
	return tokens / max(1, of)
}

// cost is what a request costs. No requests are one, as in a [scheduler.Demand].
func cost(k *fair.Contest, d scheduler.Demand) fair.Cost { return k.Of(max(d.Requests, 1), d.Tokens) }
