package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/admission/patience"
	"fluxgate.dev/fluxgate/internal/dispatch/lesson"
	"fluxgate.dev/fluxgate/internal/dispatch/standing"
	"fluxgate.dev/fluxgate/internal/dispatch/weights"
	"fluxgate.dev/fluxgate/internal/events"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
	"fluxgate.dev/fluxgate/scheduler"
)

// fail settles a failed request and records what its error says. A returned
// error means that it couldn't be kept.
func (r *dispatch) fail(ctx context.Context, grant *admission.Grant, key keys.Key, e *upstream.Error, sent standing.Sent) error {
	unknown := e.Class == upstream.ClassModelUnknown
	weights.Failed(grant, r.call.other, e)
	limited := patience.Limit(ctx)
	err := r.d.admission.Fail(limited, grant, admission.Failure{Class: e.Class.String(), SentAt: e.SentAt, UnknownModel: unknown, Refused: lesson.OfLimits(r.call.refusalOf(e, grant.Asked))})
	if !unknown { // a name that a caller made up leaves no state
		r.believe(limited, grant, e.Limits, sent.Answered(grant, e.HTTPStatus, e.RetryDelay))
	}
	limited.End()
	return errors.Join(err, r.feedback(ctx, grant, key, e))
}

// believe takes over what the headers of an answer say of the model's limits.
func (r *dispatch) believe(ctx context.Context, grant *admission.Grant, told []ratelimits.Limit, sent standing.Sent) {
	news, err := r.d.standing.Believe(ctx, r.d.admission, grant, told, sent)
	if err != nil {
		r.log.Error("limits not kept", "project", grant.Project, "error", err)
	}
	for _, text := range news {
		r.d.audit.Record(ctx, events.Fluxgate, text)
	}
}

// feedback records what an error says, where the table of lessons has it.
func (r *dispatch) feedback(ctx context.Context, grant *admission.Grant, key keys.Key, e *upstream.Error) error {
	var err error
	if e.Class == upstream.ClassKeyInvalid {
		err = r.d.condemn(ctx, r.pool, key, e) // which may find that it is another class
	}
	limited := patience.Limit(ctx)
	defer limited.End()
	ctx = limited
	what := r.call.refusalOf(e, grant.Asked)
	l := lesson.Table[what]
	switch l.Concerns {
	case lesson.OneModel:
		if l.Lasts == lesson.OnceShown {
			r.silent = append(r.silent, grant)
			break
		}
		err = errors.Join(err, r.learn(ctx, grant.Project, r.refused(ctx, grant, e, l)))
	case lesson.OneFeature:
		for _, x := range r.call.featureRefusals(grant, e, l, r.d.admission.Now()) {
			err = errors.Join(err, r.learn(ctx, grant.Project, x), r.d.keepWords(ctx, x.Model, e))
		}
	case lesson.WholeProject, lesson.OneAccount, lesson.OneKey:
		if l.Lasts != lesson.UntilValid { // else they are condemned already
			err = errors.Join(err, r.leaveProject(ctx, grant, key, e, l))
		}
	case lesson.ThisRequest:
		if what == lesson.ModelUnknown && r.inChain(grant.Asked) {
			// A name that a caller made up leaves no state; one of the chain is asked for
			// by everybody.
			gone := scheduler.RecordRefusal{Model: r.d.outputs.Refused(grant), Block: lesson.BlockFor(lesson.Table[lesson.ModelGone], e, r.d.admission.Now())}
			err = errors.Join(err, r.learn(ctx, grant.Project, gone))
			r.d.lastWords.Put(grant.Asked, e.ForOthers())
			r.relist(ctx, grant.Asked)
		}
	}
	if l.Concerns == lesson.OneModel && l.Lasts != lesson.OnceShown && l.Final(true) {
		r.d.lastWords.Put(grant.Asked, e.ForOthers())
		if e.Class == upstream.ClassModelGone && r.inChain(grant.Asked) {
			r.relist(ctx, grant.Asked)
		}
	}
	if err != nil {
		return fmt.Errorf("record what upstream said: %w", err)
	}
	return nil
}

// inChain reports whether a call for several models reached one of the chain. Of other providers'
// models there are several in no other call.
func (r *dispatch) inChain(name string) bool {
	return len(r.call.Models) > 1 && (scheduler.FamilyOf(name) == scheduler.Foreign || slices.Contains(r.call.Snapshot.Chain(scheduler.Both), name))
}

