package standing

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
	"fluxgate.dev/fluxgate/scheduler"
)

const (
	model = "openai/gpt-5.5"
	now   = scheduler.Instant(1_796_000_000_000)
)

// told is what an answer says of a limit of a minute.
func told(of ratelimits.Dimension, limit, remaining int64) ratelimits.Limit {
	return ratelimits.Limit{Dimension: of, Tier: ratelimits.Standard, Per: time.Minute, Limit: limit, Remaining: remaining}
}

// rulesOf returns rules in which an operator has named limits of requests and tokens; 0: none.
func rulesOf(rpm, tpm int64) *scheduler.Rules {
	var o scheduler.Override
	if rpm > 0 {
		o.RPM = &rpm
	}
	if tpm > 0 {
		o.TPM = &tpm
	}
	return &scheduler.Rules{Policy: scheduler.NewPolicy(nil, map[string]scheduler.Override{model: o}), Skew: scheduler.DefaultSkew, Hold: scheduler.DefaultHold}
}

func TestChanges(t *testing.T) {
	other := told(ratelimits.Requests, 7, 0)
	other.Tier++
	second := told(ratelimits.Requests, 7, 0)
	second.Per = time.Second
	learned := func(rpm, tpm int64) scheduler.Change {
		return scheduler.RecordRefusal{Model: model, Limits: scheduler.Limits{RPM: rpm, TPM: tpm}}
	}
	// What they weigh with the request, which is one of 100 tokens.
	others := map[string][2]int64{"others' requests": {1 + 6, 100 + 3900}, "others' tokens": {1, 100 + 3900}}
	for name, c := range map[string]struct {
		rules *scheduler.Rules
		told  []ratelimits.Limit
		want  []scheduler.Change
	}{
		"nothing":                    {rulesOf(0, 0), nil, nil},
		"limits":                     {rulesOf(0, 0), []ratelimits.Limit{told(ratelimits.Requests, 500, 499), told(ratelimits.Tokens, 9000, 8900)}, []scheduler.Change{learned(500, 9000)}},
		"input tokens by themselves": {rulesOf(0, 0), []ratelimits.Limit{told(ratelimits.InputTokens, 4000, 4000), told(ratelimits.Tokens, 9000, 9000)}, []scheduler.Change{learned(0, 4000)}},
		"an operator's is lower":     {rulesOf(10, 0), []ratelimits.Limit{told(ratelimits.Requests, 500, 499)}, nil},
		"an operator's is higher":    {rulesOf(1000, 0), []ratelimits.Limit{told(ratelimits.Requests, 500, 499)}, []scheduler.Change{learned(500, 0)}},
		"another tier's":             {rulesOf(0, 0), []ratelimits.Limit{other}, nil},
		"another period's":           {rulesOf(0, 0), []ratelimits.Limit{second}, nil},
		"others' requests": {rulesOf(0, 0), []ratelimits.Limit{told(ratelimits.Requests, 10, 3), told(ratelimits.Tokens, 9000, 5000)}, []scheduler.Change{
			learned(10, 9000), scheduler.Heard{Model: model, ID: 9, Used: scheduler.Demand{Requests: 7, Tokens: 4000}, Noise: 180},
		}},
		"others' tokens": {rulesOf(10, 9000), []ratelimits.Limit{told(ratelimits.Requests, 10, 9), told(ratelimits.Tokens, 9000, 5000)}, []scheduler.Change{
			scheduler.Heard{Model: model, ID: 9, Used: scheduler.Demand{Requests: 1, Tokens: 4000}, Noise: 180},
		}},
		"counted otherwise than here": {rulesOf(10, 9000), []ratelimits.Limit{told(ratelimits.Requests, 10, 9), told(ratelimits.Tokens, 9000, 8900-180)}, nil},
		"less than is under way":      {rulesOf(10, 0), []ratelimits.Limit{told(ratelimits.Requests, 10, 10)}, nil},
		"not said":                    {rulesOf(10, 0), []ratelimits.Limit{told(ratelimits.Requests, -1, -1), told(ratelimits.Tokens, 9000, -1)}, []scheduler.Change{learned(0, 9000)}},
	} {
		p, result := (*scheduler.Project)(nil).Apply(c.rules, now, scheduler.Reserve{Model: model, ID: 1, Over: true, Demand: scheduler.Demand{Tokens: 100}})
		assert.Equal(t, scheduler.Admitted, result.Verdict)
		got := Changes(p.Calendar(model), c.rules, now+1000, c.told, 9)
		assert.Equal(t, c.want, got, name)
		// They are told of once: the next answer that says the same changes nothing.
		for _, change := range got {
			p, _ = p.Apply(c.rules, now+1000, change)
		}
		if want, ok := others[name]; ok {
			assert.Equal(t, want, inWindow(p, c.rules), name)
		}
		assert.Empty(t, Changes(p.Calendar(model), c.rules, now+1001, c.told, 10), name)
	}
}

func inWindow(p *scheduler.Project, rules *scheduler.Rules) [2]int64 {
	requests, tokens := p.Calendar(model).InWindow(rules, now+1000)
	return [2]int64{requests, tokens}
}

// What another instance has sent since this one looked, and another answer has told already, is
// no stranger's.
func TestSentMeanwhile(t *testing.T) {
	rules := rulesOf(10, 9000)
	send := func(p *scheduler.Project, id uint64) *scheduler.Project {
		p, _ = p.Apply(rules, now, scheduler.Reserve{Model: model, ID: id, Demand: scheduler.Demand{Tokens: 300}})
		return p
	}
	seen := send(nil, 1)
	p := send(seen, 2)
	for id, remaining := range []int64{7, 6} { // one is a stranger's, and then two are
		limits := []ratelimits.Limit{told(ratelimits.Requests, 10, remaining), told(ratelimits.Tokens, 9000, 8000)}
		for _, change := range Changes(seen.Calendar(model), rules, now+1000, limits, uint64(9+id)) {
			p, _ = p.Apply(rules, now+1000, change)
		}
	}
	assert.Equal(t, [2]int64{4, 1000}, inWindow(p, rules))
}

// What was learned today is learned again tomorrow, or the limit would be tested by a request.
func TestLearnedEveryDay(t *testing.T) {
	rules, limits := rulesOf(0, 0), []ratelimits.Limit{told(ratelimits.Requests, 500, 500)}
	var p *scheduler.Project
	for day := range 3 {
		at := now.Add(time.Duration(day) * 24 * time.Hour)
		changes := Changes(p.Calendar(model), rules, at, limits, 9)
		assert.Len(t, changes, 1)
		for _, change := range changes {
			p, _ = p.Apply(rules, at, change)
		}
		assert.Empty(t, Changes(p.Calendar(model), rules, at.Add(time.Second), limits, 9))
	}
}
