package dispatch

import "sync"

// A recent remembers the last values that were put, by key: at most so many,
// the oldest going first. It is safe for use by any number of goroutines.
type recent[K comparable, V any] struct {
	most int

	mu     sync.Mutex
	values map[K]V
	order  []K
}

func newRecent[K comparable, V any](most int) *recent[K, V] {
	return &recent[K, V]{most: most, values: make(map[K]V)}
}

func (r *recent[K, V]) get(key K) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.values[key]
	return v, ok
}

func (r *recent[K, V]) put(key K, value V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.values[key]; !ok {
		r.order = append(r.order, key)
	}
	r.values[key] = value
	if len(r.order) > r.most {
		delete(r.values, r.order[0])
		r.order = r.order[1:]
	}
}
