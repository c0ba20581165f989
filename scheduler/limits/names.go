package limits

import (
	"strings"
	"time"
)

// The names of calendars that aren't a model's begin with what no model's does.
const (
	notModel = '#'
	// OfProject counts what all models and features of a project share.
	OfProject = "#project"
)

// OfFeature names the calendar of a feature of a model; with no model, of the feature
// whatever the model.
func OfFeature(model, feature string) string { return featurePrefix + model + "/" + feature }

const featurePrefix = "#feature/"

// OfOutputs names the calendar whose tokens are what a model puts out.
func OfOutputs(model string) string { return "#outputs/" + model }

// NameOfCalendar is how a calendar is called to people: a model by its name, a feature by
// its own and the model's.
func NameOfCalendar(name string) string {
	model, feature, ok := strings.Cut(strings.TrimPrefix(name, featurePrefix), "/")
	switch {
	case !strings.HasPrefix(name, featurePrefix) || !ok:
		return name
	case model == "":
		return feature
	}
	return feature + " with " + model
}

// IsModel reports whether a calendar of that name is a model's.
func IsModel(name string) bool { return name == "" || name[0] != notModel }

// A Spec is what a calendar counts that isn't a model's: how many requests and tokens,
// of whatever kind its weights have, within any window, and how many requests a day.
type Spec struct {
	EffectiveLimits
	Window time.Duration // whole seconds; 0: a minute
	// AtATime says that what is sent counts until it is settled, and no longer than the
	// window: a session, which an Extend makes last for another.
	AtATime bool
}
