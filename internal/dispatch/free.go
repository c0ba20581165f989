package dispatch

import (
	"context"
	"errors"
	"fmt"

	"fluxgate.dev/fluxgate/internal/admission/patience"
	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/dispatch/lesson"
	"fluxgate.dev/fluxgate/internal/events"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/internal/telemetry"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// maxFree bounds how many projects a free request is sent to, those aside that can't
// be used at all.
const maxFree = 3

// ErrKeyless is what a free request comes to where no key can be used.
var ErrKeyless = apierror.New(apierror.NoUsableKey, "No usable key is left for this request. See /status.")

// Keyless reports whether an error says that no key could be used.
func Keyless(err error) bool {
	var p *apierror.Problem
	return errors.As(err, &p) && p.Code == apierror.NoUsableKey
}

// Free has a request that costs no quota sent with one usable key after another
// until one isn't refused for a reason of its own; again says whether it may be
// sent twice when upstream fails otherwise.
func (d *Dispatcher) Free(ctx context.Context, p *Pool, again bool, send func(ctx context.Context, to Target) *upstream.Error) error {
	tried := make(map[string]bool)
	var last error = ErrKeyless
	for projects, invalid := 0, 0; projects < maxFree && invalid <= len(p.Keys); {
		states, err := d.admission.View(ctx, p.IDs())
		if err != nil {
			return err
		}
		key, ok := p.Any(states, tried)
		if !ok {
			break
		}
		failure := send(ctx, d.target(key))
		if failure == nil {
			return nil
		}
		last = failure
		d.telemetry.Failed("resource", telemetry.Target{Provider: key.Of(), Project: key.Project}, failure.Class.String())
		switch failure.Class {
		case upstream.ClassKeyInvalid:
			// Other keys of the project go on, unless they are condemned with it.
			if err := d.condemn(ctx, p, key, failure); err != nil {
				return err
			}
			if failure.Class == upstream.ClassKeyInvalid {
				invalid++
				continue
			}
		case upstream.ClassBilling, upstream.ClassProject, upstream.ClassDay, upstream.ClassNoQuota:
			// It is that project's alone.
			tried[key.Project] = true
			continue
		case upstream.ClassBare429, upstream.ClassMinute, upstream.ClassForeignQuota, upstream.ClassSpend, upstream.ClassModelGone,
			upstream.ClassDenied:
		case upstream.ClassServer:
			if !again && !failure.SentAt.IsZero() {
				return failure
			}
		case upstream.ClassBroken:
			if !again {
				return failure
			}
		default:
			return failure
		}
		projects++
		tried[key.Project] = true
	}
	return last
}

// ListModels lists the models of Gemini, with any key.
func (d *Dispatcher) ListModels(ctx context.Context) ([]upstream.Model, error) {
	p, err := d.PoolOf(ctx, upstream.Gemini)
	if err != nil {
		return nil, err
	}
	var models []upstream.Model
	err = d.Free(ctx, p, true, func(ctx context.Context, to Target) *upstream.Error {
		var err error
		if models, err = to.provider.ListModels(ctx, to.Key.Value.Reveal()); err != nil {
			return upstream.TransportError(ctx, err)
		}
		return nil
	})
	return models, err
}

// condemn has the key of an answer that calls it invalid marked so, or every key of a
// project that hasn't switched the API on, once a free call has confirmed it, and the
// keys read again: it may have been rotated. A key that isn't confirmed stays as it is,
// and the error becomes one of another class: what was asked isn't to be had with that key.
func (d *Dispatcher) condemn(ctx context.Context, p *Pool, key keys.Key, e *upstream.Error) error {
	reason := e.KeyReason()
	if !upstream.ConfirmInvalid(ctx, d.providers.Of(key.Provider), key.Value.Reveal()) {
		e.Class = upstream.ClassDenied
		d.logger(ctx).Warn("key not confirmed to be invalid", "key", key.Index, "project", key.Project, "reason", reason)
		return nil
	}
	refused := []keys.Key{key}
	if lesson.Table[lesson.Of(e, false, true)].Concerns == lesson.WholeProject {
		refused = p.Only(key.Project).Keys
	}
	limited := patience.Limit(ctx)
	marked, err := d.mark(limited, refused, reason)
	for _, k := range marked {
		d.audit.Record(limited, events.Fluxgate, fmt.Sprintf("key %d%s is invalid: %s", k.Index, k.Whose(), reason))
	}
	limited.End()
	_, reload := d.keys.Reload(ctx, "a key turned out to be invalid")
	return errors.Join(err, reload)
}

// mark marks keys as invalid, and returns those that weren't yet.
func (d *Dispatcher) mark(ctx context.Context, refused []keys.Key, reason string) (marked []keys.Key, err error) {
	for _, k := range refused {
		result, problem := d.admission.Apply(ctx, k.Project, scheduler.SetMark{Key: k.Fingerprint, Invalid: &reason})
		if problem == nil && result.Changed {
			d.logger(ctx).Warn("key invalid", "key", k.Index, "project", k.Project, "reason", reason)
			marked = append(marked, k)
		}
		err = errors.Join(err, problem)
	}
	return marked, err
}
