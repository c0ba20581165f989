package calendar

import "time"

// A Block keeps every start of a calendar away until an instant.
type Block struct {
	Until   Instant
	Cause   Cause // ByMinute, ByDay, ByBare or Unavailable
	Strikes int64 // bare 429s in a row: each doubles the block
}

// Bare 429s block for seconds, growing.
const (
	bareBlock    = 5 * time.Second
	bareBlockMax = 5 * time.Minute
	strikesKept  = 10 * time.Minute // after a block is over
)

// Keep blocks the calendar as a refusal at now said. How long is up to the calendar for
// a day that is spent and for a refusal that says no more than no.
func (c *Calendar) Keep(rules *Rules, now Instant, b Block) {
	switch b.Cause {
	case ByDay:
		t := c.Terms(rules, now)
		b.Until = (t.day(now) + 1).StartIn(t.zone) + t.skew
	case ByBare:
		b.Strikes = min(c.Block.Strikes+1, 16)
		b.Until = now.Add(min(bareBlock<<(b.Strikes-1), bareBlockMax))
	}
	// A block that lasts is not shortened by a lesser one.
	if b.Until > c.Block.Until || c.Block.Until <= now {
		c.Block = b
	} else {
		c.Block.Strikes = b.Strikes
	}
}
