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

// ofFeature returns what OfFeature was called with for a name, and whether it was.
func ofFeature(name string) (model, feature string, ok bool) {
	rest, ok := strings.CutPrefix(name, featurePrefix)
	if ok {
		model, feature, ok = strings.Cut(rest, "/")
	}
	return model, feature, ok
}

// SameFeature reports whether two calendars are of one feature, each of a model.
func SameFeature(a, b string) bool {
	model, feature, ok := ofFeature(a)
	other, same, is := ofFeature(b)
	return ok && is && feature == same && model != "" && other != ""
}

// OfSeveralModels reports whether requests for several models weigh on a calendar: a feature's of whatever model, the
// project's, or a model's that answers for others.
func OfSeveralModels(name string) bool {
	model, _, ok := ofFeature(name)
	return IsModel(name) || name == OfProject || ok && model == ""
}

// EachModel stands for any model in the name of a feature's calendar, in [Rules].Specs.
const EachModel = "*"

// OfLease names the calendar of what a holder may use of another without asking: its part.
// The part is held on the other by a reservation that is nobody's request, with as many
// requests and tokens, and an allowance of as long as the lease lasts; so it counts until a
// window after that. What the holder sends it counts on the calendar of the lease, which
// has the part for its limits. An Extend renews the lease, and a Settle gives back what
// wasn't used of it, or a Cancel all.
func OfLease(holder, of string) string { return "#lease/" + holder + "/" + of }

// NameOfCalendar is how a calendar is called to people: a model by its name, a feature by
// its own and the model's.
func NameOfCalendar(name string) string {
	model, feature, ok := ofFeature(name)
	switch b, is := readBeside(name); {
	case is:
		return b.String()
	case !ok:
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
// What isn't limited is Unlimited, the day too. What has limits for input and for output tokens,
// or for a second and a minute, is two calendars, and a day that rolls is a window of 24 hours, on
// a calendar of its own.
type Spec struct {
	EffectiveLimits
	Window time.Duration // whole seconds; 0: a minute
	// Refill says that there is no window but a bucket, which is refilled without a
	// break: with RPM requests and TPM tokens a Window, until Burst is in it. Who finds
	// as much in it as it takes may go.
	Refill bool
	Burst  Burst
	// AtATime says that what is sent counts until it is settled, and no longer than the
	// window: a session, which an Extend makes last for another. Not with Refill.
	AtATime bool
	// AtAnswer says that upstream counts what was sent when it has been answered, as outputs
	// that are counted as they are produced: until it is settled it is only reserved, for as
	// long as it may take (the allowance of its demand), and then counts from the answer on.
	// What is reserved is nobody's word, so it is never more than there can be. With AtATime
	// the allowance says when a place is likely to be free again, for those who wait; until
	// it is settled it isn't.
	AtAnswer bool
	// InputToo says that what is counted at the answer has the input in it, which upstream counts at
	// once: for all that upstream tells, the whole is counted from the start on.
	InputToo bool
	// Start says that limits whose source is only a start are tried beyond, as a model's are.
	Start bool
	// Late is how much later than it was sent a request may arrive, where somebody has named it for this alone; 0: as
	// [Rules].Skew says.
	Late time.Duration
	// Zone is in whose midnight RPD is reset; nil: the Pacific one.
	Zone *time.Location
}

// A Burst is what a bucket holds when it is full; 0: as much as is refilled in a Window.
type Burst struct{ Requests, Tokens int64 }

// maxBucket bounds what a bucket counts with, so that tokens times milliseconds of a day are
// a number of 64 bits even if there are dozens of times more. A limit above it counts as it.
const maxBucket = 1 << 30

// Bucket returns what the bucket of a calendar holds when it is full, and what is refilled
// in a Window, under its effective limits. It never holds more than a limit that was learned.
func (s Spec) Bucket(l EffectiveLimits) (full Burst, rate Limits) {
	one := func(burst, limit int64, from Source) (int64, int64) {
		if limit == Unlimited {
			return Unlimited, Unlimited
		}
		limit = min(limit, maxBucket)
		if burst <= 0 || from == FromLearned && burst > limit {
			burst = limit
		}
		return min(burst, maxBucket), limit
	}
	full.Requests, rate.RPM = one(s.Burst.Requests, l.RPM, l.RPMFrom)
	full.Tokens, rate.TPM = one(s.Burst.Tokens, l.TPM, l.TPMFrom)
	return full, rate
}
