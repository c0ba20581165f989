package scheduler

import (
	"time"

	"fluxgate.dev/fluxgate/scheduler/limits"
)

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

// OfInputs is [limits.OfInputs].
func OfInputs(model string) string { return limits.OfInputs(model) }

// OfWindow is [limits.OfWindow].
func OfWindow(model string, per time.Duration) string { return limits.OfWindow(model, per) }

// OfBucket is [limits.OfBucket].
func OfBucket(model string, per time.Duration) string { return limits.OfBucket(model, per) }

// PlaceFor is [limits.PlaceFor].
const PlaceFor = limits.PlaceFor

// WindowPeriods is [limits.WindowPeriods].
func WindowPeriods() []time.Duration { return limits.WindowPeriods() }

// BucketPeriods is [limits.BucketPeriods].
func BucketPeriods() []time.Duration { return limits.BucketPeriods() }

// OfDay is [limits.OfDay].
func OfDay(model string) string { return limits.OfDay(model) }

// CountsSent is [limits.CountsSent].
func CountsSent(name string) (model string, ok bool) { return limits.CountsSent(name) }

// OfUsed is [limits.OfUsed].
func OfUsed(model string) string { return limits.OfUsed(model) }

// OfPlaces is [limits.OfPlaces].
func OfPlaces(model string) string { return limits.OfPlaces(model) }

// OfLease is [limits.OfLease].
func OfLease(holder, of string) string { return limits.OfLease(holder, of) }

// NameOfCalendar is [limits.NameOfCalendar].
func NameOfCalendar(name string) string { return limits.NameOfCalendar(name) }

// OfSeveralModels is [limits.OfSeveralModels].
func OfSeveralModels(name string) bool { return limits.OfSeveralModels(name) }

// IsModel is [limits.IsModel].
func IsModel(name string) bool { return limits.IsModel(name) }
