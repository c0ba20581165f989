package dispatch

import (
	"slices"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// Features have quotas of their own which nobody has told us, and no calendars yet.
// What is known of them is in the memory of this instance: a project that refused a
// feature isn't asked for it for a while, which grows while it goes on refusing.
// Each instance finds that out by itself.

const (
	firstPause   = 30 * time.Second
	longestPause = time.Hour
	// pauseTrial is how long the answer to the request that is tried after a pause is
	// waited for before another is.
	pauseTrial = time.Minute
	// maxPauses bounds how many pauses of a project are kept.
	maxPauses = 16
)

// A pause is what keeps requests with certain features away from a project.
type pause struct {
	features []string
	until    scheduler.Instant
	strikes  int
	said     *upstream.Error
}

// pauses are those of all projects.
type pauses struct {
	mu sync.Mutex
	of map[string][]*pause
}

func newPauses() *pauses { return &pauses{of: make(map[string][]*pause)} }

// any reports whether there is a pause at all. It spares most requests that their
// features are looked for.
func (p *pauses) any() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.of) > 0
}

// concerns reports whether a request with those features has all that were refused.
func (p *pause) concerns(features []string) bool {
	for _, f := range p.features {
		if !slices.Contains(features, f) {
			return false
		}
	}
	return true
}

// left returns what upstream said to the features on a project, and how long it
// isn't asked again; nil: it may be.
func (p *pauses) left(project string, features []string, now scheduler.Instant) (said *upstream.Error, left time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.of[project] {
		if x.until > now && x.concerns(features) && x.until.Sub(now) > left {
			said, left = x.said, x.until.Sub(now)
		}
	}
	return said, left
}

// try reports whether a request with those features may go to the project now. After
// a pause one may, and the others wait for what comes of it.
func (p *pauses) try(project string, features []string, now scheduler.Instant) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.of[project] {
		if x.until > now && x.concerns(features) {
			return false
		}
	}
	for _, x := range p.of[project] {
		if x.concerns(features) {
			x.until = now.Add(pauseTrial)
		}
	}
	return true
}

// refused notes that a project refused the features.
func (p *pauses) refused(project string, features []string, said *upstream.Error, now scheduler.Instant) {
	if len(features) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.of[project]
	i := slices.IndexFunc(list, func(x *pause) bool { return slices.Equal(x.features, features) })
	if i < 0 {
		if len(list) >= maxPauses {
			list = list[1:]
		}
		i, list = len(list), append(list, &pause{features: features})
		p.of[project] = list
	}
	x := list[i]
	x.said = said
	x.until = now.Add(max(min(firstPause<<min(x.strikes, 16), longestPause), min(said.RetryDelay, longestPause)))
	x.strikes++
}

// served notes that a project served a request with those features.
func (p *pauses) served(project string, features []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of[project] = slices.DeleteFunc(p.of[project], func(x *pause) bool { return x.concerns(features) }); len(p.of[project]) == 0 {
		delete(p.of, project)
	}
}

// trials are the requests by which it is tried whether a model serves again, by
// project and model, with when the next may be.
type trials struct {
	mu    sync.Mutex
	until map[string]scheduler.Instant
}

func newTrials() *trials { return &trials{until: make(map[string]scheduler.Instant)} }

// begin reports whether a request is the one that tries.
func (t *trials) begin(what string, now scheduler.Instant) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, until := range t.until {
		if until <= now {
			delete(t.until, k)
		}
	}
	if t.until[what] > now {
		return false
	}
	t.until[what] = now.Add(minuteTrial)
	return true
}
