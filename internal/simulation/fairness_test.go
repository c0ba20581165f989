package simulation

import (
	"flag"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
)

// A fairness is what a run shows of callers that all wait all the time, and of one that
// hardly asks for anything.
type fairness struct {
	least, most float64       // of the fair share, over any ten minutes
	difference  float64       // of what two got, over any interval, in largest requests
	bound       float64       // of it by VTC's rule, by what was sent while one hold lasts
	steady      float64       // the same, had all been sent at an even rate
	share       float64       // the fair one of ten minutes, in largest requests
	light       time.Duration // the light caller's longest wait, and its median
	median      time.Duration
	used        float64
	late, early [4]time.Duration   // what was told, against the truth
	writes      float64            // per admission
	calls       float64            // per admission
	broken      int                // bookings
	of          map[string]float64 // each caller's share after the first ten minutes
}

// heavy are callers of very different manners, each of which always has requests waiting.
func heavy(n int, mixed bool) (all []manner) {
	kinds := []manner{
		{name: "flood", requests: 60, returns: 1, late: 100 * time.Millisecond},
		{name: "late", requests: 30, returns: 1, late: 4 * time.Second},
		{name: "hammer", requests: 30, returns: 1, every: 5 * time.Second},
		{name: "books", requests: 40, returns: 1, late: 500 * time.Millisecond, book: true},
		{name: "leaves", requests: 40, returns: 0.7, late: time.Second, thinks: time.Second},
	}
	for i := range n {
		m := kinds[i%len(kinds)]
		m.requests = max(m.requests, 2*pool*rpm/n) // or it would not wait throughout
		m.name = fmt.Sprint(m.name, i/len(kinds))
		m.tokens = [2]int64{1000}
		if mixed {
			m.tokens = [2]int64{5000, 60_000}
			if i%2 == 1 {
				m.tokens[1] = 200_000
			}
		}
		all = append(all, m)
	}
	return all
}

// cost is what a request takes, in tokens: requests and tokens are one currency.
func (s *society) cost(tokens int64) float64 {
	return float64(tokens) + float64(s.upstream.limits.TPM)/float64(s.upstream.limits.RPM)
}

// shares runs callers against a pool beside a light one, and judges what they got.
func shares(t *testing.T, callers []manner, instances int, seed uint64, length time.Duration) (f fairness) {
	synctest.Test(t, func(t *testing.T) {
		s := newSociety(t, pool, instances, seed, weightsOf(callers), scheduler.Limits{RPM: rpm, TPM: tpm, RPD: scheduler.Unlimited})
		weights := 0.0
		for _, m := range callers {
			weights += float64(max(1, m.weight))
			s.join(m)
		}
		s.after(5*time.Minute, func() {
			s.join(manner{name: "light", requests: 1, returns: 1, late: 100 * time.Millisecond, thinks: 90 * time.Second, tokens: callers[0].tokens})
		})
		s.run(length)
		assert.Zero(t, s.upstream.violations())
		const warm, over = 10 * time.Minute, 10 * time.Minute
		largest, sums := 0.0, make(map[string][]float64) // by caller: what it had got by each second
		n := int(length / time.Second)
		for _, m := range callers {
			sums[m.name] = make([]float64, n+1)
		}
		for _, x := range s.services {
			largest = max(largest, s.cost(x.tokens))
			if sums[x.caller] != nil {
				sums[x.caller][min(n, int(x.at/time.Second)+1)] += s.cost(x.tokens) / float64(max(1, s.weights[x.caller]))
			}
		}
		total := make([]float64, n+1)
		for name, sum := range sums {
			for i := 1; i <= n; i++ {
				sum[i] += sum[i-1]
				total[i] += sum[i] * float64(max(1, s.weights[name]))
			}
		}
		f.least, f.most = math.Inf(1), 0
		for from := int(warm / time.Second); from+int(over/time.Second) <= n; from += 30 {
			to := from + int(over/time.Second)
			fair := (total[to] - total[from]) / weights
			f.share = fair / largest
			for _, sum := range sums {
				f.least, f.most = min(f.least, (sum[to]-sum[from])/fair), max(f.most, (sum[to]-sum[from])/fair)
			}
		}
		f.of = make(map[string]float64)
		for name, sum := range sums {
			from := int(warm / time.Second)
			f.of[name] = math.Round(100*(sum[n]-sum[from])/(total[n]-total[from])*weights) / 100
		}
		for a, x := range sums {
			for b, y := range sums {
				if a >= b {
					continue
				}
				low, high := math.Inf(1), math.Inf(-1)
				for i := int(warm / time.Second); i <= n; i++ {
					low, high = min(low, x[i]-y[i]), max(high, x[i]-y[i])
				}
				f.difference = max(f.difference, (high-low)/largest)
			}
		}
		hold := int((s.rules.Hold + stale) / time.Second)
		for i := int(warm / time.Second); i+hold <= n; i++ {
			f.bound = max(f.bound, 2+(total[i+hold]-total[i])/largest)
		}
		f.steady = 2 + (total[n]-total[int(warm/time.Second)])/float64(n-int(warm/time.Second))*float64(hold)/largest
		var light []time.Duration
		for _, x := range s.by(0, func(c string) bool { return c == "light" }) {
			light = append(light, x.waited)
		}
		q := quantiles(light)
		f.median, f.light = q[0], q[3]
		f.used = s.used(length)
		if callers[0].tokens[1] > 0 {
			f.used = float64(s.upstream.tokens(length)) / (tpm * pool * length.Minutes())
		}
		late, _ := s.truth(length-10*time.Minute, 1000)
		early := make([]time.Duration, len(late))
		for i, d := range late {
			late[i], early[i] = max(d, 0), max(-d, 0)
		}
		f.late, f.early = quantiles(late), quantiles(early)
		f.calls, f.broken = float64(s.calls)/float64(s.admitted), s.broken
		f.writes = float64(s.store.Stats().Writes) / float64(s.admitted)
	})
	return f
}

