package budget

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/usage/price"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

const (
	pro       = "gemini-2.5-pro"
	flashLite = "gemini-2.5-flash-lite"
)

// A world is a store and a clock, which several instances share.
type world struct {
	*storage.Memory
	now  time.Time
	down bool
}

func newWorld(t *testing.T) *world {
	w := &world{Memory: storage.NewMemory(nil), now: time.Date(2026, 11, 29, 20, 0, 0, 0, time.UTC)} // noon, Pacific
	t.Cleanup(func() { _ = w.Close(context.Background()) })
	return w
}

var errDown = errors.New("the store is out of reach")

func (w *world) UpdateRecord(ctx context.Context, name string, change func([]byte) ([]byte, error)) ([]byte, error) {
	if w.down {
		return nil, errDown
	}
	return w.Memory.UpdateRecord(ctx, name, change)
}

// instance returns a ledger of the world with alice's budget.
func (w *world) instance(b Limits) *Ledger {
	return New(Options{Records: w, Now: func() scheduler.Instant { return scheduler.At(w.now) }, Budgets: map[string]Limits{"alice": b, "bob": {}}})
}

func tokens(n int64) *int64 { return &n }

func dollars(d float64) *price.Pico { return new(price.Pico(d * 1e12)) }

// ask takes a share, and returns until when it is refused; zero: it isn't.
func ask(t *testing.T, l *Ledger, input int64, models ...string) (*Share, time.Time) {
	t.Helper()
	share, refused, err := l.Take(t.Context(), "alice", append(models, pro), input)
	require.NoError(t, err)
	if refused != nil {
		require.Nil(t, share)
		return nil, refused.Reset
	}
	return share, time.Time{}
}

// answer has a request go and answered.
func answer(t *testing.T, l *Ledger, input, output int64) {
	t.Helper()
	share, refused := ask(t, l, input)
	require.Zero(t, refused)
	l.Spend("alice", pro, input, 0, output)
	share.GiveBack()
}

func left(t *testing.T, l *Ledger) map[string]float64 {
	t.Helper()
	all, err := l.Left(t.Context(), "alice")
	require.NoError(t, err)
	out := map[string]float64{}
	for _, x := range all {
		out[x.Name] = x.Left
	}
	return out
}

// Who only asks takes nothing, and is told what who takes would be.
func TestWould(t *testing.T) {
	w := newWorld(t)
	l := w.instance(Limits{TokensPerDay: tokens(100_000)})
	assert.Empty(t, l.Known("alice"), "nothing is known yet, and nothing is asked")
	would := func(input int64) time.Time {
		t.Helper()
		refused, err := l.Would(t.Context(), "alice", []string{pro}, input)
		require.NoError(t, err)
		if refused == nil {
			return time.Time{}
		}
		return refused.Reset
	}
	for range 100 {
		require.Zero(t, would(50_000))
	}
	answer(t, l, 60_000, 30_000)
	known := l.Known("alice")
	require.Len(t, known, 1)
	assert.InDelta(t, 10_000, known[0].Left, 0)
	assert.Equal(t, 24*time.Hour, known[0].Period)
	assert.Equal(t, midnight, would(5000))
	assert.Zero(t, would(1000))
	_, err := l.Would(t.Context(), "alice", []string{pro}, 100_001)
	assert.Equal(t, &NeverError{"TokensPerDayPerCaller", "100000", "100001"}, err)
	refused, err := l.Would(t.Context(), "bob", []string{pro}, 1<<40)
	assert.True(t, refused == nil && err == nil, "he has none")

	// Another instance, a minute later, knows what was spent here.
	require.NoError(t, l.Flush(t.Context()))
	other := w.instance(Limits{TokensPerDay: tokens(100_000)})
	refused, err = other.Would(t.Context(), "alice", []string{pro}, 5000)
	require.NoError(t, err)
	require.NotNil(t, refused)
	assert.Equal(t, midnight, refused.Reset)
	w.now = midnight
	assert.Zero(t, would(50_000), "another day")
}

var (
	midnight = time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	first    = time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)
)