// silences is how often in a row a project was silent to what another answered until it
// is left alone: one such answer may be chance.
const silences = 2

// answered notes that a project answered. Those that were silent to the same request are
// at fault themselves.
func (r *dispatch) answered(ctx context.Context, grant *admission.Grant) {
	if n, _ := r.d.silent.Get(grant.Project + "/" + grant.Model); n > 0 {
		r.d.silent.Put(grant.Project+"/"+grant.Model, 0)
	}
	for _, x := range r.silent {
		if x.Model != grant.Model || x.Project == grant.Project {
			continue // it may be the model's fault, or chance
		}
		n, _ := r.d.silent.Get(x.Project + "/" + x.Model)
		if r.d.silent.Put(x.Project+"/"+x.Model, n+1); n+1 < silences {
			continue
		}
		block := scheduler.RecordRefusal{Model: x.Model, Block: lesson.BlockFor(lesson.Lesson{Lasts: lesson.Growing}, nil, 0), Admitted: x.Reservation.Start}
		if _, err := r.d.admission.Learn(ctx, x.Project, block); err != nil {
			r.log.Error("lesson not kept", "project", x.Project, "error", err)
		}
	}
}

// leaveProject has every key of a project left alone that can't pay, or the one that can't, or
// all that are billed with one that spends too fast.
func (r *dispatch) leaveProject(ctx context.Context, grant *admission.Grant, key keys.Key, e *upstream.Error, l lesson.Lesson) error {
	if l.Lasts == lesson.UntilProved {
		reason := upstream.ReasonBilling
		if e.Class == upstream.ClassProject {
			reason = e.KeyReason()
		}
		if l.Told == lesson.UpstreamsWords {
			r.d.lastWords.Put(anyModel, e.ForOthers())
		}
		depleted, refused := grant.Project, r.pool.Only(grant.Project).Keys
		if states, err := r.d.admission.View(ctx, []string{grant.Project}); err == nil {
			refused = r.pool.Valid(grant.Project, states[0])
		}
		if l.Concerns == lesson.OneKey {
			reason, depleted, refused = e.Reason, grant.Key, []keys.Key{key}
		}
		noted := r.d.trials().Note(ctx, depleted)
		_, err := r.d.mark(ctx, refused, reason)
		return errors.Join(noted, err)
	}
	return r.overspent(ctx, grant, lesson.BlockFor(l, e, r.d.admission.Now()))
}

// learn records a refusal, and says which limits weren't known.
func (r *dispatch) learn(ctx context.Context, project string, refusal scheduler.RecordRefusal) error {
	states, unread := r.d.admission.View(ctx, []string{project})
	if _, err := r.d.admission.Learn(ctx, project, refusal); err != nil || unread != nil {
		return errors.Join(unread, err)
	}
	known := states[0].Calendar(refusal.Model).EffectiveLimits(r.d.admission.Rules().Of(project), r.d.admission.Now())
	for _, x := range []struct {
		name            string
		learned, before int64
		from            scheduler.Source
	}{{"requests per minute", refusal.Limits.RPM, known.RPM, known.RPMFrom}, {"tokens per minute", refusal.Limits.TPM, known.TPM, known.TPMFrom}, {"requests per day", refusal.Limits.RPD, known.RPD, known.RPDFrom}} {
		if x.learned > 0 && x.learned != x.before && (x.learned < x.before || x.before == scheduler.Unlimited || !x.from.Named()) {
			text := fmt.Sprintf("learned from a 429: %s on %s has %d %s", scheduler.NameOfCalendar(refusal.Model), project, x.learned, x.name)
			if x.before != scheduler.Unlimited {
				text += fmt.Sprintf(", not %d", x.before)
			}
			r.d.audit.Record(ctx, events.Fluxgate, text)
		}
	}
	return nil
}

// startOnly reports whether what a probe went beyond is a limit that nobody has named. It
// may rise a thousand times a day, which is for the log alone.
func (r *dispatch) startOnly(grant *admission.Grant) bool {
	policy := r.d.admission.Rules().Of(grant.Project).EffectiveLimits(grant.Model)
	switch grant.Probe {
	case scheduler.ByRPM:
		return policy.RPMFrom.Start()
	case scheduler.ByTPM:
		return policy.TPMFrom.Start()
	}
	return policy.RPDFrom.Start()
}

