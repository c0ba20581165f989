package simulation

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/internal/threadtime"
	"fluxgate.dev/fluxgate/scheduler"
)

// Sixty callers that come back when they are told to, beside thirty that don't wait: the
// sixty are served as they are without them, and no slot is lost.
func TestPoliteCallersBesideHammers(t *testing.T) {
	race.Skip(t)
	if testing.Short() {
		t.Skip("TestCrowdOfCallers has both, too, for shorter")
	}
	t.Parallel()
	const minutes = 5
	run := func(t *testing.T, polite, hammers int, every time.Duration) (n, all int, longest time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			s := newSociety(t, pool, 1, 1, nil, scheduler.Limits{RPM: rpm, TPM: tpm, RPD: scheduler.Unlimited})
			for i := range polite {
				s.join(manner{name: fmt.Sprint("polite", i), requests: 1, returns: 1, late: 100 * time.Millisecond, tokens: [2]int64{1000}})
			}
			for i := range hammers {
				s.join(manner{name: fmt.Sprint("hammer", i), requests: 1, returns: 1, every: every, tokens: [2]int64{1000}})
			}
			s.run(minutes * time.Minute)
			assert.Zero(t, s.upstream.violations())
			for _, x := range s.by(0, func(c string) bool { return strings.HasPrefix(c, "polite") }) {
				n++
				longest = max(longest, x.waited)
			}
			all = len(s.services)
		})
		return n, all, longest
	}
	alone, _, longest := run(t, 60, 0, 0)
	t.Logf("without hammers: %d served, longest wait %v", alone, longest.Round(time.Second))
	manners := []time.Duration{time.Second, 200 * time.Millisecond, 5 * time.Second}
	for _, every := range manners {
		n, all, longest := run(t, 60, 30, every)
		t.Logf("hammers that come every %v: %d of %d are the polite ones', longest wait %v", every, n, all, longest.Round(time.Second))
		assert.GreaterOrEqual(t, all, alone*99/100, "no slot is lost")
		assert.GreaterOrEqual(t, n, alone*60/90*9/10, "their share of what there is, had they been among ninety polite ones")
		assert.LessOrEqual(t, longest, 150*time.Second)
	}
}

// crowded is how many callers wait at once in TestCrowdOfCallers.
var (
	crowded = flag.Int("crowd", 100, "callers of the crowd: 2000 take some ten minutes of a processor's time (.github/measured.md)")
	at      = flag.Int("at", 1, "instances to which the crowd comes")
	tickets = flag.Bool("tickets", false, "have the crowd bring its tickets along")
	renewed = flag.Duration("renewed", 0, "have one of the instances after another replaced by a new one so often; 0: none")
	costs   = flag.Bool("costs", false, "print what a processor takes to tell one of the crowd a time, and what the instances keep in memory")
)

// A crowd of callers, of which nobody can keep what each was served, half polite and half
// hammering: who has waited longest is served, and none is starved. The polite ones are
// told to come back no more often than others.
func TestCrowdOfCallers(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	playCrowd(t, *crowded, pool, *at)
}

// At several instances, where most come back to one that didn't tell them their time, and
// bring no ticket, it is no different: those that hammer get as much as the polite ones,
// though all instances have known them for long. One project keeps of 32 callers what they
// were served, so it forgets each of sixty before it is served again.
func TestCrowdAtFourInstances(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	slots := playCrowd(t, 60, 1, 4)
	assert.GreaterOrEqual(t, slots["polite"], 2*slots["hammer"]/3)
}

// playCrowd plays four rounds of a crowd, and returns how many slots each kind got.
func playCrowd(t *testing.T, n, projects, instances int) map[string]int {
	slots := make(map[string]int)
	round := time.Duration(n) * time.Minute / time.Duration(projects*rpm) // all are served once in it
	synctest.Test(t, func(t *testing.T) {
		s := newSociety(t, projects, instances, 1, nil, scheduler.Limits{RPM: rpm, TPM: tpm, RPD: scheduler.Unlimited})
		s.tickets = *tickets
		for i := 1; *renewed > 0 && time.Duration(i)**renewed < 4*round; i++ {
			s.after(time.Duration(i)**renewed, func() { s.renew(i % instances) })
		}
		for i := range n / 2 {
			s.join(manner{name: fmt.Sprint("polite", i), requests: 1, returns: 1, late: 100 * time.Millisecond, tokens: [2]int64{1000}})
			s.join(manner{name: fmt.Sprint("hammer", i), requests: 1, returns: 1, every: 2 * time.Second, tokens: [2]int64{1000}})
		}
		if *costs {
			runtime.LockOSThread() // whose time is taken
			defer runtime.UnlockOSThread()
			s.processor = func() time.Duration { return threadtime.Of(t) }
		}
		s.run(4 * round)
		if *costs {
			q := quantiles(s.denied)
			t.Logf("%d answers of a time took a processor p50 %v p90 %v p99 %v most %v; the instances keep %d KiB", len(s.denied), q[0], q[1], q[2], q[3], s.kept()>>10)
		}
		assert.Zero(t, s.upstream.violations())
		assert.Zero(t, s.broken)
		assert.GreaterOrEqual(t, s.used(4*round), 0.95)
		for _, kind := range []string{"polite", "hammer"} {
			var waits []time.Duration
			served := make(map[string]bool)
			for _, x := range s.by(0, func(c string) bool { return strings.HasPrefix(c, kind) }) {
				waits, served[x.caller] = append(waits, x.waited), true
			}
			q := quantiles(waits)
			slots[kind] = len(waits)
			t.Logf("%d callers, all served once in %v: %d of %s, waits %s", n, round.Round(time.Second), len(waits), kind, seconds(q))
			assert.Equal(t, n/2, len(served), "none is starved")
			assert.LessOrEqual(t, q[3], 2*round+scheduler.Window)
		}
	})
	return slots
}

