package limits

import (
	"cmp"
	"strings"
	"time"
)

// Rules are what every decision about a project is made with.
// They are read only and shared.
type Rules struct {
	Policy *Policy
	// Specs are the limits of calendars that aren't a model's, by name; of a feature of
	// [EachModel] for the models that have none of their own there.
	Specs map[string]Spec
	// Skew lengthens every interval: Google counts a request when it arrives,
	// and its clock is not ours. Default 500 ms.
	Skew time.Duration
	// Hold is how long a booking waits for its holder. Default 5 s.
	Hold time.Duration
	// Projects are the rules of the projects that have others, by ID, and nil in those: see
	// [Rules.Of].
	Projects map[string]*Rules
	// Near is how much later than it was sent a request arrives at a provider, where that is measured, by the provider's
	// name: on windows of less than twenty seconds, of which nobody has named it.
	Near map[string]time.Duration
	// Prefer says which projects are used first where several have room.
	Prefer Preference
}

// Of returns the rules of a project. Whoever decides about a project, or tells of it, does so
// by them; a store and a plan see to that themselves.
func (r *Rules) Of(project string) *Rules {
	if own := r.Projects[project]; own != nil {
		return own
	}
	return r
}

// Prefers reports whether a project is one of those that are used first.
func (r *Rules) Prefers(project string) bool { return r.Prefer.prefers(r.Of(project).Policy.tier) }

// The defaults of Rules.
const (
	DefaultSkew = 500 * time.Millisecond
	DefaultHold = 5 * time.Second
)

// EffectiveLimits returns the limits of a calendar on which nothing was learned.
func (r *Rules) EffectiveLimits(name string) EffectiveLimits {
	if IsModel(name) {
		return r.Policy.EffectiveLimits(name)
	}
	return r.Spec(name).EffectiveLimits
}

// Spec returns what a calendar counts that isn't a model's: nobody's limits are none.
func (r *Rules) Spec(name string) Spec {
	s, ok := r.Specs[name]
	if !ok {
		if model, feature, found := ofFeature(name); found && model != "" {
			s, ok = r.Specs[OfFeature(EachModel, feature)]
		}
	}
	if !ok {
		s, ok = r.besideSpec(name)
	}
	if !ok {
		s.Limits, s.RPMFrom, s.TPMFrom, s.RPDFrom = Limits{RPM: Unlimited, TPM: Unlimited, RPD: Unlimited}, FromDefault, FromDefault, FromDefault
	}
	if s.Window <= 0 {
		s.Window = Window
	}
	if len(r.Near) > 0 && s.Late == 0 {
		s.Late = r.near(name, s)
	}
	return s
}

// Measured reports whether it is measured how late requests arrive that a calendar counts, and nobody has named it.
func (r *Rules) Measured(name string) bool {
	if len(r.Near) == 0 {
		return false
	}
	named := *r
	named.Near = nil
	return named.Spec(name).Late == 0 && r.Spec(name).Late > 0
}

// near returns how much later requests arrive that a calendar counts, where that is measured and makes a difference; 0: not.
func (r *Rules) near(name string, s Spec) time.Duration {
	b, ok := readBeside(name)
	if !ok || b.kind != kindWindow || s.Refill || s.AtATime || s.AtAnswer || s.Window >= Short {
		return 0
	}
	provider, _, _ := strings.Cut(b.model, "/")
	if late := r.Near[provider]; late < r.Skew {
		return late
	}
	return 0
}

// Short is below how long a window more than a fortieth of it would be lost by what a request is taken to arrive late where
// nothing is known, and more than a twentieth by waits that are told in whole seconds.
const Short = 20 * time.Second

// Nearer returns the rules with what is measured of how soon requests arrive.
func (r *Rules) Nearer(near map[string]time.Duration) *Rules {
	if len(near) == 0 {
		return r
	}
	next := *r
	next.Near, next.Projects = near, make(map[string]*Rules, len(r.Projects))
	done := make(map[*Rules]*Rules) // several projects share rules
	for project, own := range r.Projects {
		if done[own] == nil {
			done[own] = own.Nearer(near)
		}
		next.Projects[project] = done[own]
	}
	return &next
}

// Late returns how much later than it was sent a request may arrive, for a calendar.
func (r *Rules) Late(name string) time.Duration {
	if IsModel(name) {
		return r.Skew
	}
	return cmp.Or(r.Spec(name).Late, r.Skew)
}

// besideSpec returns what a calendar beside a model's counts: what is named for each of the
// provider's models, or else, with false, what its name says, whose limits nobody has named.
func (r *Rules) besideSpec(name string) (s Spec, named bool) {
	b, ok := readBeside(name)
	if !ok {
		return s, false
	}
	if s, named = r.Specs[b.forEach()]; !named {
		s = b.spec()
	}
	return s, named
}

// Limited reports whether somebody has named limits of a calendar that isn't a model's.
func (r *Rules) Limited(name string) bool {
	_, ok := r.Specs[name]
	if !ok {
		_, ok = r.besideSpec(name)
	}
	return ok
}
