package catalog

import (
	"context"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// Unlisted returns those of other providers' models that these say they don't have, of some by
// the names that they are counted by. Of a provider that can't be asked nothing is known.
func Unlisted(ctx context.Context, d *dispatch.Dispatcher, p *dispatch.Pool, models []string) (missing []string) {
	ctx, cancel := context.WithTimeout(ctx, unlistedTimeout)
	defer cancel()
	for _, model := range models {
		provider, name, foreign := strings.Cut(model, "/")
		if !foreign {
			continue
		}
		has := true
		err := d.Free(ctx, p.Of(provider), true, func(ctx context.Context, to dispatch.Target) *upstream.Error {
			lister, ok := to.Provider().(upstream.Lister)
			if !ok {
				return nil
			}
			var failure *upstream.Error
			has, failure = lister.HasModel(ctx, to.Key.Value.Reveal(), name)
			return failure
		})
		if err == nil && !has {
			missing = append(missing, model)
		}
	}
	return missing
}

// unlistedTimeout bounds Unlisted: somebody waits for it.
const unlistedTimeout = 10 * time.Second
