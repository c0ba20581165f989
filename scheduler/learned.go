package scheduler

import "time"

const (
	// LearnedFor is how long a limit that an upstream 429 taught is believed
	// without a doubt. After that one request is let beyond it, as a probe.
	LearnedFor = 7 * 24 * time.Hour
	// probeFor is how long the answer to a probe is waited for before another
	// request is let through in its place.
	probeFor = 10 * time.Minute
)

// Learned are the limits that upstream's 429s taught.
type Learned struct {
	RPM, TPM, RPD Lesson
	Probe         Probe
}

// A Lesson is one limit that was taught.
type Lesson struct {
	Limit int64 // 0: not taught
	At    Instant
}

// A Probe is a request that was let beyond a limit that was learned more than
// LearnedFor ago, to see whether it still holds. If upstream answers it, the
// lesson is forgotten; if upstream refuses it, the lesson is new again. Until
// then everybody else keeps to the limit, and the probe weighs on nobody: a
// holder of a booking must not find its place taken by an experiment.
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

// due reports whether the lesson is so old that it may be put to the test.
func (l Lesson) due(now Instant) bool { return l.Limit > 0 && now.Sub(l.At) >= LearnedFor }

// binds reports whether the lesson is the limit in force where the policy alone
// would give another. One that is due has nothing to say against a policy that
// is no higher.
func (l Lesson) binds(now Instant, policy int64) bool {
	return l.Limit > 0 && (!l.due(now) || policy == Unlimited || policy > l.Limit)
}

// lesson returns the lesson about the limit that a cause names, nil if there
// can't be one.
func (l *Learned) lesson(cause Cause) *Lesson {
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

func (l *Learned) lessons() [3]*Lesson { return [3]*Lesson{&l.RPM, &l.TPM, &l.RPD} }

// fresh reports whether anything was learned that isn't due.
func (l *Learned) fresh(now Instant) bool {
	for _, x := range l.lessons() {
		if x.Limit > 0 && !x.due(now) {
			return true
		}
	}
	return false
}

// teach takes over limits that upstream named; 0 means not told. A probe that
// tested one of them is over.
func (l *Learned) teach(limits Limits, now Instant) {
	for _, x := range []struct {
		cause Cause
		limit int64
	}{{ByRPM, limits.RPM}, {ByTPM, limits.TPM}, {ByRPD, limits.RPD}} {
		if x.limit <= 0 {
			continue
		}
		*l.lesson(x.cause) = Lesson{x.limit, now}
		if l.Probe.Cause == x.cause {
			l.Probe = Probe{}
		}
	}
}

// refused notes that upstream refused the request with that reservation. If it
// was the probe, what it tested holds for another while, even where upstream
// didn't name the limit.
func (l *Learned) refused(id uint64, now Instant) {
	if l.Probe.Cause == NoCause || l.Probe.ID != id {
		return
	}
	l.lesson(l.Probe.Cause).At = now
	l.Probe = Probe{}
}

// answered notes that upstream answered the request with that reservation, and
// reports whether it was the probe: the limit that it tested is gone.
func (l *Learned) answered(id uint64) bool {
	if l.Probe.Cause == NoCause || l.Probe.ID != id {
		return false
	}
	*l.lesson(l.Probe.Cause) = Lesson{}
	l.Probe = Probe{}
	return true
}

// lifted returns the terms without a learned limit that is to be probed, and
// whether there is one: the limit that the cause names, if it was learned long
// ago and no other probe is under way.
func (c *Calendar) lifted(rules *Rules, t terms, now Instant, cause Cause) (terms, bool) {
	lesson := c.Learned.lesson(cause)
	if lesson == nil || !lesson.due(now) || c.Learned.Probe.active(now) {
		return t, false
	}
	policy := rules.Policy.Limits(c.Model)
	switch cause {
	case ByRPM:
		t.RPM = policy.RPM
	case ByTPM:
		t.TPM = policy.TPM
	case ByRPD:
		t.RPD = policy.RPD
	}
	return t, true
}

// start returns the first start that can be told to a request without a booking,
// what keeps it from now, and, if it starts now as the probe of a learned limit,
// which limit that is.
func (c *Calendar) start(rules *Rules, t terms, now Instant, d Demand, extra []Booking) (s Instant, cause, probe Cause) {
	s, cause = c.earliestWhole(t, now, now, d, everyone, extra)
	if s == now {
		return s, cause, NoCause
	}
	if without, ok := c.lifted(rules, t, now, cause); ok {
		if free, _ := c.earliestWhole(without, now, now, d, everyone, nil); free == now {
			return now, NoCause, cause
		}
	}
	return s, cause, NoCause
}

// weighs reports whether a sent request counts at now: all do but a probe whose
// answer isn't known yet.
func (c *Calendar) weighs(r *Reservation, now Instant) bool {
	return r.ID != c.Learned.Probe.ID || !c.Learned.Probe.active(now)
}