// What is spent counts until midnight, or the first of the month, Pacific time; whoever is over
// both waits for the later.
func TestBudget(t *testing.T) {
	w := newWorld(t)
	l := w.instance(Limits{TokensPerDay: tokens(100_000), TokensPerMonth: tokens(150_000), DollarsPerDay: dollars(1)})
	answer(t, l, 60_000, 30_000) // $0.375
	assert.Equal(t, map[string]float64{"tokens_per_day": 10_000, "tokens_per_month": 60_000, "dollars_per_day": 0.625}, left(t, l))
	_, until := ask(t, l, 5000)
	assert.Equal(t, midnight, until, "5,000 tokens and an answer of 8,192 are more than is left of the day")
	share, until := ask(t, l, 1000)
	require.Zero(t, until)
	share.GiveBack()
	_, _, err := l.Take(t.Context(), "alice", []string{pro}, 100_001)
	assert.Equal(t, &NeverError{"TokensPerDayPerCaller", "100000", "100001"}, err)
	share, refused, err := l.Take(t.Context(), "bob", []string{pro}, 1<<40)
	assert.True(t, share == nil && refused == nil && err == nil, "he has none")

	w.now = midnight
	assert.InDelta(t, 100_000, left(t, l)["tokens_per_day"], 0)
	answer(t, l, 50_000, 5000) // of 60,000 that are left of the month
	_, until = ask(t, l, 5000)
	assert.Equal(t, first, until)
	w.now = first
	answer(t, l, 50_000, 5000)
}

// An answer is counted as it was, longer or shorter than it was reckoned with; one of which
// nobody knows, as it was reckoned with.
func TestAnswersCountAsTheyWere(t *testing.T) {
	w := newWorld(t)
	l := w.instance(Limits{TokensPerDay: tokens(50_000)})
	answer(t, l, 100, 20_000)
	answer(t, l, 100, 10)
	assert.InDelta(t, 50_000-20_210, left(t, l)["tokens_per_day"], 0)
	share, _ := ask(t, l, 808)
	share.Keep()
	share.GiveBack()
	assert.InDelta(t, 50_000-20_210-9000, left(t, l)["tokens_per_day"], 0)
	answer(t, l, 100, 30_000)
	assert.Zero(t, left(t, l)["tokens_per_day"])
	_, until := ask(t, l, 1)
	assert.Equal(t, midnight, until)
}

// Dollars are reckoned with by the dearest model that may answer. What has no price is as dear
// as the dearest that has one.
func TestDollars(t *testing.T) {
	w := newWorld(t)
	l := w.instance(Limits{DollarsPerMonth: dollars(0.1)})
	l.Spend("alice", flashLite, 10, 0, 0)
	_, until := ask(t, l, 20_000, flashLite) // $0.025 and $0.08192, of pro
	assert.Equal(t, first, until)
	w.now = w.now.Add(againAfter)
	share, refused, err := l.Take(t.Context(), "alice", []string{flashLite}, 20_000)
	require.NoError(t, err)
	require.Nil(t, refused)
	l.Spend("alice", flashLite, 20_000, 0, 1000) // $0.002 and $0.0004
	share.GiveBack()
	assert.InDelta(t, 0.097599, left(t, l)["dollars_per_month"], 1e-12)
	table := price.List("2026-11-29")
	l.Spend("alice", "gemini-99-ultra", 100, 0, 10)
	assert.InDelta(t, 0.097599-table.Dearest(100, 0, 10).Dollars(), left(t, l)["dollars_per_month"], 1e-12)
	assert.NotZero(t, table.Dearest(100, 0, 10))
}

// Nothing goes with a budget of nothing.
func TestNothing(t *testing.T) {
	w := newWorld(t)
	_, until := ask(t, w.instance(Limits{DollarsPerDay: dollars(0)}), 1)
	assert.Equal(t, midnight, until)
}

