package calendar

import "fluxgate.dev/fluxgate/scheduler/learned"

// Beyond returns the terms for a demand that goes beyond the limit that the cause names,
// as a probe, and whether it may: the limit isn't known to hold now, no other probe is
// under way, and what was sent fills it, so that an answer proves something. Where the
// policy is only a start the demand has room for itself, else that of the policy.
func (c *Calendar) Beyond(rules *Rules, t Terms, now Instant, cause Cause, d Demand) (Terms, bool) {
	if c.Learned.Limit(cause) == nil || c.Learned.Probe.Active(now) || !c.InTest(rules, now, cause) {
		return t, false
	}
	inForce, start := c.limit(rules, now, cause)
	if !c.fills(t, now, cause, d) || cause == ByRPD && c.underWay(&t, now) {
		return t, false
	}
	if start {
		switch cause {
		case ByRPM:
			t.RPM = inForce + d.Count()
		case ByTPM:
			t.TPM = inForce + d.Tokens
		case ByRPD:
			t.RPD = max(inForce, c.counted(&t, now)) + d.Count()
		}
		return t, true
	}
	l, policy := c.EffectiveLimits(rules, now), rules.EffectiveLimits(c.Model)
	switch cause {
	case ByRPM:
		l.RPM, l.RPMFrom = policy.RPM, policy.RPMFrom
	case ByTPM:
		l.TPM, l.TPMFrom = policy.TPM, policy.TPMFrom
	case ByRPD:
		l.RPD, l.RPDFrom = policy.RPD, policy.RPDFrom
	}
	return c.under(rules, l), true
}

// underWay reports whether upstream may yet refuse what was sent within the limit per day, as it had no
// time to arrive: a probe that overtook it would take its place, and prove nothing. Once one has raised the limit on
// this day all that was sent before is known, and nothing goes but probes.
func (c *Calendar) underWay(t *Terms, now Instant) bool {
	if x := c.Learned.RPD; x.Limit > 0 && t.day(x.At.Add(learned.LearnedFor)) == t.day(now) {
		return false
	}
	for _, r := range c.Sent {
		if (r.End - t.length(r.Tokens)).Add(learned.RefusedFor) > now {
			return true
		}
	}
	for _, x := range c.Folded {
		if (x.End - t.length(0)).Add(learned.RefusedFor) > now {
			return true
		}
	}
	return false
}

// InTest reports whether the limit of a cause isn't known to hold now, so that it is tested where it is used up. One that is known
// isn't tested where the policy has no more. Of what has none to begin with, where an answer drops the limit and nothing is there
// in its place, that is once a week.
func (c *Calendar) InTest(rules *Rules, now Instant, cause Cause) bool {
	known, policy := c.Learned.Limit(cause), learned.Of(rules.EffectiveLimits(c.Model).Limits, cause)
	switch _, start := c.limit(rules, now, cause); {
	case known.Limit == 0:
		return start
	case !start && !known.Below(policy):
		return false
	case !c.begins(rules):
		return known.Stale(now)
	}
	return known.Due(now)
}

// Probe has the request with that reservation be the one that tests a limit. Where it goes in the
// place of one that tested a day's, of which it isn't known yet what came, nothing is known but that it wasn't
// refused at once: only an answer raises the limit (see Stood).
func (c *Calendar) Probe(rules *Rules, now Instant, r Reservation, cause Cause) {
	t := c.Terms(rules, now)
	_, start := c.limit(rules, now, ByRPD)
	until := now.Add(learned.ProbeFor)
	if start && cause == ByRPD {
		// It is on its way for as long as it takes to be committed, and so is what upstream said of it.
		allowance, refusedFor := max(0, r.End-t.length(r.Tokens)-now), learned.RefusedFor
		if known := c.Learned.RPD; known.Limit > 0 && !known.Stale(now) {
			refusedFor = learned.AnswerFor // upstream named it: it is likely that it holds
		}
		until = (now + 2*allowance).Add(refusedFor)
		if t.RPM != Unlimited && refusedFor == learned.RefusedFor && c.counted(&t, now) > learned.OneByOne {
			// Twice as fast as a minute's limit has them go, which couldn't be found out else.
			until = min(until, now+max(1, t.every/2/Instant(max(1, t.RPM))))
		}
	}
	c.Learned.Probe = Probe{Cause: cause, ID: r.ID, Until: until}
}

// counted returns how many requests were sent on the day of now.
func (c *Calendar) counted(t *Terms, now Instant) (n int64) {
	for _, x := range c.Days {
		if x.Day == t.day(now) {
			n = x.Requests
		}
	}
	return n
}

