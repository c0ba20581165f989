package quota

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// start is the start of a minute.
var start = time.Date(2026, 6, 10, 19, 0, 0, 0, time.UTC)

// TestWindowScripts walks each kind of window through arrivals. A zero wait
// means the step is admitted and counted; otherwise nothing is.
func TestWindowScripts(t *testing.T) {
	type step struct {
		at   time.Duration // since the start of a minute
		n    int64
		wait time.Duration
	}
	const ms, s = time.Millisecond, time.Second
	for _, tc := range []struct {
		name   string
		window Window
		limit  int64
		steps  []step
	}{
		{"sliding: the oldest leaves after exactly 60 s", SlidingLog, 2, []step{
			{0, 1, 0}, {10 * s, 1, 0}, {59999 * ms, 1, ms}, {60 * s, 1, 0}, {60 * s, 1, 10 * s}, {70 * s, 1, 0}}},
		{"sliding: waits for as many as are needed, not for the first", SlidingLog, 10, []step{
			{0, 3, 0}, {5 * s, 3, 0}, {9 * s, 4, 0}, {20 * s, 3, 40 * s}, {20 * s, 4, 45 * s}, {20 * s, 10, 49 * s}}},
		{"sliding: an amount of exactly the limit fits an empty window", SlidingLog, 10, []step{
			{0, 10, 0}, {s, 1, 59 * s}}},
		{"sliding: four limits at once fill four minutes", SlidingLog, 250, []step{
			{0, 1000, 0}, {60 * s, 1, 180 * s}, {240*s - ms, 1, ms}, {240 * s, 250, 0}}},
		{"sliding: an oversize request needs an empty window", SlidingLog, 250, []step{
			{0, 1, 0}, {30 * s, 500, 30 * s}, {60 * s, 500, 0}, {179 * s, 1, s}, {180 * s, 1, 0}}},
		{"fixed: starts afresh at the minute, so two limits fit around it", FixedMinute, 2, []step{
			{59 * s, 2, 0}, {59500 * ms, 1, 500 * ms}, {60 * s, 2, 0}, {61 * s, 1, 59 * s}}},
		{"fixed: four limits at once fill four minutes", FixedMinute, 250, []step{
			{30 * s, 1000, 0}, {120 * s, 1, 150 * s}, {270 * s, 250, 0}, {271 * s, 1, 29 * s}}},
		{"bucket: starts full and refills evenly", TokenBucket, 10, []step{
			{0, 10, 0}, {s, 1, 5 * s}, {6 * s, 1, 0}, {6 * s, 2, 12 * s}, {18 * s, 2, 0}}},
		{"bucket: never holds more than a minute's worth", TokenBucket, 10, []step{
			{0, 1, 0}, {600 * s, 10, 0}, {600 * s, 1, 6 * s}}},
		{"bucket: an oversize request leaves a debt", TokenBucket, 250, []step{
			{0, 1000, 0}, {60 * s, 1, 120*s + 240*ms}, {240*s - ms, 250, ms}, {240 * s, 250, 0}}},
		{"bucket: a limit too large for exact refills is no limit", TokenBucket, largestBucket + 1, []step{
			{0, 1 << 40, 0}, {0, 1 << 40, 0}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWindow(tc.window)
			for i, st := range tc.steps {
				now := start.Add(st.at).UnixNano()
				require.Equal(t, st.wait, w.wait(now, st.n, tc.limit), "step %d", i)
				if st.wait == 0 {
					w.add(now, st.n, tc.limit)
				}
			}
		})
	}
}

// TestWindowLimitChanges: limits are an argument, so what has arrived counts
// against the limit of the moment.
func TestWindowLimitChanges(t *testing.T) {
	now := start.UnixNano()
	for _, kind := range []Window{SlidingLog, FixedMinute, TokenBucket} {
		w := newWindow(kind)
		require.Zero(t, w.wait(now, 8, 10))
		w.add(now, 8, 10)
		assert.Positive(t, w.wait(now, 3, 10), "window %d", kind)
		assert.Positive(t, w.wait(now, 1, 5), "window %d: fewer than what was used", kind)
	}
	// An oversize request that the raised limit takes in its stride.
	w := newWindow(SlidingLog)
	w.add(now, 1000, 250)
	assert.Equal(t, 4*time.Minute, w.wait(now, 1, 250))
	assert.Zero(t, w.wait(now, 1, 2000))
}

// TestSlidingLogAgainstScan compares the log's running sums, binary search and
// compaction with the definition, over long random histories.
func TestSlidingLogAgainstScan(t *testing.T) {
	type sent struct{ at, n int64 }
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		limit := 1 + rng.Int64N(400)
		var l slidingLog
		var all []sent
		now := start.UnixNano()
		fits := func(at, n int64) bool {
			var sum int64
			for _, s := range all {
				if s.at > at-minute {
					sum += s.n
				}
			}
			return sum+n <= limit
		}
		for range 1500 {
			now += rng.Int64N(int64(2 * time.Second))
			n := 1 + rng.Int64N(min(limit, 9))
			wait := int64(l.wait(now, n, limit))
			require.True(t, fits(now+wait, n), "seed %d: the wait is too short", seed)
			if wait > 0 {
				require.False(t, fits(now+wait-1, n), "seed %d: the wait is too long", seed)
				continue
			}
			l.add(now, n, limit)
			all = append(all, sent{now, n})
			if len(all) > 500 { // what is older is out of any window here
				all = all[1:]
			}
		}
		require.Less(t, len(l.entries), 1000, "entries that left must be dropped")
	}
}

// TestSlidingLogIsTheStrictest: what a sliding log admits, oversize requests
// included, the other windows admit too. The product relies on it.
func TestSlidingLogIsTheStrictest(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 2))
		limit := 1 + rng.Int64N(300)
		log, others := newWindow(SlidingLog), []window{newWindow(FixedMinute), newWindow(TokenBucket)}
		now, admitted := start.UnixNano()+rng.Int64N(minute), 0
		for range 2000 {
			n := 1 + rng.Int64N(limit)
			if rng.IntN(10) == 0 {
				n = limit + rng.Int64N(3*limit)
			}
			if wait := log.wait(now, n, limit); wait > 0 && rng.IntN(2) == 0 {
				now += int64(wait) // come back at the very instant
			} else {
				now += rng.Int64N(int64(20 * time.Second))
			}
			if log.wait(now, n, limit) > 0 {
				continue
			}
			admitted++
			log.add(now, n, limit)
			for _, w := range others {
				require.Zero(t, w.wait(now, n, limit), "seed %d: %T refuses", seed, w)
				w.add(now, n, limit)
			}
		}
		require.Greater(t, admitted, 100)
	}
}

func BenchmarkSlidingLog(b *testing.B) {
	const limit = 20_000
	var l slidingLog
	now := start.UnixNano()
	for b.Loop() {
		if l.wait(now, 1, limit) == 0 {
			l.add(now, 1, limit)
		}
		now += int64(2 * time.Millisecond) // half as much again as the limit
	}
}
