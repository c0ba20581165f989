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
	policy := rules.EffectiveLimits(c.Model)
	heard := scheduler.Heard{Model: c.Model, ID: id}
	var learned scheduler.Limits
	for _, l := range told {
		if l.Tier != ratelimits.Standard {
			continue
		}
		switch {
		case l.Dimension == ratelimits.Requests && l.Per == time.Minute:
			learned.RPM = lesson(l, c.Learned.RPM, policy.RPM, policy.RPMFrom, now)
			heard.Used.Requests = l.Used()
		case l.Dimension == tokensOf(told) && l.Per == time.Minute:
			learned.TPM = lesson(l, c.Learned.TPM, policy.TPM, policy.TPMFrom, now)
			heard.Used.Tokens, heard.Noise = l.Used(), l.Limit/noise
		}
	}
	if learned != (scheduler.Limits{}) {
		changes = append(changes, scheduler.RecordRefusal{Model: c.Model, Limits: learned})
	}
	if heard.Others(c, rules, now) != (scheduler.Demand{}) {
		changes = append(changes, heard)
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
