package storage

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

// A reading is one look at the local clocks.
type reading struct {
	wall time.Time
	mono time.Duration // since some instant of this process
}

var processStart = time.Now()

func localClocks() reading {
	now := time.Now()
	return reading{now.Round(0), now.Sub(processStart)}
}

// A clock tells the database's time: the local monotonic clock, anchored to the
// server time of the answer that came with the least latency.
type clock struct {
	local  func() reading
	latest atomic.Int64

	mu       sync.Mutex
	anchored bool
	anchor   reading       // the middle of the anchoring answer's latency
	server   time.Time     // the database's time then
	latency  time.Duration // of that answer
}

// now returns the database's time. It never goes back once the database was
// heard; before that it is what the local clock says, which is not remembered:
// one that is fast by an hour would stand still for an hour.
func (c *clock) now() scheduler.Instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.local()
	if !c.anchored {
		return scheduler.At(r.wall)
	}
	return monotone(&c.latest, scheduler.At(c.at(r)))
}

// between returns the instants between which the database's time is now: off
// from the anchor by half the latency of that answer and by what the local clock
// has drifted since. What now says is later than both as long as it stands still
// because it had been ahead.
func (c *clock) between() (earliest, latest scheduler.Instant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.local()
	if !c.anchored {
		return scheduler.At(r.wall), scheduler.At(r.wall)
	}
	off := c.latency/2 + (r.mono-c.anchor.mono)/drift
	t := c.at(r)
	return scheduler.At(t.Add(-off)), scheduler.At(t.Add(off)) + 1 // rounded up
}

// at returns the database's time at a reading.
func (c *clock) at(r reading) time.Time { return c.server.Add(r.mono - c.anchor.mono) }

// steady reports whether the anchor is to be believed: not before the first
// answer, nor after the local clocks ran apart.
func (c *clock) steady() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.anchored && !c.slipped(c.local())
}

func (c *clock) slipped(r reading) bool {
	slip := r.wall.Sub(c.anchor.wall) - (r.mono - c.anchor.mono)
	return slip.Abs() > maxSlip
}

// observe takes a server time that was told between two local readings. The
// server read its clock at some moment in between, so the error is at most half
// the latency.
func (c *clock) observe(before, after reading, server time.Time) {
	latency := after.mono - before.mono
	if server.IsZero() || latency < 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.anchored && latency >= c.latency && after.mono-c.anchor.mono < sampleAge && !c.slipped(after) &&
		!c.at(before).After(server.Add(c.latency/2)) && !c.at(after).Before(server.Add(-c.latency/2)) {
		// Not better, and it doesn't contradict what is believed.
		return
	}
	half := latency / 2
	c.anchor = reading{before.wall.Add(half), before.mono + half}
	c.anchored, c.server, c.latency = true, server, latency
}

// monotone returns the later of now and every instant returned before.
func monotone(latest *atomic.Int64, now scheduler.Instant) scheduler.Instant {
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
