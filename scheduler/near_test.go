package scheduler_test

import (
	"testing"
	"time"

	. "fluxgate.dev/fluxgate/scheduler"
	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

// TestNearer: what is measured of a provider counts on its windows of less than twenty seconds, where nobody has named it and it is less
// than what is taken of all, for each project's rules. All else is as it was.
func TestNearer(t *testing.T) {
	named := Spec{Window: sec, Late: 80 * ms, EffectiveLimits: EffectiveLimits{Limits: Limits{RPM: 1, TPM: Unlimited, RPD: Unlimited}}}
	plain := &Rules{Policy: NewPolicy([]string{"m"}, nil), Skew: 500 * ms, Specs: map[string]Spec{OfWindow("azure/named", sec): named}}
	own := *plain
	plain.Projects = map[string]*Rules{"a": &own, "b": &own}
	near := plain.Nearer(map[string]time.Duration{"azure": 40 * ms, "far": time.Second})
	assert.NotSame(t, plain, near)
	assert.Same(t, near.Projects["a"], near.Projects["b"])
	assert.Same(t, plain, plain.Nearer(nil))
	for _, rules := range []*Rules{near, near.Of("a")} {
		for name, want := range map[string]time.Duration{
			OfWindow("azure/m", sec): 40 * ms, OfWindow("azure/m", 10*sec): 40 * ms, OfWindow("azure/named", sec): 80 * ms, OfWindow("far/m", sec): 500 * ms,
			OfWindow("azure/m", time.Minute): 500 * ms, OfWindow("azure/m", time.Hour): 500 * ms, OfBucket("azure/m", sec): 500 * ms, OfPlaces("azure/m"): 500 * ms,
			OfOutputs("azure/m"): 500 * ms, OfDay("azure/m"): 500 * ms, OfWindow("openai/m", sec): 500 * ms, "azure/m": 500 * ms, OfProject: 500 * ms,
		} {
			assert.Equal(t, want, rules.Late(name), name)
			assert.Equal(t, want == 40*ms, rules.Measured(name), name)
		}
	}
	assert.Equal(t, 500*ms, plain.Of("a").Late(OfWindow("azure/m", sec)))
}

// TestInstancesAtDifferentDistances: instances that have measured something else, or nothing, share a window. However late requests arrive
// within what their own instance has measured, and one that arrives later is told of before anything may take its place, no window has more
// than the limit.
func TestInstancesAtDifferentDistances(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := rapid.SampledFrom([]time.Duration{sec, 10 * sec}).Draw(t, "window")
		limit := rapid.SampledFrom([]int64{1, 3, 70}).Draw(t, "limit")
		on := OfWindow("azure/m", window)
		many := Unlimited
		plain := &Rules{
			Policy: NewPolicy([]string{"azure/m"}, map[string]Override{"azure/m": {RPM: &many, TPM: &many, RPD: &many}}), Skew: 500 * ms, Hold: 5 * sec,
			Specs: map[string]Spec{on: {Window: window, EffectiveLimits: EffectiveLimits{Limits: Limits{RPM: limit, TPM: Unlimited, RPD: Unlimited}}}},
		}
		instances := []*Rules{plain, plain.Nearer(map[string]time.Duration{"azure": 40 * ms}), plain.Nearer(map[string]time.Duration{"azure": 200 * ms})}
		type request struct {
			start, latest, noticed, sent Instant
			reserved                     Result
			rules                        *Rules
		}
		var p *Project
		var all []*request
		now := noon
		for id := uint64(1); id < 60; id++ {
			now += Instant(rapid.SampledFrom([]int64{0, 1, 30, 400, 960, 1040}).Draw(t, "later"))
			for _, r := range all { // before anything else, as it was noticed before
				if r.noticed != 0 && r.noticed <= now {
					p, _ = p.Apply(r.rules, max(r.noticed, p.Latest), Extend{Model: on, ID: r.reserved.Also[0].Reservation.ID, Until: r.latest, Reserved: r.reserved.Also[0].Reservation})
					r.noticed = 0
				}
			}
			rules := rapid.SampledFrom(instances).Draw(t, "instance")
			if i := rapid.IntRange(0, 3*len(all)).Draw(t, "settled"); i < len(all) && all[i].sent != 0 && all[i].sent <= now && all[i].noticed == 0 {
				r := all[i]
				p, _ = p.Apply(r.rules, now, Settle{Model: "azure/m", ID: r.reserved.Reservation.ID, Reserved: r.reserved.Reservation, Also: r.reserved.Also, SentAt: r.sent, Tokens: -1})
				if r.sent == r.start {
					r.latest = min(r.latest, r.start.Add(r.rules.Late(on)))
				}
				r.sent = 0
			}
			allowance := time.Duration(rapid.SampledFrom([]int64{0, 20, 300}).Draw(t, "allowance")) * ms
			next, result := p.Apply(rules, now, Reserve{Model: "azure/m", ID: id, Also: []Weight{{On: on}}, Demand: Demand{Allowance: allowance}, Hash: id%3 + 1, Book: rapid.Bool().Draw(t, "book")})
			if p = next; result.Verdict != Admitted {
				if result.Start > now && result.Start < now+2000 && rapid.Bool().Draw(t, "comes") {
					now = result.Start
				}
				continue
			}
			r := &request{start: result.Start, sent: result.Start, rules: rules, reserved: result, latest: result.Start.Add(rules.Late(on) + result.Allowance)}
			if rapid.IntRange(0, 4).Draw(t, "late") == 0 {
				r.noticed = result.Start.Add(rules.Late(on) + 60*ms)
				r.latest = max(r.latest, r.noticed+300)
				r.sent = r.latest // when it was seen to have arrived
			}
			count := int64(1)
			for _, x := range all {
				if x.latest > r.start.Add(-window) {
					count++
				}
			}
			if all = append(all, r); count > limit {
				t.Fatalf("%d within %v: %+v", count, window, r)
			}
		}
	})
}
