package simulation

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
)

// numberless is a refusal that says which limits are reached, and not what they are.
func numberless(now scheduler.Instant, over scheduler.Limits) scheduler.RecordRefusal {
	x := named(now, over)
	x.Limits = scheduler.Limits{}
	for cause, limit := range map[scheduler.Cause]int64{scheduler.ByRPM: over.RPM, scheduler.ByTPM: over.TPM, scheduler.ByRPD: over.RPD} {
		if limit > 0 {
			x.Reached = append(x.Reached, cause)
		}
	}
	return x
}

// nameless is a refusal that says no more than no.
func nameless(scheduler.Instant, scheduler.Limits) scheduler.RecordRefusal {
	return scheduler.RecordRefusal{Block: scheduler.Block{Cause: scheduler.ByBare}}
}

// TestWordings: what a change of a limit costs by what upstream's refusals say of it. Where they say
// which limit is reached, it is one 429 a day and limit, whether they name the number or not: what was
// sent up to then is as much as there is. Where sizes differ, each bounds it more closely, about
// halving what isn't known, to a hundredth, and a limit that falls in the middle of use refuses what is under way, too. Where
// they say no more than no, nothing is learned, for that may as well be overload; such a fall costs a 429 or
// more after each pause, which grows to five minutes, and what is sent in between.
func TestWordings(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	const plenty = 5_000_000
	rpm := []phase{{2, scheduler.Limits{RPM: 30, TPM: plenty, RPD: plenty}, false}, {2, scheduler.Limits{RPM: 12, TPM: plenty, RPD: plenty}, false}, {2, scheduler.Limits{RPM: 40, TPM: plenty, RPD: plenty}, false}}
	tpm := []phase{{2, scheduler.Limits{RPM: plenty, TPM: 1_500_000, RPD: plenty}, false}, {2, scheduler.Limits{RPM: plenty, TPM: 500_000, RPD: plenty}, false}, {2, scheduler.Limits{RPM: plenty, TPM: 1_000_000, RPD: plenty}, false}}
	rpd := []phase{{2, scheduler.Limits{RPM: 40, TPM: plenty, RPD: 3000}, false}, {2, scheduler.Limits{RPM: 40, TPM: plenty, RPD: 700}, false}, {2, scheduler.Limits{RPM: 40, TPM: plenty, RPD: 2000}, false}}
	for name, c := range map[string]struct {
		said     func(now scheduler.Instant, over scheduler.Limits) scheduler.RecordRefusal
		phases   []phase
		tokens   int64
		mixed    bool          // sizes are that at most
		changes  time.Duration // when on the day; demand begins at 13:00
		refused  int           // by each limit and day, at most
		capacity float64       // of each day, at least, as if all were of the largest size, where all are of the largest size
	}{
		"requests, no number":            {numberless, rpm, 1000, false, 12 * time.Hour, 1, 0.95},
		"tokens, no number":              {numberless, tpm, 50_000, false, 12 * time.Hour, 1, 0.95},
		"a day, no number":               {numberless, rpd, 1000, false, 12 * time.Hour, 1, 0.95},
		"requests, in the middle of use": {numberless, rpm, 1000, false, 14 * time.Hour, 5, 0},
		"named, in the middle of use":    {named, rpm, 1000, false, 14 * time.Hour, 5, 0},
		"tokens of all sizes, no number": {numberless, tpm, 100_000, true, 12 * time.Hour, 6, 1.7},
		"tokens of all sizes, named":     {named, tpm, 100_000, true, 12 * time.Hour, 1, 1.7},
		"requests, nothing":              {nameless, rpm, 1000, false, 12 * time.Hour, 200, 0.2},
		"tokens, nothing":                {nameless, tpm, 50_000, false, 12 * time.Hour, 100, 0.2},
		"a day, nothing":                 {nameless, rpd, 1000, false, 12 * time.Hour, 160, 0.95},
	} {
		if testing.Short() && (c.mixed || c.refused > 100 || c.changes > 12*time.Hour || name == "tokens, no number") {
			continue // what takes longest; the others are of each wording, too
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, c.phases[0].limits)
				w.rules.Policy = scheduler.NewPolicy([]string{model}, nil) // 10, 250,000 and 250
				w.said = c.said
				q, light, day := new(quota), false, 0
				q.used()
				q.Limits = c.phases[0].limits
				rnd := rand.New(rand.NewPCG(1, 2))
				served := w.demandOf(q, func() int64 {
					if c.mixed {
						return 1000 + rnd.Int64N(c.tokens)
					}
					return c.tokens
				}, &light)
				for _, p := range c.phases {
					for range p.days {
						w.after(time.Duration(day)*24*time.Hour+c.changes-w.elapsed(), func() { q.Limits = p.limits })
						w.run(time.Duration(day+1)*24*time.Hour - time.Minute)
						got, minutes := served(), int64(busy/time.Minute)
						_, refused := q.used()
						for cause, times := range refused {
							assert.LessOrEqual(t, times, c.refused, "day %d: upstream's 429s by %s", day, cause)
						}
						all := min(p.limits.RPM*minutes, p.limits.TPM/c.tokens*minutes, p.limits.RPD)
						assert.GreaterOrEqual(t, float64(got), c.capacity*float64(all), "day %d: %d of %d", day, got, all)
						t.Logf("day %d: %d of %d (%d%%); refused %v", day, got, all, 100*got/int(all), refused)
						day++
					}
				}
			})
		})
	}
}
