package calendar

import (
	"time"

	"fluxgate.dev/fluxgate/scheduler/limits"
)

// A Block keeps every start of a calendar away until an instant.
type Block struct {
	Until Instant
	Cause Cause // ByMinute, ByDay, ByBare or Unavailable
	// Strikes are the refusals in a row each of which doubles the block. One on a
	// model's block per minute says that upstream named a longer time, which isn't
	// believed.
	Strikes int64
}

// Unavailable reports whether upstream says at now that what is sent there isn't to be had.
func (b Block) Unavailable(now Instant) bool { return b.Cause == Unavailable && b.Until > now }

// spans are how long blocks last of which upstream doesn't say it.
type spans struct {
	first, longest time.Duration // it doubles with each in a row
	kept           time.Duration // strikes, after the block is over
	trial          time.Duration // the answer of the one that is tried is waited for
}

// spans returns those of the calendar. Bare 429s to a model are most often overload, and
// over soon; those to a feature mostly mean that the project hasn't got it.
func (c *Calendar) spans() spans {
	if limits.IsModel(c.Model) {
		return spans{5 * time.Second, 5 * time.Minute, 10 * time.Minute, 5 * time.Second}
	}
	return spans{30 * time.Second, time.Hour, 2 * time.Hour, time.Minute}
}

// grows reports whether a block grows with each in a row: a bare 429's, and what isn't a
// model's for a minute too, which the limit of a minute alone wouldn't refuse again.
func (c *Calendar) grows(cause Cause) bool {
	return cause == ByBare || cause == ByMinute && !limits.IsModel(c.Model)
}

// Keep blocks the calendar as a refusal at now said. How long is up to the calendar for
// a day that is spent and for a refusal that says no more than no. A block that lasts is
// not shortened by a lesser one, and doesn't grow by a refusal of what was under way when
// it began: admitted then; 0: unknown.
func (c *Calendar) Keep(rules *Rules, now Instant, b Block, admitted Instant) {
	switch {
	case b.Cause == ByDay:
		t := c.Terms(rules, now)
		b.Until = (t.day(now) + 1).StartIn(t.zone) + t.skew
	case c.grows(b.Cause):
		if c.grows(c.Block.Cause) && admitted != 0 && admitted < c.Block.Until {
			return
		}
		s := c.spans()
		b.Strikes = min(c.Block.Strikes+1, 16)
		b.Until = min(b.Until, now.Add(s.longest))
		if b.Cause == ByBare || b.Strikes > 1 { // the first says how long it lasts
			b.Until = max(b.Until, now.Add(min(s.first<<(b.Strikes-1), s.longest)))
		}
	}
	c.endTrial()
	if b.Until > c.Block.Until || c.Block.Until <= now {
		c.Block = b
	} else if b.Cause == c.Block.Cause {
		c.Block.Strikes = b.Strikes
	}
}

// InDoubt reports whether, once the block is over, it isn't known whether upstream goes
// on refusing. Then requests are let through one at a time until one is answered.
func (c *Calendar) InDoubt() bool {
	return c.Block.Strikes > 0 && (c.Block.Cause == ByMinute || c.Block.Cause == ByBare && !limits.IsModel(c.Model))
}

// Try has a request that was admitted be the one that is tried after the block, if there
// is to be one, and reports whether it is.
func (c *Calendar) Try(id uint64, now Instant) bool {
	if !c.InDoubt() || c.Block.Until > now || c.Learned.Probe.Active(now) {
		return false
	}
	c.Learned.Probe = Probe{Cause: c.Block.Cause, ID: id, Until: now.Add(c.spans().trial)}
	return true
}

// Tried reports whether one is tried, whose answer the others wait for.
func (c *Calendar) Tried(now Instant) bool {
	return c.InDoubt() && c.Learned.Probe.Cause == c.Block.Cause && c.Learned.Probe.Active(now)
}

// trialAnswered notes that upstream answered a request that was admitted then, and reports
// whether that ended a block in doubt: one that came before it says nothing of it.
func (c *Calendar) trialAnswered(admitted Instant) bool {
	if !c.InDoubt() || admitted < c.Block.Until {
		return false
	}
	c.endTrial()
	if c.Block = (Block{}); !limits.IsModel(c.Model) {
		// What it said to those that were sent before is no news (see Keep). Such a block, of the past and without strikes,
		// keeps nobody away.
		c.Block = Block{Until: admitted, Cause: ByBare}
	}
	return true
}

// Follow has a block in doubt end no sooner than that of another calendar, or, with after, than one
// that is tried then has been answered, and makes it grow like that.
func (c *Calendar) Follow(b Block, after bool) {
	if after {
		b.Until = b.Until.Add(c.spans().trial)
	}
	c.Block.Until, c.Block.Strikes = max(c.Block.Until, b.Until), max(c.Block.Strikes, b.Strikes)
}

// endTrial forgets the one that is tried.
func (c *Calendar) endTrial() {
	if c.Learned.Probe.Cause.OfBlock() {
		c.Learned.Probe = Probe{}
	}
}

// Limitless reports whether the calendar would keep nobody away, whatever is on it.
func (c *Calendar) Limitless(rules *Rules, now Instant) bool {
	return c.EffectiveLimits(rules, now).Limits == Limits{RPM: Unlimited, TPM: Unlimited, RPD: Unlimited} && c.Block.Until <= now && !c.InDoubt()
}
