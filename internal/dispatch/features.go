package dispatch

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/dispatch/lesson"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// A request that asks for features with quotas of their own is counted in a calendar
// for each, whatever its model. Nothing is known of their limits until a refusal names
// one, so the calendars keep nobody away at first. What a refusal says is kept where it
// belongs, for every instance: of a feature, or of several together where it doesn't say
// which; of one model, or of all where it says so.

// asks are the features with quotas of their own that a call asks a model for.
func (c *Call) asks(model string) []string { return lesson.Asked(c.features, c.unsaid, model) }

// also is what a call weighs beside a model.
func (c *Call) also(model string) []scheduler.Weight {
	features := c.asks(model)
	all := make([]scheduler.Weight, 0, 2*len(features)+2)
	for _, f := range features {
		var d scheduler.Demand
		if f == payload.ImageFeature {
			d.Requests = c.images
		}
		if of := scheduler.OfFeature(model, f); c.Snapshot.Rules.Spec(of).AtATime {
			// There are limits of each model's, whether or not one was learned.
			all = append(all, scheduler.Weight{On: of, Demand: d}, scheduler.Weight{On: scheduler.OfFeature("", f), Demand: d, IfKnown: true})
			continue
		}
		all = append(all, scheduler.Weight{On: scheduler.OfFeature("", f), Demand: d}, scheduler.Weight{On: scheduler.OfFeature(model, f), Demand: d, IfKnown: true})
	}
	if len(features) > 1 {
		f := lesson.Together(features)
		all = append(all, scheduler.Weight{On: scheduler.OfFeature("", f), IfKnown: true}, scheduler.Weight{On: scheduler.OfFeature(model, f), IfKnown: true})
	}
	return all
}

// featureRefusals are what an error says of the features that a call asked for.
func (c *Call) featureRefusals(grant *admission.Grant, e *upstream.Error, l lesson.Lesson, now scheduler.Instant) []scheduler.RecordRefusal {
	all := lesson.OfFeatures(c.asks(grant.Asked), grant.Model, e, l, now)
	for i := range all {
		all[i].Admitted = grant.Reservation.Start
		at := slices.IndexFunc(grant.Also, func(s scheduler.Share) bool { return s.On == all[i].Model })
		if at >= 0 && grant.Probe != scheduler.NoCause {
			all[i].ID = grant.Also[at].Reservation.ID
		}
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
			Message: "Gemini refuses " + strings.Join(r.call.asks(wait.Model), " and ") + " for now, on every project that could serve this request. It takes requests without that.",
		}
	}
	told := *said
	told.Wait = r.d.admission.Left(wait)
	return &told
}

// roomAgain is when a project has room for a call again, those that failed it among them; at
// most now: one has, or that isn't known.
func (r *dispatch) roomAgain(ctx context.Context) scheduler.Instant {
	snapshot, err := r.d.admission.Snapshot(ctx)
	if err != nil {
		return 0
	}
	states, err := r.d.admission.View(ctx, r.pool.IDs())
	if err != nil {
		return 0
	}
	s := r.d.Sharing(ctx, r.pool, r.call, r.models)
	chain, _ := snapshot.Counted(s.Models, r.d.Shared(r.call))
	var usable []scheduler.Candidate
	for i, p := range r.pool.Projects {
		if key, err := r.pool.Pick(p.ID, states[i]); err == nil && (r.call.Prefer.Project == "" || r.call.Prefer.Project == key.Project) {
			usable = append(usable, scheduler.Candidate{ID: p.ID, State: states[i]})
		}
	}
	offer, cause := scheduler.Plan(snapshot.Rules, r.d.admission.Now(), usable, scheduler.Request{
		Chain: chain, Demand: r.demand, Serves: s.Serves(r.pool), MaxWait: r.pool.MaxWait(r.call.MaxWait), Also: r.d.Also(r.call, s, r.demand),
	}, func(int) int { return 0 })
	if cause != scheduler.NoCause {
		return 0
	}
	return offer.Start
}
