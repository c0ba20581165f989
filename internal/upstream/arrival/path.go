package arrival

import (
	"slices"
	"sync"
	"time"
)

const (
	// least is the least that is said of a path: a request may have to wait for a processor, and half of it is for
	// what the provider does before it counts.
	least = 40 * time.Millisecond
	// most is beyond what nothing is said: then what is taken where nothing is known is little more.
	most = 200 * time.Millisecond
	// grain is what is said is a multiple of.
	grain = 10 * time.Millisecond
	// judged bounds after how long it is judged whether a request has arrived.
	judged = 300 * time.Millisecond
	// enough is how many requests have to be seen under way and to arrive in time.
	enough = 16
	// acknowledging is how much longer an acknowledgement may take than the way: 40 ms, where the other side waits for more
	// to acknowledge with it.
	acknowledging = 60 * time.Millisecond
	// unsureFor is for how long nothing is known after a request hasn't arrived in time.
	unsureFor = 10 * time.Minute
	// kept is of how many of the last connections it is known how long dialling took.
	kept = 5
)

// A Path is the way to one provider. It is safe for use by any number of goroutines.
type Path struct {
	mu      sync.Mutex
	trips   []time.Duration // that the last connections took back and forth while they were made, at the most
	inTime  int             // how many requests in a row were seen under way and have arrived in time, less those that weren't seen
	unsure  time.Time       // until then nothing is known
	late    time.Duration
	changed func()
	apart   func() time.Duration // nil: not at all
}

// Late returns how much later than it was sent a request arrives; 0: that isn't known.
func (p *Path) Late() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.late
}

// OnChange has f called whenever something else is known. It is called before anything is sent.
func (p *Path) OnChange(f func()) { p.changed = f }

// Apart has what f returns added to what is measured, as of now with each request: how far clocks may be apart by which requests are
// sent. It is called before anything is sent.
func (p *Path) Apart(f func() time.Duration) { p.apart = f }

// note changes what is known.
func (p *Path) note(now time.Time, change func()) {
	p.mu.Lock()
	change()
	late := time.Duration(0)
	if p.inTime >= enough && len(p.trips) > 0 && !now.Before(p.unsure) {
		late = p.expected()
	}
	if late > most {
		late = 0
	}
	if late > 0 && p.apart != nil {
		late += wholeGrains(p.apart())
	}
	changed := late != p.late
	p.late = late
	p.mu.Unlock()
	if changed && p.changed != nil {
		p.changed()
	}
}

// expected returns how late requests are likely to be. The lock is held.
func (p *Path) expected() time.Duration {
	if len(p.trips) == 0 {
		return least
	}
	return max(least, wholeGrains(2*slices.Min(p.trips)))
}

func wholeGrains(d time.Duration) time.Duration { return (d + grain - 1).Truncate(grain) }

// dialled notes how long a connection took back and forth.
func (p *Path) dialled(now time.Time, trip time.Duration) {
	p.note(now, func() {
		p.trips = append(p.trips[max(0, len(p.trips)-kept+1):], trip)
	})
}

// judgedAfter returns how long after it was written a request is looked for.
func (p *Path) judgedAfter() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return min(p.expected(), judged) + acknowledging
}

// arrived notes that a request has arrived in time, and whether the kernel showed it under way before. One that hardly ever shows
// anything may never do, whatever becomes of it.
func (p *Path) arrived(now time.Time, shown bool) {
	p.note(now, func() {
		if shown {
			p.inTime = min(p.inTime+1, 2*enough)
		} else {
			p.inTime = max(p.inTime-1, 0)
		}
	})
}

// missed notes that a request hasn't arrived in time.
func (p *Path) missed(now time.Time) {
	p.note(now, func() { p.inTime, p.unsure = 0, now.Add(unsureFor) })
}