// stale is how old an instance's view of what others have sent may be.
const stale = time.Second

// seeds is how many seeds the table of shares has:
//
//	go test -v -run TestFairShares -timeout 2h ./internal/simulation -seeds 5
var seeds = flag.Int("seeds", 1, "seeds of the table of shares")

// Two, five and twenty callers that always wait, with sixty requests at once or one after
// another, polite, late, hammering, booking or leaving, with equal sizes and with large ones
// beside small, and one that hardly asks for anything.
//
// What any two got over any interval differs by no more than VTC's bound, which is printed
// beside it: twice the largest request, one for each of the two, and what the calendars
// admit while a hold and a view's staleness last. For so long one may have been away whose
// turn it was, or have been served unknown to the others. Calendars that count a trailing
// minute admit all of it at once, if it was sent at once a minute before, so that may be far
// more than an even rate would be, which is printed too.
//
// The shares are those of any ten minutes. A difference of d of the largest requests, where
// a fair share of ten minutes is s of them, makes one of 1 - d/s to 1 + d/s. With equal
// sizes s is 39 where twenty share, so a tenth is four requests. With mixed ones s is less
// than 7: twice the largest request, which VTC allows in a queue without any hold, is three
// tenths of a share, so ten minutes are too short for a tenth, which takes half an hour.
func TestFairShares(t *testing.T) {
	if testing.Short() {
		t.Skip("ten minutes of shares after ten minutes take too long for -short")
	}
	race.Skip(t)
	t.Parallel()
	const length = 30 * time.Minute
	for seed := range uint64(*seeds) {
		for _, c := range []struct {
			callers     int
			mixed       bool
			least, most float64
			used        float64
		}{
			{2, false, 0.9, 1.1, 0.97}, {5, false, 0.9, 1.1, 0.97}, {20, false, 0.85, 1.15, 0.97},
			{2, true, 0.9, 1.1, 0.88}, {5, true, 0.85, 1.15, 0.88}, {20, true, 0.6, 1.45, 0.88},
		} {
			for _, instances := range []int{1, 4} {
				t.Run(fmt.Sprintf("seed %d, %d callers, mixed %v, %d instances", 101+seed, c.callers, c.mixed, instances), func(t *testing.T) {
					t.Parallel()
					f := shares(t, heavy(c.callers, c.mixed), instances, 101+seed, length)
					t.Logf("seed %d, %2d callers, mixed %5v, %d instances: shares %.2f..%.2f of %.1f largest requests, difference %.1f of them (bound %.1f, at an even rate %.1f), light caller %v, at most %v, used %.1f%%, too late %s, too early %s, %.1f calls and %.2f writes per admission, %d bookings broken",
						101+seed, c.callers, c.mixed, instances, f.least, f.most, f.share, f.difference, f.bound, f.steady, f.median.Round(time.Second), f.light.Round(time.Second), 100*f.used, seconds(f.late), seconds(f.early), f.calls, f.writes, f.broken)
					assert.GreaterOrEqual(t, f.least, c.least)
					assert.LessOrEqual(t, f.most, c.most)
					assert.LessOrEqual(t, f.light, 65*time.Second)
					assert.GreaterOrEqual(t, f.used, c.used)
					assert.Zero(t, f.broken)
				})
			}
		}
	}
}

// A caller of three times the weight gets three times as much.
func TestWeightedShares(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as TestFairShares")
	}
	race.Skip(t)
	t.Parallel()
	callers := heavy(5, false)
	callers[1].weight, callers[1].requests = 3, 80
	f := shares(t, callers, 2, 7, 30*time.Minute)
	t.Logf("a weight of 3 of 7: shares by weight %.2f..%.2f %v", f.least, f.most, f.of)
	assert.GreaterOrEqual(t, f.least, 0.9)
	assert.LessOrEqual(t, f.most, 1.1)
}