// refused returns what an error says about a model on a project.
func (r *dispatch) refused(ctx context.Context, grant *admission.Grant, e *upstream.Error, l lesson.Lesson) scheduler.RecordRefusal {
	h := scheduler.RecordRefusal{Model: grant.Model, Block: lesson.BlockFor(l, e, r.d.admission.Now()), Admitted: grant.Reservation.Start}
	switch what := r.call.refusalOf(e, grant.Asked); {
	case lesson.OfLimits(what):
		h.ID = grant.Reservation.ID
	case lesson.OfItself(what):
		h.Model = r.d.outputs.Refused(grant)
	}
	for _, v := range e.Violations {
		if v.Foreign {
			continue
		}
		if v.Model != "" && r.d.learnAlias(ctx, grant.Asked, v.Model) {
			h.Model = v.Model
		}
		cause, limit := lesson.LimitOf(&h.Limits, v.Kind)
		switch {
		case limit == nil || e.Class != upstream.ClassMinute && e.Class != upstream.ClassDay && v.Value < 0:
		case v.Value < 0:
			h.Reached = append(h.Reached, cause)
		case v.Value > 0 && v.Kind == upstream.TokensPerMinute && r.demand.Tokens > v.Value:
			h.Oversize = r.demand.Tokens
			fallthrough
		default:
			*limit = v.Value
		}
	}
	return h
}

// recount counts a request whose size is only known to be at most so much, once
// upstream names a limit below that: its size is about to be learned from.
func (r *dispatch) recount(ctx context.Context, e *upstream.Error) {
	if r.exact {
		return
	}
	for _, v := range e.Violations {
		if v.Foreign || v.Kind != upstream.TokensPerMinute || v.Value <= 0 || r.demand.Tokens <= v.Value {
			continue
		}
		n, err := r.call.count(ctx)
		if err != nil {
			r.log.Warn("count failed", "error", err)
			return
		}
		r.demand.Tokens, r.exact = n, true
		return
	}
}

// learnAlias notes that requests for a name count against another model, and
// reports whether they do so from now on.
func (d *Dispatcher) learnAlias(ctx context.Context, name, model string) bool {
	if !payload.ValidModel(model) {
		return false
	}
	counted, err := d.admission.LearnAlias(ctx, name, model)
	if err != nil {
		d.logger(ctx).Warn("alias not kept", "name", name, "error", err)
	}
	return counted
}

// learnVersion notes what an answer says of the model that gave it. Only of a
// name that says it is an alias: the version behind a plain name has no calendar of
// its own. What a refusal said of the alias knows better.
func (d *Dispatcher) learnVersion(ctx context.Context, name, version string) {
	version = strings.TrimPrefix(version, "models/")
	if !isAlias(name) || !payload.ValidModel(version) {
		return
	}
	if err := d.admission.LearnVersion(ctx, name, version); err != nil {
		d.logger(ctx).Warn("alias not kept", "name", name, "error", err)
	}
}

// learnStatus notes when a model is shut down, if an answer says so. It is written down
// once by each instance, however many answers say it.
func (r *dispatch) learnStatus(ctx context.Context, model, status string) {
	var s upstream.ModelStatus
	if r.d.chain == nil || status == "" || s.UnmarshalJSON([]byte(status)) != nil || s.Retires().IsZero() {
		return
	}
	if known, ok := r.d.retiring.Get(model); ok && known.Equal(s.Retires()) {
		return
	}
	if err := r.d.chain.Retire(ctx, model, s.Retires()); err != nil {
		r.log.Warn("not kept that a model is shut down", "model", model, "error", err)
		return
	}
	r.d.retiring.Put(model, s.Retires())
}

// relist has the models list asked for again, for a model of the chain is gone. It is Gemini's.
func (r *dispatch) relist(ctx context.Context, model string) {
	if r.d.chain == nil || scheduler.FamilyOf(model) == scheduler.Foreign {
		return
	}
	if err := r.d.chain.Relist(ctx); err != nil {
		r.log.Warn("the models list isn't asked for again", "error", err)
	}
}
