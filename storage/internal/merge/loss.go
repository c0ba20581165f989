package merge

import (
	"slices"

	"fluxgate.dev/fluxgate/scheduler"
)

// A Loss is what a document no longer says: it is missing, or has not come of what was
// durable.
type Loss struct {
	Known *scheduler.Project // what was durable, as far as is known
	// Unseen says that others may have written since. What they sent counts as long as
	// a limit per minute looks back.
	Unseen bool
	Since  scheduler.Instant // when the loss was noticed
}

// Restore returns the project as it has to be written before anything more is admitted
// on it: what was found in the place of what is known, joined with that. Without rules,
// which come with the first change, bookings stay where they are and nothing is closed.
func (l *Loss) Restore(found *scheduler.Project, rules *scheduler.Rules, now scheduler.Instant) *scheduler.Project {
	p := Projects(l.Known, found)
	if rules == nil || p == nil {
		return p
	}
	if l.Unseen {
		p = l.closed(p, rules, now)
	}
	p, _ = p.Apply(rules, now, scheduler.Review{})
	return p
}

// Closed returns the block of a calendar until what was sent before then, and nobody knows
// of any more, can't count. The cause is that of a limit per minute, which every build
// knows.
func Closed(since scheduler.Instant, rules *scheduler.Rules) scheduler.Block {
	return scheduler.Block{Until: since.Add(scheduler.Window + rules.Skew + scheduler.MaxCommit), Cause: scheduler.ByRPM}
}

// closed returns the project with every calendar closed until what nobody knows of any
// more can't count: what may have been used counts as used. Where somebody has closed
// one already it stays as it is.
func (l *Loss) closed(p *scheduler.Project, rules *scheduler.Rules, now scheduler.Instant) *scheduler.Project {
	models := slices.Clone(rules.Policy.Chain(scheduler.Both))
	for _, c := range p.Calendars {
		if scheduler.IsModel(c.Model) {
			models = append(models, c.Model)
		}
	}
	for _, model := range models {
		c := p.Calendar(model)
		limits := c.EffectiveLimits(rules, now)
		if c.Block.Cause == scheduler.ByRPM && c.Block.Until > now || limits.RPM == scheduler.Unlimited && limits.TPM == scheduler.Unlimited {
			continue
		}
		p, _ = p.Apply(rules, now, scheduler.RecordRefusal{Model: model, Block: Closed(l.Since, rules)})
	}
	next := *p
	next.Unsure.At = max(next.Unsure.At, l.Since) // of all that isn't a model's
	next.Calendars = slices.Clone(p.Calendars)
	for i, c := range next.Calendars {
		if !scheduler.IsModel(c.Model) {
			unsure := *c
			unsure.Unsure = next.Unsure
			next.Calendars[i] = &unsure
		}
	}
	return &next
}
