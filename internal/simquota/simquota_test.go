package simquota

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var start = time.Date(2026, 11, 29, 23, 59, 0, 0, time.UTC)

func requests(n int64) Amounts { return Amounts{Requests: n} }

func ledger(limits ...Limit) *Ledger {
	return NewLedger(func(string, string) []Limit { return limits })
}

// TestSteps: what is admitted when, and how long the rest is told to wait.
func TestSteps(t *testing.T) {
	type step struct {
		at    time.Duration
		want  Amounts
		wait  time.Duration // 0: admitted
		never bool
	}
	s := func(seconds float64) time.Duration { return time.Duration(math.Round(seconds*1e3)) * time.Millisecond }
	for _, c := range []struct {
		name   string
		limits []Limit
		steps  []step
	}{
		{"a bucket is filled evenly", []Limit{PerMinute(Requests, 60)}, []step{
			{0, requests(60), 0, false}, {0, requests(1), s(1), false}, {s(0.999), requests(1), s(0.001), false},
			{s(1), requests(1), 0, false}, {s(1), requests(2), s(2), false}, {s(61), requests(60), 0, false},
		}},
		{"60 a minute, enforced as one a second", []Limit{{Dimension: Requests, Amount: 60, Per: time.Minute, Burst: 1}}, []step{
			{0, requests(1), 0, false}, {0, requests(1), s(1), false}, {s(1), requests(1), 0, false}, {s(10), requests(1), 0, false},
			{s(10), requests(1), s(1), false},
		}},
		{"what is larger than a burst leaves a debt", []Limit{{Dimension: Tokens, Amount: 600, Per: time.Minute, Burst: 10}}, []step{
			{0, Amounts{Tokens: 100}, 0, false}, {s(5), Amounts{Tokens: 1}, s(4.1), false}, {s(9.1), Amounts{Tokens: 1}, 0, false},
			{s(9.1), Amounts{Tokens: 601}, 0, true},
		}},
		{"a trailing minute", []Limit{{Dimension: Requests, Amount: 2, Per: time.Minute, Kind: Sliding}}, []step{
			{0, requests(1), 0, false}, {s(20), requests(1), 0, false}, {s(30), requests(1), s(30), false}, {s(30), requests(2), s(50), false},
			{s(60), requests(1), 0, false}, {s(60), requests(1), s(20), false}, {s(80), requests(1), 0, false},
		}},
		{"a day ends at midnight", []Limit{{Dimension: Requests, Amount: 1, Per: 24 * time.Hour, Kind: Calendar}}, []step{
			{0, requests(1), 0, false}, {s(10), requests(1), s(50), false}, {s(60), requests(1), 0, false}, {s(61), requests(1), 24*time.Hour - s(1), false},
		}},
		{"the longest wait of several counts", []Limit{PerMinute(Requests, 60), PerMinute(Tokens, 600)}, []step{
			{0, Amounts{Requests: 60, Tokens: 600}, 0, false}, {0, Amounts{Requests: 1, Tokens: 300}, s(30), false},
			{s(30), Amounts{Requests: 1, Tokens: 300}, 0, false}, {s(30), Amounts{Requests: 1, Tokens: 1}, s(0.1), false},
		}},
		{"no quota at all", []Limit{PerDay(Requests, 0)}, []step{{0, requests(1), 0, true}}},
		{"no limit", []Limit{PerDay(Requests, -1)}, []step{{0, requests(1e9), 0, false}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := ledger(c.limits...)
			for i, step := range c.steps {
				_, r := l.Try(start.Add(step.at), "p", "m", step.want)
				if step.wait == 0 && !step.never {
					require.Nil(t, r, "step %d", i)
					continue
				}
				require.NotNil(t, r, "step %d", i)
				assert.Equal(t, step.wait, r.Wait, "step %d", i)
				assert.Equal(t, step.never, r.Never, "step %d", i)
			}
		})
	}
}

