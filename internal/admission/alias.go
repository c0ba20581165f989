package admission

import (
	"context"
	"slices"

	"fluxgate.dev/fluxgate/storage"
)

// maxAliases bounds how many names of models are known to count against another.
const maxAliases = 64

// Asked are the names by which models are asked for, by the models in whose
// calendars they are counted, where the two differ.
type Asked map[string]string

// Of returns the name by which the model of a calendar is asked for.
func (a Asked) Of(model string) string {
	if name, ok := a[model]; ok {
		return name
	}
	return model
}

// Counted returns the models whose calendars the named ones are counted in, and by
// which name each is asked for: aliases share the calendar of what they stand for.
func (s *Snapshot) Counted(names []string) (chain []string, asked Asked) {
	if !slices.ContainsFunc(names, func(name string) bool { return s.Control.Aliases[name] != "" }) {
		return names, nil
	}
	asked = make(Asked, len(names))
	for _, name := range names {
		model, ok := s.Control.Aliases[name]
		if !ok {
			model = name
		}
		if _, twice := asked[model]; !twice {
			asked[model] = name
			chain = append(chain, model)
		}
	}
	return chain, asked
}

// LearnAlias notes that requests for a name count against another model, and
// reports whether they do so from now on. The model must be one's valid name.
func (c *Controller) LearnAlias(ctx context.Context, name, model string) (bool, error) {
	if name == model {
		return false, nil
	}
	snapshot, err := c.Snapshot(ctx)
	if err == nil && snapshot.Control.Aliases[name] != model {
		snapshot, err = c.UpdateControl(ctx, func(control *storage.Control) error {
			if control.Aliases == nil {
				control.Aliases = make(map[string]string)
			}
			if _, known := control.Aliases[name]; known || len(control.Aliases) < maxAliases {
				control.Aliases[name] = model
			}
			return nil
		})
	}
	if err != nil {
		return false, err
	}
	return snapshot.Control.Aliases[name] == model, nil
}

// LearnVersion is LearnAlias from what an answer says of the model that gave it.
// What a refusal said of the name knows better, and stays.
func (c *Controller) LearnVersion(ctx context.Context, name, version string) error {
	snapshot, err := c.Snapshot(ctx)
	if err != nil || snapshot.Control.Aliases[name] != "" {
		return err
	}
	_, err = c.LearnAlias(ctx, name, version)
	return err
}
