package dispatch

import (
	"cmp"
	"context"
	"errors"
	"time"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/admission/patience"
	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/budget"
	"fluxgate.dev/fluxgate/internal/telemetry"
	"fluxgate.dev/fluxgate/internal/usage"
	"fluxgate.dev/fluxgate/scheduler"
)

// used counts an answer, of which the caller has all there is.
func (r *dispatch) used(ctx context.Context, grant *admission.Grant, info Sent) {
	a := usage.Answer{
		For:   usage.For{Project: grant.Project, Model: grant.Asked, Caller: r.call.Caller},
		Input: info.PromptTokens, Metered: info.PromptTokens >= 0, Used: info.Tokens, Answered: info.ModelVersion,
		Waited: r.waited, Took: time.Since(r.call.began),
	}
	if !a.Metered {
		a.Input = r.demand.Tokens
	}
	cost, _ := r.d.usage.Served(a)
	output := budget.Output(a.Used.Output+a.Used.Thoughts, info.Untold && info.Late == nil)
	r.d.budgets.Spend(a.Caller, cmp.Or(a.Answered, a.Model), a.Input, a.Used.Cached, output)
	r.d.telemetry.Used(telemetry.Used{
		Caller: a.Caller, Model: a.Model, Input: a.Input, Output: a.Used.Output, Thoughts: a.Used.Thoughts, Cached: a.Used.Cached,
		Tools: a.Used.Tools, Cost: int64(cost),
	})
}

// take reckons with the call in its caller's budget; the wait says when there is room in it.
func (r *dispatch) take(ctx context.Context) (*budget.Share, *admission.Wait, error) {
	if !r.d.budgets.Bounds(r.call.Caller) {
		return nil, nil, nil
	}
	limited := patience.Limit(ctx)
	defer limited.End()
	share, spent, err := r.d.budgets.Take(limited, r.call.Caller, r.models, r.demand.Tokens)
	if never, ok := errors.AsType[*budget.NeverError](err); ok {
		return nil, nil, apierror.OverBudget(never.ID, never.Value, never.Needs, err)
	} else if err != nil || spent == nil || r.d.shadow.On() {
		return share, nil, limited.Explain(err)
	}
	return nil, overBudget(r.call.Caller, spent), nil
}

// overBudget is the wait of a caller whose budget has no room.
func overBudget(caller string, spent *budget.Refusal) *admission.Wait {
	return &admission.Wait{Start: scheduler.At(spent.Reset), Cause: scheduler.ByRPD, Caller: caller, Budget: spent.ID, BudgetLimit: spent.Value}
}

// MayMake says what stands in the way of a new batch of a caller's, of a model: its budget, where
// that is spent. What the batch will come to isn't known, so it is taken for one request. A model
// "" may be any. The error is the store's.
func (d *Dispatcher) MayMake(ctx context.Context, caller, model string) (*admission.Wait, error) {
	if d.shadow.On() {
		return nil, nil
	}
	limited := patience.Limit(ctx)
	share, spent, err := d.budgets.Take(limited, caller, []string{model}, 0)
	limited.End()
	share.GiveBack()
	if spent == nil || err != nil {
		return nil, limited.Explain(err)
	}
	wait := overBudget(caller, spent)
	d.account(ctx, &Call{Caller: caller, Models: []string{model}}, wait, nil)
	return wait, nil
}

// account counts a call that wasn't answered.
func (d *Dispatcher) account(ctx context.Context, c *Call, wait *admission.Wait, err error) {
	who := usage.For{Caller: c.Caller}
	if len(c.Models) > 0 {
		who.Model = c.Models[0] // what was asked for first
	}
	switch {
	case wait != nil:
		if who.Project = wait.Project; wait.Model != "" {
			who.Model = d.outputs.AskedAs(c.Snapshot, c.Models, c.other, wait.Model) // by which answers are counted
		}
		d.usage.Refused(ctx, who, causeOf(wait), wait.Start.Sub(d.admission.Now()))
		d.telemetry.Refused(who.Caller, who.Model, causeOf(wait))
	case err != nil:
		d.usage.Failed(ctx, who, failureOf(err))
	}
}
