package dispatch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/dispatch/trials"
	"fluxgate.dev/fluxgate/internal/events"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// A project that can't pay, or the part of it that a key is of, comes back without telling
// anybody: credits are bought, a month begins, or upstream was wrong. No free call shows it. So a
// real request is tried there from time to time, by one instance at a time; if it is refused it
// goes elsewhere, and has cost nothing but the way.

// lookEvery is how often an instance looks for projects that are to be tried.
const lookEvery = time.Minute

// trialTimeout bounds the claim of a trial: a request that could go elsewhere waits
// for it.
const trialTimeout = 2 * time.Second

// due returns a key of a project that it is time to try, and claims the trial.
func (d *Dispatcher) due(ctx context.Context, p *Pool) (due keys.Key, ok bool) {
	if elapsed, before := d.looked.Elapsed(d.admission.Now(), lookEvery); !elapsed || !before {
		return due, false // the first request of an instance doesn't look
	}
	return d.claimDue(ctx, p)
}

// claimDue is due for a request that looks.
func (d *Dispatcher) claimDue(ctx context.Context, p *Pool) (due keys.Key, ok bool) {
	states, err := d.admission.View(ctx, p.IDs())
	if err != nil {
		return due, false
	}
	marked := make(map[string]keys.Key) // by project, or by fingerprint where it is the key alone
	for i, project := range p.Projects {
		_, err := p.Pick(project.ID, states[i])
		for _, k := range p.Keys {
			switch m := states[i].Mark(k.Fingerprint); {
			case k.Project != project.ID || m.Disabled:
			case m.Invalid == upstream.ReasonSpendLimit:
				marked[k.Fingerprint] = k
			case err != nil && upstream.OfProject(m.Invalid):
				marked[project.ID] = k
			}
		}
	}
	if len(marked) == 0 {
		return due, false
	}
	limited, cancel := context.WithTimeout(ctx, trialTimeout)
	defer cancel()
	name, err := d.trials().Claim(limited, slices.Sorted(maps.Keys(marked)))
	if err != nil {
		d.logger(ctx).Warn("no depleted project is tried", "error", err)
		return due, false
	}
	due, ok = marked[name]
	return due, ok
}

// trials are kept with what admission keeps.
func (d *Dispatcher) trials() trials.Keeper { return trials.Keeper{Records: d.admission} }

// tryDepleted asks for a slot on a depleted project, when it is time to try one.
func (r *dispatch) tryDepleted(ctx context.Context) *admission.Grant {
	c := r.call
	if !c.Retry || c.Prefer.Fingerprint != "" || c.Ticket != nil {
		return nil // it is sent once, or wants another
	}
	key, ok := r.d.due(ctx, r.pool)
	if !ok {
		return nil
	}
	s := r.d.Sharing(ctx, r.pool, c, r.models)
	grant, wait, err := r.d.admission.Admit(ctx, admission.Request{
		Snapshot: r.snapshot, Caller: c.Caller, Models: s.Models, Shared: r.d.Shared(c), Demand: r.demand, Limit: r.limit,
		Projects: []admission.Project{{ID: key.Project, Keys: []string{key.Fingerprint}}}, Serves: s.Serves(r.pool), Also: r.d.Also(c, s, r.demand), TryKey: key.Fingerprint,
	})
	switch {
	case wait != nil:
		r.d.Forget(ctx, wait, c.Caller)
	case err != nil:
		r.log.Warn("depleted project not tried", "project", key.Project, "error", err)
	default:
		r.log.Info("depleted project tried", "project", key.Project, "key", key.Index)
		r.tried = key.Fingerprint
	}
	return grant
}

// restore has a project used again that has served a request, or the key that is tried.
func (r *dispatch) restore(ctx context.Context, project string) {
	states, err := r.d.admission.View(ctx, []string{project})
	problems := []error{err}
	for _, k := range r.pool.Keys {
		if err != nil || k.Project != project {
			continue
		}
		reason := states[0].Mark(k.Fingerprint).Invalid
		if !upstream.OfProject(reason) || reason == upstream.ReasonSpendLimit && k.Fingerprint != r.tried {
			continue
		}
		_, err := r.d.admission.Apply(ctx, project, scheduler.SetMark{Key: k.Fingerprint, Invalid: new(string)})
		problems = append(problems, err)
	}
	problems = append(problems, r.d.trials().End(ctx, project, r.tried))
	// A new epoch: that its keys work again must reach every instance.
	_, err = r.d.admission.UpdateControl(ctx, func(*storage.Control) error { return nil })
	if err = errors.Join(append(problems, err)...); err != nil {
		r.log.Error("project not restored", "project", project, "error", err)
		return
	}
	r.log.Info("project restored", "project", project)
	r.d.audit.Record(ctx, events.Fluxgate, fmt.Sprintf("project %s%s serves again: a request passed", project, r.pool.KeyOf(project).Whose()))
}

// anyModel is where the last word is kept that concerns no model.
const anyModel = ""

// noneAllowed returns what upstream said where every project is left alone because
// there is no free tier where this runs; nil otherwise.
func (r *dispatch) noneAllowed(ctx context.Context) error {
	said, ok := r.d.lastWords.Get(anyModel)
	if !ok {
		return nil
	}
	if states, err := r.d.admission.View(ctx, r.pool.IDs()); err != nil || !r.pool.Agree(states, upstream.ReasonFreeTier) {
		return nil
	}
	return said
}
