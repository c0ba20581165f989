package keys

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/secrets"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// A SecretAccessor reads one version of a secret. *gcpsecrets.Client is one.
type SecretAccessor = secrets.Accessor

type secretSource struct {
	client SecretAccessor
	names  []string
	// providers are those beside Gemini that keys may be for
	providers []string
}

var _ Source = (*secretSource)(nil)

// FromSecrets returns a source of the keys in the named secrets, in that order.
// Names are as [config.SecretNames] returns them; "projects/P/secrets/S" stands
// for its latest version.
//
// Load fails when any secret can't be read or is malformed: a pool that is
// missing some of its keys would look healthy and be slow. The error keeps
// the cause. A key may be for Gemini, or for one of the other providers.
func FromSecrets(client SecretAccessor, names []string, providers ...string) Source {
	return &secretSource{client, names, providers}
}

// Load implements [Source].
func (s *secretSource) Load(ctx context.Context) ([]Key, []Warning, error) {
	payloads, err := secrets.ReadAll(s.names, func(name string) ([]parsed, error) {
		data, err := secrets.Read(ctx, s.client, name)
		if err != nil {
			return nil, err
		}
		return parsePayload(data)
	})
	if err != nil {
		return nil, nil, err
	}
	var entries []entry
	index := 0
	for i, payload := range payloads {
		for n, p := range payload {
			index++ // blank entries count, so that blanking one renumbers nothing
			if p.value == "" {
				continue
			}
			entries = append(entries, entry{index, config.NewSecret(p.value), p.project, p.billing, p.tier, p.provider,
				fmt.Sprintf("%s, entry %d", s.names[i], n+1)})
		}
	}
	for _, e := range entries {
		if e.provider != "" && e.provider != upstream.Gemini && !slices.Contains(s.providers, e.provider) {
			return nil, nil, fmt.Errorf("%s: its provider is none of gemini, %s: want one of them, or name it in FLUXGATE_PROVIDERS", e.where, strings.Join(s.providers, ", "))
		}
	}
	return build(entries)
}
