package admin

import (
	"context"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/scheduler"
)

// A status that is read fresh reads the control document and that of every project. A page
// that is left open asks every five seconds, which on eight projects would read 150,000
// documents a day where 50,000 are free. So an instance reads as many fresh as somebody
// who acts and looks asks for, and one in freshEvery of who watches; in between it shows what
// it knows: all that it did itself, and what others did up to then.
const (
	freshAtOnce = 100
	freshEvery  = 30 * time.Second
)

// A freshness says whether to read fresh.
type freshness struct {
	mu   sync.Mutex
	left float64
	at   time.Time // zero: never asked
}

// take reports whether this status is to be read fresh.
func (f *freshness) take() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if f.at.IsZero() {
		f.left = freshAtOnce
	}
	f.left, f.at = min(freshAtOnce, f.left+float64(now.Sub(f.at))/float64(freshEvery)), now
	if f.left < 1 {
		return false
	}
	f.left--
	return true
}

// choose returns the second where somebody watches, else the first.
func (f *freshness) choose(usually, watched time.Duration) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left < 2 {
		return watched
	}
	return usually
}

// look returns what a status is made of: as fresh as it is to be.
func (a *Admin) look(ctx context.Context, p *dispatch.Pool) (*admission.Snapshot, []*scheduler.Project, error) {
	snapshot, view := a.admission.Snapshot, a.admission.View
	if a.freshly.take() {
		snapshot, view = a.admission.FreshSnapshot, a.admission.FreshView
	}
	s, err := snapshot(ctx)
	if err != nil {
		return nil, nil, err
	}
	states, err := view(ctx, p.IDs())
	return s, states, err
}
