package placing

import (
	"context"
	"path"
	"slices"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/internal/resources"
)

// maxKept bounds what a Placer remembers.
const maxKept = 64

// A Placer knows where what a caller makes belongs. It is safe for use by any number of
// goroutines.
type Placer struct {
	registry *resources.Registry // nil: callers aren't told apart, and nobody keeps what they make

	mu   sync.Mutex
	made []resources.Resource // through this instance, the newest first; never changed in place
}

// New returns one that goes by what a registry has, or, where that is nil, by what is made
// through this instance.
func New(registry *resources.Registry) *Placer { return &Placer{registry: registry} }

// Prefers returns the project in which a caller's next thing of a kind belongs, "" for any. An
// error is the store's.
func (p *Placer) Prefers(ctx context.Context, caller, kind string) (string, error) {
	f, ok := familyOf(kind)
	if !ok {
		return "", nil
	}
	has := p.remembered()
	if p.registry != nil {
		var err error
		if has, err = p.registry.Own(ctx, caller, f.stores, f.files); err != nil {
			return "", err
		}
	}
	return f.project(kind, has, time.Now()), nil
}

// Made notes what was made.
func (p *Placer) Made(made ...resources.Resource) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range made {
		if f, ok := familyOf(path.Dir(r.Name)); ok && f.counts(path.Dir(r.Name)) {
			p.made = slices.Concat([]resources.Resource{r.MadeAt(time.Now())}, p.made[:min(len(p.made), maxKept-1)])
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
