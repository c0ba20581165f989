package dispatch

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/scheduler"
)

// A Pool is the keys as they are for one request, by project. It is shared and
// never changed.
type Pool struct {
	Keys     []keys.Key
	Projects []admission.Project
}

func newPool(list []keys.Key) *Pool {
	p := &Pool{Keys: list}
	at := make(map[string]int, len(list))
	for _, k := range list {
		i, ok := at[k.Project]
		if !ok {
			i = len(p.Projects)
			at[k.Project] = i
			p.Projects = append(p.Projects, admission.Project{ID: k.Project})
		}
		p.Projects[i].Keys = append(p.Projects[i].Keys, k.Fingerprint)
	}
	return p
}

// without returns the projects that are not in the set.
func (p *Pool) without(excluded map[string]bool) []admission.Project {
	if len(excluded) == 0 {
		return p.Projects
	}
	var left []admission.Project
	for _, project := range p.Projects {
		if !excluded[project.ID] {
			left = append(left, project)
		}
	}
	return left
}

// ByIndex returns the key with that public ID.
func (p *Pool) ByIndex(index int) (keys.Key, bool) {
	for _, k := range p.Keys {
		if k.Index == index {
			return k, true
		}
	}
	return keys.Key{}, false
}

// byFingerprint returns the key with that fingerprint.
func (p *Pool) byFingerprint(fingerprint string) (keys.Key, bool) {
	for _, k := range p.Keys {
		if k.Fingerprint == fingerprint {
			return k, true
		}
	}
	return keys.Key{}, false
}

// Pick returns any usable key of a project.
func (p *Pool) Pick(project string, state *scheduler.Project) (keys.Key, error) {
	var usable []keys.Key
	for _, k := range p.Keys {
		if k.Project != project || !state.Usable(k.Fingerprint) {
			continue
		}
		usable = append(usable, k)
	}
	if len(usable) == 0 {
		return keys.Key{}, fmt.Errorf("project %s: %w", project, admission.ErrNoProject)
	}
	return usable[rand.IntN(len(usable))], nil
}

// A projectSet has projects by ID. Most requests need none, so that it is made when it
// is first written to.
type projectSet map[string]bool

func (s *projectSet) set(project string, in bool) {
	if *s == nil {
		*s = make(projectSet)
	}
	(*s)[project] = in
}

// any returns any usable key of a project that isn't excluded. The states are
// those of the projects, in order.
func (p *Pool) any(states []*scheduler.Project, excluded map[string]bool) (keys.Key, bool) {
	for _, i := range rand.Perm(len(p.Projects)) {
		if id := p.Projects[i].ID; !excluded[id] {
			if key, err := p.Pick(id, states[i]); err == nil {
				return key, true
			}
		}
	}
	return keys.Key{}, false
}

// Has reports whether a project has keys in the pool.
func (p *Pool) Has(project string) bool {
	return slices.ContainsFunc(p.Projects, func(x admission.Project) bool { return x.ID == project })
}

// Only returns the part of the pool that is of one project.
func (p *Pool) Only(project string) *Pool {
	var list []keys.Key
	for _, k := range p.Keys {
		if k.Project == project {
			list = append(list, k)
		}
	}
	return newPool(list)
}

// IDs returns the project IDs in order.
func (p *Pool) IDs() []string {
	ids := make([]string, len(p.Projects))
	for i := range p.Projects {
		ids[i] = p.Projects[i].ID
	}
	return ids
}
