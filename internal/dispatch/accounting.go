package dispatch

import (
	"context"
	"time"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/telemetry"
	"fluxgate.dev/fluxgate/internal/usage"
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
	r.d.telemetry.Used(ctx, telemetry.Used{
		Caller: a.Caller, Model: a.Model, Input: a.Input, Output: a.Used.Output, Thoughts: a.Used.Thoughts, Cached: a.Used.Cached,
		Tools: a.Used.Tools, Dollars: cost.Dollars(),
	})
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
			who.Model = wait.Model
		}
		d.usage.Refused(ctx, who, causeOf(wait), wait.Start.Sub(d.admission.Now()))
		d.telemetry.Refused(ctx, who.Caller, who.Model, causeOf(wait))
	case err != nil:
		d.usage.Failed(ctx, who, failureOf(err))
	}
}
