package learned

import (
	"time"

	"fluxgate.dev/fluxgate/scheduler/instant"
	"fluxgate.dev/fluxgate/scheduler/limits"
)

const (
	// LearnedFor is how long a learned limit, one that an upstream 429 named, is
	// believed. After that one request is let beyond it, as a probe.
	LearnedFor = 7 * 24 * time.Hour
	// ProbeFor is how long the answer to a probe is waited for before another
	// request is let through in its place.
	ProbeFor = 10 * time.Minute
)

// Learned are the limits that upstream's 429s named.
type Learned struct {
	RPM, TPM, RPD LearnedLimit
	Probe         Probe
}

// A LearnedLimit is one limit that an upstream 429 named, and when.
type LearnedLimit struct {
	Limit int64 // 0: none was named
	At    instant.Instant
}

// A Probe is a request that was let beyond a limit that was learned more than
// LearnedFor ago, to see whether it still holds. If upstream answers it, the
// learned limit is dropped; if upstream refuses it, it is new again. Until then
// everybody else keeps to the limit, and the probe weighs on nobody: a holder
// of a booking must not find its place taken by an experiment.
//
// It is also the request that is tried after a block of which it isn't known whether
// upstream goes on refusing. Until it is answered the others wait.
type Probe struct {
	// Cause is the limit, ByRPM, ByTPM or ByRPD, or the block's cause; NoCause: no
	// probe is under way.
	Cause Cause
	ID    uint64          // of its reservation
	Until instant.Instant // when its answer isn't waited for any longer
}

func (p Probe) Active(now instant.Instant) bool { return p.Cause != NoCause && now < p.Until }

// Stale reports whether the limit was learned so long ago that a probe may test
// it.
func (l LearnedLimit) Stale(now instant.Instant) bool {
	return l.Limit > 0 && now.Sub(l.At) >= LearnedFor
}

// Binds reports whether the learned limit is the one in force where the policy
// alone would give another. A stale one doesn't replace a policy that is no
// higher.
func (l LearnedLimit) Binds(now instant.Instant, policy int64) bool {
	return l.Limit > 0 && (!l.Stale(now) || policy == limits.Unlimited || policy > l.Limit)
}

// Limit returns what was learned about the limit that a cause names, nil if
// nothing can be.
func (l *Learned) Limit(cause Cause) *LearnedLimit {
	switch cause {
	case ByRPM:
		return &l.RPM
	case ByTPM:
		return &l.TPM
	case ByRPD:
		return &l.RPD
	}
	return nil
}

func (l *Learned) Each() [3]*LearnedLimit { return [3]*LearnedLimit{&l.RPM, &l.TPM, &l.RPD} }

// Fresh reports whether anything was learned that isn't stale.
func (l *Learned) Fresh(now instant.Instant) bool {
	for _, x := range l.Each() {
		if x.Limit > 0 && !x.Stale(now) {
			return true
		}
	}
	return false
}

// Record takes over limits that upstream named; 0 means not named. A probe that
// tested one of them is over.
func (l *Learned) Record(limits limits.Limits, now instant.Instant) {
	for _, x := range []struct {
		cause Cause
		limit int64
	}{{ByRPM, limits.RPM}, {ByTPM, limits.TPM}, {ByRPD, limits.RPD}} {
		if x.limit <= 0 {
			continue
		}
		*l.Limit(x.cause) = LearnedLimit{x.limit, now}
		if l.Probe.Cause == x.cause {
			l.Probe = Probe{}
		}
	}
}

// ProbeRefused notes that upstream refused the request with that reservation. If it
// was the probe, what it tested holds for another while, even where upstream
// didn't name the limit.
func (l *Learned) ProbeRefused(id uint64, now instant.Instant) {
	if l.Probe.Cause == NoCause || l.Probe.ID != id {
		return
	}
	if limit := l.Limit(l.Probe.Cause); limit != nil {
		limit.At = now
	}
	l.Probe = Probe{}
}

// ProbeAnswered notes that upstream answered the request with that reservation,
// and reports whether it was the probe: the limit that it tested is dropped.
func (l *Learned) ProbeAnswered(id uint64) bool {
	if l.Probe.Cause == NoCause || l.Probe.ID != id {
		return false
	}
	if limit := l.Limit(l.Probe.Cause); limit != nil {
		*limit = LearnedLimit{}
	}
	l.Probe = Probe{}
	return true
}
