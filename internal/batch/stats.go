package batch

import (
	"sync"
	"time"
)

// waitingRequest is a request that waits to be sent again.
type waitingRequest struct {
	until time.Time
	// ticket is empty when there is nothing to give back.
	ticket string
}

// stats are the counts of a run. Safe for concurrent use.
type stats struct {
	mu      sync.Mutex
	started time.Time
	summary Summary
	waiting map[int]waitingRequest
}

func newStats(total, resumed int) *stats {
	return &stats{
		started: time.Now(),
		summary: Summary{Total: total, Resumed: resumed},
		waiting: make(map[int]waitingRequest),
	}
}

func (s *stats) addResults(batch []Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, result := range batch {
		s.summary.Requests++
		if result.Response == nil {
			s.summary.Failed++
		}
		if result.TokensUsed != nil {
			s.summary.Tokens += *result.TokensUsed
		}
	}
}

// beginWait notes that a request waits. It stays noted when the wait is broken off.
func (s *stats) beginWait(index int, h waitingRequest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[index] = h
}

// endWait notes that a wait is over; waited is its length if it was a refusal's.
func (s *stats) endWait(index int, refused bool, waited time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, index)
	if refused {
		s.summary.Waits++
		s.summary.Waited += waited
	}
}

// tickets are those of the requests that wait.
func (s *stats) tickets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var tickets []string
	for _, h := range s.waiting {
		if h.ticket != "" {
			tickets = append(tickets, h.ticket)
		}
	}
	return tickets
}

// snapshot is what a run has come to at an instant.
type snapshot struct {
	Summary
	waiting int
	// nextReturn is how long until the first waiting request comes back.
	nextReturn time.Duration
	// lastReturn is how long until the last one does.
	lastReturn time.Duration
}

func (s *stats) snapshot() snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	snap := snapshot{Summary: s.summary, waiting: len(s.waiting)}
	snap.Elapsed = now.Sub(s.started)
	first := true
	for _, h := range s.waiting {
		left := max(0, h.until.Sub(now))
		if snap.lastReturn = max(snap.lastReturn, left); first || left < snap.nextReturn {
			snap.nextReturn, first = left, false
		}
	}
	return snap
}

// left is the number of requests still to be settled.
func (s snapshot) left() int { return s.Total - s.Resumed - s.Requests }

// perMinute is the rate of this run, 0 before it has one.
func (s snapshot) perMinute(n float64) float64 {
	if s.Elapsed <= 0 {
		return 0
	}
	return n / s.Elapsed.Minutes()
}

// eta is how long the rest takes at the rate of this run, and no less than the last of those that wait is told to. A run
// that is younger than that has found room at once for what it has finished, which says nothing of the rest: that takes as
// long as it does at the rate at which those return that wait. False while nothing is known.
func (s snapshot) eta() (eta time.Duration, known bool) {
	if s.Requests > 0 {
		eta = time.Duration(float64(s.Elapsed) / float64(s.Requests) * float64(s.left()))
	}
	if s.waiting > 0 {
		eta = max(eta, s.lastReturn)
		if s.Elapsed < s.lastReturn {
			eta = max(eta, time.Duration(float64(s.lastReturn)/float64(s.waiting)*float64(s.left())))
		}
	}
	return eta, s.Requests > 0 || s.waiting > 0
}
