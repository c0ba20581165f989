package standing

import (
	"time"

	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
	"fluxgate.dev/fluxgate/scheduler"
)

// noise is the part of a limit of tokens by which what is used may be told otherwise than it is
// counted here: what a provider estimates of a request isn't what we do.
const noise = 50

// Changes returns what a project is to be told of a model's limits after an answer; mostly
// nothing. The calendar is that of the model, with the request that was answered on it; the ID
// is random, for what others have sent.
func Changes(c *scheduler.Calendar, rules *scheduler.Rules, now scheduler.Instant, told []ratelimits.Limit, id uint64) (changes []scheduler.Change) {
	ours, policy := sent(c, now), rules.EffectiveLimits(c.Model)
	var learned scheduler.Limits
	var others scheduler.Demand
	for _, l := range told {
		if l.Tier != ratelimits.Standard {
			continue
		}
		switch {
		case l.Dimension == ratelimits.Requests && l.Per == time.Minute:
			learned.RPM = lesson(l, c.Learned.RPM, policy.RPM, policy.RPMFrom, now)
			others.Requests = max(0, l.Used()-ours.Requests)
		case l.Dimension == tokensOf(told) && l.Per == time.Minute:
			learned.TPM = lesson(l, c.Learned.TPM, policy.TPM, policy.TPMFrom, now)
			if more := l.Used() - ours.Tokens; more > l.Limit/noise {
				others.Tokens = more
			}
		}
	}
	if learned != (scheduler.Limits{}) {
		changes = append(changes, scheduler.RecordRefusal{Model: c.Model, Limits: learned})
	}
	switch {
	case others.Requests > 0:
		changes = append(changes, scheduler.Reserve{Model: c.Model, Demand: others, ID: id, Over: true})
	case others.Tokens > 0:
		changes = append(changes, scheduler.Use{Model: c.Model, ID: id, Tokens: others.Tokens})
	}
	return changes
}

// tokensOf returns which tokens a model's calendar counts: the input alone, where that is limited
// by itself.
func tokensOf(told []ratelimits.Limit) ratelimits.Dimension {
	for _, l := range told {
		if l.Dimension == ratelimits.InputTokens && l.Tier == ratelimits.Standard {
			return ratelimits.InputTokens
		}
	}
	return ratelimits.Tokens
}

// lesson returns the limit that is to be learned; 0: none, for it is known today, or an operator
// has named one that is no higher.
func lesson(l ratelimits.Limit, known scheduler.LearnedLimit, policy int64, from scheduler.Source, now scheduler.Instant) int64 {
	switch {
	case l.Limit <= 0:
		return 0
	case !from.Start() && policy != scheduler.Unlimited && policy <= l.Limit:
		return 0
	case known.Limit == l.Limit && scheduler.DayOf(known.At) == scheduler.DayOf(now):
		return 0
	}
	return l.Limit
}

// sent is what weighs on a calendar at an instant.
func sent(c *scheduler.Calendar, now scheduler.Instant) (d scheduler.Demand) {
	for _, r := range c.Sent {
		if r.End > now {
			d.Requests, d.Tokens = d.Requests+r.Requests, d.Tokens+r.Tokens
		}
	}
	for _, x := range c.Folded {
		if x.End > now {
			d.Requests, d.Tokens = d.Requests+x.Requests, d.Tokens+x.Tokens
		}
	}
	return d
}
