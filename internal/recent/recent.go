package recent

import "sync"

// A Map remembers the last values that were put, by key: at most so many,
// the oldest going first. It is safe for use by any number of goroutines.
type Map[K comparable, V any] struct {
	most int

	mu     sync.Mutex
	values map[K]V
	order  []K // once it is full the oldest is at first, and the others follow it, around its end
	first  int
}

// New returns an empty one.
func New[K comparable, V any](most int) *Map[K, V] {
	return &Map[K, V]{most: most, values: make(map[K]V)}
}

// Get returns the value of a key, if it is remembered.
func (r *Map[K, V]) Get(key K) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.values[key]
	return v, ok
}

// Put remembers the value of a key.
func (r *Map[K, V]) Put(key K, value V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := len(r.values)
	if r.values[key] = value; len(r.values) == before {
		return // it was there: one look into a map that no cache holds tells that too
	}
	if len(r.order) < r.most {
		r.order = append(r.order, key)
		return
	}
	delete(r.values, r.order[r.first])
	r.order[r.first] = key
	r.first = (r.first + 1) % r.most
}
