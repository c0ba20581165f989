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

// Bodies whose counts are four times too high, on a project of 4,000 requests a
// minute: what was reserved too much comes back when it is settled, though by then
// the reservation is one of a sum.
func TestOvercount(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	for _, c := range []struct {
		rpm    int64
		answer time.Duration // what upstream takes
		want   float64
	}{
		{60, latency, 0.9}, // nothing is folded
		{4000, latency, 0.9},
		{4000, 6 * time.Second, 0.75}, // a tenth of a minute on its way, at four times its weight

	} {
		if testing.Short() && c.rpm > 60 {
			continue // what differs is arithmetic
		}
		synctest.Test(t, func(t *testing.T) {
			const real, counted = 1000, 4000
			w := newWorld(t, 1, scheduler.Limits{RPM: c.rpm, TPM: c.rpm * real, RPD: scheduler.Unlimited})
			var next func()
			next = func() {
				grant, wait, err := w.admission.Admit(context.Background(), admission.Request{
					Models: w.rules.Policy.Chain(scheduler.Both), Demand: scheduler.Demand{Tokens: counted}, Projects: w.projects,
				})
				require.NoError(t, err)
				if wait != nil {
					w.after(100*time.Millisecond, next)
					return
				}
				w.admitted++
				sentAt := time.Now()
				w.upstream.arrive(grant.Project, w.elapsed()+w.way(), real)
				w.after(c.answer, func() {
					require.NoError(t, w.admission.Settle(context.Background(), grant, real, sentAt))
				})
				w.after(time.Minute/time.Duration(c.rpm*5/4), next)
			}
			const minutes = 5
			w.after(0, next)
			w.run(minutes * time.Minute)
			used := float64(w.admitted) / float64(minutes*c.rpm)
			t.Logf("RPM %d, answers in %v: %.1f%% of the capacity used", c.rpm, c.answer, 100*used)
			assert.GreaterOrEqual(t, used, c.want)
			assert.Zero(t, w.upstream.violations())
		})
	}
}
