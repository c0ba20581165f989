package weights

import (
	"slices"
	"time"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/dispatch/pool"
	"fluxgate.dev/fluxgate/internal/sharing"
	"fluxgate.dev/fluxgate/scheduler"
)

// A Sharing is what is known of the models of a request when it is planned.
type Sharing struct {
	Models []string // by the names they are asked for
	Asked  admission.Asked
	shared sharing.Table        // nil: none of them is another's than Gemini's
	pool   *pool.Pool           // that it may go to
	states []*scheduler.Project // of the pool's projects
	now    scheduler.Instant
}

// Shared returns what says by which name a model is counted whose requests are like this one; nil,
// as for one to Gemini: each by its own.
func (b *Book) Shared(r *Request) func(model string) string {
	if r == nil {
		return nil
	}
	kind := sharing.Kind{Fast: r.Fast, Input: r.Likely}
	return func(model string) string { return b.shared.Counted(model, kind) }
}

// Sharing returns what is known of a request's models. One that isn't to be had anywhere is left out where another
// follows that shares its limits, for of those that do only the first is planned for. The projects are viewed only where
// a model is counted by another name, or others by its own.
func (b *Book) Sharing(s *admission.Snapshot, models []string, r *Request, p *pool.Pool, view func() ([]*scheduler.Project, error), now scheduler.Instant) Sharing {
	out, shared := Sharing{Models: models, shared: b.shared, pool: p, now: now}, b.Shared(r)
	if _, asked := s.Counted(models, shared); asked != nil || slices.ContainsFunc(models, func(model string) bool { return b.Itself(model) != model }) {
		out.states, _ = view() // what isn't known counts as none
	}
	for i, model := range models {
		if shared != nil && slices.ContainsFunc(models[i+1:], func(next string) bool { return shared(next) == shared(model) }) && out.nowhere(model) {
			out.Models = slices.DeleteFunc(slices.Clone(out.Models), func(m string) bool { return m == model })
		}
	}
	_, out.Asked = s.Counted(out.Models, shared)
	return out
}

// nowhere reports whether a model isn't to be had on any project, by its own name.
func (s Sharing) nowhere(asked string) bool {
	serves := s.pool.Serves()
	for i := range s.states {
		if (serves == nil || serves(s.pool.Projects[i].ID, asked)) && !s.lacks(i, asked) {
			return false
		}
	}
	return len(s.states) > 0
}

// lacks reports whether a project, the i-th, doesn't have a model, by its own name, as far as is known.
func (s Sharing) lacks(i int, asked string) bool {
	return i >= 0 && i < len(s.states) && s.states[i].Calendar(s.shared.Itself(asked)).Block.Unavailable(s.now)
}

// Serves returns what reports whether a project has a model, by its provider and by the name that it is asked for:
// those that share its limits may be there without it. Nil: each has all.
func (s Sharing) Serves(p *pool.Pool) func(project, model string) bool {
	serves := p.Serves()
	if s.shared == nil {
		return serves
	}
	return func(project, model string) bool {
		if serves != nil && !serves(project, model) {
			return false
		}
		asked := s.Asked.Of(model)
		return s.shared.Itself(asked) == model || scheduler.FamilyOf(asked) != scheduler.Foreign ||
			!s.lacks(slices.IndexFunc(s.pool.Projects, func(x admission.Project) bool { return x.ID == project }), asked)
	}
}

// AskedAs returns the name by which a model is asked for that requests for some are counted as.
func (b *Book) AskedAs(s *admission.Snapshot, models []string, r *Request, counted string) string {
	if r == nil {
		return counted
	}
	_, asked := s.Counted(models, b.Shared(r))
	return asked.Of(counted)
}

// Refused returns the name by which it is kept that a model isn't to be had which a request was
// granted: its own, so that those that share its limits are none the worse. Of a mode that has limits of its own it is
// that of the mode.
func (b *Book) Refused(grant *admission.Grant) string {
	if b.shared.Counted(grant.Asked, sharing.Kind{}) == grant.Model {
		return b.Itself(grant.Asked)
	}
	return grant.Model
}

// Itself returns the name by which it is kept that a model isn't to be had.
func (b *Book) Itself(asked string) string { return b.shared.Itself(asked) }

// usedAlone is how long after a limit of a model alone was learned, which shares its limits with others, it is taken
// to be in use: builds before this one learn it anew each day.
const usedAlone = 25 * time.Hour

// alone reports whether some project has a calendar of a model's own name in use, though it is counted by another: by
// a build that doesn't know that. It has learned limits there lately; or an operator has named some, so that there is nothing to
// learn, and something counts there, or on what that build counts beside it.
func (s Sharing) alone(rules *scheduler.Rules, asked string, beside []scheduler.Weight) bool {
	for i, p := range s.states {
		learned, own := p.Calendar(asked).Learned, rules.Of(s.pool.Projects[i].ID)
		for _, l := range [2]scheduler.LearnedLimit{learned.RPM, learned.TPM} {
			if l.Limit > 0 && s.now.Sub(l.At) < usedAlone {
				return true
			}
		}
		l := own.EffectiveLimits(asked)
		named := !l.RPMFrom.Start() || !l.TPMFrom.Start() || !l.RPDFrom.Start()
		inUse := func(on string) bool { return p.Has(on) && !p.Calendar(on).Vacant(own, s.now) }
		if named && inUse(asked) || slices.ContainsFunc(beside, func(x scheduler.Weight) bool { return own.Limited(x.On) && inUse(x.On) }) {
			return true
		}
	}
	return false
}

// With returns what a request weighs beside a model's calendar, and on the calendars of the name that it is asked for, where a
// build beside this one counts it there: so both together keep to the limit. Those are kept as long as they are
// known, and are told nothing any more.
func (b *Book) With(s Sharing, rules *scheduler.Rules, model string, demand scheduler.Demand, r Request) []scheduler.Weight {
	asked := s.Asked.Of(model)
	all := b.Also(rules, model, asked, demand, r)
	if model == asked || b.shared.Counted(asked, sharing.Kind{}) != model || !slices.ContainsFunc(s.states, func(p *scheduler.Project) bool { return p.Has(asked) }) {
		return all
	}
	own := b.Also(rules, asked, asked, demand, r)
	if !s.alone(rules, asked, own) {
		return all
	}
	own = append(own, scheduler.Weight{On: asked, Demand: demand})
	for i := range own {
		own[i].IfKnown = true
	}
	return append(all, own...)
}
