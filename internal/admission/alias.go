package admission

import (
	"cmp"
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
func (a Asked) Of(model string) string { return cmp.Or(a[model], model) }

// Counted returns the models whose calendars the named ones are counted in, and by
// which name each is asked for: aliases share the calendar of what they stand for, and so
// do those for which shared, if not nil, returns one name ([Request.Shared]).
func (s *Snapshot) Counted(names []string, shared func(name string) string) (chain []string, asked Asked) {
	counted := func(name string) string {
		if shared == nil || s.Control.Aliases[name] != "" {
			return cmp.Or(s.Control.Aliases[name], name)
		}
		return shared(name)
	}
	if !slices.ContainsFunc(names, func(name string) bool { return counted(name) != name }) {
		return names, nil
	}
	asked = make(Asked, len(names))
	for _, name := range names {
		model := counted(name)
		if _, twice := asked[model]; !twice {
			asked[model] = name
			chain = append(chain, model)
		}
	}
	return chain, asked
}

// Beside returns the model on which requests for a name may be counted too; empty: none.
// It answers them, and no refusal has said yet where they are counted.
func (s *Snapshot) Beside(name string) string {
	if model := s.Control.Redirects[name]; model != name && s.Control.Aliases[name] == "" {
		return model
	}
	return ""
}

// LearnRedirect notes which model answers requests for a name; empty: it does itself.
func (c *Controller) LearnRedirect(ctx context.Context, name, model string) error {
	_, err := c.UpdateControl(ctx, func(control *storage.Control) error {
		_, known := control.Redirects[name]
		switch {
		case model == "":
			delete(control.Redirects, name)
		case known || len(control.Redirects) < maxAliases:
			if control.Redirects == nil {
				control.Redirects = make(map[string]string)
			}
			control.Redirects[name] = model
		}
		return nil
	})
	return err
}

// LearnAlias notes that requests for a name count against another model, or against its
// own although another was thought so, and reports whether that is so from now on. The
// model must be one's valid name.
func (c *Controller) LearnAlias(ctx context.Context, name, model string) (bool, error) {
	snapshot, err := c.Snapshot(ctx)
	if err == nil && name == model && snapshot.Control.Aliases[name] == "" && snapshot.Control.Redirects[name] == "" {
		return false, nil
	}
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
