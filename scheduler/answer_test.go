package scheduler_test

import (
	"testing"
	"time"

	. "fluxgate.dev/fluxgate/scheduler"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const claude = "anthropic/claude"

// puttingOut returns rules in which a model of another provider's has no limits of its own, but may
// put out 600 tokens a minute, ten a second.
func puttingOut(spec Spec) *Rules {
	rules := rulesFor(map[string]Limits{claude: {RPM: Unlimited, TPM: Unlimited, RPD: Unlimited}})
	spec.EffectiveLimits = EffectiveLimits{Limits: Limits{RPM: Unlimited, TPM: 600, RPD: Unlimited}}
	rules.Specs = map[string]Spec{OfOutputs(claude): spec}
	return rules
}

// TestAtAnswer: outputs count as they are produced. Until then what is reserved for them is taken,
// and the bucket isn't refilled for it; then what they were is missing, from the answer on.
func TestAtAnswer(t *testing.T) {
	rules := puttingOut(Spec{Refill: true, AtAnswer: true})
	also := []Weight{{On: OfOutputs(claude), Demand: Demand{Tokens: 500, Allowance: 20 * sec}}}
	p, first := apply(t, rules, nil, noon, Reserve{Model: claude, ID: 1, Also: also})
	require.Equal(t, Admitted, first.Verdict)
	free := func(p *Project, at time.Duration) time.Duration {
		start, _ := p.Earliest(rules, noon.Add(at), claude, Demand{}, also)
		return start.Sub(noon)
	}
	assert.Equal(t, 20*sec+500*ms+40*sec, free(p, 0), "after it is answered 400 are to be refilled")
	settle := func(tokens int64, at time.Duration) (*Project, Result) {
		return apply(t, rules, p, noon.Add(at), Settle{
			Model: claude, ID: 1, Reserved: first.Reservation, Tokens: -1, Also: first.Also, Counted: []int64{tokens}, SentAt: noon, Answered: noon.Add(at),
		})
	}
	q, _ := settle(500, 5*sec)
	assert.Equal(t, 45*sec+500*ms, free(q, 5*sec), "it was sooner than was thought")
	q, _ = settle(500, 30*sec)
	assert.Equal(t, 70*sec+500*ms, free(q, 30*sec), "it was later, and nothing was refilled for it before")
	q, _ = settle(100, 5*sec)
	assert.Equal(t, 5*sec, free(q, 5*sec), "what wasn't used is there again")
	q, result := settle(900, 5*sec)
	assert.Equal(t, 85*sec+500*ms, free(q, 5*sec), "more was used than there was")
	p = q
	_, result = settle(900, 5*sec)
	assert.False(t, result.Changed, "it is settled once")
}

// What is reserved for an answer is a guess, so it waits for no more than there can be.
func TestReservedAtMost(t *testing.T) {
	rules := puttingOut(Spec{Refill: true, AtAnswer: true})
	large := []Weight{{On: OfOutputs(claude), Demand: Demand{Tokens: 5000}}}
	p, result := apply(t, rules, nil, noon, Reserve{Model: claude, ID: 1, Also: large})
	require.Equal(t, Admitted, result.Verdict)
	assert.EqualValues(t, 600, result.Also[0].Reservation.Tokens)
	_, result = apply(t, rules, p, noon, Reserve{Model: claude, ID: 2, Also: large})
	assert.Equal(t, ByTPM, result.Cause)
	assert.Equal(t, noon.Add(61*sec), result.Start)
}

// Within a window outputs count for a window from the answer on, be it that it came after what was
// reserved had ended.
func TestAtAnswerWithinWindow(t *testing.T) {
	rules := puttingOut(Spec{AtAnswer: true})
	also := []Weight{{On: OfOutputs(claude), Demand: Demand{Tokens: 500}}}
	for _, answered := range []time.Duration{10 * sec, 59 * sec, 3 * time.Minute} {
		p, first := apply(t, rules, nil, noon, Reserve{Model: claude, ID: 1, Also: also})
		settle := Settle{Model: claude, ID: 1, Reserved: first.Reservation, Tokens: -1, Also: first.Also, Counted: []int64{400}, SentAt: noon, Answered: noon.Add(answered)}
		p, _ = apply(t, rules, p, noon.Add(answered), settle)
		start, _ := p.Earliest(rules, noon.Add(answered), claude, Demand{}, also)
		assert.Equal(t, answered+60*sec+500*ms, start.Sub(noon))
		_, result := apply(t, rules, p, noon.Add(answered+sec), settle)
		assert.False(t, result.Changed, "it is settled once")
	}
}

// Of other providers' models outputs are filled without a break unless somebody says otherwise.
func TestOutputsByName(t *testing.T) {
	rules := rulesFor(map[string]Limits{"m": {RPM: 10, TPM: 10, RPD: 10}})
	spec := rules.Spec(OfOutputs(claude))
	assert.True(t, spec.Refill && spec.AtAnswer)
	assert.Equal(t, Limits{RPM: Unlimited, TPM: Unlimited, RPD: Unlimited}, spec.Limits)
	assert.Equal(t, Window, spec.Window)
	assert.False(t, rules.Spec(OfOutputs("m")).Refill)
}
