package lateness

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A ring keeps the last few durations.
type ring struct {
	mu   sync.Mutex
	last []time.Duration
	next int
	most atomic.Int64 // of last, read several times for each that is added
}

// newRing returns a ring of n durations, all of them zero to begin with.
func newRing(n int) *ring { return &ring{last: make([]time.Duration, n)} }

func (r *ring) add(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last[r.next%len(r.last)] = d
	r.next++
	r.most.Store(int64(slices.Max(r.last)))
}

func (r *ring) max() time.Duration { return time.Duration(r.most.Load()) }

// Commits keeps how long ago reservations began when their commits returned.
type Commits struct{ recent *ring }

// NewCommits returns one that knows of none.
func NewCommits() Commits { return Commits{newRing(16)} }

// Allowance is what a reservation adds for the time that its commit takes: one
// and a half times the slowest of the last commits.
func (l Commits) Allowance() time.Duration { return min(l.recent.max()*3/2, 5*time.Second) }

// Note notes how long a commit took.
func (l Commits) Note(d time.Duration) { l.recent.add(d) }

// Holders keeps how late after its start a booking was used: how late its
// holder came, and what its commit took.
//
// A booking begins when the one before it is over. If the holder of that one comes late, so
// does its end, and the next holder would be turned away though it is in time. So a booking
// lasts as much longer than its request counts as its holder may be late: the whole hold.
// That costs hardly anything, for what isn't needed is free again once the request is
// settled, and others that wait take it; but where all book, as programs do that say
// that they come at the millisecond, nobody would. They are believed, and reckoned to be as
// late as they have been lately.
type Holders struct {
	hold time.Duration
	took *ring

	mu       sync.Mutex
	punctual map[string]*ring // by caller
}

// A Manner is what is known of how a holder comes: who it is, and whether it says that
// it comes at the millisecond.
type Manner struct {
	Caller   string
	Punctual bool
}

const (
	maxKnown = 1024 // callers of which it is kept how late they are
	last     = 128  // holders that are remembered of one, and of all
)

// NewHolders returns one that has seen none.
func NewHolders(hold time.Duration) *Holders {
	return &Holders{hold: hold, took: newRing(last), punctual: make(map[string]*ring)}
}

// mostTook is as long as a decision takes at most, commits included: patience.GiveUp.
const mostTook = 10 * time.Second

// lateMargin is for the holder that comes a little later than any before it.
const lateMargin = 250 * time.Millisecond

// Slack is how late a booking of a manner is reckoned to be used. Commits are given half
// as much again as the slowest took: one that loses a few races in a row takes
// longer than any before it, and that is nobody's habit. However slow the store is, it is no more than a decision takes.
func (p *Holders) Slack(m Manner) time.Duration {
	return p.came(m) + min(p.took.max()*3/2, mostTook)
}

// came is how late holders of a manner come: of few it is likely that the next one
// comes a little later than all of them.
func (p *Holders) came(m Manner) time.Duration {
	if !m.Punctual {
		return p.hold
	}
	p.mu.Lock()
	of := p.punctual[m.Caller]
	p.mu.Unlock()
	if of == nil {
		return lateMargin
	}
	return min(of.max()*5/4+lateMargin, p.hold)
}

// Used notes how late a holder of a manner came, and how long after that it was granted
// its slot; 0 if it was not.
func (p *Holders) Used(m Manner, late, took time.Duration) {
	p.took.add(took)
	if !m.Punctual {
		return
	}
	p.mu.Lock()
	of := p.punctual[m.Caller]
	if of == nil {
		if len(p.punctual) >= maxKnown {
			clear(p.punctual) // they are known again after a few
		}
		of = newRing(last)
		p.punctual[m.Caller] = of
	}
	p.mu.Unlock()
	of.add(late)
}
