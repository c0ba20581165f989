package learned

import (
	"time"

	"fluxgate.dev/fluxgate/scheduler/instant"
)

// A Block keeps every start of a calendar away until an instant.
type Block struct {
	Until instant.Instant
	Cause Cause // ByMinute, ByDay, ByBare or Unavailable
	// Strikes are the refusals in a row each of which doubles the block: see Spans. One
	// on a model's block per minute says that upstream named a longer time, which isn't
	// believed.
	Strikes int64
}

// Spans are how long blocks last of which upstream doesn't say it.
type Spans struct {
	First, Longest time.Duration // it doubles with each in a row
	Kept           time.Duration // strikes, after the block is over
	Trial          time.Duration // the answer of the one that is tried is waited for
	feature        bool
}

// grows reports whether a block grows with each in a row: a bare 429's, and what isn't a
// model's for a minute too, which the limit of a minute alone wouldn't refuse again.
func (s Spans) grows(c Cause) bool { return c == ByBare || c == ByMinute && s.feature }

// SpansOf returns those of a model, or of what isn't one. Bare 429s to a model are most
// often overload, and over soon; those to a feature mostly mean that the project hasn't
// got it.
func SpansOf(model bool) Spans {
	if model {
		return Spans{First: 5 * time.Second, Longest: 5 * time.Minute, Kept: 10 * time.Minute, Trial: 5 * time.Second}
	}
	return Spans{First: 30 * time.Second, Longest: time.Hour, Kept: 2 * time.Hour, Trial: time.Minute, feature: true}
}

// InDoubt reports whether, once the block is over, it isn't known whether upstream goes
// on refusing. Then requests are let through one at a time until one is answered.
func (b *Block) InDoubt(s Spans) bool {
	return b.Strikes > 0 && (b.Cause == ByMinute || b.Cause == ByBare && s.feature)
}

// Tried reports whether one is let through after a block, whose answer the others wait
// for.
func (l *Learned) Tried(b *Block, s Spans, now instant.Instant) bool {
	return b.InDoubt(s) && l.Probe.Cause == b.Cause && l.Probe.Active(now)
}

// Try has a request that was admitted be the one that is tried, if there is to be one,
// and reports whether it is.
func (l *Learned) Try(b *Block, s Spans, id uint64, now instant.Instant) bool {
	if !b.InDoubt(s) || b.Until > now || l.Probe.Active(now) {
		return false
	}
	l.Probe = Probe{Cause: b.Cause, ID: id, Until: now.Add(s.Trial)}
	return true
}

// Answered notes that upstream answered a request that was admitted then, and reports
// whether that ended a block in doubt: one that came before it says nothing of it.
func (l *Learned) Answered(b *Block, s Spans, admitted instant.Instant) bool {
	if !b.InDoubt(s) || admitted < b.Until {
		return false
	}
	l.forgetTrial()
	*b = Block{}
	return true
}

// Refused returns the block that is in force after a refusal that asks for another. One
// that lasts is not shortened by a lesser one, and doesn't grow by a refusal of what was
// under way when it began: admitted then; 0: unknown.
func (l *Learned) Refused(b, said Block, s Spans, admitted, now instant.Instant) Block {
	if s.grows(said.Cause) {
		if s.grows(b.Cause) && admitted != 0 && admitted < b.Until {
			return b
		}
		said.Strikes = min(b.Strikes+1, 16)
		grown := now.Add(min(s.First<<(said.Strikes-1), s.Longest))
		said.Until = max(grown, min(said.Until, now.Add(s.Longest)))
	}
	l.forgetTrial()
	if said.Until > b.Until || b.Until <= now {
		return said
	}
	if said.Cause == b.Cause {
		b.Strikes = said.Strikes
	}
	return b
}

// forgetTrial forgets the one that is tried: it was answered or refused.
func (l *Learned) forgetTrial() {
	if l.Probe.Cause.OfBlock() {
		l.Probe = Probe{}
	}
}
