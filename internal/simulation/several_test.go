package simulation

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
)

// TestSeveralCalendars has a crowd ask for more than fits, of which one in two requests
// searches and all put something out, which is known only afterwards: a tenth to all of
// what was reserved. One in fifty is never settled, as if its instance were
// gone, and one in thirty isn't sent after all. No calendar is ever over its limit, in any
// window of its own, and the one that is short is used well.
func TestSeveralCalendars(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	for name, c := range map[string]struct {
		search  scheduler.Limits
		window  time.Duration
		outputs int64 // a minute
		want    float64
	}{
		"searches are short":         {scheduler.Limits{RPM: 6, TPM: scheduler.Unlimited, RPD: scheduler.Unlimited}, time.Minute, 1 << 40, 0.9},
		"searches in 20 s are short": {scheduler.Limits{RPM: 2, TPM: scheduler.Unlimited, RPD: scheduler.Unlimited}, 20 * time.Second, 1 << 40, 0.8},
		"outputs are short":          {scheduler.Limits{RPM: 100, TPM: scheduler.Unlimited, RPD: scheduler.Unlimited}, time.Minute, 8000, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const reserved = 1000 // of outputs
				w := newWorld(t, 2, scheduler.Limits{RPM: 30, TPM: 1 << 40, RPD: scheduler.Unlimited})
				search, outputs := scheduler.OfFeature(model, "google_search"), scheduler.OfOutputs(model)
				put := scheduler.Limits{RPM: scheduler.Unlimited, TPM: c.outputs, RPD: scheduler.Unlimited}
				w.rules.Specs = map[string]scheduler.Spec{
					search:  {EffectiveLimits: scheduler.EffectiveLimits{Limits: c.search}, Window: c.window},
					outputs: {EffectiveLimits: scheduler.EffectiveLimits{Limits: put}},
				}
				searched, came := newArrivals(c.search), newArrivals(put)
				searched.window = c.window
				longest := time.Duration(0)
				var next func(searching bool, hash uint64, asked time.Duration)
				next = func(searching bool, hash uint64, asked time.Duration) {
					grant, wait, err := w.admission.Admit(context.Background(), admission.Request{
						Hash: hash, Models: w.rules.Policy.Chain(scheduler.Both), Demand: scheduler.Demand{Tokens: 100}, Projects: w.projects,
						Also: func(string) []scheduler.Weight {
							all := []scheduler.Weight{{On: outputs, Demand: scheduler.Demand{Tokens: reserved}}}
							if searching {
								all = append(all, scheduler.Weight{On: search})
							}
							return all
						},
					})
					require.NoError(t, err)
					if wait != nil {
						w.after(max(wait.Start.Sub(w.admission.Now()), time.Millisecond), func() { next(searching, hash, asked) })
						return
					}
					longest = max(longest, w.elapsed()-asked)
					if w.rnd.IntN(30) == 0 {
						w.admission.Cancel(grant, false)
						return
					}
					w.admitted++
					sentAt, arrival := time.Now(), w.elapsed()+w.way()
					w.upstream.arrive(grant.Project, arrival, 100)
					if searching {
						searched.arrive(grant.Project, arrival, 0)
					}
					real := reserved/10 + w.rnd.Int64N(reserved*9/10)
					came.arrive(grant.Project, arrival, real)
					if w.rnd.IntN(50) == 0 {
						return
					}
					w.after(latency+time.Duration(w.rnd.Int64N(int64(20*time.Second))), func() {
						grant.Counted = []int64{real}
						require.NoError(t, w.admission.Settle(context.Background(), grant, 100, sentAt))
					})
				}
				var arrive func()
				arrive = func() {
					w.requests++
					next(w.requests%2 == 0, w.requests*0x9e3779b97f4a7c15, w.elapsed())
					w.after(time.Duration(w.rnd.ExpFloat64()*float64(2500*time.Millisecond)), arrive)
				}
				arrive()
				const minutes = 20
				w.run(minutes * time.Minute)
				assert.Zero(t, w.upstream.violations(), "the model")
				assert.Zero(t, searched.violations(), "searches")
				assert.Zero(t, came.violations(), "outputs")
				n := 0
				for _, log := range searched.by {
					n += len(log)
				}
				used := float64(n) / (2 * float64(c.search.RPM) * minutes * float64(time.Minute/c.window))
				t.Logf("%d admitted, %d searched, %.1f%% of what may be searched; longest wait %v", w.admitted, n, 100*used, longest.Round(time.Second))
				assert.GreaterOrEqual(t, used, c.want)
			})
		})
	}
}
