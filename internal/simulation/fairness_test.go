package simulation

import (
	"flag"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/emulator/emulatortest"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
	"fluxgate.dev/fluxgate/storage/gcpfirestore"
)

// A fairness is what a run shows of callers that all wait all the time, and of one that
// hardly asks for anything.
type fairness struct {
	least, most float64 // of the fair share, over any ten minutes
	off         float64 // how far from 1 those of all are, the root of the mean square
	outside     int     // how many of these are further than a tenth
	difference  float64 // of what two got, over any interval, in largest requests
	bound       float64 // of it by VTC's rule, by what was sent while one hold lasts
	steady      float64 // the same, had all been sent at an even rate
	share       float64 // the fair one of ten minutes, in largest requests, at least
	ideal       float64 // how far from 1 a share may be by turns alone, and
	held        float64 // with what is admitted in a hold, had all been sent at an even rate
	pairs       []pair
	light       time.Duration // the light caller's longest wait, and its median
	median      time.Duration
	used        float64
	full        float64 // in requests or tokens, whichever was used more
	unused      unused
	large       int                // requests sent of 150,000 tokens and more
	late, early [4]time.Duration   // what was told, against the truth
	writes      float64            // per admission
	calls       float64            // per admission
	broken      int                // bookings
	refused     int                // by upstream, for more than the limit in 60 s
	unavailable int                // decisions that the store couldn't make in time
	took        [4]time.Duration   // decisions to send, most of it commits
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
				m.tokens[1] = *atMost
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

// shares runs callers against a pool beside a light one, and judges what they got. Kept apart, each of them comes to one
// instance only. With open, which opens a store, it does so in real time.
func shares(t *testing.T, callers []manner, instances int, kept bool, seed uint64, length time.Duration, open func() storage.Store) (f fairness) {
	in := synctest.Test
	if open != nil {
		in = func(t *testing.T, f func(*testing.T)) { f(t) }
	}
	in(t, func(t *testing.T) {
		s := newSocietyOn(t, pool, instances, seed, weightsOf(callers), scheduler.Limits{RPM: rpm, TPM: tpm, RPD: scheduler.Unlimited}, open)
		s.apart = kept
		weights := 0.0
		for _, m := range callers {
			weights += float64(max(1, m.weight))
			s.join(m)
		}
		s.after(5*time.Minute, func() {
			s.join(manner{name: "light", requests: 1, returns: 1, late: 100 * time.Millisecond, thinks: 90 * time.Second, tokens: callers[0].tokens})
		})
		for at := 10 * time.Minute; open == nil && at < length; at += lookEvery {
			s.after(at, func() { s.look(&f.unused) })
		}
		s.run(length)
		f.refused = s.upstream.violations()
		sums, total, largest := s.sums(callers, length)
		f.least, f.most, f.share, f.off, f.outside = anyTen(sums, total, weights, largest)
		own := s.largest()
		n := len(total) - 1
		f.of = make(map[string]float64)
		for name, sum := range sums {
			from := int(warm / time.Second)
			f.of[name] = math.Round(100*(sum[n]-sum[from])/(total[n]-total[from])*weights) / 100
		}
		hold, most := int((s.rules.Hold+stale)/time.Second), 0.0
		for i := int(warm / time.Second); i+hold <= n; i++ {
			most = max(most, total[i+hold]-total[i])
		}
		f.bound = 2 + most/largest
		for _, a := range slices.Sorted(maps.Keys(sums)) {
			for _, b := range slices.Sorted(maps.Keys(sums)) {
				if a < b {
					p := apart(sums[a], sums[b])
					p.a, p.b, p.difference, p.bound = a, b, p.difference/largest, (own[a]+own[b]+most)/largest
					f.pairs, f.difference = append(f.pairs, p), max(f.difference, p.difference)
				}
			}
		}
		f.steady = 2 + (total[n]-total[int(warm/time.Second)])/float64(n-int(warm/time.Second))*float64(hold)/largest
		f.ideal = uneven(own, s.weights) / (f.share * largest)
		f.held = f.ideal + (f.steady-2)/f.share
		var light []time.Duration
		for _, x := range s.by(0, func(c string) bool { return c == "light" }) {
			light = append(light, x.waited)
		}
		q := quantiles(light)
		f.median, f.light = q[0], q[3]
		f.used, f.full = s.used(length), s.upstream.full(length)
		if callers[0].tokens[1] > 0 {
			f.used = float64(s.upstream.tokens(length)) / (tpm * pool * length.Minutes())
		}
		late, early := sides(s.truth(length-10*time.Minute, 1000))
		f.late, f.early = quantiles(late), quantiles(early)
		for _, x := range s.by(warm, func(string) bool { return true }) {
			if x.tokens >= tpm*3/5 {
				f.large++
			}
		}
		f.took = quantiles(s.took)
		f.calls, f.broken, f.unavailable = float64(s.calls)/float64(s.admitted), s.broken, s.unavailable
		var writes int64
		for _, store := range slices.CompactFunc(s.stores, func(a, b storage.Store) bool { return a == b }) {
			writes += store.Stats().Writes
		}
		f.writes = float64(writes) / float64(s.admitted)
	})
	return f
}

// warm is what doesn't count of a run, over what the shares are taken.
const warm, over = 10 * time.Minute, 10 * time.Minute

// sums returns what each caller had got by each second, divided by its weight, what all
// had, and what the largest request cost.
func (s *society) sums(callers []manner, length time.Duration) (sums map[string][]float64, total []float64, largest float64) {
	n := int(length / time.Second)
	sums, total = make(map[string][]float64), make([]float64, n+1)
	for _, m := range callers {
		sums[m.name] = make([]float64, n+1)
	}
	for _, x := range s.services {
		largest = max(largest, s.cost(x.tokens))
		if sums[x.caller] != nil {
			sums[x.caller][min(n, int(x.at/time.Second)+1)] += s.cost(x.tokens) / float64(max(1, s.weights[x.caller]))
		}
	}
	for name, sum := range sums {
		for i := 1; i <= n; i++ {
			sum[i] += sum[i-1]
			total[i] += sum[i] * float64(max(1, s.weights[name]))
		}
	}
	return sums, total, largest
}

// largest returns what the largest request of each caller cost that was sent, divided by its weight.
func (s *society) largest() map[string]float64 {
	own := make(map[string]float64)
	for _, x := range s.services {
		own[x.caller] = max(own[x.caller], s.cost(x.tokens)/float64(max(1, s.weights[x.caller])))
	}
	delete(own, "light")
	return own
}

// A pair is what two callers got apart, in largest requests, in the interval in which that was
// most.
type pair struct {
	a, b              string
	difference, bound float64
	from, to          time.Duration
}

// apart returns how far apart two got over any interval, and in which.
func apart(x, y []float64) (p pair) {
	first := int(warm / time.Second)
	low, high := first, first
	for i := first; i < len(x); i++ {
		if x[i]-y[i] < x[low]-y[low] {
			low = i
		}
		if x[i]-y[i] > x[high]-y[high] {
			high = i
		}
	}
	p.difference = x[high] - y[high] - (x[low] - y[low])
	p.from, p.to = time.Duration(min(low, high))*time.Second, time.Duration(max(low, high))*time.Second
	return p
}

// uneven returns by how much what a caller gets over any interval may differ from its share, if at
// each instant the next request is one of the caller that has had least, divided by its
// weight, and nobody is ever away.
//
// Let m be the least that anybody has had. It never falls, and whoever is served had had m before.
// So nobody has had more than m and the largest of its own requests, and nobody less than m.
// A caller is above the average by no more than its own largest, less the part of that which is in the
// average, and below it by no more than the others' put into that. An interval in which it goes from one to the
// other differs by the sum, so a share of s by that divided by s.
func uneven(own map[string]float64, weights map[string]int64) (most float64) {
	of := func(caller string) float64 { return float64(max(1, weights[caller])) }
	all, sum := 0.0, 0.0
	for caller, largest := range own {
		all, sum = all+of(caller), sum+of(caller)*largest
	}
	for caller, largest := range own {
		others := (sum - of(caller)*largest) / all
		most = max(most, largest*(1-of(caller)/all)+others)
	}
	return most
}

// anyTen returns the least and the most that anybody got over any ten minutes, of a fair
// share, how many of the largest requests that is at least, by how much all differ from 1, the root of the mean
// square, and how many by more than a tenth.
func anyTen(sums map[string][]float64, total []float64, weights, largest float64) (least, most, share, off float64, outside int) {
	least, share = math.Inf(1), math.Inf(1)
	n := 0.0
	for from := int(warm / time.Second); from+int(over/time.Second) < len(total); from += 30 {
		to := from + int(over/time.Second)
		fair := (total[to] - total[from]) / weights
		share = min(share, fair/largest)
		for _, sum := range sums {
			x := (sum[to] - sum[from]) / fair
			least, most = min(least, x), max(most, x)
			n, off = n+1, off+(x-1)*(x-1)
			if math.Abs(x-1) > 0.1 {
				outside++
			}
		}
	}
	return least, most, share, math.Sqrt(off / n), outside
}

// stale is how old an instance's view of what others have sent may be.
const stale = time.Second

// usual is how many tokens the largest requests have, unless -largest says otherwise.
const usual = 200_000

// What the table of shares is made of. That of .github/measured.md is what these print:
//
//	go test -v -run TestFairShares -timeout 1h ./internal/simulation -seeds 1001,1002,1003,1004,1005
//	go test -v -run TestFairShares/table/.*_5_callers -timeout 1h -parallel 12 ./internal/simulation -seeds 1001 -emulator -lasts 22m
var (
	seeds      = flag.String("seeds", "101", "seeds of the table of shares, with commas between them")
	onEmulator = flag.Bool("emulator", false, "have the table of shares made on the Firestore emulator, in real time")
	atMost     = flag.Int64("largest", usual, "how many tokens the largest requests of the table of shares have")
	allPairs   = flag.Bool("pairs", false, "print what each two callers of the table of shares got apart")
	lasts      = flag.Duration("lasts", 30*time.Minute, "how long each run of the table of shares, or of TestToldToAnybody, lasts, more than twenty minutes")
)

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
// sizes s is 39 where twenty share, so a tenth is four requests. With mixed ones s is 7 to 8. By how
// much a share may differ if all are there and are served strictly by turns is printed beside
// it ([uneven]): a fifth there, so ten minutes are too short for a tenth, which takes twenty; and
// with what may be admitted while a hold and a view's staleness last. What comes of it where
// all is known TestAllPresent shows. Where all that a caller sends comes to one instance, as where it keeps its connections, no
// other one told it anything: it is by what projects keep of who waits that others leave it its turns. With -pairs what each two got apart is printed too, with the
// interval and VTC's bound by their own largest requests.
func TestFairShares(t *testing.T) {
	if testing.Short() {
		t.Skip("ten minutes of shares after ten minutes take too long for -short")
	}
	race.Skip(t)
	t.Parallel()
	var rows []string
	var mu sync.Mutex
	t.Run("table", func(t *testing.T) {
		for text := range strings.SplitSeq(*seeds, ",") {
			seed, err := strconv.ParseUint(text, 10, 64)
			require.NoError(t, err)
			for _, c := range []struct {
				callers     int
				mixed       bool
				least, most float64
				used        float64
				light       time.Duration
			}{
				{2, false, 0.9, 1.1, 0.97, 65 * time.Second}, {5, false, 0.9, 1.1, 0.97, 65 * time.Second}, {20, false, 0.85, 1.15, 0.97, 65 * time.Second},
				// The light caller should wait a window at most there too, but once waited for 86 s (seed 1002).
				{2, true, 0.9, 1.1, 0.94, 125 * time.Second}, {5, true, 0.85, 1.15, 0.94, 125 * time.Second}, {20, true, 0.8, 1.22, 0.95, 125 * time.Second},
			} {
				for _, at := range []string{"1 instances", "4 instances", "4 instances, each at one"} {
					instances, apart := int(at[0]-'0'), strings.HasSuffix(at, "one")
					if apart && c.callers == 2 {
						continue
					}
					t.Run(fmt.Sprintf("seed %d, %d callers, mixed %v, %s", seed, c.callers, c.mixed, at), func(t *testing.T) {
						t.Parallel()
						name, open := "memory", (func() storage.Store)(nil)
						if *onEmulator {
							name, open = "emulator", func() storage.Store {
								return gcpfirestore.New(emulatortest.Client(t), "fluxgate", storage.Options{})
							}
						}
						f := shares(t, heavy(c.callers, c.mixed), instances, apart, seed, *lasts, open)
						sizes := "equal"
						if c.mixed {
							sizes = "mixed"
						}
						mu.Lock()
						rows = append(rows, fmt.Sprintf("| %s | %2d %s | %s | %d | %s", name, c.callers, sizes, strings.Replace(at, " instances", "", 1), seed, f))
						mu.Unlock()
						for _, p := range f.pairs {
							if *allPairs {
								t.Logf("%s, %s: %.1f of the largest requests apart from %v to %v, by VTC's bound %.1f", p.a, p.b, p.difference, p.from, p.to, p.bound)
							}
							assert.LessOrEqual(t, p.difference, p.bound, "%s, %s", p.a, p.b)
						}
						if apart && c.callers == 20 && c.mixed {
							// Who books is ahead until each instance knows who waits at the others, and others are served first then.
							assert.LessOrEqual(t, f.off, 0.1)
						} else {
							assert.GreaterOrEqual(t, f.least, c.least)
							assert.LessOrEqual(t, f.most, c.most)
						}
						if c.callers == 20 && c.mixed && !apart {
							// It was 0.031 to 0.034 at one instance and 0.033 to 0.042 at four, where nobody for whom there was room
							// waited lest it be ahead of others, and is 0.026 to 0.033 and 0.021 to 0.033: ten runs of seed 101 gave 0.0287 on
							// average, give or take 0.0015, and 0.0279, give or take 0.0028. What is asked is four times that above, or more, so
							// it shows that shares got much worse, not that nobody waits. What that costs of what could
							// be sent at one instance takes it below 96%, which were asked then; 95% are what is meant to be sent.
							assert.LessOrEqual(t, f.off, map[int]float64{1: 0.036, 4: 0.04}[instances])
						}
						assert.LessOrEqual(t, f.difference, f.bound)
						assert.LessOrEqual(t, f.light, c.light)
						if *atMost == usual { // of smaller ones requests are used up before tokens
							used := c.used
							if apart {
								used -= 0.04 // five of mixed sizes sent 91.8 to 95.4%, 93.9% on average
							}
							assert.GreaterOrEqual(t, f.used, used)
						}
						assert.Zero(t, f.broken)
						assert.Zero(t, f.refused)
					})
				}
			}
		}
	})
	slices.Sort(rows)
	t.Logf("after ten minutes, over %v\n%s\n%s", *lasts-10*time.Minute, fairnessHead, strings.Join(rows, "\n"))
}

const fairnessHead = `| store | callers | instances | seed | shares of any ten minutes | differ from 1, root of the mean square, and by more than 0.1 | a share, in largest requests | by how much shares may differ by turns alone, and with what a hold admits | VTC difference | its bound | the bound at an even rate | light caller's wait p50, most | told too late p50, p90, p99 s | too early p50, p90, p99 s | capacity, minutes full in requests or tokens | tokens unused for want of requests, for holders that are due, for bookings to come, while none is there that would fit, or too few for any | requests of 150,000 tokens and more sent | calls, writes per admission | bookings broken | upstream 429s | store unavailable | decisions to send took p50, p90, p99 ms |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |`

// String returns the rest of its row in the table of shares.
func (f fairness) String() string {
	first := func(q [4]time.Duration) string {
		return fmt.Sprintf("%.0f, %.0f, %.0f", q[0].Seconds(), q[1].Seconds(), q[2].Seconds())
	}
	return fmt.Sprintf("%.2f..%.2f | %.4f, %d | %.1f | %.2f, %.2f | %.1f | %.1f | %.1f | %v, %v | %s | %s | %.1f%%, %.1f%% | %s%% | %d | %.1f, %.2f | %d | %d | %d | %d, %d, %d |",
		f.least, f.most, f.off, f.outside, f.share, f.ideal, f.held, f.difference, f.bound, f.steady, f.median.Round(time.Second), f.light.Round(time.Second),
		first(f.late), first(f.early), 100*f.used, 100*f.full, f.unused, f.large, f.calls, f.writes, f.broken, f.refused, f.unavailable, f.took[0].Milliseconds(), f.took[1].Milliseconds(), f.took[2].Milliseconds())
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
	f := shares(t, callers, 2, false, 7, 30*time.Minute, nil)
	assert.Zero(t, f.refused)
	t.Logf("a weight of 3 of 7: shares by weight %.2f..%.2f %v", f.least, f.most, f.of)
	assert.GreaterOrEqual(t, f.least, 0.9)
	assert.LessOrEqual(t, f.most, 1.1)
}