// TestToldWaitsAreTrue: whoever comes back after the wait is admitted, and a second
// before isn't, whatever was charged, settled and added before.
func TestToldWaitsAreTrue(t *testing.T) {
	for _, kind := range []Kind{Bucket, Sliding, Calendar} {
		r := rand.New(rand.NewPCG(1, uint64(kind)))
		per := time.Minute
		if kind == Calendar {
			per = 24 * time.Hour
		}
		limit := Limit{Dimension: Tokens, Amount: 1000, Per: per, Kind: kind}
		l := ledger(limit)
		now := start
		refusals := 0
		for range 2000 {
			now = now.Add(time.Duration(r.Int64N(int64(10 * time.Second))))
			want := Amounts{Tokens: 1 + r.Int64N(600)}
			c, refused := l.Try(now, "p", "m", want)
			if refused == nil {
				if r.IntN(2) == 0 {
					l.Settle(now.Add(time.Second), c, Amounts{Tokens: r.Int64N(600)})
					now = now.Add(time.Second)
				}
				l.Done(c)
				continue
			}
			refusals++
			if refused.Wait > time.Second { // less than which a crumb may be worth
				_, early := l.Try(now.Add(refused.Wait-time.Second), "p", "m", want)
				require.NotNil(t, early)
			}
			now = now.Add(refused.Wait)
			_, refused = l.Try(now, "p", "m", want)
			require.Nil(t, refused)
		}
		assert.NotZero(t, refusals)
		assert.Equal(t, refusals, 2000-(l.Total().Accepted-refusals), "each that was refused came back")
	}
}

// TestPeak: a full bucket lets through twice its limit in the first minute but a moment, a
// window no more than the limit.
func TestPeak(t *testing.T) {
	for kind, want := range map[Kind]int64{Bucket: 119, Sliding: 60} {
		l := ledger(Limit{Dimension: Requests, Amount: 60, Per: time.Minute, Kind: kind})
		for i := range 1800 {
			l.Try(start.Add(time.Duration(i)*100*time.Millisecond), "p", "m", requests(1))
		}
		assert.Equal(t, want, l.Peak("p", "m", Requests, time.Minute), kind)
	}
}

// TestStandings: what headers say of each limit.
func TestStandings(t *testing.T) {
	l := ledger(PerDay(Requests, 10_000), PerMinute(Tokens, 6000), Limit{Dimension: Requests, Amount: 5, Per: time.Minute, Kind: Sliding},
		Limit{Dimension: Requests, Amount: 2, Kind: AtOnce})
	c, _ := l.Try(start, "p", "m", Amounts{Requests: 1, Tokens: 600})
	s := l.Standings(start, "p", "m")
	assert.Equal(t, []int64{9999, 5400, 4, 1}, []int64{s[0].Remaining, s[1].Remaining, s[2].Remaining, s[3].Remaining})
	assert.Equal(t, 8640*time.Millisecond, s[0].Full, "as captured of OpenAI")
	assert.Equal(t, 6*time.Second, s[1].Full)
	assert.Equal(t, time.Minute, s[2].Full)

	l.Settle(start, c, Amounts{Requests: 1, Tokens: 60})
	assert.EqualValues(t, 5940, l.Standings(start, "p", "m")[1].Remaining)
	l.Add(start, "p", "m", Amounts{Tokens: 6000})
	assert.EqualValues(t, 0, l.Standings(start, "p", "m")[1].Remaining)
	assert.Equal(t, Amounts{Requests: 1, Tokens: 6060}, l.Used("p", "m"))
}

// TestAtOnce: a request counts until it is done.
func TestAtOnce(t *testing.T) {
	l := ledger(Limit{Dimension: Requests, Amount: 1, Kind: AtOnce})
	c, r := l.Try(start, "p", "m", requests(1))
	require.Nil(t, r)
	_, r = l.Try(start, "p", "m", requests(1))
	require.NotNil(t, r)
	assert.False(t, r.Never)
	l.Done(c)
	l.Done(c)
	_, r = l.Try(start, "p", "m", requests(1))
	require.Nil(t, r)
	_, r = l.Try(start, "p", "m", requests(1))
	require.NotNil(t, r, "done twice is done once")
	assert.Equal(t, Counts{2, 2}, l.Counts("p", "m"))
}
