package server

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"fluxgate.dev/fluxgate/internal/gate"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/scheduler"
)

// A KeySource is where the keys are had from; *keys.Pool is one.
type KeySource interface {
	Keys(ctx context.Context) ([]keys.Key, error)
	Reload(ctx context.Context, reason string) ([]keys.Key, error)
}

// A pool is the keys as they are for one request, by project. It is shared and
// never changed.
type pool struct {
	keys     []keys.Key
	projects []gate.Project
}

func newPool(list []keys.Key) *pool {
	p := &pool{keys: list}
	at := make(map[string]int, len(list))
	for _, k := range list {
		i, ok := at[k.Project]
		if !ok {
			i = len(p.projects)
			at[k.Project] = i
			p.projects = append(p.projects, gate.Project{ID: k.Project})
		}
		p.projects[i].Keys = append(p.projects[i].Keys, k.Fingerprint)
	}
	return p
}

// without returns the projects that are not in the set.
func (p *pool) without(excluded map[string]bool) []gate.Project {
	if len(excluded) == 0 {
		return p.projects
	}
	var left []gate.Project
	for _, project := range p.projects {
		if !excluded[project.ID] {
			left = append(left, project)
		}
	}
	return left
}

// byIndex returns the key with that public ID.
func (p *pool) byIndex(index int) (keys.Key, bool) {
	for _, k := range p.keys {
		if k.Index == index {
			return k, true
		}
	}
	return keys.Key{}, false
}

// pick returns a usable key of a project: the preferred one if it is among
// them, else any.
func (p *pool) pick(project string, state *scheduler.Project, prefer int) (keys.Key, error) {
	var usable []keys.Key
	for _, k := range p.keys {
		if k.Project != project || !state.Usable(k.Fingerprint) {
			continue
		}
		if k.Index == prefer {
			return k, nil
		}
		usable = append(usable, k)
	}
	if len(usable) == 0 {
		return keys.Key{}, fmt.Errorf("project %s: %w", project, gate.ErrNoProject)
	}
	return usable[rand.IntN(len(usable))], nil
}

// any returns any usable key of a project that isn't excluded. The states are
// those of the projects, in order.
func (p *pool) any(states []*scheduler.Project, excluded map[string]bool) (keys.Key, bool) {
	for _, i := range rand.Perm(len(p.projects)) {
		if id := p.projects[i].ID; !excluded[id] {
			if key, err := p.pick(id, states[i], 0); err == nil {
				return key, true
			}
		}
	}
	return keys.Key{}, false
}

// has reports whether a project has keys in the pool.
func (p *pool) has(project string) bool {
	return slices.ContainsFunc(p.projects, func(x gate.Project) bool { return x.ID == project })
}

// only returns the part of the pool that is of one project.
func (p *pool) only(project string) *pool {
	var list []keys.Key
	for _, k := range p.keys {
		if k.Project == project {
			list = append(list, k)
		}
	}
	return newPool(list)
}

// ids returns the project IDs in order.
func (p *pool) ids() []string {
	ids := make([]string, len(p.projects))
	for i := range p.projects {
		ids[i] = p.projects[i].ID
	}
	return ids
}
