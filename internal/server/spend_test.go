package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim/quota"
	"fluxgate.dev/fluxgate/internal/race"
)

// Spending too fast is the project's: all its models wait for as long as it says, the
// other projects don't.
func TestSpendIsOfTheProject(t *testing.T) {
	for _, request := range []string{hello, grounded["google_search"].body} {
		synctest.Test(t, func(t *testing.T) {
			status, text := refusalBody(t, "429_spend")
			var asked []string
			_, s := stubbed(func(h heard) *http.Response {
				if isCall(h) && h.header.Get("X-Goog-Api-Key") == key(1, "").Value {
					asked = append(asked, h.path)
					return respond(status, text)
				}
				return nil
			})
			s.keys = projects("alpha", "beta")
			s.env = []string{`FLUXGATE_LIMITS={"pro":{"rpm":-1,"rpd":-1}}`}
			w := newWorld(t, s)
			for len(asked) == 0 {
				require.Equal(t, http.StatusOK, w.do("POST", "/v1beta/models/auto:generateContent", request).Code)
				if len(asked) == 0 {
					synctestSleep(20 * time.Second)
				}
			}
			for _, model := range []string{pro, flash} {
				for range 3 {
					assert.Equal(t, 2, w.generate("hello", fmt.Sprintf(`"model":%q`, model)).ok().KeyUsed)
				}
			}
			assert.Equal(t, 36*time.Second, w.generate("hello", `"preferred_key":1,"model":"gemini-2.5-flash"`).wait())
			assert.Len(t, asked, 1, "no model of it is tried before its time")
		})
	}
}

// Some of these refusals don't say how long they hold (captured). Then the whole project pauses for
// longer and longer, an hour at most, and one request is tried each time, of whatever model.
func TestSpendWithoutADelay(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const text = `{"error":{"code":429,"message":"You exceeded your spend-based rate limit. Your spending rate has exceeded the allowed limit for your account's billing history and tier.","status":"RESOURCE_EXHAUSTED"}}`
		var tried []time.Time
		up, s := stubbed(nil)
		up.answer = func(h heard) *http.Response {
			if !isCall(h) {
				return nil
			}
			tried = append(tried, time.Now())
			return respond(http.StatusTooManyRequests, text)
		}
		s.env = []string{"FLUXGATE_CHAIN=" + pro + "," + flash, `FLUXGATE_LIMITS={"pro":{"rpm":-1,"rpd":-1},"flash":{"rpm":-1,"rpd":-1}}`}
		w := newWorld(t, s)
		for i := range 6 * 60 * 4 {
			model := []string{pro, flash}[i%2]
			assert.Equal(t, http.StatusTooManyRequests, w.generate("hello", fmt.Sprintf(`"model":%q`, model)).Code)
			synctestSleep(15 * time.Second)
		}
		var pauses []time.Duration
		for i := 1; i < len(tried); i++ {
			pauses = append(pauses, tried[i].Sub(tried[i-1]).Round(30*time.Second))
		}
		const m = time.Minute
		assert.Equal(t, []time.Duration{m / 2, m, 2 * m, 4 * m, 8 * m, 16 * m, 32 * m, 60 * m, 60 * m}, pauses[:min(9, len(pauses))])
		up.answer = nil
		synctestSleep(time.Hour)
		for _, model := range []string{pro, flash} {
			w.generate("hello", fmt.Sprintf(`"model":%q`, model)).ok()
		}
	})
}

// refusals returns when each project was refused, in order.
func (w *world) refusals() map[string][]time.Time {
	all := make(map[string][]time.Time)
	for _, e := range w.sim.Log() {
		if e.Status == http.StatusTooManyRequests {
			all[e.Project] = append(all[e.Project], e.At)
		}
	}
	return all
}

