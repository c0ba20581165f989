package standing

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
	"fluxgate.dev/fluxgate/scheduler"
)

// A limit of input or of output by itself, of which a refusal tells in words alone, is learned beside the model's tokens, which stay
// what headers say. What is used of it was sent from here before there was a calendar for it, and counts as used now, once; nobody
// else is looked for, of whom no answer would tell.
func TestNamedInWords(t *testing.T) {
	for of, on := range map[ratelimits.Dimension]string{ratelimits.InputTokens: scheduler.OfInputs(model), ratelimits.OutputTokens: scheduler.OfOutputs(model)} {
		rules, r := rulesOf(0, 0), NewRecord()
		say := func(remaining int64) []ratelimits.Limit {
			l := told(of, 1000, remaining)
			l.Named = true
			return []ratelimits.Limit{told(ratelimits.Tokens, 8000, 8000), l}
		}
		p, _ := (*scheduler.Project)(nil).Apply(rules, now, scheduler.Reserve{Model: model, ID: 1})
		hear := func(told []ratelimits.Limit, sent Sent) []scheduler.Change {
			changes := r.Changes("p", p, rules, now, Heard{model, "", told, sent}, nine)
			for _, change := range changes {
				p, _ = p.Apply(rules, now, change)
			}
			return changes
		}
		assert.Equal(t, []scheduler.Change{
			scheduler.RecordRefusal{Model: model, Limits: scheduler.Limits{TPM: 8000}},
			scheduler.RecordRefusal{Model: on, Limits: scheduler.Limits{TPM: 1000}},
			scheduler.Use{Model: on, ID: 9, Tokens: 528},
		}, hear(say(472), Sent{at: now, unknown: true}), of)
		_, used := p.Calendar(on).InWindow(rules, now)
		assert.EqualValues(t, 528, used)
		assert.Empty(t, hear(say(472), r.counted("p", p, rules, now, model, on)), "it is told of once")
		assert.Empty(t, hear([]ratelimits.Limit{told(ratelimits.Tokens, 8000, 8000)}, r.counted("p", p, rules, now, model, on)), "headers raise nothing")
		assert.Empty(t, hear(say(-1), r.counted("p", p, rules, now, model, on)), "of one that is too large it isn't said what is used")
		assert.False(t, p.Calendar(on).Unheard(rules, now.Add(20_000_000_000)), "nobody waits for an answer to tell of it")

		weight := []scheduler.Weight{{On: on, Demand: scheduler.Demand{Tokens: 500}, IfKnown: true}}
		start, _ := p.Earliest(rules, now, model, scheduler.Demand{}, weight)
		assert.EqualValues(t, 1680+1000, start.Sub(now).Milliseconds(), "28 are missing of 500, which takes 1.68 s, and twice the skew")
		refused := r.counted("p", p, rules, now, model, on)
		refused.refused = map[string]scheduler.Demand{on: {Tokens: 100}}
		assert.Equal(t, []scheduler.Change{scheduler.Use{Model: on, ID: 9, Tokens: 272}}, hear(say(300), refused), "what was refused is reserved here, and isn't used there")
	}
}
