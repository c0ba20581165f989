package merge

import (
	"cmp"
	"slices"

	"fluxgate.dev/fluxgate/scheduler"
)

// Projects returns the union of what was durable, as far as is known, and of what was
// found in its place; nil: nothing. Bookings that no longer fit beside what is in both
// are not moved. Neither argument is changed.
func Projects(known, found *scheduler.Project) *scheduler.Project {
	switch {
	case known == nil:
		return found
	case found == nil:
		return known
	}
	next := *known
	next.Latest = max(known.Latest, found.Latest)
	next.NextRank = max(known.NextRank, found.NextRank)
	next.Moved = max(known.Moved, found.Moved)
	next.Epoch = max(known.Epoch, found.Epoch)
	unrelated := !slices.ContainsFunc(known.Writers, func(w scheduler.Writer) bool { return knows(found, w.Instance) })
	j := &calendars{since: known.Latest, unrelated: unrelated}
	j.ranks, next.NextRank = ranks(known, found, next.NextRank)
	j.projects(&next, known, found)
	next.Marks = marks(known.Marks, found.Marks)
	next.Waitlist = last(slices.Concat(known.Waitlist, slices.DeleteFunc(slices.Clone(found.Waitlist), func(x scheduler.Waitlisted) bool {
		return slices.Contains(known.Waitlist, x)
	})), scheduler.MaxWaitlist)
	next.Writers = writers(known.Writers, found.Writers)
	next.Services = services(known.Services, found.Services)
	next.Waiters = scheduler.Waiting(known.Waiters, found.Waiters, next.Latest)
	next.Totals = totals(known.Totals, found.Totals, unrelated)
	next.Unsure = scheduler.Unsure{At: max(known.Unsure.At, found.Unsure.At), Requests: max(known.Unsure.Requests, found.Unsure.Requests)}
	for _, c := range next.Calendars {
		if !scheduler.IsModel(c.Model) {
			c.Unsure = next.Unsure
		}
	}
	return &next
}

// last returns the last n.
func last[T any](all []T, n int) []T { return all[max(0, len(all)-n):] }

// ranks returns ranks for the bookings that only the found state has, behind all that
// are known and in the order that they have, and the next one.
func ranks(known, found *scheduler.Project, next uint64) (map[uint64]uint64, uint64) {
	var only []scheduler.Booking
	for _, c := range found.Calendars {
		for _, b := range c.Bookings {
			if !slices.ContainsFunc(only, func(x scheduler.Booking) bool { return x.ID == b.ID }) && !booked(known, b.ID) {
				only = append(only, b)
			}
		}
	}
	inOrder(only, older)
	all := make(map[uint64]uint64, len(only))
	for _, b := range only {
		all[b.ID] = next
		next++
	}
	return all, next
}

func booked(p *scheduler.Project, id uint64) bool {
	return slices.ContainsFunc(p.Calendars, func(c *scheduler.Calendar) bool {
		return slices.ContainsFunc(c.Bookings, func(b scheduler.Booking) bool { return b.ID == id })
	})
}

// projects joins the calendars, and what is kept of those that gave up their places.
func (j *calendars) projects(next, known, found *scheduler.Project) {
	next.Calendars, next.Idle = nil, nil
	next.Forgotten = known.Forgotten.Later(found.Forgotten)
	for _, k := range known.Calendars {
		next.Calendars = append(next.Calendars, j.join(k, one(found, k.Model)))
	}
	for _, f := range found.Calendars {
		if !known.Has(f.Model) {
			next.Calendars = append(next.Calendars, j.join(one(known, f.Model), f))
		}
	}
	placed := func(x scheduler.Idle) bool {
		return slices.ContainsFunc(next.Calendars, func(c *scheduler.Calendar) bool { return scheduler.NameOf(c.Model) == x.Name })
	}
	for _, x := range slices.Concat(known.Idle, found.Idle) {
		i := slices.IndexFunc(next.Idle, func(y scheduler.Idle) bool { return y.Name == x.Name })
		switch {
		case placed(x):
		case i < 0:
			next.Idle = append(next.Idle, x)
		default:
			next.Idle[i] = scheduler.IdleOf(j.join(next.Idle[i].Calendar(""), x.Calendar("")))
			next.Idle[i].Name = x.Name
		}
	}
	bound(next)
}

// bound keeps to what a project may keep: what is left over is kept as of calendars
// without a place, and closed until nothing of it can count any more.
func bound(p *scheduler.Project) {
	models, others := 0, 0
	p.Calendars = slices.DeleteFunc(p.Calendars, func(c *scheduler.Calendar) bool {
		n, most := &models, scheduler.MaxModels
		if !scheduler.IsModel(c.Model) {
			n, most = &others, scheduler.MaxOthers
		}
		if *n++; *n <= most {
			return false
		}
		for _, r := range c.Sent {
			c.Block = closed(c.Block, r.End)
		}
		for _, x := range c.Folded {
			c.Block = closed(c.Block, x.End)
		}
		p.Idle = append(p.Idle, scheduler.IdleOf(c))
		return true
	})
	p.BoundIdle(p.Latest)
}

