package keys

import (
	"context"
	"fmt"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/upstream"
)

type envSource []entry

var _ Source = envSource(nil)

// FromEnv returns a source of the keys that the configuration read from the
// environment. The environment doesn't change, so neither does the list.
func FromEnv(configured []config.KeyEntry) Source {
	entries := make(envSource, len(configured))
	for i, k := range configured {
		entries[i] = entry{k.Index, k.Value, k.Project, k.Billing, k.Tier, k.Provider, k.Variable("KEY")}
		if k.Value.Empty() && k.Project != "" {
			entries[i].value = config.NewSecret(upstream.WithoutKey(k.Project))
			entries[i].where = fmt.Sprintf("GEMINI_PROJECT_%d", k.Index)
		}
	}
	return entries
}

// Load implements [Source].
func (s envSource) Load(context.Context) ([]Key, []Warning, error) { return build(s) }
