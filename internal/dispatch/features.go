package dispatch

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/dispatch/lesson"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// A request that asks for features with quotas of their own is counted in a calendar
// for each, whatever its model. Nothing is known of their limits until a refusal names
// one, so the calendars keep nobody away at first. What a refusal says is kept where it
// belongs, for every instance: of a feature, or of several together where it doesn't say
// which; of one model, or of all where it says so.

// asksFeature reports whether a call asks for a feature that has a quota of its own.
func (c *Call) asksFeature() bool { return c.features != nil && len(c.features()) > 0 }

// together is the name of several features, of which it isn't known which was refused.
func together(features []string) string { return strings.Join(features, "+") }

// also is what a call weighs beside a model.
func (c *Call) also(model string) []scheduler.Weight {
	features := c.features()
	all := make([]scheduler.Weight, 0, 2*len(features)+2)
	for _, f := range features {
		all = append(all, scheduler.Weight{On: scheduler.OfFeature("", f)}, scheduler.Weight{On: scheduler.OfFeature(model, f), IfKnown: true})
	}
	if len(features) > 1 {
		f := together(features)
		all = append(all, scheduler.Weight{On: scheduler.OfFeature("", f), IfKnown: true}, scheduler.Weight{On: scheduler.OfFeature(model, f), IfKnown: true})
	}
	return all
}

// featureRefusals are what an error says of the features that a call asked for.
func (c *Call) featureRefusals(grant *admission.Grant, e *upstream.Error, l lesson.Lesson, now scheduler.Instant) []scheduler.RecordRefusal {
	features := c.features()
	refusal := func(model, feature string, b scheduler.Block) scheduler.RecordRefusal {
		return scheduler.RecordRefusal{Model: scheduler.OfFeature(model, feature), Block: b, Admitted: grant.Reservation.Start}
	}
	paused := lesson.BlockFor(lesson.Lesson{Lasts: lesson.Pausing}, e, now)
	if l.Lasts != lesson.AsNamed {
		return []scheduler.RecordRefusal{refusal(grant.Model, together(features), paused)}
	}
	var all []scheduler.RecordRefusal
	for _, v := range e.Violations {
		if !v.Foreign {
			continue
		}
		model, feature := grant.Model, v.Feature
		if v.Model == "" && !strings.Contains(v.QuotaID, "PerModel") {
			model = "" // it is of the project, whatever the model
		}
		if !slices.Contains(features, feature) {
			feature = together(features)
		}
		b, value := paused, max(v.Value, 0)
		limits := scheduler.Limits{}
		switch day, minute := strings.Contains(v.QuotaID, "PerDay"), strings.Contains(v.QuotaID, "PerMinute"); {
		case v.Value == 0:
		case day:
			b = lesson.BlockFor(lesson.Lesson{Lasts: lesson.UntilMidnight}, e, now)
		case minute:
			b = lesson.BlockFor(lesson.Lesson{Lasts: lesson.AsTold}, e, now)
		}
		// A request makes one image at least, so that a limit of images is one of requests.
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
		all = append(all, refusal(grant.Model, together(features), paused))
	}
	return all
}

// refusedFeature is the answer where upstream refuses what a call asks for beside its
// model, and nobody else has it sooner: what upstream said, and when the next is tried.
func (r *dispatch) refusedFeature(ctx context.Context, wait *admission.Wait) error {
	if wait.Booked {
		r.d.Forget(ctx, wait, r.call.Caller) // it may not be there after the wait
	}
	said := r.said
	if said == nil {
		said = r.d.wordsOf(ctx, wait.On)
	}
	if said == nil {
		said = &upstream.Error{
			Class: upstream.ClassBare429, HTTPStatus: http.StatusTooManyRequests, Status: "RESOURCE_EXHAUSTED",
			Message: "Gemini refuses " + strings.Join(r.call.features(), " and ") + " for now, on every project that could serve this request. It takes requests without that.",
		}
	}
	told := *said
	told.Wait = r.d.admission.Left(wait)
	return &told
}

// featuresAgain is when the first project may be asked again for a call's features; 0:
// now, or not known.
func (r *dispatch) featuresAgain(ctx context.Context) scheduler.Instant {
	snapshot, err := r.d.admission.Snapshot(ctx)
	if err != nil {
		return 0
	}
	states, err := r.d.admission.View(ctx, r.pool.IDs())
	if err != nil {
		return 0
	}
	now, first := r.d.admission.Now(), scheduler.Never
	models, _ := snapshot.Counted(r.models)
	for i, p := range r.pool.Projects {
		if _, err := r.pool.Pick(p.ID, states[i]); err != nil {
			continue
		}
		for _, model := range models {
			at, _ := states[i].Earliest(snapshot.Rules, now, model, r.demand, r.also()(model))
			first = min(first, at)
		}
	}
	if first == scheduler.Never || first <= now {
		return 0
	}
	return first
}
