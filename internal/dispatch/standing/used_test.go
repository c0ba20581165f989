package standing

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
	"fluxgate.dev/fluxgate/scheduler"
)

// Tokens that count as they are used have a bucket of their own as soon as a reset shows that they are filled
// evenly; then the model's window holds as much as can pass through it. What is named by others holds all the same.
func TestTokensAsUsed(t *testing.T) {
	rules, used := rulesOf(100, 0), scheduler.OfUsed(model)
	evenly := func(limit, remaining int64, at scheduler.Instant) ratelimits.Limit {
		l := told(ratelimits.Tokens, limit, remaining)
		l.Bucket, l.AsUsed = true, true
		l.Reset = at.Time().Add(time.Duration(float64(limit-remaining) / float64(limit) * float64(time.Minute)))
		return l
	}
	window := evenly(12_000, 9000, now)
	window.Reset = now.Time().Add(time.Minute)
	learned := func(on string, tpm int64) scheduler.Change {
		return scheduler.RecordRefusal{Model: on, Limits: scheduler.Limits{TPM: tpm}}
	}
	send := func(p *scheduler.Project, at scheduler.Instant, id uint64) *scheduler.Project {
		d := scheduler.Demand{Tokens: 3000}
		p, result := p.Apply(rules, at, scheduler.Reserve{Model: model, ID: id, Demand: d, Also: []scheduler.Weight{{On: used, Demand: d, IfKnown: true, IfPlace: true}}})
		assert.Equal(t, scheduler.Admitted, result.Verdict)
		return p
	}
	hear := func(r *Record, p *scheduler.Project, at scheduler.Instant, l ratelimits.Limit) (*scheduler.Project, []scheduler.Change) {
		sent := r.counted("p", p, rules, at, model)
		if p.Has(used) {
			sent = r.counted("p", p, rules, at, model, used)
		}
		changes := r.Changes("p", p, rules, at+1000, Heard{model, "", []ratelimits.Limit{l}, sent}, nine)
		for _, change := range changes {
			p, _ = p.Apply(rules, at+1000, change)
		}
		return p, changes
	}
	tpm := func(p *scheduler.Project, on string) int64 {
		return p.Calendar(on).EffectiveLimits(rules, now+3000).TPM
	}

	r := NewRecord()
	p, changes := hear(r, send(nil, now, 1), now, evenly(12_000, 9000, now))
	assert.Equal(t, []scheduler.Change{learned(used, 12_000), learned(model, 12_000)}, changes, "until the bucket is there the window holds as little")
	_, missing := p.Calendar(used).InWindow(rules, now+1000)
	assert.EqualValues(t, 2900, missing, "what was sent before is missing, and refilled since it arrived")
	p, changes = hear(r, send(p, now+1001, 2), now+1001, evenly(12_000, 6200, now+1001))
	assert.Equal(t, []scheduler.Change{learned(model, 24_000)}, changes)
	assert.Equal(t, [2]int64{24_000, 12_000}, [2]int64{tpm(p, model), tpm(p, used)})
	_, changes = hear(r, p, now+2000, evenly(12_000, 6400, now+2000))
	assert.Empty(t, changes)

	_, changes = hear(NewRecord(), p, now+2000, evenly(12_000, 1000, now+2000))
	assert.NotContains(t, changes, learned(model, 12_000), "another instance has found it, and here nothing can be seen")
	_, changes = hear(r, p, now+2000, evenly(6000, 400, now+2000))
	assert.Subset(t, changes, []scheduler.Change{learned(used, 6000), learned(model, 6000)}, "a lower limit")
	_, changes = hear(NewRecord(), p, now+2000, window)
	assert.Contains(t, changes, learned(model, 12_000), "it is a window")

	_, changes = hear(NewRecord(), send(nil, now, 1), now, window)
	assert.Equal(t, []scheduler.Change{learned(model, 12_000)}, changes, "a window from the first")
	full := evenly(12_000, 2000, now)
	_, changes = hear(NewRecord(), send(nil, now, 1), now, full)
	assert.NotContains(t, changes, learned(used, 12_000), "a window that is nearly full looks alike")
	rules = rulesOf(100, 10_000)
	p, changes = hear(NewRecord(), send(nil, now, 1), now, evenly(12_000, 9000, now))
	assert.Equal(t, []scheduler.Change{learned(used, 12_000)}, changes)
	assert.EqualValues(t, 10_000, tpm(p, model), "an operator's word")
}

// An answer that tells of no limit, as nearly all of Gemini's, costs nothing: no timer is started for it.
func TestNothingTold(t *testing.T) {
	r, grant, ctx := NewRecord(), &admission.Grant{Project: "p", Model: "gemini-2.5-pro"}, t.Context()
	var news []string
	var err error
	assert.Zero(t, testing.AllocsPerRun(100, func() { news, err = r.Believe(ctx, nil, grant, nil, Sent{}) }))
	require.NoError(t, err)
	assert.Empty(t, news)
}
