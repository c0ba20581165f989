package simserver

import (
	"cmp"
	"slices"
	"sync"
)

// Owned are the things of one kind, such as files, each of which belongs to a project and is
// found by that project alone. The zero value has none. It is safe for concurrent use.
type Owned[T any] struct {
	mu   sync.Mutex
	all  map[string]*thing[T] // by ID
	made int
}

type thing[T any] struct {
	project string
	number  int // counts up
	value   T
}

// Add adds a thing, whose ID nothing has yet.
func (o *Owned[T]) Add(project, id string, value T) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all == nil {
		o.all = make(map[string]*thing[T])
	}
	o.made++
	o.all[id] = &thing[T]{project, o.made, value}
}

// Change calls change, nil for none, with a thing of that project. It returns the thing as it is
// then, and whether there is one.
func (o *Owned[T]) Change(project, id string, change func(*T)) (value T, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.all[id]
	if t == nil || t.project != project {
		return value, false
	}
	if change != nil {
		change(&t.value)
	}
	return t.value, true
}

// Get returns a thing of that project, and whether there is one.
func (o *Owned[T]) Get(project, id string) (T, bool) { return o.Change(project, id, nil) }

// Each calls visit with each thing of that project, the newest first.
func (o *Owned[T]) Each(project string, visit func(*T)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []*thing[T]
	for _, t := range o.all {
		if t.project == project {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b *thing[T]) int { return cmp.Compare(b.number, a.number) })
	for _, t := range all {
		visit(&t.value)
	}
}

// Delete deletes a thing of that project, and reports whether there was one.
func (o *Owned[T]) Delete(project, id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if t := o.all[id]; t == nil || t.project != project {
		return false
	}
	delete(o.all, id)
	return true
}
