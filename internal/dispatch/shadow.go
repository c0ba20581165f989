package dispatch

import (
	"context"
	"errors"
	"time"

	"fluxgate.dev/fluxgate/internal/admission"
)

// ask asks admission for a slot. A Fluxgate that only watches has nothing kept for anybody.
func (r *dispatch) ask(ctx context.Context, req admission.Request) (*admission.Grant, *admission.Wait, error) {
	if r.d.shadow.On() {
		req.Book, req.Ticket, req.Hash, req.Within = false, nil, 0, new(time.Duration)
	}
	return r.d.admission.Admit(ctx, req)
}

// regardless gets a request its slot that would have waited, where Fluxgate only watches. One that upstream has refused
// isn't sent again over a limit: its caller has what upstream said.
func (r *dispatch) regardless(ctx context.Context, wait *admission.Wait, err error) (*admission.Grant, error) {
	never := errors.Is(err, admission.ErrTooLarge) || errors.Is(err, admission.ErrCallerTooLarge) || errors.Is(err, admission.ErrNoProject)
	switch {
	case wait == nil && !never:
		return nil, err
	case r.refusal != nil:
		return nil, r.refusal
	}
	req := r.request(ctx)
	req.Over = true
	grant, _, failed := r.ask(ctx, req)
	if grant == nil {
		return nil, failed
	}
	told := r.decision(nil, wait, err)
	r.d.shadow.Note(ctx, grant.Asked, told.Cause, told.Wait, never)
	r.log.Info("shadow: sent although it would have waited", "project", grant.Project, "model", grant.Asked, "tokens", r.demand.Tokens,
		"wait", told.Wait, "never", never, "cause", told.Cause)
	return grant, nil
}
