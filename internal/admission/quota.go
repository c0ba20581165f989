package admission

import (
	"context"

	"fluxgate.dev/fluxgate/internal/admission/ownlimits"
)

// A Quota is one of a caller's own limits as it stands.
type Quota = ownlimits.Quota

// Quotas returns a caller's own limits as this instance knows them to stand now, and none
// if it has none. What a request of the caller's is told by may be newer.
func (c *Controller) Quotas(ctx context.Context, caller string) []Quota {
	rules := c.callers[caller]
	if rules == nil {
		return nil
	}
	states, err := c.store.View(ctx, []string{ownlimits.Document(caller)})
	if err != nil {
		return nil // the answer itself says so, if it matters
	}
	return ownlimits.Quotas(rules, states[0], c.Now())
}
