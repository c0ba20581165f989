package turns

import (
	"slices"

	"fluxgate.dev/fluxgate/scheduler"
)

// Turns are all contests of one request for a model.
type Turns struct {
	Model string
	of    []*Contest // that of the model is the first
}

// Turns returns the contests of a request for a model that weighs so much on it, and that beside it.
func (b *Book) Turns(in Setting, who Asker, model string, weighs scheduler.Demand, also []scheduler.Weight) *Turns {
	t := &Turns{Model: model, of: []*Contest{b.contest(in, who, model, weighs)}}
	for i := range also {
		if w := &also[i]; Shared(model, w) && Limited(in, w.On) && !t.has(w.On) {
			t.of = append(t.of, b.contest(in, who, w.On, w.Demand))
		}
	}
	return t
}

// Shared reports whether what a request for a model weighs beside it is on a calendar that requests for other models weigh on too.
func Shared(model string, w *scheduler.Weight) bool {
	return w.On != model && scheduler.OfSeveralModels(w.On)
}

// Limited reports whether anything is known to be limited there: nobody waits for what isn't.
func Limited(in Setting, calendar string) bool {
	return slices.ContainsFunc(in.Projects, func(p scheduler.Candidate) bool {
		l := p.State.Calendar(calendar).EffectiveLimits(in.Rules.Of(p.ID), in.Now)
		return l.RPM > 0 || l.TPM > 0 || l.RPD > 0
	})
}

func (t *Turns) has(calendar string) bool { return t.find(calendar) != nil }

func (t *Turns) find(calendar string) *Contest {
	for _, k := range t.of {
		if k.Calendar == calendar {
			return k
		}
	}
	return nil
}

// Contested reports whether others wait for one of the calendars, or were served there lately.
func (t *Turns) Contested() bool {
	return slices.ContainsFunc(t.of, func(k *Contest) bool { return !k.Alone() })
}

// On returns the contest that matters to a request which waits for a calendar; empty: its model's. It is
// that one, unless nobody else waits there.
func (t *Turns) On(calendar string) *Contest {
	if k := t.find(calendar); k != nil && !k.Alone() {
		return k
	}
	for _, k := range t.of {
		if !k.Alone() {
			return k
		}
	}
	return t.of[0]
}

// Level is where the caller begins on the model, to be kept with what it is served.
func (t *Turns) Level() int64 { return t.of[0].Level(t.of[0].Mine) }

// Levels are where it begins on the others for which somebody else waits.
func (t *Turns) Levels() (all []scheduler.Level) {
	for _, k := range t.of[1:] {
		if !k.Alone() {
			all = append(all, scheduler.Level{On: k.Calendar, Level: k.Level(k.Mine)})
		}
	}
	return all
}

// First returns the promises that keep the request from going now, though it has room.
func (t *Turns) First(now scheduler.Instant) func(project, calendar string) []scheduler.Booking {
	return t.slots(func(k *Contest) func(number int) bool { return k.first(now) })
}

// Before returns the promises that have their turn before the request.
func (t *Turns) Before() func(project, calendar string) []scheduler.Booking {
	return t.slots((*Contest).before)
}

// Tomorrow returns the promises that are before a request that is told of another day; see [waitlist.Line].
func (t *Turns) Tomorrow(weight func(caller uint32) int64) func(project, calendar string) []scheduler.Booking {
	return t.slots(func(k *Contest) func(number int) bool { return k.line.Tomorrow(k.Mine, weight) })
}

// slots returns the promises that match on each of the calendars, and on those that only requests for the model weigh
// on those that match on the model's.
func (t *Turns) slots(match func(*Contest) func(number int) bool) func(project, calendar string) []scheduler.Booking {
	matches := make([]func(int) bool, len(t.of))
	for i, k := range t.of {
		if matches[i] = match(k); i > 0 {
			matches[i] = k.forWantOf(matches[i])
		}
	}
	return func(project, calendar string) []scheduler.Booking {
		for i, k := range t.of {
			if k.Calendar == calendar {
				return k.slots(matches[i], project)
			}
		}
		return t.of[0].beside(matches[0], project, calendar)
	}
}
