package scheduler

import "time"

const (
	// LearnedFor is how long a learned limit, one that an upstream 429 named, is
	// believed. After that one request is let beyond it, as a probe.
	LearnedFor = 7 * 24 * time.Hour
	// probeFor is how long the answer to a probe is waited for before another
	// request is let through in its place.
	probeFor = 10 * time.Minute
)

// Learned are the limits that upstream's 429s named.
type Learned struct {
	RPM, TPM, RPD LearnedLimit
	Probe         Probe
}

// A LearnedLimit is one limit that an upstream 429 named, and when.
type LearnedLimit struct {
	Limit int64 // 0: none was named
	At    Instant
}

// A Probe is a request that was let beyond a limit that was learned more than
// LearnedFor ago, to see whether it still holds. If upstream answers it, the
// learned limit is dropped; if upstream refuses it, it is new again. Until then
// everybody else keeps to the limit, and the probe weighs on nobody: a holder
// of a booking must not find its place taken by an experiment.
type Probe struct {
	Cause Cause   // the limit: ByRPM, ByTPM or ByRPD; NoCause: no probe is under way
	ID    uint64  // of its reservation
	Until Instant // when its answer isn't waited for any longer
}

func (p Probe) active(now Instant) bool { return p.Cause != NoCause && now < p.Until }

// Probing returns the limit that a probe is testing at now, or NoCause.
func (c *Calendar) Probing(now Instant) Cause {
	if c.Learned.Probe.active(now) {
		return c.Learned.Probe.Cause
	}
	return NoCause
}

// stale reports whether the limit was learned so long ago that a probe may test
// it.
func (l LearnedLimit) stale(now Instant) bool { return l.Limit > 0 && now.Sub(l.At) >= LearnedFor }

// binds reports whether the learned limit is the one in force where the policy
// alone would give another. A stale one doesn't replace a policy that is no
// higher.
func (l LearnedLimit) binds(now Instant, policy int64) bool {
	return l.Limit > 0 && (!l.stale(now) || policy == Unlimited || policy > l.Limit)
}

// limit returns what was learned about the limit that a cause names, nil if
// nothing can be.
func (l *Learned) limit(cause Cause) *LearnedLimit {
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

func (l *Learned) limits() [3]*LearnedLimit { return [3]*LearnedLimit{&l.RPM, &l.TPM, &l.RPD} }

// fresh reports whether anything was learned that isn't stale.
func (l *Learned) fresh(now Instant) bool {
	for _, x := range l.limits() {
		if x.Limit > 0 && !x.stale(now) {
			return true
		}
	}
	return false
}

// record takes over limits that upstream named; 0 means not named. A probe that
// tested one of them is over.
func (l *Learned) record(limits Limits, now Instant) {
	for _, x := range []struct {
		cause Cause
		limit int64
	}{{ByRPM, limits.RPM}, {ByTPM, limits.TPM}, {ByRPD, limits.RPD}} {
		if x.limit <= 0 {
			continue
		}
		*l.limit(x.cause) = LearnedLimit{x.limit, now}
		if l.Probe.Cause == x.cause {
			l.Probe = Probe{}
		}
	}
}

// probeRefused notes that upstream refused the request with that reservation. If it
// was the probe, what it tested holds for another while, even where upstream
// didn't name the limit.
func (l *Learned) probeRefused(id uint64, now Instant) {
	if l.Probe.Cause == NoCause || l.Probe.ID != id {
		return
	}
	l.limit(l.Probe.Cause).At = now
	l.Probe = Probe{}
}

// probeAnswered notes that upstream answered the request with that reservation,
// and reports whether it was the probe: the limit that it tested is dropped.
func (l *Learned) probeAnswered(id uint64) bool {
	if l.Probe.Cause == NoCause || l.Probe.ID != id {
		return false
	}
	*l.limit(l.Probe.Cause) = LearnedLimit{}
	l.Probe = Probe{}
	return true
}

// weighs reports whether a sent request counts at now: all do but a probe whose
// answer isn't known yet.
func (c *Calendar) weighs(r *Reservation, now Instant) bool {
	return r.ID != c.Learned.Probe.ID || !c.Learned.Probe.active(now)
}
