package scheduler

import "fluxgate.dev/fluxgate/scheduler/limits"

// Spec is [limits.Spec], and OfProject the calendar of all that a project does.
type Spec = limits.Spec

// OfProject is [limits.OfProject].
const OfProject = limits.OfProject

// OfFeature is [limits.OfFeature].
func OfFeature(model, feature string) string { return limits.OfFeature(model, feature) }

// OfOutputs is [limits.OfOutputs].
func OfOutputs(model string) string { return limits.OfOutputs(model) }

// NameOfCalendar is [limits.NameOfCalendar].
func NameOfCalendar(name string) string { return limits.NameOfCalendar(name) }

// IsModel is [limits.IsModel].
func IsModel(name string) bool { return limits.IsModel(name) }

// limits returns the limits of a calendar on which nothing was learned.
func (r *Rules) limits(name string) EffectiveLimits {
	if IsModel(name) {
		return r.Policy.EffectiveLimits(name)
	}
	return r.spec(name).EffectiveLimits
}

// spec returns what a calendar counts that isn't a model's: nobody's limits are none.
func (r *Rules) spec(name string) Spec {
	s, ok := r.Specs[name]
	if !ok {
		s.Limits, s.RPMFrom, s.TPMFrom, s.RPDFrom = Limits{RPM: Unlimited, TPM: Unlimited, RPD: Unlimited}, FromDefault, FromDefault, FromDefault
	}
	if s.Window <= 0 {
		s.Window = Window
	}
	return s
}

// An Unsure is what may have been used of every calendar that isn't a model's, and
// isn't known: another build wrote last, which doesn't count on them. Until a window
// after it they count as full, and on its day as used so many times more.
type Unsure struct {
	At       Instant // 0: nothing
	Requests int64
}
