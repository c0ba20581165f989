package simulation

import (
	"cmp"
	"context"
	"fmt"
	"slices"
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

// A quota is what upstream really allows a project, which nobody has told. It counts
// what arrives in a trailing minute and on a Pacific day, and shares no code with the
// scheduler.
type quota struct {
	scheduler.Limits
	minute  []arrival
	day     int
	onDay   int64
	reached map[scheduler.Cause]bool // which limits something was refused by, or would have been
	refused map[scheduler.Cause]int  // how often by each
	heard   scheduler.Limits         // those that refusals which have been recorded have named
	again   int                      // refusals, of a limit so named, of what was admitted after that
}

// hear notes that a refusal has been recorded.
func (q *quota) hear(over scheduler.Limits) {
	q.heard.RPM, q.heard.TPM, q.heard.RPD = cmp.Or(over.RPM, q.heard.RPM), cmp.Or(over.TPM, q.heard.TPM), cmp.Or(over.RPD, q.heard.RPD)
}

// news notes how often what was refused, of what was admitted when so much had been heard, was no news.
func (q *quota) news(over, heard scheduler.Limits) {
	if over.RPM > 0 && over.RPM == heard.RPM || over.TPM > 0 && over.TPM == heard.TPM || over.RPD > 0 && over.RPD == heard.RPD {
		q.again++
	}
}

// used returns how often each limit was reached and refused something since it was last called.
func (q *quota) used() (reached map[scheduler.Cause]bool, refused map[scheduler.Cause]int) {
	reached, refused = q.reached, q.refused
	q.reached, q.refused = make(map[scheduler.Cause]bool), make(map[scheduler.Cause]int)
	return reached, refused
}

// full notes which limits have no room for one more like that.
func (q *quota) full(requests, tokens, more int64) {
	for cause, full := range map[scheduler.Cause]bool{
		scheduler.ByRPM: requests >= q.RPM, scheduler.ByTPM: tokens+more > q.TPM, scheduler.ByRPD: q.onDay >= q.RPD,
	} {
		if full {
			q.reached[cause] = true
		}
	}
}

// arrive counts a request, or says which limit it is over.
func (q *quota) arrive(at time.Time, since time.Duration, tokens int64) (over scheduler.Limits, refused bool) {
	if day := at.In(losAngeles).YearDay(); day != q.day {
		q.day, q.onDay = day, 0
	}
	q.minute = slices.DeleteFunc(q.minute, func(x arrival) bool { return x.at+time.Minute <= since })
	sum := tokens
	for _, x := range q.minute {
		sum += x.tokens
	}
	if int64(len(q.minute)) >= q.RPM {
		over.RPM = q.RPM
	}
	if sum > q.TPM {
		over.TPM = q.TPM
	}
	if q.onDay >= q.RPD {
		over.RPD = q.RPD
	}
	if over != (scheduler.Limits{}) {
		for cause, limit := range map[scheduler.Cause]int64{scheduler.ByRPM: over.RPM, scheduler.ByTPM: over.TPM, scheduler.ByRPD: over.RPD} {
			if limit > 0 {
				q.refused[cause]++
				q.reached[cause] = true
			}
		}
		return over, true
	}
	q.minute = append(q.minute, arrival{since, tokens})
	q.onDay++
	q.full(int64(len(q.minute)), sum, tokens)
	return over, false
}

// A phase is a number of days on which these limits hold.
type phase struct {
	days   int
	limits scheduler.Limits
	light  bool // there is less demand than that
}

// wire is how long a request is on its way to upstream, or a refusal back.
const wire = 20 * time.Millisecond

// busy is how long on each day there is more demand than there is quota.
const busy = 2 * time.Hour

// TestWeeks: limits that nobody has told are found from where the model begins, and are
// followed as they fall and rise: of every day 95% is used. Each limit costs one 429 of
// upstream's at most on a day on which it is reached: when it is found, when it has changed, or
// when it is put to the test in vain, for a rise can't be seen otherwise. A day on which
// it isn't reached costs none.
func TestWeeks(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	const plenty = 5_000_000
	for name, c := range map[string]struct {
		tokens int64
		phases []phase
	}{
		"requests per minute": {1000, []phase{
			{4, scheduler.Limits{RPM: 30, TPM: plenty, RPD: plenty}, false},
			{3, scheduler.Limits{RPM: 12, TPM: plenty, RPD: plenty}, false},
			{2, scheduler.Limits{RPM: 12, TPM: plenty, RPD: plenty}, true},
			{2, scheduler.Limits{RPM: 40, TPM: plenty, RPD: plenty}, true},
			{7, scheduler.Limits{RPM: 40, TPM: plenty, RPD: plenty}, false},
		}},
		"tokens per minute": {50_000, []phase{
			{4, scheduler.Limits{RPM: plenty, TPM: 1_500_000, RPD: plenty}, false},
			{3, scheduler.Limits{RPM: plenty, TPM: 500_000, RPD: plenty}, false},
			{7, scheduler.Limits{RPM: plenty, TPM: 1_000_000, RPD: plenty}, false},
		}},
		"requests per day": {1000, []phase{
			{4, scheduler.Limits{RPM: 40, TPM: plenty, RPD: 3000}, false},
			{3, scheduler.Limits{RPM: 40, TPM: plenty, RPD: 700}, false},
			{2, scheduler.Limits{RPM: 40, TPM: plenty, RPD: 700}, true},
			{7, scheduler.Limits{RPM: 40, TPM: plenty, RPD: 2000}, false},
		}}, // RPM too
		"as they were": {1000, []phase{
			{7, scheduler.Limits{RPM: 10, TPM: 250_000, RPD: 250}, false},
		}},
	} {
		if testing.Short() && name != "as they were" {
			continue // TestWordings has each kind, for days, not weeks
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, c.phases[0].limits)
				w.rules.Policy = scheduler.NewPolicy([]string{model}, nil) // 10, 250,000 and 250
				q := new(quota)
				q.used()
				light := false
				served := w.demand(q, c.tokens, &light)
				day := 0
				for _, p := range c.phases {
					for range p.days {
						// Limits change at noon, before demand begins.
						w.after(time.Duration(day)*24*time.Hour+12*time.Hour-w.elapsed(), func() { q.Limits, light = p.limits, p.light })
						w.run(time.Duration(day+1)*24*time.Hour - time.Minute)
						got := served()
						minutes := int64(busy / time.Minute)
						all := min(p.limits.RPM*minutes, p.limits.TPM/c.tokens*minutes, p.limits.RPD)
						reached, refused := q.used()
						for cause, times := range refused {
							assert.LessOrEqual(t, times, 1, "day %d: upstream's 429s by %s", day, cause)
						}
						if p.light {
							assert.Positive(t, got)
							assert.Empty(t, reached, "day %d", day)
						} else {
							assert.GreaterOrEqual(t, float64(got), 0.95*float64(all), "day %d: %d of %d", day, got, all)
						}
						t.Logf("day %d: %d of %d; reached %v, refused %v", day, got, all, reached, refused)
						day++
					}
				}
			})
		})
	}
}

