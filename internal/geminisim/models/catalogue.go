package models

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// A Catalogue is the models that there are, who can't use which of them any more, and what
// answers say of them. It is safe for concurrent use.
type Catalogue struct {
	now atomic.Pointer[known] // replaced with mu held

	mu       sync.Mutex
	retired  map[place]Wording
	statuses map[string]wire.ModelStatus // by resolved model
}

// A place is a model on a project. An empty project stands for all.
type place struct{ project, model string }

// known is the models that exist at one time. It isn't changed once it is in
// use, so whoever has it needs no lock.
type known struct {
	byName map[string]*Model // by every name, aliases included
	listed []*Model          // in the order of the models list
}

// New returns the built-in models, and further ones of those names.
func New(names []string) *Catalogue {
	c := &Catalogue{retired: make(map[place]Wording), statuses: make(map[string]wire.ModelStatus)}
	k := &known{byName: make(map[string]*Model), listed: builtIn()}
	for _, m := range k.listed {
		k.byName[m.Name] = m
	}
	for _, name := range names {
		if k.byName[name] == nil {
			m := furtherModel(name)
			k.byName[name] = m
			k.listed = append(k.listed, m)
		}
	}
	c.now.Store(k)
	return c
}

// Find returns a model by any of its names, or nil.
func (c *Catalogue) Find(name string) *Model { return c.now.Load().byName[name] }

// Listed returns the models in the order of the list.
func (c *Catalogue) Listed() []*Model { return c.now.Load().listed }

// Resolve returns the model whose quota a name draws on, if there is one of that name.
func (c *Catalogue) Resolve(name string) (resolved string, ok bool) {
	m := c.Find(name)
	if m == nil {
		return "", false
	}
	return m.Resolved, true
}

// Usable returns a model that supports a method, for a project that can use it still.
func (c *Catalogue) Usable(version, project, name, method string) (*Model, *wire.Error) {
	m := c.Find(name)
	if m == nil || !m.Supports(method) {
		return nil, wire.ModelNotFound(version, name, method)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range []string{"", project} {
		if w, ok := c.retired[place{of, m.Resolved}]; ok {
			return nil, w.refusal(version, name, method)
		}
	}
	return m, nil
}

// Add makes a model exist from now on, last in the list. Its name decides its kind. One that
// exists already can be used again if it was shut down.
func (c *Catalogue) Add(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Find(name) == nil {
		m := furtherModel(name)
		old := c.now.Load()
		byName := maps.Clone(old.byName)
		byName[name] = m
		c.now.Store(&known{byName, append(slices.Clone(old.listed), m)})
	}
	resolved := c.Find(name).Resolved
	maps.DeleteFunc(c.retired, func(p place, _ Wording) bool { return p.model == resolved })
}

// Remove takes a name off the list: from now on nobody knows it, as if it had
// never been. Aliases of it stay.
func (c *Catalogue) Remove(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.now.Load()
	byName := maps.Clone(old.byName)
	delete(byName, name)
	listed := slices.DeleteFunc(slices.Clone(old.listed), func(m *Model) bool { return m.Name == name })
	c.now.Store(&known{byName, listed})
}

// Redirect has another model answer requests for a name from now on. With shared it is
// the other's quota that they use. An empty model ends it.
func (c *Catalogue) Redirect(name, to string, shared bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.now.Load()
	m := *old.byName[name]
	m.Resolved, m.answers = name, to
	if other := old.byName[to]; other != nil && shared {
		m.Resolved = other.Resolved
	}
	byName := maps.Clone(old.byName)
	byName[name] = &m
	listed := slices.Clone(old.listed)
	listed[slices.IndexFunc(listed, func(x *Model) bool { return x.Name == name })] = &m
	c.now.Store(&known{byName, listed})
}

// ShutDown makes a model unavailable on a project (empty: on all), while it is
// still listed.
func (c *Catalogue) ShutDown(project, name string, w Wording) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.Find(name); m != nil {
		c.retired[place{project, m.Resolved}] = w
	}
}

// SetStatus has the answers of a model say in which stage it is and when it will be shut
// down; a zero time: they don't say.
func (c *Catalogue) SetStatus(name, stage string, retirement time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.Find(name)
	if m == nil {
		return
	}
	status := wire.ModelStatus{ModelStage: stage}
	if !retirement.IsZero() {
		at := retirement.UTC()
		status.RetirementTime = &at
	}
	c.statuses[m.Resolved] = status
}

// StatusOf returns what answers of a model say of it, nil: nothing.
func (c *Catalogue) StatusOf(m *Model) *wire.ModelStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	if status, ok := c.statuses[m.Resolved]; ok {
		return &status
	}
	return nil
}
