package admin

import (
	"context"
	"errors"
	"fmt"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/usage"
	"fluxgate.dev/fluxgate/internal/validation"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// Validate reads keys and tokens again and checks every key with a free request, in
// the name of who.
func (a *Admin) Validate(ctx context.Context, who string) (validation.Report, error) {
	// A key may have been rotated.
	if _, err := a.keys.Reload(ctx, "keys are to be validated"); err != nil {
		return validation.Report{}, &apierror.Problem{Code: apierror.Unavailable, Public: "The keys can't be read. Please retry.", Cause: err}
	}
	if a.tokens != nil {
		if err := a.tokens.Reload(ctx, "an administrator asks for it"); err != nil {
			return validation.Report{}, &apierror.Problem{Code: apierror.Unavailable, Public: "The callers' tokens can't be read. Please retry.", Cause: err}
		}
	}
	report, err := a.Validator().Run(ctx)
	if err == nil && !report.Running {
		a.audit.Record(ctx, who, "keys validated: "+report.Summary())
	}
	return report, err
}

// A resetRequest is the body of POST /reset.
type resetRequest struct {
	Key *int `json:"key"`
}

// Reset forgets, in the name of who, what was learned from upstream's refusals about the
// project of the key that the body of POST /reset names, and that the key is
// invalid.
func (a *Admin) Reset(ctx context.Context, who string, body []byte) error {
	var in resetRequest
	if err := payload.Decode(body, &in); err != nil {
		return err
	}
	if in.Key == nil {
		return apierror.Invalid("key", "say which key to reset.")
	}
	p, err := a.dispatch.Pool(ctx)
	if err != nil {
		return err
	}
	key, ok := p.ByIndex(*in.Key)
	if !ok {
		return apierror.New(apierror.NotFound, fmt.Sprintf("There is no key %d. See /status for those that there are.", *in.Key))
	}
	for _, change := range []scheduler.Change{scheduler.Reset{}, scheduler.SetMark{Key: key.Fingerprint, Invalid: new(string)}} {
		if _, err := a.admission.Apply(ctx, key.Project, change); err != nil {
			return err
		}
	}
	// Good news has to reach every instance.
	if _, err := a.admission.UpdateControl(ctx, func(*storage.Control) error { return nil }); err != nil {
		return err
	}
	a.audit.Record(ctx, who, fmt.Sprintf("key %d%s reset: blocks and learned limits of %s forgotten", key.Index, key.Whose(), key.Project))
	return nil
}

// Usage is what requests use.
func (a *Admin) Usage() *usage.Meter { return a.usage }

// Archive keeps what was used, if this instance hasn't done so within a minute, and the
// days that are over, if it hasn't today; before that it calls first. It never fails what
// it is done beside. Where the store gives no answer it ends with the first write: whoever
// sends the next request on the connection waits for it.
func (a *Admin) Archive(ctx context.Context, first func()) {
	now := a.admission.Now()
	counts, days := a.usage.Due(now.Time()), a.history.Due(now)
	if counts || days {
		first()
	}
	reached := !counts || a.FlushUsage(context.WithoutCancel(ctx))
	switch {
	case days && reached:
		a.archive(ctx, now)
	case days:
		a.history.Retry(now)
	}
}

// FlushUsage writes what was used, and what callers spent of their budgets. It reports
// whether the store can be reached; if not, it asks it for no more.
func (a *Admin) FlushUsage(ctx context.Context) (reached bool) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if err := a.usage.Flush(ctx); err != nil {
		a.logger(ctx).Warn("usage not kept yet", "error", err)
		if errors.Is(err, storage.ErrUnavailable) || ctx.Err() != nil {
			return false
		}
	}
	if err := a.budgets.Flush(ctx); err != nil {
		a.logger(ctx).Warn("budgets not kept yet", "error", err)
	}
	return true
}

func (a *Admin) archive(ctx context.Context, now scheduler.Instant) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	err := func() error {
		p, err := a.dispatch.Pool(ctx)
		if err != nil {
			return err
		}
		states, err := a.admission.View(ctx, p.IDs())
		if err != nil {
			return err
		}
		projects := make(map[string]*scheduler.Project, len(states))
		for i, id := range p.IDs() {
			projects[id] = states[i]
		}
		return a.history.Archive(ctx, now, projects)
	}()
	if err != nil {
		a.history.Retry(now)
		a.logger(ctx).Warn("history not kept yet", "error", err)
	}
}
