package simulation

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
)

// A pool that has more to do than it can is asked by callers that come to the millisecond, some of which book at once as
// `wait` does, and by one that comes as Envoy's retries do: at any time from the wait that it was told to one and a half
// times it. However long that wait is, it is served, after a few waits; so is every request of the others, which wait
// little longer for it.
func TestWhoComesLateToALongWait(t *testing.T) {
	race.Skip(t)
	for _, wait := range []time.Duration{90 * time.Second, 120 * time.Second, 250 * time.Second} {
		for _, books := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v, others book %v", wait, books), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { comesLate(t, wait, books) })
			})
		}
	}
}

func comesLate(t *testing.T, wait time.Duration, books bool) {
	w := newWorld(t, 1, scheduler.Limits{RPM: rpm, TPM: tpm, RPD: scheduler.Unlimited})
	var served, most int                        // requests of the one, and how often one was told to wait
	var toldMost, longest, others time.Duration // what it was told, how long it waited, and how long they did, at most
	var next func(envoy bool)
	var try func(r *request)
	try = func(r *request) {
		_, told := w.ask(r)
		if told == nil {
			if waited := w.elapsed() - r.asked; r.envoy {
				served, most, longest = served+1, max(most, r.refused), max(longest, waited)
			} else {
				others = max(others, waited)
			}
			w.after(latency, func() { next(r.envoy) })
			return
		}
		left := told.Start.Sub(w.admission.Now())
		if r.envoy {
			left = (left + time.Second - 1).Truncate(time.Second)
			toldMost = max(toldMost, left)
			left += time.Duration(w.rnd.Int64N(int64(left / 2)))
		}
		w.after(left, func() { try(r) })
	}
	next = func(envoy bool) {
		r := w.request(1000)
		r.envoy, r.books = envoy, books && !envoy
		try(r)
	}
	for range wait * rpm / time.Minute {
		w.after(time.Duration(w.rnd.Int64N(int64(time.Minute))), func() { next(false) })
	}
	w.after(3*time.Minute, func() { next(true) })
	const long = 2 * hour
	w.run(long)
	used := float64(w.admitted) / (rpm * long.Minutes())
	t.Logf("%.1f%% used, the others waited for %v at most; it was told %v at most, and served %d times, after %d waits and %v at most",
		100*used, others.Round(time.Second), toldMost, served, most, longest.Round(time.Second))
	assert.GreaterOrEqual(t, toldMost, wait-15*time.Second, "or nothing is said of such waits")
	assert.Zero(t, w.upstream.violations())
	assert.GreaterOrEqual(t, used, 0.93)
	if assert.Positive(t, served, "it starves"); books {
		assert.LessOrEqual(t, most, 10)
	} else {
		assert.LessOrEqual(t, most, 5)
	}
	assert.LessOrEqual(t, others, wait*2+time.Minute)
}
