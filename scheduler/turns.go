package scheduler

import (
	"cmp"
	"slices"

	"fluxgate.dev/fluxgate/scheduler/limits"
)

// takeTurns has the models of a project that upstream refuses a feature, and says no more, be tried
// with it in turn, one after each pause, which grows for all of them: the project may have none of it,
// and then one refusal a pause is enough to know. The one that was refused now is the last.
// A model that was never asked for the feature, or was served with it since, isn't among them: one may
// have what another hasn't. Nor is one whose pause is over: whoever asks for it next finds out, however
// rarely that is. It returns all of them.
func (p *Project) takeTurns(rules *Rules, now Instant, refused *Calendar) (paused []*Calendar) {
	var others []*Calendar
	for _, c := range p.Calendars {
		if c != refused && limits.SameFeature(c.Model, refused.Model) && c.InDoubt() && c.Block.Cause == ByBare && c.Block.Until > now {
			others = append(others, c)
		}
	}
	slices.SortStableFunc(others, func(a, b *Calendar) int { return cmp.Compare(a.Block.Until, b.Block.Until) })
	before := refused.Block
	for i, c := range others {
		c, _ = p.edit(rules, now, c.Model)
		c.Follow(before, i > 0)
		before, paused = c.Block, append(paused, c)
	}
	if len(others) > 0 {
		refused.Follow(before, true)
	}
	return append(paused, refused)
}