// Many instances never spend more than there is, however they come and go, and most requests
// write nothing.
func TestInstances(t *testing.T) {
	w := newWorld(t)
	const budget = 2_000_000
	b := Limits{TokensPerDay: tokens(budget)}
	var spent int64
	var mu sync.Mutex
	for generation := range 3 {
		var wg sync.WaitGroup
		for n := range 8 {
			l := w.instance(b)
			wg.Go(func() {
				for i := range 40 {
					share, refused, err := l.Take(t.Context(), "alice", []string{pro}, 1000)
					if !assert.NoError(t, err) || refused != nil {
						return
					}
					used := int64(100 * (1 + (i+n)%80)) // never more than was reckoned with
					l.Spend("alice", pro, 1000, 0, used)
					share.GiveBack()
					mu.Lock()
					spent += 1000 + used
					mu.Unlock()
				}
				if (n+generation)%2 == 0 { // others are killed
					assert.NoError(t, l.Flush(t.Context()))
				}
			})
		}
		wg.Wait()
	}
	assert.LessOrEqual(t, spent, int64(budget))
	assert.Greater(t, spent, int64(budget*3/4))
	assert.Less(t, w.Stats().Control, int64(1000), "of nine hundred requests")
	_, until := ask(t, w.instance(b), 100_000)
	assert.NotZero(t, until)
}

// What is on its way was reckoned with. Who is refused for that alone is told to come back
// soon; what an instance took with it is spent once nothing can be on its way.
func TestWhatIsOnItsWay(t *testing.T) {
	w := newWorld(t)
	b := Limits{TokensPerDay: tokens(10_000)}
	l, other := w.instance(b), w.instance(b)
	share, _ := ask(t, l, 1000)
	for _, x := range []*Ledger{l, other} {
		_, until := ask(t, x, 1000)
		assert.Equal(t, w.now.Add(againAfter), until)
	}
	l.Spend("alice", pro, 1000, 0, 10)
	share.GiveBack()
	require.NoError(t, l.Flush(t.Context()))
	w.now = w.now.Add(againAfter)
	_, until := ask(t, other, 500)
	assert.Zero(t, until)

	w.now = w.now.Add(2 * time.Hour) // other was killed with its share
	_, until = ask(t, l, 1000)
	assert.Equal(t, midnight, until)
}

// Without the store nothing goes beyond what is leased.
func TestFailsClosed(t *testing.T) {
	w := newWorld(t)
	l := w.instance(Limits{TokensPerDay: tokens(1_000_000)})
	w.down = true
	_, _, err := l.Take(t.Context(), "alice", []string{pro}, 1000)
	require.ErrorIs(t, err, errDown)
	w.down, w.now = false, w.now.Add(time.Second)
	answer(t, l, 1000, 1000)
	w.down = true
	went := 0
	for ; went < 1000; went++ {
		share, _, err := l.Take(t.Context(), "alice", []string{pro}, 1000)
		if err != nil {
			assert.ErrorIs(t, err, errDown)
			break
		}
		l.Spend("alice", pro, 1000, 0, 8000)
		share.GiveBack()
	}
	assert.Less(t, went, 20)
	_, err = w.Memory.UpdateRecord(t.Context(), recordOf("alice"), func([]byte) ([]byte, error) { return []byte("{"), nil })
	require.NoError(t, err)
	w.down, w.now = false, w.now.Add(time.Minute)
	_, _, err = l.Take(t.Context(), "alice", []string{pro}, 1_000)
	assert.ErrorContains(t, err, "read budget", "what can't be read is not taken for nothing")
}

// leaving is a store whose caller hangs up once, while it changes a record.
type leaving struct {
	*world
	leave func()
}

func (l leaving) UpdateRecord(ctx context.Context, name string, change func([]byte) ([]byte, error)) ([]byte, error) {
	l.leave()
	return l.world.UpdateRecord(ctx, name, change)
}

// Who hangs up while its budget is written down costs nobody its turn who has the same one.
func TestWhoLeavesCostsNobodyElse(t *testing.T) {
	w := newWorld(t)
	ctx, leave := context.WithCancel(t.Context())
	l := New(Options{Records: leaving{w, leave}, Now: func() scheduler.Instant { return scheduler.At(w.now) }, Budgets: map[string]Limits{"alice": {TokensPerDay: tokens(100_000)}}})
	_, _, err := l.Take(ctx, "alice", []string{pro}, 1)
	require.ErrorIs(t, err, context.Canceled)
	_, until := ask(t, l, 1)
	assert.Zero(t, until)
}