// kept returns what the instances keep in memory, which it has them forget.
func (s *society) kept() uint64 {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	s.told, s.agenda, s.waiting = nil, agenda{}, nil // who waits isn't asked again
	before := heap()
	clear(s.instances)
	return before - heap()
}

// Over an hour of callers of every manner, what those are told for whom nothing is kept is
// no later than when they could really have gone, as it is known afterwards: at the
// median by 5% or 2 s at most. How much too early it is for those that return is printed.
// With -at 4 it is so at four instances, where a quarter of an hour is played in any case.
func TestToldStaysTrue(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	kinds := []manner{
		{name: "polite", returns: 1, late: 100 * time.Millisecond},
		{name: "late", returns: 1, late: 4 * time.Second},
		{name: "leaving", returns: 0},
		{name: "half", returns: 0.5, late: time.Second},
		{name: "retrying", returns: 0.8, every: 5 * time.Second},
		{name: "hammering", returns: 1, every: 2 * time.Second},
	}
	for i := range kinds {
		kinds[i].requests, kinds[i].thinks, kinds[i].tokens = 1, time.Minute, [2]int64{1000}
	}
	for _, c := range []struct {
		load, instances int
		length          time.Duration
		short           bool
	}{
		{1, *at, siegeTime(), true},
		{3, *at, max(siegeTime(), hour/2), false}, // the first minutes, in which all come at once, say little of an hour
		{1, 4, hour / 4, false},
	} {
		if testing.Short() && !c.short {
			continue
		}
		t.Run(fmt.Sprintf("load %d at %d for %v", c.load, c.instances, c.length), func(t *testing.T) {
			t.Parallel()
			callers := make([]manner, 90*c.load)
			for i := range callers {
				callers[i] = kinds[i%len(kinds)]
			}
			tellTheTruth(t, callers, pool, c.instances, 1, c.length)
		})
	}
}

// The same of callers that are drawn by chance, some twenty of them, with up to ten requests
// each, at two instances and at four. What is told to those that never leave is printed too.
//
//	go test -v -run TestToldToAnybody -timeout 1h ./internal/simulation -seeds 1001,1002,1003,1004,1005 -lasts 1h
func TestToldToAnybody(t *testing.T) {
	if testing.Short() {
		t.Skip("more of TestToldStaysTrue")
	}
	race.Skip(t)
	t.Parallel()
	for text := range strings.SplitSeq(*seeds, ",") {
		seed, err := strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
		for _, instances := range []int{2, 4} {
			t.Run(fmt.Sprintf("seed %d at %d", seed, instances), func(t *testing.T) {
				t.Parallel()
				rnd := rand.New(rand.NewPCG(seed, 14))
				callers := make([]manner, 5+rnd.IntN(30))
				for i := range callers {
					m := manner{name: fmt.Sprint("caller", i), requests: 1 + rnd.IntN(10), returns: 1, tokens: [2]int64{1000}}
					m.thinks = time.Duration(rnd.IntN(3)) * time.Minute
					switch rnd.IntN(6) {
					case 0:
						m.every = time.Duration(1+rnd.IntN(10)) * time.Second
					case 1:
						m.returns = rnd.Float64()
					case 2:
						m.book = true
					case 3:
						m.late = 6 * time.Second
					}
					m.late = max(m.late, 100*time.Millisecond)
					if rnd.IntN(3) == 0 {
						m.tokens[1] = 100_000
					}
					callers[i] = m
				}
				tellTheTruth(t, callers, 1+rnd.IntN(pool), instances, seed, *lasts)
			})
		}
	}
}

func tellTheTruth(t *testing.T, callers []manner, projects, instances int, seed uint64, length time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		s := newSociety(t, projects, instances, seed, nil, scheduler.Limits{RPM: rpm, TPM: tpm, RPD: scheduler.Unlimited})
		for _, m := range callers {
			s.join(m)
		}
		s.run(length)
		assert.Zero(t, s.upstream.violations())
		assert.Zero(t, s.broken)
		checks := s.truth(length-10*time.Minute, 3000)
		late, early := sides(checks)
		var waits []time.Duration
		ok := 0
		for _, c := range checks {
			wait := c.start - c.asked
			if waits = append(waits, wait); c.late <= 2*time.Second || c.late <= wait/20 {
				ok++
			}
		}
		assert.GreaterOrEqual(t, 2*ok, len(late))
		t.Logf("%d callers, %d projects, %d instances: used %.1f%%, full %.1f%%, %d told, %.0f%% within 5%% or 2 s; too late %s; too early %s; wait %s", len(callers), projects, instances,
			100*s.used(length), 100*s.upstream.full(length), len(late), 100*float64(ok)/float64(len(late)), seconds(quantiles(late)), seconds(quantiles(early)), seconds(quantiles(waits)))
	})
}
