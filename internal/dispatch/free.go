package dispatch

import (
	"context"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/telemetry"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// maxFree bounds how many projects a free request is sent to, those aside that can't
// be used at all.
const maxFree = 3

// ErrKeyless is what a free request comes to where no key can be used.
var ErrKeyless = apierror.New(apierror.NoUsableKey, "No usable key is left for this request. See /status.")

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
		key, ok := p.any(states, tried)
		if !ok {
			break
		}
		failure := send(ctx, d.target(key))
		if failure == nil {
			return nil
		}
		last = failure
		d.telemetry.Failed("resource", telemetry.Target{Project: key.Project}, failure.Class.String())
		switch failure.Class {
		case upstream.ClassKeyInvalid:
			// Other keys of the project go on.
			if err := d.condemn(ctx, key, failure); err != nil {
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

// ListModels lists the models, with any key.
func (d *Dispatcher) ListModels(ctx context.Context) ([]upstream.Model, error) {
	p, err := d.Pool(ctx)
	if err != nil {
		return nil, err
	}
	var models []upstream.Model
	err = d.Free(ctx, p, true, func(ctx context.Context, to Target) *upstream.Error {
		var err error
		if models, err = to.provider.ListModels(ctx, to.Key.Value.Reveal()); err != nil {
			return asUpstream(ctx, err)
		}
		return nil
	})
	return models, err
}
