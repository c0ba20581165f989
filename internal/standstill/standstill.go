package standstill

import "time"

// tick is how often a Watch looks at the clock, and least the least by which it has to be late for that to count.
const (
	tick  = 5 * time.Millisecond
	least = 50 * time.Millisecond
)

// A Watch watches the machine from [Begin] to [Watch.End].
type Watch struct {
	begun time.Time
	end   chan struct{}
	seen  chan Seen
}

// Seen is what a Watch has seen.
type Seen struct {
	Took    time.Duration // from Begin to End
	Longest time.Duration // for which this process didn't run in one go
	Total   time.Duration // for which it didn't run in all
}

// Ran returns how long it took but for the time in which nothing ran.
func (s Seen) Ran() time.Duration { return s.Took - s.Total }

// Begin begins to watch.
func Begin() *Watch {
	w := &Watch{begun: time.Now(), end: make(chan struct{}), seen: make(chan Seen)}
	go w.watch()
	return w
}

// End ends it. It is called once.
func (w *Watch) End() Seen {
	close(w.end)
	return <-w.seen
}

func (w *Watch) watch() {
	var s Seen
	last := w.begun
	for watched := true; watched; {
		select {
		case <-w.end:
			watched = false
		case <-time.After(tick):
		}
		now := time.Now()
		s.ran(now.Sub(last))
		last = now
	}
	w.seen <- s
}

// ran counts that the Watch ran again after it had wanted to sleep for a tick.
func (s *Seen) ran(after time.Duration) {
	if gap := after - tick; gap >= least {
		s.Longest, s.Total = max(s.Longest, gap), s.Total+gap
	}
	s.Took += after
}
