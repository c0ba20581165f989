package keys

import (
	"errors"
	"slices"

	"fluxgate.dev/fluxgate/internal/secrets"
)

// A parsed entry of a payload, blank ones included: they keep their position.
type parsed struct {
	value, project, billing, tier, provider string
}

// form is that of a secret that holds keys.
var form = secrets.Form[parsed]{
	Fields: []string{"key", "project", "billing", "tier", "provider"},
	Line:   func(text string) (parsed, error) { return parsed{value: text}, nil },
	Object: func(fields map[string]string) (parsed, error) {
		e := parsed{fields["key"], fields["project"], fields["billing"], fields["tier"], fields["provider"]}
		if e.value == "" && e.project+e.billing+e.tier != "" {
			return e, errors.New("it declares something of a project but no key: want its \"key\" too")
		}
		return e, nil
	},
}

// parsePayload reads what a secret holds: one key, one key per line (blank
// lines and those that begin with # don't count), or a JSON array of
// {"key":"…","project":"…","billing":"…","tier":"…","provider":"…"}. Errors name positions, never text, because all of
// the text is secret.
func parsePayload(data []byte) ([]parsed, error) {
	entries, err := secrets.Parse(data, form)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(entries, func(e parsed) bool { return e.value != "" }) {
		return nil, errors.New("it holds no key: want one on a line, or a JSON array of objects with \"key\"")
	}
	return entries, nil
}