// Two billing accounts, of which one spends too fast: its projects wait together, whatever
// model is asked for, and none is tried before its time; those of the other carry on at
// full capacity. Once there is money again it is found out by itself.
func TestSpendIsOfTheBillingAccount(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{
			keys: projects("poor-1", "poor-2", "poor-3", "rich-1", "rich-2"),
			env: []string{
				"GEMINI_BILLING_1=poor", "GEMINI_BILLING_2=poor", "GEMINI_BILLING_3=poor", "GEMINI_BILLING_4=rich", "GEMINI_BILLING_5=rich",
				"FLUXGATE_CHAIN=" + pro + "," + flash, `FLUXGATE_LIMITS={"pro":{"rpm":30,"rpd":-1},"flash":{"rpm":30,"rpd":-1}}`,
			},
		})
		begin := time.Now()
		w.sim.SetBilling("poor", 100, "poor-1", "poor-2", "poor-3")
		// Two requests a second, of two models: as much as the rich have room for.
		served := map[string]int{}
		const minutes = 20
		for i := range minutes * 60 {
			for _, model := range []string{pro, flash} {
				if a := w.generate(fmt.Sprint("hello ", i), fmt.Sprintf(`"model":%q`, model)); a.Code == http.StatusOK {
					served[model]++
				}
			}
			synctestSleep(time.Second)
		}
		for _, model := range []string{pro, flash} {
			assert.GreaterOrEqual(t, served[model], minutes*60*98/100, "full capacity")
		}
		rounds := w.refusals()
		assert.NotContains(t, rounds, "rich-1")
		assert.NotContains(t, rounds, "rich-2")
		var all []time.Time
		for _, x := range rounds {
			all = append(all, x...)
		}
		slices.SortFunc(all, time.Time.Compare)
		require.NotEmpty(t, all)
		for i, at := range all {
			if i > 0 && at.Sub(all[i-1]) > 5*time.Second {
				assert.GreaterOrEqual(t, at.Sub(all[i-1]), 35*time.Second, "not before its time")
			}
		}
		first := slices.IndexFunc(all, func(at time.Time) bool { return at.Sub(all[0]) > 5*time.Second })
		assert.Equal(t, 1, first, "one is refused, and all three wait")
		for project, x := range rounds {
			assert.LessOrEqual(t, len(x), 12, project)
		}
		// After ten minutes there was money again, and it was spent.
		late := 0
		for _, e := range w.sim.Log() {
			if e.Status == http.StatusOK && strings.HasPrefix(e.Project, "poor") && e.At.Sub(begin) > 10*time.Minute {
				late++
			}
		}
		assert.Greater(t, late, 10)
	})
}

// Projects that are refused together twice are taken for those of one account, and wait
// together from then on. One that is served while the other is refused isn't.
func TestABillingAccountIsLearned(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{keys: projects("a", "b", "c"), env: []string{"FLUXGATE_CHAIN=" + pro, `FLUXGATE_LIMITS={"pro":{"rpm":-1,"rpd":-1}}`}})
		run := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); synctestSleep(time.Second / 2) {
				w.generate("hello", "").ok()
			}
		}
		refused := func() (a, b int) {
			all := w.refusals()
			return len(all["a"]), len(all["b"])
		}
		spent := func(st quota.Standing, projects ...string) {
			for _, p := range projects {
				w.sim.SetStanding(p, st)
			}
		}
		run(time.Minute)
		spent(quota.Overspent, "a", "b")
		run(50 * time.Second)
		a, b := refused()
		assert.Equal(t, []int{2, 2}, []int{a, b}, "each at first, and each when it is tried")
		spent(quota.GoodStanding, "a", "b")
		run(10 * time.Minute)
		spent(quota.Overspent, "a", "b")
		run(30 * time.Second)
		a, b = refused()
		assert.Equal(t, 5, a+b, "one is refused, and both wait")
		// They were two accounts after all: one is served when it is tried, the other isn't.
		paying := 2
		if b == 3 {
			paying = 1
		}
		spent(quota.GoodStanding, []string{"", "a", "b"}[paying])
		synctestSleep(10 * time.Second)
		assert.Equal(t, paying, w.generate("hello", fmt.Sprintf(`"preferred_key":%d`, paying)).ok().KeyUsed)
		w.generate("hello", fmt.Sprintf(`"preferred_key":%d`, 3-paying)).wait()
		spent(quota.GoodStanding, "a", "b")
		run(20 * time.Minute)
		a, b = refused()
		spent(quota.Overspent, "a")
		run(30 * time.Second)
		used := map[int]bool{}
		for range 30 {
			used[w.generate("hello", "").ok().KeyUsed] = true
		}
		assert.Equal(t, map[int]bool{2: true, 3: true}, used, "the other carries on")
		now, same := refused()
		assert.Equal(t, []int{a + 1, b}, []int{now, same})
	})
}

// What was under way when its project was refused says nothing anew: two projects that are refused together once,
// several requests of each, aren't taken for those of one account.
func TestRequestsUnderWayAreNoSecondRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status, text := refusalBody(t, "429_spend")
		refused := map[string]bool{key(1, "").Value: true, key(2, "").Value: true}
		_, s := stubbed(func(h heard) *http.Response {
			if isCall(h) && refused[h.header.Get("X-Goog-Api-Key")] {
				synctestSleep(time.Second)
				return respond(status, text)
			}
			return nil
		})
		s.keys = projects("a", "b", "c")
		s.env = []string{"FLUXGATE_CHAIN=" + pro, `FLUXGATE_LIMITS={"pro":{"rpm":-1,"rpd":-1}}`}
		w := newWorld(t, s)
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() { w.generate(fmt.Sprint("hello ", i), fmt.Sprintf(`"preferred_key":%d`, i%2+1)) })
			synctestSleep(100 * time.Millisecond)
		}
		all.Wait()
		clear(refused)
		synctestSleep(10 * time.Minute)
		for n := range 2 {
			assert.Equal(t, n+1, w.generate("served again", fmt.Sprintf(`"preferred_key":%d`, n+1)).ok().KeyUsed)
		}
		synctestSleep(time.Minute)
		refused[key(1, "").Value] = true
		w.generate("hello", `"preferred_key":1`)
		assert.Equal(t, 2, w.generate("hello", `"preferred_key":2`).ok().KeyUsed, "the other carries on")
	})
}