// TestADayIsFoundOnTheFirst: a model whose project has many times the day that its family begins with is used
// up to that on the first day, by callers each of which leaves when it is told to come back on the next, however
// long answers take. That costs one 429.
func TestADayIsFoundOnTheFirst(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	crowds := []struct {
		callers int
		answers time.Duration
		several bool
	}{{1, time.Second / 2, false}, {12, time.Second, true}, {12, time.Second, false}, {40, 20 * time.Second, false}, {100, time.Minute, false}, {100, time.Minute, true}}
	if testing.Short() { // one of each kind: what differs between the others is arithmetic
		crowds = crowds[:2]
	}
	for _, c := range crowds {
		t.Run(fmt.Sprintf("%d callers, %v, of several names %v", c.callers, c.answers, c.several), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, scheduler.Limits{RPM: 10, TPM: 250_000, RPD: 250})
				w.rules.Policy = scheduler.NewPolicy([]string{model}, nil) // 10, 250,000 and 250
				w.callers, w.answers, w.several = c.callers, c.answers, c.several
				if c.several {
					var err error
					w.admission, err = admission.New(t.Context(), admission.Options{Store: w.store, Shared: true, Rules: func(storage.Control) *scheduler.Rules { return w.rules }})
					require.NoError(t, err)
				}
				q := &quota{Limits: scheduler.Limits{RPM: 60, TPM: 5_000_000, RPD: 3000}}
				q.used()
				light := false
				served := w.demand(q, 1000, &light)
				for day := range 3 {
					w.run(time.Duration(day+1)*24*time.Hour - time.Minute)
					got := served()
					reached, refused := q.used()
					t.Logf("day %d: %d; reached %v, refused %v", day, got, reached, refused)
					assert.EqualValues(t, q.RPD, got, "day %d", day)
					for cause, times := range refused {
						assert.LessOrEqual(t, times, 1, "day %d: upstream's 429s by %s", day, cause)
					}
				}
			})
		})
	}
}

