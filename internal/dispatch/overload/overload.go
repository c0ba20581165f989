package overload

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/internal/dispatch/lesson"
	"fluxgate.dev/fluxgate/internal/recent"
	"fluxgate.dev/fluxgate/internal/statuses"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
)

const (
	// First is the pause after the first request that wasn't served, as after a 429 that names
	// nothing; doubled with each that comes after it in vain, up to Longest.
	First   = 5 * time.Second
	Longest = time.Minute
	// forgottenAfter is how long after a pause is over the next begins with First again.
	forgottenAfter = 5 * time.Minute
	// maxModels bounds of how many models this is remembered.
	maxModels = 256
)

// Is reports whether an error says that upstream has no capacity for anybody now: 503, Anthropic's
// 529, Groq's 498, and 429 where its words say that.
func Is(e *upstream.Error) bool {
	return e.Class == upstream.ClassServer && slices.Contains(overloaded, e.HTTPStatus)
}

var overloaded = []int{http.StatusServiceUnavailable, http.StatusTooManyRequests, statuses.Overloaded, statuses.NoCapacity}

// A Memory knows which models were overloaded lately, as an instance has seen it. It is safe for
// use by any number of goroutines.
type Memory struct {
	mu    sync.Mutex
	lasts *recent.Map[string, pause] // by the name that was asked for
}

type pause struct {
	until  time.Time
	length time.Duration // 0: it was served since
}

// New returns one that knows of none.
func New() *Memory { return &Memory{lasts: recent.New[string, pause](maxModels)} }

// Pause returns how long to wait after a request for a model, which began at an instant, wasn't
// served until now: what upstream said, where it did. Requests that were under way at once
// count as one.
func (m *Memory) Pause(model string, e *upstream.Error, began, now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	last, _ := m.lasts.Get(model)
	if forgotten := last.length == 0 || now.Sub(last.until) > forgottenAfter; forgotten || !began.Before(last.until) {
		next := First
		if !forgotten {
			next = min(2*last.length, Longest)
		}
		last = pause{now.Add(next), next}
		m.lasts.Put(model, last)
	}
	if said := Said(e, now); said > 0 {
		return said
	}
	return last.length
}

// Served notes that a request for a model was served.
func (m *Memory) Served(model string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if last, ok := m.lasts.Get(model); ok && last.length != 0 {
		m.lasts.Put(model, pause{})
	}
}

// Said is how long upstream said to wait, in the error's body or header; 0: it didn't.
func Said(e *upstream.Error, now time.Time) time.Duration {
	said := e.RetryDelay
	if said > 0 && e.Provider == "" {
		said += lesson.RoundedDown
	}
	return max(said, ratelimits.RetryAfter(e.Header, now))
}
