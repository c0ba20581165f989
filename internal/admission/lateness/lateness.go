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
// holders of its [Manner] are late: where all come in time nothing is lost, where some
// are late they delay nobody, and they don't make the slots of others longer. Until
// enough holders of a manner have been seen they are reckoned to be as late as all are,
// and until these have been, as late as the hold allows. Only who says that it is
// punctual is believed until it is seen not to be.
type Holders struct {
	hold      time.Duration
	took, all *ring

	mu    sync.Mutex
	known map[Manner]*ring
}

// A Manner is what is known of how a holder comes: who it is, and whether it says that
// it comes at the millisecond.
type Manner struct {
	Caller   string
	Punctual bool
}

const (
	maxKnown = 1024 // manners of which it is kept how late they are
	last     = 128  // holders that are remembered of one, and of all
	enough   = 16   // to know a manner by
)

// NewHolders returns one that has seen none.
func NewHolders(hold time.Duration) *Holders {
	return &Holders{hold: hold, all: newRing(last, hold), took: newRing(last, 0), known: make(map[Manner]*ring)}
}

// lateMargin is for the holder that comes a little later than any before it.
const lateMargin = 250 * time.Millisecond

// Slack is how late a booking of a manner is reckoned to be used. Commits are given half
// as much again as the slowest took: one that loses a few races in a row takes
// longer than any before it, and that is nobody's habit.
func (p *Holders) Slack(m Manner) time.Duration {
	return min(p.came(m)+p.took.max()*3/2+lateMargin, p.hold)
}

// came is how late holders of a manner come: of few it is likely that the next one
// comes a little later than all of them.
func (p *Holders) came(m Manner) time.Duration {
	p.mu.Lock()
	of := p.known[m]
	p.mu.Unlock()
	switch {
	case of != nil:
		return min(of.max()*5/4, p.all.max())
	case m.Punctual:
		return 0
	}
	return p.all.max()
}

// Used notes how late a holder of a manner came, and how long after that it was granted
// its slot; 0 if it was not.
func (p *Holders) Used(m Manner, late, took time.Duration) {
	p.mu.Lock()
	of := p.known[m]
	if of == nil {
		if len(p.known) >= maxKnown {
			clear(p.known) // they are known again after a few
		}
		of = newRing(last, 0)
		for i := 0; i < enough && !m.Punctual; i++ {
			of.last[i] = p.hold
		}
		p.known[m] = of
	}
	p.mu.Unlock()
	of.add(late)
	p.all.add(late)
	p.took.add(took)
}
