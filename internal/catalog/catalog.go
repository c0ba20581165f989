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
	of := make(map[string][]string) // names by provider
	for _, model := range models {
		if provider, name, foreign := strings.Cut(model, "/"); foreign {
			of[provider] = append(of[provider], name)
		}
	}
	lacks := make(map[string]bool)
	for provider, names := range of {
		_ = d.Free(ctx, p.Of(provider), true, func(ctx context.Context, to dispatch.Target) *upstream.Error {
			lister, ok := to.Provider().(upstream.Lister)
			if !ok {
				return nil
			}
			some, failure := lister.Lacks(ctx, to.Key.Value.Reveal(), names)
			for _, name := range some {
				lacks[provider+"/"+name] = true
			}
			return failure
		}) // of one that can't be asked none is known to be missing
	}
	for _, model := range models {
		if lacks[model] {
			missing = append(missing, model)
		}
	}
	return missing
}

// unlistedTimeout bounds Unlisted: somebody waits for it.
const unlistedTimeout = 10 * time.Second
