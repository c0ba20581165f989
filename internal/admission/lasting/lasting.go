package lasting

import (
	"context"
	"errors"
	"slices"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/scheduler"
)

// ErrOver means that a request has no place any more: it wasn't extended in time.
var ErrOver = errors.New("the place of a session is over")

// A Place is that of one grant. It belongs to one goroutine at a time.
type Place struct {
	ctl   *admission.Controller
	grant *admission.Grant
	limit *admission.CallerLimit
}

// Of returns the place of a grant, and of its request in its caller's own limits.
func Of(ctl *admission.Controller, grant *admission.Grant, limit *admission.CallerLimit) *Place {
	return &Place{ctl, grant, limit}
}

// Tried reports whether the request was let through to find out something, for which others
// wait until upstream has answered.
func (p *Place) Tried() bool { return p.grant.Trial || p.grant.Probe != scheduler.NoCause }

// Until returns when the place is over unless it is extended, by the clock of the store; 0:
// the grant has none that lasts.
func (p *Place) Until() (until scheduler.Instant) {
	rules := p.ctl.Rules()
	for _, x := range p.grant.Also {
		if spec(rules, x.On).AtATime && (until == 0 || x.Reservation.End < until) {
			until = x.Reservation.End
		}
	}
	return until
}

// Extend has the place last as long again from now on, and notes that upstream has answered.
// It fails with ErrOver, or with what the store says; then the place is as it was.
func (p *Place) Extend(ctx context.Context) error {
	rules := p.ctl.Rules()
	var lasting []int
	for i, x := range p.grant.Also {
		if spec(rules, x.On).AtATime {
			lasting = append(lasting, i)
		}
	}
	if len(lasting) == 0 {
		return nil
	}
	first := p.grant.Also[lasting[0]]
	change := scheduler.Extend{
		Model: first.On, ID: first.Reservation.ID, Reserved: first.Reservation, Until: p.ctl.Now(), Caller: p.grant.Caller, Answered: true,
	}
	for _, i := range lasting[1:] {
		change.Also = append(change.Also, p.grant.Also[i])
	}
	result, err := p.ctl.Apply(ctx, p.grant.Project, change)
	switch {
	case err != nil:
		return err
	case result.Verdict != scheduler.Admitted:
		return ErrOver
	}
	// The grant is settled by what it has now.
	also := slices.Clone(p.grant.Also)
	also[lasting[0]].Reservation = result.Reservation
	for _, x := range result.Also {
		for _, i := range lasting {
			if also[i].On == x.On {
				also[i] = x
			}
		}
	}
	p.grant.Also = also
	return nil
}

// Use counts tokens that the request has used now, on the project and on its caller's own
// limits. It fails with what the store says; to count them again then may count them twice.
func (p *Place) Use(ctx context.Context, tokens int64) error {
	_, err := p.ctl.Apply(ctx, p.grant.Project, scheduler.Use{
		Model: p.grant.Model, ID: p.grant.Reservation.ID, Reserved: p.grant.Reservation, Tokens: tokens,
		Also: p.grant.Also, Caller: p.grant.Caller,
	})
	if err != nil {
		return err
	}
	return p.limit.Use(ctx, tokens)
}

func spec(rules *scheduler.Rules, on string) scheduler.Spec {
	if scheduler.IsModel(on) {
		return scheduler.Spec{}
	}
	return rules.Spec(on)
}
