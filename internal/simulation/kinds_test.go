package simulation

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
)

// TestKindsOfCalendars has a crowd ask for more than fits, whose requests weigh on calendars of
// every kind: on their model; one in three on a second model, to which upstream redirects it; on
// a bucket of tokens that are known only afterwards; on the project within ten seconds; and one
// in four is a session, of which there are so many at a time. Upstream holds each to its limit by
// a count of its own, and the bucket, which is short, is used well.
func TestKindsOfCalendars(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const (
			other    = "gemini-9-flash"
			reserved = 1000 // of outputs
			rate     = 9000 // a minute
			full     = 4000
			sessions = 3
			longest  = 5 * time.Minute
			minutes  = 30
		)
		w := newWorld(t, 2, scheduler.Limits{RPM: 30, TPM: 1 << 40, RPD: scheduler.Unlimited})
		own, twelve, none := int64(30), int64(12), scheduler.Unlimited
		w.rules.Policy = scheduler.NewPolicy([]string{model}, map[string]scheduler.Override{
			model: {RPM: &own, TPM: &none, RPD: &none}, other: {RPM: &twelve, TPM: &none, RPD: &none},
		})
		limits := func(rpm, tpm int64) scheduler.EffectiveLimits {
			return scheduler.EffectiveLimits{Limits: scheduler.Limits{RPM: rpm, TPM: tpm, RPD: scheduler.Unlimited}}
		}
		outputs, live := scheduler.OfOutputs(model), scheduler.OfFeature(model, "live")
		w.rules.Specs = map[string]scheduler.Spec{
			outputs:             {EffectiveLimits: limits(scheduler.Unlimited, rate), Refill: true, Burst: scheduler.Burst{Tokens: full}},
			scheduler.OfProject: {EffectiveLimits: limits(7, scheduler.Unlimited), Window: 10 * time.Second},
			live:                {EffectiveLimits: limits(sessions, scheduler.Unlimited), Window: longest, AtATime: true},
		}
		redirected, project := newArrivals(limits(twelve, none).Limits), newArrivals(limits(7, none).Limits)
		project.window = 10 * time.Second
		out, open := map[string][]taken{}, map[string][]session{}
		var next func(kind, hash uint64)
		next = func(kind, hash uint64) {
			redirect, session := kind%3 == 0, kind%4 == 0
			grant, wait, err := w.admission.Admit(context.Background(), admission.Request{
				Hash: hash, Models: []string{model}, Demand: scheduler.Demand{Tokens: 100}, Projects: w.projects,
				Also: func(string) []scheduler.Weight {
					all := []scheduler.Weight{{On: outputs, Demand: scheduler.Demand{Tokens: reserved}}, {On: scheduler.OfProject}}
					if redirect {
						all = append(all, scheduler.Weight{On: other, Demand: scheduler.Demand{Tokens: 100}})
					}
					if session {
						all = append(all, scheduler.Weight{On: live})
					}
					return all
				},
			})
			require.NoError(t, err)
			if wait != nil {
				w.after(max(wait.Start.Sub(w.admission.Now()), time.Millisecond), func() { next(kind, hash) })
				return
			}
			if w.rnd.IntN(30) == 0 {
				w.admission.Cancel(grant, false)
				return
			}
			w.admitted++
			sentAt, arrival := time.Now(), w.elapsed()+w.way()
			real := reserved/10 + w.rnd.Int64N(reserved*9/10)
			takes := latency + time.Duration(w.rnd.Int64N(int64(20*time.Second)))
			w.upstream.arrive(grant.Project, arrival, 100)
			project.arrive(grant.Project, arrival, 0)
			if redirect {
				redirected.arrive(grant.Project, arrival, 0)
			}
			out[grant.Project] = append(out[grant.Project], taken{arrival, real})
			gone := w.rnd.IntN(50) == 0 // nobody hears of it again
			if session {
				over := w.elapsed() + takes
				if gone {
					over = arrival + longest
				}
				open[grant.Project] = append(open[grant.Project], [2]time.Duration{arrival, over})
			}
			if !gone {
				w.after(takes, func() {
					grant.Counted = []int64{real, -1}
					require.NoError(t, w.admission.Settle(context.Background(), grant, 100, sentAt))
				})
			}
		}
		var arrive func()
		arrive = func() {
			w.requests++
			next(w.requests, w.requests*0x9e3779b97f4a7c15)
			w.after(time.Duration(w.rnd.ExpFloat64()*float64(2*time.Second)), arrive)
		}
		arrive()
		w.run(minutes * time.Minute)
		assert.Zero(t, w.upstream.violations(), "the model")
		assert.Zero(t, redirected.violations(), "the other model")
		assert.Zero(t, project.violations(), "the project")
		used := 0.0
		for id := range out {
			sum, empty := drained(out[id], rate, full)
			assert.Zero(t, empty, "how often the bucket of %s had too little", id)
			used += float64(sum) / (2 * rate * minutes)
			assert.LessOrEqual(t, together(open[id]), sessions)
		}
		t.Logf("%d admitted, %.1f%% of what the buckets were refilled with used", w.admitted, 100*used)
		assert.Greater(t, used, 0.8)
	})
}

// taken is what was taken out of a bucket at an instant, session from when to when it lasted.
type (
	taken struct {
		at time.Duration
		n  int64
	}
	session = [2]time.Duration
)

// drained returns how much was taken out of a bucket that was full in the beginning, and how often
// there was less in it than was taken.
func drained(all []taken, rate, full int64) (sum int64, empty int) {
	slices.SortFunc(all, func(a, b taken) int { return int(a.at - b.at) })
	level, last := float64(full), time.Duration(0)
	for _, x := range all {
		level = min(float64(full), level+(x.at-last).Minutes()*float64(rate)) - float64(x.n)
		if last = x.at; level < -1e-6 {
			empty++
		}
		sum += x.n
	}
	return sum, empty
}

// together returns the most sessions at a time.
func together(all []session) (most int) {
	for _, x := range all {
		n := 0
		for _, y := range all {
			if y[0] <= x[0] && x[0] < y[1] {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}
