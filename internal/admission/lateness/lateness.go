// Package lateness keeps how late recent commits and the holders of bookings were. It is
// safe for concurrent use and keeps no clock.
//
// Files, from the top down; a file calls only those below it:
//
//   - lateness.go: all of it
package lateness

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

// Commits keeps how long ago reservations began when their commits returned.
type Commits struct{ recent *ring }

// NewCommits returns one that knows of none.
func NewCommits() Commits { return Commits{newRing(16, 0)} }

// Allowance is what a reservation adds for the time that its commit takes: one
// and a half times the slowest of the last commits.
func (l Commits) Allowance() time.Duration { return min(l.recent.max()*3/2, 5*time.Second) }

// Note notes how long a commit took.
func (l Commits) Note(d time.Duration) { l.recent.add(d) }

// Holders keeps how late after its start a booking was used: how late its
// holder came, and what its commit took.
//
// A booking begins when the one before it is over. If the holder of that one
// comes late, so does its end, and the next holder is turned away though it is
// in time. So a booking is kept for longer than its request will count, by what
// holders are late: where all come in time nothing is lost, and where some are
// late they delay nobody. Until holders have been seen to be in time they may
// be as late as the hold allows.
type Holders struct {
	hold       time.Duration
	came, took *ring
}

// NewHolders returns one that has seen none.
func NewHolders(hold time.Duration) Holders {
	return Holders{hold: hold, came: newRing(128, hold), took: newRing(128, 0)}
}

// lateMargin is for the holder that comes a little later than any before it.
const lateMargin = 250 * time.Millisecond

// Slack is how late a booking is reckoned to be used. Commits are given half as
// much again as the slowest took: one that loses a few races in a row takes
// longer than any before it, and that is nobody's habit.
func (p Holders) Slack() time.Duration {
	return min(p.came.max()+p.took.max()*3/2+lateMargin, p.hold)
}

// Used notes how late a holder came, and how long after that it was granted its
// slot; 0 if it was not.
func (p Holders) Used(late, took time.Duration) {
	p.came.add(late)
	p.took.add(took)
}
