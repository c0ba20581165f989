package admission

import (
	"context"
	"time"

	"fluxgate.dev/fluxgate/internal/admission/patience"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// Nobody but this package works with the store. What others need to see of it is
// here.

// Now returns the store's time.
func (c *Controller) Now() scheduler.Instant { return c.store.Now() }

// behind is how far this instance's clock may be behind the store's time.
func (c *Controller) behind() time.Duration {
	_, latest := c.store.Between()
	return max(0, latest.Sub(c.Now()))
}

// View returns what this instance knows of projects, in order; nil where nothing
// is kept.
func (c *Controller) View(ctx context.Context, ids []string) ([]*scheduler.Project, error) {
	limited := patience.Limit(ctx)
	defer limited.End()
	states, err := c.store.View(limited, ids)
	return states, limited.Explain(err)
}

// FreshView is View of documents that are at most a second old.
func (c *Controller) FreshView(ctx context.Context, ids []string) ([]*scheduler.Project, error) {
	if err := c.store.Refresh(ctx, ids, true); err != nil {
		return nil, err
	}
	return c.store.View(ctx, ids)
}

// Stats returns what the store was asked since this instance began.
func (c *Controller) Stats() storage.Stats { return c.store.Stats() }

// Record returns the data of a record; nil if there is none.
func (c *Controller) Record(ctx context.Context, name string) ([]byte, error) {
	return c.store.Record(ctx, name)
}

// UpdateRecord changes a record and returns what it then holds. The function may
// run more than once; its error is returned as it is, and then nothing is written.
func (c *Controller) UpdateRecord(ctx context.Context, name string, change func(data []byte) ([]byte, error)) ([]byte, error) {
	return c.store.UpdateRecord(ctx, name, change)
}
