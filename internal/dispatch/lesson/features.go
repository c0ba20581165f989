package lesson

import (
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// Draws reports whether a model makes images for who doesn't say what kinds of output are
// wanted: those of Gemini's for images do, which are known by their names.
// https://ai.google.dev/gemini-api/docs/image-generation#output-type
func Draws(model string) bool {
	family := scheduler.FamilyOf(model)
	return family != scheduler.Foreign && family != scheduler.Embedding && (strings.Contains(model, "image") || strings.Contains(model, "nano-banana"))
}

// Asked are the features that a request asks a model for, in order: those that it names, and
// images of a model that draws, if what kinds of output are wanted is unsaid.
func Asked(features []string, unsaid bool, model string) []string {
	if !unsaid || !Draws(model) {
		return features
	}
	all := append(slices.Clone(features), payload.ImageFeature)
	slices.Sort(all)
	return slices.Compact(all)
}

// Together is the name of several features, of which it isn't known which was refused.
func Together(features []string) string { return strings.Join(features, "+") }

// OfFeatures is what an error says of the features that a request to a model asked for, of
// several together where it doesn't say which. Who was admitted when, the caller adds.
func OfFeatures(features []string, asked string, e *upstream.Error, l Lesson, now scheduler.Instant) []scheduler.RecordRefusal {
	refusal := func(model, feature string, b scheduler.Block) scheduler.RecordRefusal {
		return scheduler.RecordRefusal{Model: scheduler.OfFeature(model, feature), Block: b}
	}
	paused := BlockFor(Lesson{Lasts: Pausing}, e, now)
	if l.Lasts != AsNamed {
		return []scheduler.RecordRefusal{refusal(asked, Together(features), paused)}
	}
	var all []scheduler.RecordRefusal
	for _, v := range e.Violations {
		if !v.Foreign {
			continue
		}
		model, feature := asked, v.Feature
		if v.Model == "" && !strings.Contains(v.QuotaID, "PerModel") {
			model = "" // it is of the project, whatever the model
		}
		if !slices.Contains(features, feature) {
			feature = Together(features)
		}
		b, value := paused, max(v.Value, 0)
		limits := scheduler.Limits{}
		switch day, minute := strings.Contains(v.QuotaID, "PerDay"), strings.Contains(v.QuotaID, "PerMinute"); {
		case v.Value == 0:
		case day:
			b = BlockFor(Lesson{Lasts: UntilMidnight}, e, now)
		case minute:
			b = BlockFor(Lesson{Lasts: AsTold}, e, now)
		}
		// Image output is counted by images, whose limits stand where those of requests do.
		switch {
		case b == paused, v.Kind == upstream.TokensPerDay, v.Kind == upstream.TokensPerMinute:
		case b.Cause == scheduler.ByDay:
			limits.RPD = value
		default:
			limits.RPM = value
		}
		x := refusal(model, feature, b)
		x.Limits = limits
		all = append(all, x)
	}
	if all == nil {
		all = append(all, refusal(asked, Together(features), paused))
	}
	return all
}
