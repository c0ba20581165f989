package clock

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"fluxgate.dev/fluxgate/scheduler"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clocks is a machine whose two clocks can be set apart.
type clocks struct{ Reading }

func newClocks(wall time.Time) *clocks { return &clocks{Reading{wall, 5 * time.Hour}} }
func (c *clocks) read() Reading        { return c.Reading }
func (c *clocks) pass(d time.Duration) { c.Wall, c.Mono = c.Wall.Add(d), c.Mono+d }

// hear has the clock observe an answer that took latency, given after a share
// of it at the database's time.
func hear(c *Clock, m *clocks, server time.Time, latency time.Duration) {
	before := m.read()
	m.pass(latency)
	c.Observe(before, m.read(), server)
}

func TestClockIsTheDatabases(t *testing.T) {
	m := newClocks(epoch.Add(time.Hour)) // fast by an hour
	c := &Clock{Local: m.read}
	assert.False(t, c.Steady(), "not heard of the database yet")
	assert.Equal(t, scheduler.At(epoch.Add(time.Hour)), c.Now(), "the best there is")
	hear(c, m, epoch.Add(5*time.Millisecond), 10*time.Millisecond)
	assert.True(t, c.Steady())
	// Had the hour been remembered, time would stand still for it.
	assert.Equal(t, scheduler.At(epoch.Add(10*time.Millisecond)), c.Now())
	m.pass(time.Second)
	assert.Equal(t, scheduler.At(epoch.Add(1010*time.Millisecond)), c.Now())
}

func TestClockKeepsTheBestAnchor(t *testing.T) {
	m := newClocks(epoch)
	c := &Clock{Local: m.read}
	steps := []struct {
		why     string
		wait    time.Duration
		latency time.Duration
		error   time.Duration // of the answer against the true time, within half its latency
		off     time.Duration // of the clock afterwards
	}{
		{"the first is taken as it is", 0, 100 * time.Millisecond, 40 * time.Millisecond, 40 * time.Millisecond},
		{"a slower one is worse", time.Second, 200 * time.Millisecond, -60 * time.Millisecond, 40 * time.Millisecond},
		{"a faster one is better", time.Second, 10 * time.Millisecond, 4 * time.Millisecond, 40*time.Millisecond - 36*time.Millisecond},
		{"which lasts", 9 * time.Minute, 50 * time.Millisecond, 20 * time.Millisecond, 4 * time.Millisecond},
		{"but not always: clocks drift", 2 * time.Minute, 50 * time.Millisecond, 20 * time.Millisecond, 20 * time.Millisecond},
		{"what contradicts it shows that it is wrong", time.Second, 60 * time.Millisecond, 500 * time.Millisecond, 500 * time.Millisecond},
	}
	for _, s := range steps {
		m.pass(s.wait)
		truth := m.Wall.Add(s.latency / 2)
		hear(c, m, truth.Add(s.error), s.latency)
		assert.Equal(t, scheduler.At(m.Wall.Add(s.off)), scheduler.At(c.at(m.read())), s.why)
	}
}

// However answers and latencies come, the clock is off by at most half of the
// latency of its anchor, and never goes back.
func TestClockErrorIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newClocks(epoch)
		offset := time.Duration(rapid.Int64Range(-3600_000, 3600_000).Draw(t, "offset")) * time.Millisecond
		c := &Clock{Local: m.read}
		var last scheduler.Instant
		for range rapid.IntRange(1, 20).Draw(t, "answers") {
			m.pass(time.Duration(rapid.Int64Range(0, 300_000).Draw(t, "wait")) * time.Millisecond)
			out := time.Duration(rapid.Int64Range(0, 500).Draw(t, "out")) * time.Millisecond
			back := time.Duration(rapid.Int64Range(0, 500).Draw(t, "back")) * time.Millisecond
			before := m.read()
			m.pass(out)
			server := m.Wall.Add(offset)
			m.pass(back)
			c.Observe(before, m.read(), server)

			truth := m.Wall.Add(offset)
			if off := c.at(m.read()).Sub(truth).Abs(); off > c.latency/2 {
				t.Fatalf("off by %v, anchored with a latency of %v", off, c.latency)
			}
			earliest, latest := c.Between()
			if is := scheduler.At(truth); is < earliest || is > latest {
				t.Fatalf("%d is not between %d and %d", is, earliest, latest)
			}
			now := c.Now()
			if now < last {
				t.Fatalf("went back from %d to %d", last, now)
			}
			last = now
		}
	})
}

