package admin

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"fluxgate.dev/fluxgate/internal/requestlog"
	"fluxgate.dev/fluxgate/internal/validation"
	"fluxgate.dev/fluxgate/scheduler"
)

// Validator returns what checks the keys.
func (a *Admin) Validator() *validation.Validator {
	return &validation.Validator{Admission: a.admission, Keys: a.keys, Providers: a.providers, Logger: a.log}
}

// logger returns the logger of a request.
func (a *Admin) logger(ctx context.Context) *slog.Logger { return requestlog.From(ctx, a.log) }

// settleTimeout bounds what is written after an answer is known.
const settleTimeout = 10 * time.Second

// review moves the bookings that no longer fit under new limits, on all projects at once: the
// administrator waits for it.
func (a *Admin) review(ctx context.Context) error {
	p, err := a.dispatch.Pool(ctx)
	if err != nil {
		return err
	}
	reviews, ctx := errgroup.WithContext(ctx)
	for _, id := range p.IDs() {
		reviews.Go(func() error {
			_, err := a.admission.Apply(ctx, id, scheduler.Review{})
			return err
		})
	}
	return reviews.Wait()
}
