package simulation

import (
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
)

const tpm = 250_000

// A job is callers in a closed loop: each has its next request when the one
// before is answered, comes back whenever it is told to, at most tardy late, and
// resends the same.
type job struct {
	*world
	waiting  []*request // in the order in which they were first asked for
	served   []*request
	answered time.Duration // when the last answer came
}

const tardy = 100 * time.Millisecond

// call has a caller work on requests of the sizes that next returns, until
// there are none.
func (j *job) call(next func() (tokens int64, ok bool)) {
	tokens, ok := next()
	if !ok {
		return
	}
	r := j.request(tokens)
	r.ahead = j.ahead(tokens)
	j.waiting = append(j.waiting, r)
	j.try(r, func() { j.call(next) })
}

func (j *job) try(r *request, then func()) {
	if _, wait := j.ask(r); wait != nil {
		late := time.Duration(j.rnd.Int64N(int64(tardy)))
		j.after(j.told(wait, r)+late, func() { j.try(r, then) })
		return
	}
	r.waited = j.elapsed() - r.asked
	j.waiting = slices.DeleteFunc(j.waiting, func(x *request) bool { return x == r })
	j.served = append(j.served, r)
	j.after(latency, func() {
		j.answered = j.elapsed()
		then()
	})
}

// ahead is the time that the work ahead of a request takes: what has been sent
// and what others asked for before it, in tokens times the time that they
// count, spread evenly over the pool. A request that finds no project with
// enough room left has one more thing ahead of it that can't be spread: the
// project in which there is room first.
//
// It is what the product reckons with, a window of 60 s and the skew.
func (j *job) ahead(tokens int64) time.Duration {
	now := j.elapsed()
	ahead := j.upstream.left(now, pool)
	for _, r := range j.waiting {
		ahead += max(j.upstream.cooldown(r.tokens)/pool, time.Minute/time.Duration(pool*j.upstream.limits.RPM))
	}
	ahead = max(ahead, j.upstream.room(now, tokens, pool))
	return time.Duration(float64(ahead) * float64(scheduler.Window+j.rules.Skew) / float64(scheduler.Window))
}

// patience is the longest that a request may wait: twice the time that the work
// ahead of it takes, and what its caller adds: whole seconds, coming late.
func (r *request) patience() time.Duration {
	return 2*r.ahead + time.Duration(r.refused)*(time.Second+tardy)
}

// Requests from 10k to 1M tokens, four times what a project takes in a minute:
// whether they are packed well and whether the large ones starve.
func TestMixedSizes(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	t.Run("of callers that say that they are punctual", func(t *testing.T) { mixedSizes(t, true, 1.05) })
	// That whoever may come late is kept its slot for the hold costs one in a hundred.
	t.Run("of callers that may come late", func(t *testing.T) { mixedSizes(t, false, 1.06) })
}

// mixedSizes asserts that it takes no longer than so many times what it takes at least.
func mixedSizes(t *testing.T, punctual bool, most float64) {
	t.Parallel()
	const (
		callers  = 32
		requests = 1600
	)
	synctest.Test(t, func(t *testing.T) {
		j := &job{world: newWorld(t, pool, scheduler.Limits{RPM: rpm, TPM: tpm, RPD: scheduler.Unlimited})}
		j.punctual = punctual
		var sizes []int64
		var sum, largest int64
		for range requests {
			n := int64(10_000 * math.Pow(100, j.rnd.Float64())) // log-uniform
			sizes = append(sizes, n)
			sum += n
			largest = max(largest, n)
		}
		for range callers {
			j.call(func() (n int64, ok bool) {
				if len(sizes) > 0 {
					n, sizes, ok = sizes[0], sizes[1:], true
				}
				return n, ok
			})
		}
		j.run(24 * time.Hour)
		require.Len(t, j.served, requests)
		assert.Zero(t, j.upstream.violations())

		// With a window of 60 s a project takes TPM tokens a minute, so the pool
		// needs at least
		bound := j.upstream.cooldown(sum) / pool
		// This counts as if everything could be packed without a gap, so it is
		// below every bound that also counts what can't be: requests of more than
		// half of TPM, of which no two share a window, the half second of skew
		// after each, and the end, when fewer requests are left than would fill
		// the pool. The last answer comes before the last request's tokens have
		// left their window. When they have, the end can be counted exactly:
		// while the last request keeps its project busy nothing need be left for
		// the other seven.
		tail := time.Duration(float64(j.upstream.cooldown(largest)) * (pool - 1) / pool)
		drained := j.upstream.drained()
		t.Logf("%d requests, %d tokens: bound %v, last answer after %v: %.3f; drained after %v: %.3f of the bound and its tail of %v",
			requests, sum, bound.Round(time.Second), j.answered.Round(time.Second), ratio(j.answered, bound),
			drained.Round(time.Second), ratio(drained, bound+tail), tail.Round(time.Second))
		assert.LessOrEqual(t, ratio(j.answered, bound), most)
		assert.LessOrEqual(t, ratio(drained, bound+tail), most)

		j.assertTurns(t, 0)
		t.Logf("%.2f writes per admission", float64(j.store.Stats().Writes)/requests)
	})
}

// Two hundred callers whose small requests fill every gap, beside four whose
// requests need a whole project for four minutes: if small ones were let in
// wherever they fit, no project would ever be empty.
func TestLargeRequestsAreServedInTheirTurn(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	const small, large = 20_000, 1_000_000
	synctest.Test(t, func(t *testing.T) {
		j := &job{world: newWorld(t, pool, scheduler.Limits{RPM: 15, TPM: tpm, RPD: scheduler.Unlimited})}
		until := func(tokens int64) func() (int64, bool) {
			return func() (int64, bool) { return tokens, j.elapsed() < hour }
		}
		for range 200 {
			j.after(time.Duration(j.rnd.Int64N(int64(time.Minute))), func() { j.call(until(small)) })
		}
		for range 4 {
			j.after(time.Minute, func() { j.call(until(large)) })
		}
		j.run(24 * time.Hour)
		assert.Zero(t, j.upstream.violations())
		assert.Empty(t, j.waiting)
		t.Logf("used %.1f%% of TPM", 100*float64(j.upstream.tokens(hour))/(tpm*pool*hour.Minutes()))
		j.assertTurns(t, 0)
		j.assertTurns(t, large)
	})
}

// assertTurns asserts that no request of at least that size waited longer than
// what was ahead of it justifies.
func (j *job) assertTurns(t *testing.T, atLeast int64) {
	var n int
	var longest, sum time.Duration
	var worst *request
	for _, r := range j.served {
		if r.tokens < atLeast {
			continue
		}
		n++
		sum += r.waited
		longest = max(longest, r.waited)
		if r.refused > 0 && (worst == nil || ratio(r.waited, r.patience()) > ratio(worst.waited, worst.patience())) {
			worst = r
		}
		assert.LessOrEqual(t, r.waited, r.patience(), "%d tokens, first asked for at %v, refused %d times, work ahead %v", r.tokens, r.asked, r.refused, r.ahead)
	}
	require.NotNil(t, worst, "nobody had to wait")
	t.Logf("%d requests from %d tokens on: mean wait %v, longest %v; worst %v for %d tokens with %v of work ahead",
		n, atLeast, (sum / time.Duration(n)).Round(time.Second), longest.Round(time.Second), worst.waited.Round(time.Second), worst.tokens, worst.ahead.Round(time.Second))
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }
