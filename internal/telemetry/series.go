package telemetry

import (
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// other stands for every name beyond a bound.
const other = "_other"

// A series keeps something for each attribute set of an instrument, by what the
// set is made of: made anew, every measurement would allocate and sort it.
type series[K comparable, V any] struct {
	attributes func(K) []attribute.KeyValue
	build      func(attribute.Set) V
	mu         sync.RWMutex
	sets       map[K]V
	overflow   V // of all that is beyond the bound
}

func newSeries[K comparable, V any](attributes func(K) []attribute.KeyValue, build func(attribute.Set) V) *series[K, V] {
	// The SDK calls the series of all that is beyond its bound so, too.
	beyond := build(attribute.NewSet(attribute.Bool("otel.metric.overflow", true)))
	return &series[K, V]{attributes: attributes, build: build, sets: make(map[K]V), overflow: beyond}
}

func (s *series[K, V]) of(k K) V {
	s.mu.RLock()
	v, ok := s.sets[k]
	s.mu.RUnlock()
	if ok {
		return v
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok = s.sets[k]; !ok {
		if len(s.sets) >= maxSeries {
			return s.overflow
		}
		v = s.build(attribute.NewSet(s.attributes(k)...))
		s.sets[k] = v
	}
	return v
}

// each calls f for everything that is kept.
func (s *series[K, V]) each(f func(V)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, v := range s.sets {
		f(v)
	}
	if len(s.sets) >= maxSeries {
		f(s.overflow)
	}
}

// options are an attribute set as histograms take it.
type options []metric.RecordOption

func newOptions(set attribute.Set) options { return options{metric.WithAttributeSet(set)} }

// A sum is what a counter adds up. The SDK is told of it when somebody collects:
// an atomic number costs a fraction of a measurement.
type sum struct {
	atomic.Int64
	set []metric.ObserveOption
}

func newSum(set attribute.Set) *sum {
	return &sum{set: []metric.ObserveOption{metric.WithAttributeSet(set)}}
}

// names bounds how many different values an attribute has.
type names struct {
	most  int
	mu    sync.RWMutex
	known map[string]bool
}

func newNames(most int, known ...string) *names {
	n := &names{most: most, known: make(map[string]bool)}
	for _, name := range known {
		n.learn(name)
	}
	return n
}

// learn has a name count by itself from now on, if there is room.
func (n *names) learn(name string) {
	if name == "" || n.knows(name) {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.known) < n.most {
		n.known[name] = true
	}
}

func (n *names) knows(name string) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.known[name]
}

// bound returns the name if it is known, and "" as it is.
func (n *names) bound(name string) string {
	if name == "" || n.knows(name) {
		return name
	}
	return other
}

// learned is bound of a name that was learned, for names that callers can't
// choose.
func (n *names) learned(name string) string {
	n.learn(name)
	return n.bound(name)
}
