package placing

import (
	"context"
	"path"
	"slices"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/internal/recent"
	"fluxgate.dev/fluxgate/internal/resources"
)

// maxKept bounds what a Placer remembers, and maxRows of how many callers' uploads to others.
const (
	maxKept = 64
	maxRows = 4096
)

// A Placer knows where what a caller makes belongs. It is safe for use by any number of
// goroutines.
type Placer struct {
	registry *resources.Registry // nil: callers aren't told apart, and nobody keeps what they make

	// others are the uploads in a row to other providers through this instance, by caller and kind: of
	// their files it isn't known when they were made.
	others *recent.Map[string, row]

	mu   sync.Mutex
	made []resources.Resource // through this instance, the newest first; never changed in place
}

// New returns one that goes by what a registry has, or, where that is nil, by what is made
// through this instance.
func New(registry *resources.Registry) *Placer {
	return &Placer{registry: registry, others: recent.New[string, row](maxRows)}
}

// Prefers returns the project in which a caller's next thing of a kind belongs, "" for any. An
// error is the store's.
func (p *Placer) Prefers(ctx context.Context, caller, kind string) (string, error) {
	if ofOthers(kind) {
		last, _ := p.others.Get(caller + " " + kind)
		return last.next(time.Now()), nil
	}
	if !slices.Contains(kinds, kind) {
		return "", nil
	}
	has := p.remembered()
	if p.registry != nil {
		var err error
		if has, err = p.registry.Own(ctx, caller, kinds...); err != nil {
			return "", err
		}
	}
	return project(kind, has, time.Now()), nil
}

// Made notes what a caller has made.
func (p *Placer) Made(caller string, made ...resources.Resource) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range made {
		if kind := path.Dir(r.Name); ofOthers(kind) {
			last, _ := p.others.Get(caller + " " + kind)
			p.others.Put(caller+" "+kind, last.with(r.Project, time.Now()))
		} else if slices.Contains(kinds, kind) {
			p.made = slices.Concat([]resources.Resource{r}, p.made[:min(len(p.made), maxKept-1)])
		}
	}
}

// Gone notes that something is there no more.
func (p *Placer) Gone(gone resources.Resource) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made = slices.DeleteFunc(slices.Clone(p.made), func(r resources.Resource) bool {
		return r.Name == gone.Name && r.Project == gone.Project
	})
}

func (p *Placer) remembered() []resources.Resource {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.made
}
