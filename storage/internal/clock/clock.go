package clock

import (
	"sync"
	"sync/atomic"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

const (
	// sampleAge is how long an anchor is kept before a worse one may replace
	// it: clocks drift (drift), so by 6 ms in that time.
	sampleAge = 10 * time.Minute
	// drift is how much the local clock may gain or lose: 1/drift of the time.
	drift = 100_000
	// maxSlip is how far the wall clock and the monotonic clock may run apart
	// before neither is believed: the machine slept, which stops the one, or
	// somebody set the other.
	maxSlip = time.Second
)

// A Reading is one look at the local clocks.
type Reading struct {
	Wall time.Time
	Mono time.Duration // since some instant of this process
}

var processStart = time.Now()

// Local looks at the clocks of this machine.
func Local() Reading {
	now := time.Now()
	return Reading{now.Round(0), now.Sub(processStart)}
}

// A Clock tells the database's time: the local monotonic clock, anchored to the
// server time of the answer that came with the least latency.
type Clock struct {
	// Local looks at the clocks that it goes by; usually the function of that name.
	Local  func() Reading
	latest atomic.Int64

	mu       sync.Mutex
	anchored bool
	anchor   Reading       // the middle of the anchoring answer's latency
	server   time.Time     // the database's time then
	latency  time.Duration // of that answer
}

// Now returns the database's time. It never goes back once the database was
// heard; before that it is what the local clock says, which is not remembered:
// one that is fast by an hour would stand still for an hour.
func (c *Clock) Now() scheduler.Instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.Local()
	if !c.anchored {
		return scheduler.At(r.Wall)
	}
	return Monotone(&c.latest, scheduler.At(c.at(r)))
}

// Between returns the instants between which the database's time is now: off
// from the anchor by half the latency of that answer and by what the local clock
// has drifted since. What Now says is later than both as long as it stands still
// because it had been ahead.
func (c *Clock) Between() (earliest, latest scheduler.Instant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.Local()
	if !c.anchored {
		return scheduler.At(r.Wall), scheduler.At(r.Wall)
	}
	off := c.latency/2 + (r.Mono-c.anchor.Mono)/drift
	t := c.at(r)
	return scheduler.At(t.Add(-off)), scheduler.At(t.Add(off)) + 1 // rounded up
}

// at returns the database's time at a reading.
func (c *Clock) at(r Reading) time.Time { return c.server.Add(r.Mono - c.anchor.Mono) }

// Steady reports whether the anchor is to be believed: not before the first
// answer, nor after the local clocks ran apart.
func (c *Clock) Steady() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.anchored && !c.slipped(c.Local())
}

func (c *Clock) slipped(r Reading) bool {
	slip := r.Wall.Sub(c.anchor.Wall) - (r.Mono - c.anchor.Mono)
	return slip.Abs() > maxSlip
}

// Observe takes a server time that was told between two local readings. The
// server read its clock at some moment in between, so the error is at most half
// the latency.
func (c *Clock) Observe(before, after Reading, server time.Time) {
	latency := after.Mono - before.Mono
	if server.IsZero() || latency < 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.anchored && latency >= c.latency && after.Mono-c.anchor.Mono < sampleAge && !c.slipped(after) &&
		!c.at(before).After(server.Add(c.latency/2)) && !c.at(after).Before(server.Add(-c.latency/2)) {
		// Not better, and it doesn't contradict what is believed.
		return
	}
	half := latency / 2
	c.anchor = Reading{before.Wall.Add(half), before.Mono + half}
	c.anchored, c.server, c.latency = true, server, latency
}

// Monotone returns the later of now and every instant returned before.
func Monotone(latest *atomic.Int64, now scheduler.Instant) scheduler.Instant {
	for {
		last := latest.Load()
		if int64(now) <= last {
			return scheduler.Instant(last)
		}
		if latest.CompareAndSwap(last, int64(now)) {
			return now
		}
	}
}
