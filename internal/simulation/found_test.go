package simulation

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// severalInstances has the requests of five callers go to so many instances, and their ways and answers take different times.
func (w *world) severalInstances(n int, seed uint64) {
	w.rnd = rand.New(rand.NewPCG(131, seed))
	w.vary, w.several = true, true
	for range n {
		a, err := admission.New(w.t.Context(), admission.Options{Store: w.store, Shared: true, Rules: func(storage.Control) *scheduler.Rules { return w.rules }})
		require.NoError(w.t, err)
		w.instances = append(w.instances, a)
	}
}

// TestWhatIsRefusedOnce: of limits that are found, stay, rise and fall, of requests and tokens a minute and of days, nothing is
// refused that was admitted once a refusal of the limit had been recorded: on a day on which it is used up it costs one 429, and
// what was on its way already when that was known. Nothing else is where one at a time goes beyond what is known, but where a limit
// falls, and where as many requests go in a minute that another is on its way at most instants. From the day after each change on
// 95% is used.
func TestWhatIsRefusedOnce(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	const none = 50_000_000
	rpm := func(n int64) scheduler.Limits { return scheduler.Limits{RPM: n, TPM: none, RPD: none} }
	tpm := func(n int64) scheduler.Limits { return scheduler.Limits{RPM: none, TPM: n, RPD: none} }
	rpd := func(n int64) scheduler.Limits { return scheduler.Limits{RPM: 2000, TPM: none, RPD: n} }
	unlimited := int64(scheduler.Unlimited)
	for _, c := range []struct {
		name   string
		limits func(int64) scheduler.Limits
		n      int64
		tokens int64
		seeds  int
	}{
		{"a minute", rpm, 2, 10, 2}, {"a minute", rpm, 15, 10, 2}, {"a minute", rpm, 100, 10, 1},
		{"tokens", tpm, 400_000, 5000, 1}, {"a day", rpd, 20, 10, 2}, {"a day", rpd, 300, 10, 2}, {"a day", rpd, 3000, 10, 1},
	} {
		if testing.Short() && (c.seeds == 1 || c.n == 15) {
			continue // what differs is arithmetic
		}
		for _, instances := range []int{1, 4} {
			if c.n == 2 && instances > 1 {
				continue // what several instances lose where half a minute lies between two requests is told by no refusal
			}
			seeds := c.seeds
			if testing.Short() {
				seeds = 1
			}
			for seed := range seeds {
				t.Run(fmt.Sprintf("%s, %d, %d instances, seed %d", c.name, c.n, instances, seed), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						w := newWorld(t, 1, c.limits(c.n))
						w.rules.Policy = scheduler.NewPolicy([]string{model}, map[string]scheduler.Override{model: {RPD: &unlimited}})
						if c.limits(1).RPD == 1 {
							w.rules.Policy = scheduler.NewPolicy([]string{model}, nil)
						}
						w.severalInstances(instances, uint64(seed))
						w.callers = 20
						q, light, was := new(quota), false, int64(10) // that it begins with
						switch {
						case c.limits(1).RPD == 1:
							was = 250
						case c.limits(1).TPM == 1:
							was = 250_000
						}
						q.used()
						served := w.demandOf(q, func() int64 { return c.tokens }, &light)
						for day, n := range []int64{c.n, c.n, c.n, c.n * 3 / 2, c.n * 3 / 2, max(2, c.n/3), max(2, c.n/3)} {
							l := c.limits(n)
							w.after(time.Duration(day)*24*time.Hour+12*time.Hour-w.elapsed(), func() { q.Limits, q.heard = l, scheduler.Limits{} })
							w.run(time.Duration(day+1)*24*time.Hour - time.Minute)
							got, minutes := served(), int64(busy/time.Minute)
							_, refused := q.used()
							all := min(l.RPM*minutes, l.TPM/c.tokens*minutes, l.RPD)
							t.Logf("day %d: %d of %d (%.1f%%); refused %v", day, got, all, 100*float64(got)/float64(all), refused)
							for cause, times := range refused {
								if n >= was && (l.RPD < none || l.RPM < 30) {
									assert.LessOrEqual(t, times, 1, "day %d: %s", day, cause)
								}
							}
							assert.Zero(t, q.again, "day %d: refused although it was known", day)
							if n == was {
								assert.GreaterOrEqual(t, float64(got), 0.95*float64(all), "day %d", day)
							}
							was = n
						}
					})
				})
			}
		}
	}
}

// TestALargeDayIsFoundInTwoHours: a day of 14,400 requests is used up on the first day, in two hours, though nothing is known of it
// and of the minute's limit but where they begin.
func TestALargeDayIsFoundInTwoHours(t *testing.T) {
	race.Skip(t)
	if testing.Short() {
		t.Skip("it takes a while; TestADayIsFoundOnTheFirst is of smaller ones")
	}
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, scheduler.Limits{RPM: 10, TPM: 250_000, RPD: 250})
		w.rules.Policy = scheduler.NewPolicy([]string{model}, nil)
		w.severalInstances(2, 5)
		w.callers = 100
		q := &quota{Limits: scheduler.Limits{RPM: 1000, TPM: 5_000_000, RPD: 14_400}}
		q.used()
		light := false
		served := w.demand(q, 10, &light)
		for day := range 2 {
			w.after(time.Duration(day)*24*time.Hour+12*time.Hour-w.elapsed(), func() { q.heard = scheduler.Limits{} })
			w.run(time.Duration(day+1)*24*time.Hour - time.Minute)
			got := served()
			_, refused := q.used()
			t.Logf("day %d: %d; refused %v", day, got, refused)
			assert.EqualValues(t, q.RPD, got, "day %d", day)
			assert.Zero(t, q.again, "day %d: refused although it was known", day)
		}
	})
}
