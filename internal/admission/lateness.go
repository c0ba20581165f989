package admission

import (
	"slices"
	"sync"
	"time"
)

// A ring keeps the last few durations.
type ring struct {
	mu   sync.Mutex
	last []time.Duration
	next int
}

// newRing returns a ring of n durations that starts out full of d.
func newRing(n int, d time.Duration) *ring {
	return &ring{last: slices.Repeat([]time.Duration{d}, n)}
}

func (r *ring) add(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last[r.next%len(r.last)] = d
	r.next++
}

func (r *ring) max() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Max(r.last)
}

// lateness keeps how long ago reservations began when their commits returned.
type lateness struct{ recent *ring }

func newLateness() lateness { return lateness{newRing(16, 0)} }

// allowance is what a reservation adds for the time that its commit takes: one
// and a half times the slowest of the last commits.
func (l lateness) allowance() time.Duration { return min(l.recent.max()*3/2, 5*time.Second) }

func (l lateness) note(d time.Duration) { l.recent.add(d) }

// punctuality keeps how late after its start a booking was used: how late its
// holder came, and what its commit took.
//
// A booking begins when the one before it is over. If the holder of that one
// comes late, so does its end, and the next holder is turned away though it is
// in time. So a booking is kept for longer than its request will count, by what
// holders are late: where all come in time nothing is lost, and where some are
// late they delay nobody. Until holders have been seen to be in time they may
// be as late as the hold allows.
type punctuality struct {
	hold       time.Duration
	came, took *ring
}

func newPunctuality(hold time.Duration) punctuality {
	return punctuality{hold: hold, came: newRing(128, hold), took: newRing(128, 0)}
}

// lateMargin is for the holder that comes a little later than any before it.
const lateMargin = 250 * time.Millisecond

// slack is how late a booking is reckoned to be used. Commits are given half as
// much again as the slowest took: one that loses a few races in a row takes
// longer than any before it, and that is nobody's habit.
func (p punctuality) slack() time.Duration {
	return min(p.came.max()+p.took.max()*3/2+lateMargin, p.hold)
}

// used notes how late a holder came, and how long after that it was granted its
// slot; 0 if it was not.
func (p punctuality) used(late, took time.Duration) {
	p.came.add(late)
	p.took.add(took)
}