// What an instance tells to the millisecond is only as good as its clock.
func TestClockKnowsItsError(t *testing.T) {
	m := newClocks(epoch)
	c := &Clock{Local: m.read}
	between := func() (time.Duration, time.Duration) {
		earliest, latest := c.Between()
		return earliest.Sub(scheduler.At(m.Wall)), latest.Sub(scheduler.At(m.Wall))
	}
	earliest, latest := between()
	assert.Equal(t, []time.Duration{0, 0}, []time.Duration{earliest, latest}, "nothing is known yet")

	hear(c, m, epoch, 200*time.Millisecond) // read at once; the answer took its time
	ahead := c.Now().Sub(scheduler.At(m.Wall))
	earliest, latest = between()
	assert.Equal(t, -100*time.Millisecond, ahead)
	assert.Equal(t, []time.Duration{-201 * time.Millisecond, time.Millisecond}, []time.Duration{earliest, latest}, "rounded outwards")

	hear(c, m, m.Wall.Add(5*time.Millisecond), 10*time.Millisecond)
	earliest, latest = between()
	assert.Equal(t, []time.Duration{-6 * time.Millisecond, 6 * time.Millisecond}, []time.Duration{earliest, latest}, "a faster answer")
	m.pass(500 * time.Second)
	earliest, latest = between()
	assert.Equal(t, []time.Duration{-11 * time.Millisecond, 11 * time.Millisecond}, []time.Duration{earliest, latest}, "clocks drift")
}

// A clock that turns out to be ahead stands still, and knows that it is ahead.
func TestClockThatStandsStill(t *testing.T) {
	m := newClocks(epoch)
	c := &Clock{Local: m.read}
	hear(c, m, m.Wall.Add(200*time.Millisecond), 200*time.Millisecond) // read at the last moment
	assert.Equal(t, scheduler.At(m.Wall.Add(100*time.Millisecond)), c.Now())
	hear(c, m, m.Wall.Add(time.Millisecond), 2*time.Millisecond)
	earliest, latest := c.Between()
	assert.Equal(t, scheduler.At(m.Wall)-2, earliest)
	assert.Equal(t, scheduler.At(m.Wall)+2, latest)
	assert.Greater(t, c.Now(), latest)
}

// A laptop that slept, or a clock that was set: the time is not to be believed
// until the database was heard again.
func TestClockAfterSleep(t *testing.T) {
	for name, upset := range map[string]func(*clocks){
		"slept":       func(m *clocks) { m.Wall = m.Wall.Add(time.Hour) },
		"set back":    func(m *clocks) { m.Wall = m.Wall.Add(-time.Minute) },
		"set forward": func(m *clocks) { m.Wall = m.Wall.Add(time.Minute) },
	} {
		m := newClocks(epoch)
		c := &Clock{Local: m.read}
		hear(c, m, epoch, time.Millisecond)
		m.pass(time.Hour)
		assert.True(t, c.Steady(), "an hour by both clocks is an hour")
		upset(m)
		assert.False(t, c.Steady(), name)
		// Even a slow answer is better than none.
		server := epoch.Add(3 * time.Hour)
		hear(c, m, server, time.Second)
		assert.True(t, c.Steady(), name)
		assert.Equal(t, scheduler.At(server.Add(time.Second/2)), c.Now(), name)
	}
}

func TestClockIgnoresNonsense(t *testing.T) {
	m := newClocks(epoch)
	c := &Clock{Local: m.read}
	hear(c, m, time.Time{}, time.Millisecond) // an answer without a time
	c.Observe(Reading{epoch, time.Second}, Reading{epoch, 0}, epoch)
	assert.False(t, c.Steady())
}
