package admin

import (
	"context"
	"errors"
	"math"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/budget"
	"fluxgate.dev/fluxgate/scheduler"
)

// Quotas says how a caller's own limits and budgets stand, for the headers of its answers. It
// asks nothing of the store: as this instance knows them.
func (a *Admin) Quotas(ctx context.Context, caller string) (all []apierror.Quota) {
	for _, q := range a.admission.Quotas(ctx, caller) {
		all = append(all, apierror.Quota{Cause: q.Cause, Limit: q.Limit, Left: q.Left, Window: q.Window, Reset: q.Reset})
	}
	for _, b := range a.budgets.Known(caller) {
		q := apierror.Quota{Budget: b.Name, Dollars: b.Dollars, Window: b.Period, Reset: b.Resets.Sub(a.admission.Now().Time())}
		unit := 1.0
		if b.Dollars {
			unit = 1e6
		}
		q.Limit, q.Left = int64(math.Round(b.Limit*unit)), int64(math.Floor(b.Left*unit))
		all = append(all, q)
	}
	return all
}

// An ownWait is what stands in the way of a request among its caller's own limits and budgets.
type ownWait struct {
	Start  instant         `json:"start"` // null: never
	WaitMS *int64          `json:"wait_ms"`
	Cause  scheduler.Cause `json:"cause,omitempty"`  // of its limits: rpm, tpm or rpd
	Budget string          `json:"budget,omitempty"` // of its budgets, as errors name it: DollarsPerDayPerCaller
}

// own says what of a caller's own stands in the way of a request; nil: nothing does.
func (a *Admin) own(ctx context.Context, caller string, plan *planning) (*ownWait, error) {
	now := a.admission.Now()
	var out *ownWait
	later := func(w ownWait) {
		if out == nil || w.Start == instant(scheduler.Never) || out.Start != instant(scheduler.Never) && w.Start > out.Start {
			out = &w
		}
	}
	wait, err := a.admission.CallerLimit(caller, plan.request.Demand).Check(ctx)
	var tooLarge *admission.TooLargeError
	switch {
	case errors.As(err, &tooLarge):
		later(ownWait{Start: instant(scheduler.Never), Cause: scheduler.TooLarge})
	case err != nil:
		return nil, err
	case wait != nil:
		later(ownWait{Start: instant(wait.Start), Cause: wait.Cause})
	}
	var never *budget.NeverError
	over, err := a.budgets.Would(ctx, caller, plan.models, plan.request.Demand.Tokens)
	switch {
	case errors.As(err, &never):
		later(ownWait{Start: instant(scheduler.Never), Cause: scheduler.TooLarge, Budget: never.ID})
	case err != nil:
		return nil, err
	case over != nil:
		later(ownWait{Start: instant(scheduler.At(over.Reset)), Budget: over.ID})
	}
	if out != nil && out.Start != instant(scheduler.Never) {
		ms := max(0, scheduler.Instant(out.Start).Sub(now)).Milliseconds()
		out.WaitMS = &ms
	}
	return out, nil
}
