package pool

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// A Pool is the keys as they are for one request, by project. It is shared and
// never changed.
type Pool struct {
	Keys     []keys.Key
	Projects []admission.Project

	of       map[string]*Pool  // the part of each provider; nil: there is only one provider
	provider map[string]string // of each project, likewise
	first    string            // the project that Any tries first; "": chance says
}

// New returns the pool of the keys.
func New(list []keys.Key) *Pool {
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
	p.split()
	return p
}

// split notes the part of each provider, where there are several.
func (p *Pool) split() {
	if !slices.ContainsFunc(p.Keys, func(k keys.Key) bool { return k.Provider != p.Keys[0].Provider }) {
		return
	}
	lists := make(map[string][]keys.Key)
	p.provider = make(map[string]string, len(p.Projects))
	for _, k := range p.Keys {
		p.provider[k.Project] = k.Provider
		lists[k.Provider] = append(lists[k.Provider], k)
	}
	p.of = make(map[string]*Pool, len(lists))
	for provider, list := range lists {
		p.of[provider] = New(list)
	}
}

// none has no keys.
var none = new(Pool)

// Of returns the part of the pool that is of one provider.
func (p *Pool) Of(provider string) *Pool {
	if p.of != nil {
		if part, ok := p.of[provider]; ok {
			return part
		}
		return none
	}
	if len(p.Keys) > 0 && p.Keys[0].Provider != provider {
		return none
	}
	return p
}

// HasKeys reports whether the pool has keys of a provider.
func (p *Pool) HasKeys(provider string) bool { return len(p.Of(provider).Keys) > 0 }

// Among returns the part of the pool that is of some providers.
func (p *Pool) Among(providers []string) *Pool {
	switch {
	case len(providers) == 1:
		return p.Of(providers[0])
	case !slices.ContainsFunc(p.Keys, func(k keys.Key) bool { return !slices.Contains(providers, k.Provider) }):
		return p
	}
	var list []keys.Key
	for _, k := range p.Keys {
		if slices.Contains(providers, k.Provider) {
			list = append(list, k)
		}
	}
	return New(list)
}

// Serves returns what reports whether a project has a model, by its provider; nil: each has all.
func (p *Pool) Serves() func(project, model string) bool {
	if p.of == nil {
		return nil
	}
	return func(project, model string) bool { return p.provider[project] == ProviderOf(model) }
}

// MaxWait is how long a request waits for a better model of the chain: as long as it says, or,
// where there are several providers, as a slot is kept. A project offers the first of its models
// whose day isn't spent, however long that takes; what is another provider's has projects of its
// own, which would be offered beside that, out of the chain's order.
func (p *Pool) MaxWait(said *time.Duration) *time.Duration {
	if said == nil && p.of != nil {
		return new(time.Duration(scheduler.MaxAhead))
	}
	return said
}

// LeaveProvider adds all projects of a project's provider to a set of those that are excluded, and
// reports whether projects of others are left. If none are, the set stays as it is.
func (p *Pool) LeaveProvider(project string, excluded map[string]bool) (all map[string]bool, left bool) {
	all = maps.Clone(excluded)
	if all == nil {
		all = make(map[string]bool)
	}
	for _, x := range p.Projects {
		switch {
		case p.of == nil:
			return excluded, false
		case p.provider[x.ID] == p.provider[project]:
			all[x.ID] = true
		default:
			left = left || !excluded[x.ID]
		}
	}
	if !left {
		return excluded, false
	}
	return all, true
}

// ProviderOf returns the provider of a model, by the name that it is counted by.
func ProviderOf(model string) string {
	if before, _, ok := strings.Cut(model, "/"); ok {
		return before
	}
	return upstream.Gemini
}

// Without returns the projects that are not in the set.
func (p *Pool) Without(excluded map[string]bool) []admission.Project {
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

// ByFingerprint returns the key with that fingerprint.
func (p *Pool) ByFingerprint(fingerprint string) (keys.Key, bool) {
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

// Valid returns the keys of a project but for those that are no good themselves, whatever the project can pay.
func (p *Pool) Valid(project string, state *scheduler.Project) (valid []keys.Key) {
	for _, k := range p.Keys {
		reason := state.Mark(k.Fingerprint).Invalid
		if k.Project == project && (reason == "" || upstream.OfProject(reason)) {
			valid = append(valid, k)
		}
	}
	return valid
}

// Agree reports whether every key is left alone for one reason, but for those that are disabled. The states are those
// of the projects, in order.
func (p *Pool) Agree(states []*scheduler.Project, reason string) (agree bool) {
	for i, project := range p.Projects {
		for _, k := range project.Keys {
			switch m := states[i].Mark(k); {
			case m.Disabled:
			case m.Invalid != reason:
				return false
			default:
				agree = true
			}
		}
	}
	return agree
}

// Preferring returns the pool of which Any tries a project first.
func (p *Pool) Preferring(project string) *Pool {
	out := *p
	out.first = project
	return &out
}

// Any returns any usable key of a project that isn't excluded. The states are those of
// the projects, in order. Where none is usable, it is one of a project that can't pay:
// what costs no quota is served there all the same.
func (p *Pool) Any(states []*scheduler.Project, excluded map[string]bool) (keys.Key, bool) {
	order := rand.Perm(len(p.Projects))
	if at := slices.IndexFunc(order, func(i int) bool { return p.Projects[i].ID == p.first }); at > 0 {
		order[0], order[at] = order[at], order[0]
	}
	for _, i := range order {
		if id := p.Projects[i].ID; !excluded[id] {
			if key, err := p.Pick(id, states[i]); err == nil {
				return key, true
			}
		}
	}
	for _, i := range order {
		for _, k := range p.Keys {
			m := states[i].Mark(k.Fingerprint)
			if k.Project == p.Projects[i].ID && !excluded[k.Project] && !m.Disabled && upstream.OfProject(m.Invalid) {
				return k, true
			}
		}
	}
	return keys.Key{}, false
}

// BilledWith returns the other projects of its provider that declare the billing account of one;
// nil: it declares none.
func (p *Pool) BilledWith(project string) []string {
	i := slices.IndexFunc(p.Keys, func(k keys.Key) bool { return k.Project == project && k.Billing != "" })
	if i < 0 {
		return nil
	}
	others := []string{}
	for _, k := range p.Keys {
		if k.Billing == p.Keys[i].Billing && k.Provider == p.Keys[i].Provider && k.Project != project && !slices.Contains(others, k.Project) {
			others = append(others, k.Project)
		}
	}
	return others
}

// KeyOf returns the first key of a project; the zero one where it has none.
func (p *Pool) KeyOf(project string) keys.Key {
	i := slices.IndexFunc(p.Keys, func(k keys.Key) bool { return k.Project == project })
	if i < 0 {
		return keys.Key{Provider: upstream.Gemini}
	}
	return p.Keys[i]
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
	return New(list)
}

// Sole returns the one project of the pool; "" where it has others too, or none.
func (p *Pool) Sole() string {
	if len(p.Projects) != 1 {
		return ""
	}
	return p.Projects[0].ID
}

// IDs returns the project IDs in order.
func (p *Pool) IDs() []string {
	ids := make([]string, len(p.Projects))
	for i := range p.Projects {
		ids[i] = p.Projects[i].ID
	}
	return ids
}
