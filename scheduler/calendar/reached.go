package calendar

import (
	"fluxgate.dev/fluxgate/scheduler/learned"
	"fluxgate.dev/fluxgate/scheduler/limits"
)

// doubted is the part of the policy's limit below which a limit that was learned from what had been sent is
// put to the test at once: rather than having so little the project has somebody else that uses it.
const doubted = 10

// spared is the part of the tokens a minute that are known to be too many that is left unused until the next
// day: else one refusal after the other would find the limit to the token.
const spared = 100

// Reached has the limit learned that a cause names, since upstream refused the request with that
// reservation by it: the most that it can be is one less than all that may have arrived by then; of tokens a hundredth less. That
// says nothing where there was nothing else, the limit is no higher as it is, or what was sent
// isn't known any more.
func (c *Calendar) Reached(rules *Rules, now Instant, id uint64, cause Cause) {
	n, at := c.reached(rules, now, id, cause), now
	if known := c.Learned.Limit(cause); known != nil && known.At > now {
		return // upstream said so later, and this is recorded after that
	}
	if policy := learned.Of(rules.EffectiveLimits(c.Model).Limits, cause); policy != Unlimited && n < policy/doubted {
		at = now.Add(-learned.LearnedFor)
	}
	c.Learned.Name(cause, n, at)
}

// reached returns the most that the limit can be; 0: nothing is known of that.
func (c *Calendar) reached(rules *Rules, now Instant, id uint64, cause Cause) int64 {
	i := c.sent(id)
	if i < 0 || !limits.IsModel(c.Model) {
		return 0
	}
	t, own := c.Terms(rules, now), c.Sent[i]
	arrived := max(own.Start, own.End-t.every) // at the latest
	var requests, tokens int64
	for _, r := range c.Sent {
		if r.Start <= arrived && r.End > own.Start && !r.Note() {
			requests, tokens = requests+r.Requests, tokens+r.Tokens
		}
	}
	for _, x := range c.Folded {
		if x.End > own.Start {
			requests, tokens = requests+x.Requests, tokens+x.Tokens
		}
	}
	all, alone := requests, own.Requests
	switch cause {
	case ByTPM:
		all, alone = tokens, own.Tokens
	case ByRPD:
		all = 0
		for _, x := range c.Days {
			if x.Day == t.day(own.Start) {
				all = x.Requests
			}
		}
	}
	if inForce, _ := c.limit(rules, now, cause); all <= alone || all-1 >= inForce {
		return 0
	}
	if cause == ByTPM {
		all -= all / spared
	}
	return all - 1
}
