package learned

import (
	"slices"
	"time"

	"fluxgate.dev/fluxgate/scheduler/instant"
	"fluxgate.dev/fluxgate/scheduler/limits"
)

const (
	// LearnedFor is how long a learned limit, one that an upstream 429 named, is
	// believed against a policy that is no higher.
	LearnedFor = 7 * 24 * time.Hour
	// ProbeFor is how long the answer to a probe is waited for before another
	// request is let through in its place.
	ProbeFor = 10 * time.Minute
	// RefusedFor is ProbeFor of a limit per day, beside what the store takes. Upstream refuses at once or
	// not at all, so the next goes when a refusal would be there. An answer may take a minute, in
	// which a day would have no more than that one.
	RefusedFor = time.Second / 2
	// OneByOne is how many requests a day may have before the next of a limit that is being tested no longer waits for
	// RefusedFor: from there on as many may be refused as go in the time that a refusal takes, but a day
	// of any size is found within two hours in which it could be used up.
	OneByOne = 5000
	// ToldFor is when whoever is kept away by a limit that is being tested may come again, and
	// AnswerFor where that is one per minute, whose probe is waited for. So is the first of a day's limit
	// that upstream named, in case a refusal takes longer this time.
	ToldFor, AnswerFor = time.Second, 10 * time.Second
)

// Learned are the limits that upstream's answers taught.
type Learned struct {
	RPM, TPM, RPD LearnedLimit
	Probe         Probe
}

// A LearnedLimit is one limit that upstream's answers taught: that a 429 named, or
// beyond which upstream has refused nothing yet.
type LearnedLimit struct {
	Limit int64 // 0: none
	// At is when a 429 named it, or last refused a probe of it. One that was found by
	// probes is dated LearnedFor back, and so is put to the test again at once.
	At instant.Instant
}

// A Probe is a request that was let beyond a limit of which it isn't known whether it
// (still) holds. If upstream answers it, the limit gives way; if upstream refuses it,
// the limit is new again. Until then everybody else keeps to the limit, and the probe
// weighs on nobody: a holder of a booking must not find its place taken by an
// experiment.
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

// Due reports whether a probe may test the limit: on each Pacific day after the one on
// which upstream said that it holds. So a rise is found within a day of use, and a limit
// that stays as it is costs one 429 a day at most. Where no other limit is there in its place, as
// of sessions, it is tested once it is [LearnedLimit.Stale] instead, once a week.
func (l LearnedLimit) Due(now instant.Instant) bool {
	return l.Limit > 0 && instant.DayOf(now) > instant.DayOf(l.At)
}

// Stale reports whether the limit was learned so long ago that a policy that is no higher
// counts instead.
func (l LearnedLimit) Stale(now instant.Instant) bool {
	return l.Limit > 0 && now.Sub(l.At) >= LearnedFor
}

// Binds reports whether the learned limit is the one in force where the policy
// alone would give another. A stale one doesn't replace a policy that is no
// higher, unless that is only a start. None replaces a lower one that an operator has
// named, who may have left the rest to others.
func (l LearnedLimit) Binds(now instant.Instant, policy int64, from limits.Source, start bool) bool {
	return l.Limit > 0 && (start || l.Below(policy) || !l.Stale(now) && (policy == l.Limit || !from.Named()))
}

// Below reports whether the learned limit is below the policy's.
func (l LearnedLimit) Below(policy int64) bool { return policy == limits.Unlimited || policy > l.Limit }

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

// Any reports whether any limit was learned.
func (l *Learned) Any() bool { return l.RPM.Limit > 0 || l.TPM.Limit > 0 || l.RPD.Limit > 0 }

// Worth reports whether anything was learned that is worth keeping: in the last
// LearnedFor it was named, or stood a probe.
func (l *Learned) Worth(now instant.Instant) bool {
	for _, x := range l.Each() {
		if x.Limit > 0 && now.Sub(x.At) < 2*LearnedFor {
			return true
		}
	}
	return false
}

// Record takes over limits that upstream named; 0 means not named. A probe that
// tested one of them is over. What upstream said later stays, where this is recorded after that.
func (l *Learned) Record(limits limits.Limits, now instant.Instant) {
	for _, cause := range []Cause{ByRPM, ByTPM, ByRPD} {
		if l.Limit(cause).At <= now {
			l.Name(cause, Of(limits, cause), now)
		}
	}
}

// Name is Record of one limit.
func (l *Learned) Name(cause Cause, limit int64, now instant.Instant) {
	if limit <= 0 {
		return
	}
	*l.Limit(cause) = LearnedLimit{limit, now}
	if l.Probe.Cause == cause {
		l.Probe = Probe{}
	}
}

// Of returns the limit that a cause names.
func Of(l limits.Limits, cause Cause) int64 {
	switch cause {
	case ByRPM:
		return l.RPM
	case ByTPM:
		return l.TPM
	}
	return l.RPD
}

// ProbeRefused notes that upstream refused the request with that reservation, and which
// limits it named. If it was the probe, what it tested holds for another day, even
// where upstream named no limit at all; where it named others, or said that others are reached, nothing is
// known of this one. What it tested was the limit inForce, beside a policy that is only a start or not.
// Of a limit per day the refusal is kept in the place of the probe, which is over, until a number is named: what was sent
// before it may be answered yet, and shows then how many there were (see Doubted).
// It reports whether the probe was refused for what it tested, by name.
func (l *Learned) ProbeRefused(id uint64, named limits.Limits, reached []Cause, inForce int64, start bool, now instant.Instant) bool {
	if l.Probe.Cause == NoCause || l.Probe.ID != id {
		return false
	}
	cause, tested := l.Probe.Cause, l.Limit(l.Probe.Cause)
	l.Probe = Probe{}
	switch {
	case tested == nil: // it was tried after a block
	case named != (limits.Limits{}):
		return Of(named, cause) > 0
	case len(reached) > 0 && !slices.Contains(reached, cause):
	case start:
		*tested = LearnedLimit{inForce, now}
		if cause == ByRPD { // those before it may be under way still
			l.Probe = Probe{Cause: cause, ID: id, Until: now}
		}
	default:
		tested.At = now
	}
	return false
}

// Doubted reports whether upstream refused a probe of the limit per day without a number, and a request that was admitted
// at an instant was under way then.
func (l *Learned) Doubted(admitted instant.Instant) bool {
	p := &l.Probe
	return p.Cause == ByRPD && p.Until == l.RPD.At && admitted < p.Until
}

// ProbeAnswered notes that upstream answered the request with that reservation, which
// weighed so much, and reports whether it was the probe. The limit inForce that it tested
// is raised by that where the policy is only a start. Else the policy's word holds again.
func (l *Learned) ProbeAnswered(id uint64, weight, inForce int64, start bool, now instant.Instant) bool {
	if l.Probe.Cause == NoCause || l.Probe.ID != id {
		return false
	}
	cause := l.Probe.Cause
	tested := l.Limit(cause)
	if l.Probe = (Probe{}); tested == nil { // it was tried after a block
		return true
	}
	*tested = LearnedLimit{}
	if start {
		*tested = LearnedLimit{inForce + weight, now.Add(-LearnedFor)}
	}
	return true
}
