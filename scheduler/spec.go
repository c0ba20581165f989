package scheduler

import "fluxgate.dev/fluxgate/scheduler/limits"

// Spec is [limits.Spec], Burst [limits.Burst], and OfProject the calendar of all that a
// project does.
type (
	Spec  = limits.Spec
	Burst = limits.Burst
)

// OfProject is [limits.OfProject], and EachModel [limits.EachModel].
const (
	OfProject = limits.OfProject
	EachModel = limits.EachModel
)

// OfFeature is [limits.OfFeature].
func OfFeature(model, feature string) string { return limits.OfFeature(model, feature) }

// OfOutputs is [limits.OfOutputs].
func OfOutputs(model string) string { return limits.OfOutputs(model) }

// OfLease is [limits.OfLease].
func OfLease(holder, of string) string { return limits.OfLease(holder, of) }

// NameOfCalendar is [limits.NameOfCalendar].
func NameOfCalendar(name string) string { return limits.NameOfCalendar(name) }

// IsModel is [limits.IsModel].
func IsModel(name string) bool { return limits.IsModel(name) }