// A page that is left open reads a record once a minute.
func TestLookingCostsLittle(t *testing.T) {
	w := newWorld(t)
	l, other := w.instance(Limits{TokensPerDay: tokens(50_000)}), w.instance(Limits{TokensPerDay: tokens(50_000)})
	assert.InDelta(t, 50_000, left(t, other)["tokens_per_day"], 0)
	answer(t, l, 1000, 1000)
	require.NoError(t, l.Flush(t.Context()))
	before := w.Stats().Control
	for range 100 {
		assert.InDelta(t, 50_000, left(t, other)["tokens_per_day"], 0)
		assert.InDelta(t, 48_000, left(t, l)["tokens_per_day"], 0)
	}
	assert.Equal(t, before, w.Stats().Control, "no reads")
	w.now = w.now.Add(readFor)
	assert.InDelta(t, 48_000, left(t, other)["tokens_per_day"], 0)
}

// A record keeps its bound, and no sum is lost by it: an instance that was added to the others
// goes on in a row of its own.
func TestRecordIsBounded(t *testing.T) {
	w := newWorld(t)
	b := Limits{TokensPerMonth: tokens(10_000_000)}
	l := w.instance(b)
	answer(t, l, 5000, 0)
	require.NoError(t, l.Flush(t.Context()))
	for range maxRows + 5 {
		o := w.instance(b)
		answer(t, o, 1000, 0)
		require.NoError(t, o.Flush(t.Context()))
	}
	answer(t, l, 5000, 0)
	require.NoError(t, l.Flush(t.Context()))
	assert.InDelta(t, 10_000_000-10_000-1000*(maxRows+5), left(t, w.instance(b))["tokens_per_month"], 0)
	data, err := w.Record(t.Context(), recordOf("alice"))
	require.NoError(t, err)
	assert.Less(t, len(data), 8<<10)
	w.now = first.AddDate(0, 0, 3)
	answer(t, l, 5000, 0)
	require.NoError(t, l.Flush(t.Context()))
	data, err = w.Record(t.Context(), recordOf("alice"))
	require.NoError(t, err)
	assert.Less(t, len(data), 500, fmt.Sprintf("what counts no longer is dropped: %s", data))
}

// What an instance had leased when it was killed is spent on its day and in its month. An hour
// into the next nothing of it can be on its way, and it is in nobody's way any more.
func TestWhatWasLeasedEnds(t *testing.T) {
	w := newWorld(t)
	b := Limits{TokensPerDay: tokens(100_000), TokensPerMonth: tokens(1_000_000)}
	_, until := ask(t, w.instance(b), 1000) // and it is killed
	require.Zero(t, until)
	l := w.instance(b)
	for _, c := range []struct {
		at         time.Time
		day, month bool // it counts
	}{
		{w.now, true, true},
		{midnight, true, true},
		{midnight.Add(leasedFor - time.Minute), true, true},
		{midnight.Add(leasedFor), false, true},
		{first.Add(-time.Second), false, true},
		{first, false, false},
	} {
		w.now = c.at
		now := left(t, l)
		assert.Equal(t, c.day, now["tokens_per_day"] < 100_000, c.at)
		assert.Equal(t, c.month, now["tokens_per_month"] < 1_000_000, c.at)
	}

	w.now = first.Add(-time.Second)
	_, until = ask(t, w.instance(b), 1000)
	require.Zero(t, until)
	w.now = first
	assert.Less(t, left(t, w.instance(b))["tokens_per_month"], 1_000_000.0, "it may be answered in the month that has begun")
	w.now = first.Add(leasedFor)
	answer(t, l, 5000, 0)
	require.NoError(t, l.Flush(t.Context()))
	data, err := w.Record(t.Context(), recordOf("alice"))
	require.NoError(t, err)
	r, err := readRecord(data)
	require.NoError(t, err)
	assert.Len(t, r.Rows, 1, "what counts no longer is dropped")
}
