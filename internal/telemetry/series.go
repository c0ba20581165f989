package telemetry

import (
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// other stands for every name beyond a bound.
const other = "_other"

// A series keeps the attribute sets of an instrument by what they are made of:
// made anew, every measurement would allocate and sort them.
type series[K comparable] struct {
	attributes func(K) []attribute.KeyValue
	mu         sync.RWMutex
	sets       map[K]*options
}

// options are an attribute set as measurements take it.
type options struct {
	add    []metric.AddOption
	record []metric.RecordOption
}

func newSeries[K comparable](attributes func(K) []attribute.KeyValue) *series[K] {
	return &series[K]{attributes: attributes, sets: make(map[K]*options)}
}

func (s *series[K]) of(k K) *options {
	s.mu.RLock()
	o := s.sets[k]
	s.mu.RUnlock()
	if o != nil {
		return o
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if o = s.sets[k]; o == nil {
		if len(s.sets) >= maxSeries {
			return overflow
		}
		o = newOptions(s.attributes(k)...)
		s.sets[k] = o
	}
	return o
}

// overflow is what the SDK calls the series of all that is beyond its bound.
var overflow = newOptions(attribute.Bool("otel.metric.overflow", true))

func newOptions(list ...attribute.KeyValue) *options {
	set := metric.WithAttributeSet(attribute.NewSet(list...))
	return &options{[]metric.AddOption{set}, []metric.RecordOption{set}}
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
