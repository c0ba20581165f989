package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"fluxgate.dev/fluxgate/internal/accounts"
	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/scheduler"
)

// Spending is limited per billing account: what refuses one of its projects will refuse
// the others. Which are billed together is declared with the keys, or learned from their
// being refused together.

// spendRecord is the name of the record of who was refused for spending.
const spendRecord = "spend"

// updateAccounts changes what is known of billing accounts, and returns it.
func (d *Dispatcher) updateAccounts(ctx context.Context, p *Pool, change func(*accounts.Accounts)) (a *accounts.Accounts, err error) {
	_, err = d.admission.UpdateRecord(ctx, spendRecord, func(data []byte) ([]byte, error) {
		a = accounts.Read(data, p.Has)
		change(a)
		return json.Marshal(a)
	})
	if err != nil {
		return nil, fmt.Errorf("record of spending: %w", err)
	}
	return a, nil
}

// overspent has every project left alone that is billed with the one that was refused.
func (r *dispatch) overspent(ctx context.Context, grant *admission.Grant, block scheduler.Block) error {
	wait := scheduler.RecordRefusal{Model: scheduler.OfProject, Block: block, Admitted: grant.Reservation.Start}
	result, err := r.d.admission.Learn(ctx, grant.Project, wait)
	if err == nil && !result.Changed {
		return nil // it was under way when the project began to wait
	}
	problems := []error{err}
	p, err := r.d.Pool(ctx)
	if err != nil {
		p, problems = r.pool, append(problems, err)
	}
	others := p.BilledWith(grant.Project)
	if others == nil {
		a, err := r.d.updateAccounts(ctx, p, func(a *accounts.Accounts) { a.Refused(grant.Project, r.d.admission.Now()) })
		if problems = append(problems, err); err == nil {
			others = a.With(grant.Project)
		}
	}
	for _, project := range others {
		_, err := r.d.admission.Learn(ctx, project, wait)
		problems = append(problems, err)
	}
	if len(others) > 0 {
		r.log.Warn("billing account waits", "project", grant.Project, "with", others)
	}
	return errors.Join(problems...)
}

// paysAgain notes that a project was served that was tried after it had spent too fast.
func (r *dispatch) paysAgain(ctx context.Context, grant *admission.Grant) {
	p, err := r.d.Pool(ctx)
	if err != nil || p.BilledWith(grant.Project) != nil {
		return // it is declared
	}
	if _, err := r.d.updateAccounts(ctx, p, func(a *accounts.Accounts) { a.Served(grant.Project, r.d.admission.Now()) }); err != nil {
		r.log.Warn("not noted who pays", "project", grant.Project, "error", err)
	}
}