// demand has more callers than there is quota ask for two hours of every day. It
// returns a function that says how many were served since it was last called. On a light
// day one of them asks every half minute.
func (w *world) demand(q *quota, tokens int64, light *bool) (served func() int) {
	return w.demandOf(q, func() int64 { return tokens }, light)
}

// demandOf is demand for requests of sizes that differ.
func (w *world) demandOf(q *quota, size func() int64, light *bool) (served func() int) {
	n := 0
	open := func() bool {
		return w.elapsed()%(24*time.Hour) >= 13*time.Hour && w.elapsed()%(24*time.Hour) < 13*time.Hour+busy
	}
	var next func(r *request)
	next = func(r *request) {
		if !open() {
			return
		}
		instance := w.instance()
		grant, wait, err := instance.Admit(context.Background(), admission.Request{
			Caller: w.name(r), Hash: r.hash, Models: []string{model}, Demand: scheduler.Demand{Tokens: r.tokens}, Projects: w.projects,
		})
		require.NoError(w.t, err)
		if wait != nil {
			if told := w.told(wait, r); told < busy {
				w.after(told, func() { next(r) })
			}
			return
		}
		sentAt, heard := time.Now(), q.heard
		w.after(w.wire(), func() {
			if over, no := q.arrive(time.Now(), w.elapsed(), r.tokens); no {
				q.news(over, heard)
				w.after(w.wire(), func() {
					w.refuse(instance, grant, sentAt, over)
					q.hear(over)
					next(r)
				})
				return
			}
			n++
			w.after(w.answer(), func() {
				require.NoError(w.t, instance.Settle(context.Background(), grant, r.tokens, sentAt))
				if *light {
					w.after(30*time.Second, func() { next(w.request(size())) })
					return
				}
				next(w.request(size()))
			})
		})
	}
	for day := range 60 {
		for i := range cmp.Or(w.callers, 12) {
			// Not all at once: what is on its way when a limit falls can't be called back.
			begins := time.Duration(day)*24*time.Hour + 13*time.Hour + time.Duration(i)*170*time.Millisecond
			w.after(begins-w.elapsed(), func() {
				if !*light || i == 0 {
					next(w.request(size()))
				}
			})
		}
	}
	return func() int { defer func() { n = 0 }(); return n }
}

// name is whose a request is, where there are several callers.
func (w *world) name(r *request) string {
	if !w.several {
		return ""
	}
	return fmt.Sprint("caller ", r.hash%5)
}

// refuse has a refusal recorded, as dispatch does.
func (w *world) refuse(instance *admission.Controller, grant *admission.Grant, sentAt time.Time, over scheduler.Limits) {
	ctx, now := context.Background(), instance.Now()
	require.NoError(w.t, instance.Fail(ctx, grant, admission.Failure{Class: "rate_limited", SentAt: sentAt, Refused: true}))
	said := w.said
	if said == nil {
		said = named
	}
	x := said(now, over)
	x.Model, x.ID, x.Admitted = grant.Model, grant.Reservation.ID, grant.Reservation.Start
	_, err := instance.Apply(ctx, grant.Project, x)
	require.NoError(w.t, err)
}

// named is a refusal that says which limits are reached, and what they are.
func named(now scheduler.Instant, over scheduler.Limits) scheduler.RecordRefusal {
	block := scheduler.Block{Cause: scheduler.ByMinute, Until: now.Add(20 * time.Second)}
	if over.RPD > 0 {
		block = scheduler.Block{Cause: scheduler.ByDay}
	}
	return scheduler.RecordRefusal{Limits: over, Block: block}
}
