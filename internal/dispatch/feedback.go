package dispatch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/events"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

const (
	// goneFor is how long a model without quota, or retired, is left alone on a
	// project before it is tried again.
	goneFor = 24 * time.Hour
	// roundedDown is the most by which upstream's delays are too short: they are
	// cut to whole seconds.
	roundedDown = time.Second
)

// fail settles a failed request and records what its error says. A returned
// error means that it couldn't be kept.
func (r *dispatch) fail(ctx context.Context, grant *admission.Grant, key keys.Key, e *upstream.Error) error {
	unknown := e.Class == upstream.ClassModelUnknown
	err := r.d.admission.Fail(ctx, grant, admission.Failure{Class: e.Class.String(), SentAt: e.SentAt, UnknownModel: unknown})
	if unknown {
		return err
	}
	return errors.Join(err, r.feedback(ctx, grant, key, e))
}

// feedback records what an error says of keys, models and limits.
func (r *dispatch) feedback(ctx context.Context, grant *admission.Grant, key keys.Key, e *upstream.Error) error {
	var problems []error
	switch e.Class {
	case upstream.ClassKeyInvalid:
		problems = append(problems, r.d.condemn(ctx, key, e))
		if e.Class == upstream.ClassDenied {
			// Nothing is known but that this model said no here.
			problems = append(problems, r.learn(ctx, grant.Project, scheduler.RecordRefusal{
				Model: grant.Model, ID: grant.Reservation.ID, Block: scheduler.Block{Cause: scheduler.ByBare},
			}))
		}
	case upstream.ClassBilling:
		reason := upstream.ReasonBilling
		for _, k := range r.pool.Keys {
			if k.Project == key.Project {
				result, err := r.d.admission.Apply(ctx, k.Project, scheduler.SetMark{Key: k.Fingerprint, Invalid: &reason})
				if err == nil && result.Changed {
					r.log.Warn("key invalid", "key", k.Index, "project", k.Project, "reason", reason)
				}
				problems = append(problems, err)
			}
		}
	default:
		if refusal, ok := r.refusal(ctx, grant, e); ok {
			problems = append(problems, r.learn(ctx, grant.Project, refusal))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("record what upstream said: %w", err)
	}
	return nil
}

// learn records a refusal, and says which limits weren't known.
func (r *dispatch) learn(ctx context.Context, project string, refusal scheduler.RecordRefusal) error {
	states, err := r.d.admission.View(ctx, []string{project})
	if err != nil {
		return err
	}
	known := states[0].Calendar(refusal.Model).EffectiveLimits(r.d.admission.Rules(), r.d.admission.Now()).Limits
	if _, err := r.d.admission.Apply(ctx, project, refusal); err != nil {
		return err
	}
	for _, x := range []struct {
		name            string
		learned, before int64
	}{{"requests per minute", refusal.Limits.RPM, known.RPM}, {"tokens per minute", refusal.Limits.TPM, known.TPM}, {"requests per day", refusal.Limits.RPD, known.RPD}} {
		if x.learned > 0 && x.learned != x.before {
			r.d.audit.Record(ctx, events.Fluxgate, fmt.Sprintf("learned from a 429: %s on %s has %d %s, not %d", refusal.Model, project, x.learned, x.name, x.before))
		}
	}
	return nil
}

// refusal returns what an error says about a model on a project.
func (r *dispatch) refusal(ctx context.Context, grant *admission.Grant, e *upstream.Error) (scheduler.RecordRefusal, bool) {
	now := r.d.admission.Now()
	h := scheduler.RecordRefusal{Model: grant.Model, ID: grant.Reservation.ID}
	for _, v := range e.Violations {
		if v.Model != "" && r.d.learnAlias(ctx, grant.Asked, v.Model) {
			h.Model = v.Model
		}
		switch v.Kind {
		case upstream.RequestsPerMinute:
			h.Limits.RPM = max(v.Value, 0)
		case upstream.TokensPerMinute:
			h.Limits.TPM = max(v.Value, 0)
			if v.Value > 0 && r.demand.Tokens > v.Value {
				h.Oversize = r.demand.Tokens
			}
		case upstream.RequestsPerDay:
			h.Limits.RPD = max(v.Value, 0)
		}
	}
	switch e.Class {
	case upstream.ClassDay:
		h.Block.Cause = scheduler.ByDay
	case upstream.ClassMinute:
		h.Block = scheduler.Block{Cause: scheduler.ByMinute, Until: now.Add(e.RetryDelay + roundedDown)}
		if e.RetryDelay == 0 {
			// It doesn't say how long, so it is treated as one that says nothing.
			h.Block = scheduler.Block{Cause: scheduler.ByBare}
		}
	case upstream.ClassBare429:
		h.Block.Cause = scheduler.ByBare
	case upstream.ClassNoQuota, upstream.ClassModelGone:
		h.Block = scheduler.Block{Cause: scheduler.Unavailable, Until: now.Add(goneFor)}
	default:
		return h, false
	}
	return h, true
}

// recount counts a request whose size is only known to be at most so much, once
// upstream names a limit below that: its size is about to be learned from.
func (r *dispatch) recount(ctx context.Context, e *upstream.Error) {
	if r.exact {
		return
	}
	for _, v := range e.Violations {
		if v.Kind != upstream.TokensPerMinute || v.Value <= 0 || r.demand.Tokens <= v.Value {
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

// isAlias reports whether a model's name says that it stands for another's.
func isAlias(name string) bool { return strings.HasSuffix(name, "-latest") }

// condemn has the key of an answer that calls it invalid marked so, once a free call
// has confirmed it, and the keys read again: it may have been rotated. A key that
// isn't confirmed stays as it is, and the error becomes one of another class: what
// was asked isn't to be had with that key.
func (d *Dispatcher) condemn(ctx context.Context, key keys.Key, e *upstream.Error) error {
	reason := e.KeyReason()
	if !upstream.ConfirmInvalid(ctx, d.providers.Of(key.Provider), key.Value.Reveal()) {
		e.Class = upstream.ClassDenied
		d.logger(ctx).Warn("key not confirmed to be invalid", "key", key.Index, "project", key.Project, "reason", reason)
		return nil
	}
	result, err := d.admission.Apply(ctx, key.Project, scheduler.SetMark{Key: key.Fingerprint, Invalid: &reason})
	if err == nil && result.Changed {
		d.logger(ctx).Warn("key invalid", "key", key.Index, "project", key.Project, "reason", reason)
		d.audit.Record(ctx, events.Fluxgate, fmt.Sprintf("key %d is invalid: %s", key.Index, reason))
	}
	if _, reloadErr := d.keys.Reload(ctx, "a key turned out to be invalid"); reloadErr != nil {
		err = errors.Join(err, reloadErr)
	}
	return err
}