// fills reports whether what was sent leaves no room for the demand under the limit that
// the cause names. A request larger than TPM proves nothing: it is sent when it is alone.
func (c *Calendar) fills(t Terms, now Instant, cause Cause, d Demand) bool {
	if t.refill {
		return true // nothing is kept for others in a bucket that is empty
	}
	if cause == ByRPD {
		return c.counted(&t, now)+d.Count() > t.RPD
	}
	tokens, requests := t.weight(d.Tokens), d.Count()
	for _, r := range c.Sent {
		if r.End > now && c.weighs(r, now) {
			tokens, requests = tokens+t.weight(r.Tokens), requests+r.Requests
		}
	}
	for _, x := range c.Folded {
		if x.End > now {
			tokens, requests = tokens+t.weight(x.Tokens), requests+x.Requests
		}
	}
	if cause == ByTPM {
		return d.Tokens <= t.TPM && tokens > t.TPM
	}
	return requests > t.RPM
}

// Answered notes that upstream answered a request that has this reservation, with the tokens
// that it weighs: what it was let through to find out, a limit or the end of a block, is known
// then. It reports whether it was let through for that; other terms hold from then on.
func (c *Calendar) Answered(rules *Rules, now Instant, r Reservation) bool {
	ended := c.trialAnswered(r.Start)
	cause := c.Learned.Probe.Cause
	if cause == NoCause || c.Learned.Probe.ID != r.ID {
		return ended
	}
	inForce, start := c.limit(rules, now, cause)
	weight := r.Requests
	if cause == ByTPM {
		weight = r.Tokens
	}
	return c.Learned.ProbeAnswered(r.ID, weight, inForce, start, now) || ended
}

// BeyondDay reports whether what was counted on the day of now is more than a limit that is only a start.
func (c *Calendar) BeyondDay(rules *Rules, now Instant) bool {
	t := c.Terms(rules, now)
	inForce, start := c.limit(rules, now, ByRPD)
	return start && c.counted(&t, now) > inForce
}

// Stood notes that upstream answered a request that was let beyond the limit per day, and reports whether that
// raised it: by what the request weighs, but not beyond what was sent. Another may have taken its place as the probe, and have
// been refused: then the limit is what was sent before that, and holds on this day.
func (c *Calendar) Stood(rules *Rules, now Instant, r Reservation) bool {
	doubted := c.Learned.Doubted(r.Start)
	if !c.BeyondDay(rules, now) || !doubted && !c.InTest(rules, now, ByRPD) {
		return false
	}
	t := c.Terms(rules, now)
	inForce, _ := c.limit(rules, now, ByRPD)
	most, at := c.counted(&t, now), now.Add(-learned.LearnedFor)
	if doubted {
		most, at = most-1, c.Learned.RPD.At
	}
	limit := min(inForce+r.Requests, most)
	if doubted && limit <= inForce {
		return false
	}
	c.Learned.RPD = learned.LearnedLimit{Limit: limit, At: at}
	return true
}

// Unanswered notes that upstream neither answered the request with that reservation nor refused it for a limit. If it
// tested one nothing is known of that, and the next may. It reports whether it did.
func (c *Calendar) Unanswered(id uint64) bool {
	p := &c.Learned.Probe
	if p.ID != id || p.Cause == NoCause || p.Cause.OfBlock() {
		return false
	}
	*p = Probe{}
	return true
}

// ProbeRefused notes that upstream refused the request with that reservation, and the
// limits that it named; 0: not named; or said to be reached. It reports whether it was the probe, and refused for
// what it tested.
func (c *Calendar) ProbeRefused(rules *Rules, now Instant, id uint64, named Limits, reached []Cause) bool {
	inForce, start := c.limit(rules, now, c.Learned.Probe.Cause)
	return c.Learned.ProbeRefused(id, named, reached, inForce, start, now)
}

// Probing returns the limit that a probe is testing at now, or NoCause.
func (c *Calendar) Probing(now Instant) Cause {
	if c.Learned.Probe.Active(now) {
		return c.Learned.Probe.Cause
	}
	return NoCause
}

// weighs reports whether a sent request counts in its minute at now: all do but a probe of a limit of
// the minute whose answer isn't known yet.
func (c *Calendar) weighs(r *Reservation, now Instant) bool {
	p := &c.Learned.Probe
	if r.Note() {
		return false
	}
	return r.ID != p.ID || p.Cause.OfBlock() || p.Cause == ByRPD || !p.Active(now)
}
