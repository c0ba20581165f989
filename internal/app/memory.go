package app

import (
	"fmt"

	"fluxgate.dev/fluxgate/internal/bodies"
	"fluxgate.dev/fluxgate/internal/config"
)

// bodyBudget returns the budget of bodies in flight, in bytes: as configured, or as suits the memory
// that this process has. It fails where that is too little for one body.
func bodyBudget(cfg *config.Config, o Options) (int64, error) {
	limit := bodies.Limit() // which Go's runtime is told, whoever says how large the budget is
	fits := bodies.Default(limit)
	least := int64(cfg.LeastBodyBudget())
	switch {
	case cfg.BodyBudget == 0 && fits < least:
		return 0, fmt.Errorf("memory: of %s (GOMEMLIMIT, or nine tenths of what the container has) %s are for bodies, and one of FLUXGATE_MAX_BODY (%s) takes %s: give it %s, or lower FLUXGATE_MAX_BODY",
			config.Bytes(limit), config.Bytes(fits), cfg.MaxBody, config.Bytes(least), config.Bytes(bodies.Needed(least)))
	case cfg.BodyBudget == 0:
		return fits, nil
	case limit > 0 && int64(cfg.BodyBudget) > fits:
		o.Logger.Warn("configuration", "warning", fmt.Sprintf("FLUXGATE_BODY_BUDGET is %s, which may need more memory than there is: want at most %s for %s", cfg.BodyBudget, config.Bytes(fits), config.Bytes(limit)))
	}
	return int64(cfg.BodyBudget), nil
}