// closed returns a block that lasts until an instant at least.
func closed(b scheduler.Block, until scheduler.Instant) scheduler.Block {
	if until > b.Until {
		return scheduler.Block{Until: until, Cause: scheduler.ByRPM, Strikes: b.Strikes}
	}
	return b
}

// one returns a project's calendar of a name, for change of its own; what is kept of
// one without a place, else an empty one.
func one(p *scheduler.Project, model string) *scheduler.Calendar {
	for _, c := range p.Calendars {
		if c.Model == model {
			return c
		}
	}
	for _, x := range p.Idle {
		if x.Name == scheduler.NameOf(model) {
			return x.Calendar(model)
		}
	}
	return &scheduler.Calendar{Model: model}
}

// marks returns the union: a key is disabled or invalid that is so in either.
func marks(known, found []scheduler.Mark) []scheduler.Mark {
	all := slices.Clone(known)
	for _, m := range found {
		i := slices.IndexFunc(all, func(x scheduler.Mark) bool { return x.Key == m.Key })
		if i < 0 {
			all = append(all, m)
			continue
		}
		all[i].Disabled, all[i].Invalid = all[i].Disabled || m.Disabled, cmp.Or(m.Invalid, all[i].Invalid)
	}
	inOrder(all, func(a, b *scheduler.Mark) bool { return !a.Disabled && b.Disabled }) // an invalid key makes itself known again
	return last(all, scheduler.MaxMarks)
}

// writers returns the last commits that either knows, those of the found state last.
func writers(known, found []scheduler.Writer) []scheduler.Writer {
	all := slices.DeleteFunc(slices.Clone(known), func(w scheduler.Writer) bool {
		return slices.ContainsFunc(found, func(x scheduler.Writer) bool { return x.Instance == w.Instance })
	})
	for _, w := range found {
		for _, k := range known {
			if k.Instance == w.Instance {
				w.Seq = max(w.Seq, k.Seq)
			}
		}
		all = append(all, w)
	}
	return last(all, scheduler.MaxWriters)
}

// services returns what either knows that callers were served; of one that both know the
// more. Those of the found state are the last.
func services(known, found []scheduler.Service) []scheduler.Service {
	all := slices.DeleteFunc(slices.Clone(known), func(k scheduler.Service) bool { return service(found, k) >= 0 })
	for _, x := range found {
		if i := service(known, x); i >= 0 {
			k := known[i]
			x.Requests, x.Tokens, x.Level, x.At = max(x.Requests, k.Requests), max(x.Tokens, k.Tokens), max(x.Level, k.Level), max(x.At, k.At)
		}
		all = append(all, x)
	}
	return last(all, scheduler.MaxServices)
}

func service(all []scheduler.Service, of scheduler.Service) int {
	return slices.IndexFunc(all, func(x scheduler.Service) bool { return x.Model == of.Model && x.Caller == of.Caller })
}

// totals returns what was counted of the later day. Nothing is decided by it.
func totals(known, found scheduler.Totals, unrelated bool) scheduler.Totals {
	if known.Day != found.Day {
		if known.Day > found.Day {
			return known
		}
		return found
	}
	join := func(a, b int64) int64 {
		if unrelated {
			return a + b
		}
		return max(a, b)
	}
	next := known
	next.Reads, next.Writes = join(known.Reads, found.Reads), join(known.Writes, found.Writes)
	next.Callers = slices.Clone(known.Callers)
	for _, x := range found.Callers {
		i := slices.IndexFunc(next.Callers, func(k scheduler.CallerTotal) bool { return k.Caller == x.Caller })
		switch {
		case i >= 0:
			k := &next.Callers[i]
			k.Requests, k.Tokens = join(k.Requests, x.Requests), join(k.Tokens, x.Tokens)
		case len(next.Callers) < scheduler.MaxCallers:
			next.Callers = append(next.Callers, x)
		}
	}
	next.Failures = slices.Clone(known.Failures)
	for _, x := range found.Failures {
		i := slices.IndexFunc(next.Failures, func(k scheduler.FailureTotal) bool { return k.Class == x.Class })
		switch {
		case i >= 0:
			next.Failures[i].N = join(next.Failures[i].N, x.N)
		case len(next.Failures) < scheduler.MaxFailures:
			next.Failures = append(next.Failures, x)
		}
	}
	return next
}
