package policy

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
)

// refresh is Refresh without force, by a new instance, where the store is well.
func (w *world) refresh() (Reported, bool) {
	w.t.Helper()
	known, ran, err := w.instance().Refresh(w.t.Context(), false)
	require.NoError(w.t, err)
	return known, ran
}

func (w *world) assertAsked(asks, lists int, why string) {
	w.t.Helper()
	gotAsks, gotLists := w.gemini.counts()
	assert.Equal(w.t, [2]int{asks, lists}, [2]int{gotAsks, gotLists}, "questions and lists: %s", why)
}

func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		start := time.Now().UTC()
		known, err := w.instance().Current(t.Context())
		require.NoError(t, err)
		assert.Equal(t, Reported{}, known, "reading asks nobody")
		w.assertAsked(0, 0, "yet")

		got, ran := w.refresh()
		require.True(t, ran)
		assert.Equal(t, map[string]Limits{pro: limits(2, 125_000, 50)}, got.Models)
		assert.Empty(t, got.Error+got.ListError)
		assert.WithinDuration(t, start.Add(w.gemini.latency), got.At, time.Second)
		assert.Equal(t, got.At, got.TriedAt)
		assert.Equal(t, discover(summer2026(), nil, time.Time{}), got.Chain)
		assert.EqualValues(t, 1_048_576, got.Windows["gemini-3.6-flash"])
		for _, model := range got.Chain {
			assert.Contains(t, w.gemini.last.Pieces[0].Text, model, "what has just been discovered is asked for")
		}

		for _, after := range []time.Duration{0, time.Hour, MaxAge - 2*time.Hour} {
			time.Sleep(after)
			again, ran := w.refresh()
			assert.False(t, ran, after)
			assert.Equal(t, got, again, "any instance knows")
		}
		w.assertAsked(1, 1, "within seven days")
		time.Sleep(time.Hour)
		_, ran = w.refresh()
		assert.True(t, ran)
		w.assertAsked(2, 2, "after seven days")
	})
}

// TestTwelveInstances: of instances that start together one asks, and the others learn of it.
func TestTwelveInstances(t *testing.T) {
	for _, force := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			var wg sync.WaitGroup
			var ran atomic.Int32
			for range 12 {
				k := w.instance()
				wg.Go(func() {
					for range 3 { // three callers each
						_, did, err := k.Refresh(t.Context(), force)
						assert.NoError(t, err)
						if did {
							ran.Add(1)
							break // forced again it would ask again, and rightly
						}
					}
				})
			}
			wg.Wait()
			assert.EqualValues(t, 1, ran.Load())
			w.assertAsked(1, 1, "by twelve instances")
			assert.Positive(t, w.store.reruns, "they did get in one another's way")
			known, err := w.instance().Current(t.Context())
			require.NoError(t, err)
			assert.Equal(t, map[string]Limits{pro: limits(2, 125_000, 50)}, known.Models)
		})
	}
}

// TestCallersOfOneInstance: they don't wait for one another's refresh, and share one read.
func TestCallersOfOneInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		k := w.instance()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				_, err := k.Current(t.Context())
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		assert.Equal(t, 1, w.store.reads)

		wg.Go(func() { _, _, _ = k.Refresh(t.Context(), false) })
		time.Sleep(100 * time.Millisecond)
		before := time.Now()
		_, ran, err := k.Refresh(t.Context(), true)
		require.NoError(t, err)
		assert.False(t, ran)
		assert.Less(t, time.Since(before), w.gemini.latency/2)
		wg.Wait()
		w.assertAsked(1, 1, "by two callers")

		reads := w.store.reads
		known, err := k.Current(t.Context())
		require.NoError(t, err)
		assert.NotEmpty(t, known.Models, "its own refresh is known without a read")
		time.Sleep(CacheTime - time.Second)
		_, _ = k.Current(t.Context())
		assert.Equal(t, reads, w.store.reads)
		time.Sleep(time.Second)
		_, _ = k.Current(t.Context())
		assert.Equal(t, reads+1, w.store.reads)
	})
}

// TestFailures: each is remembered, backs off, and leaves what is known.
func TestFailures(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*fakeGemini)
		err   string
		took  time.Duration
	}{
		"wrong JSON":     {spoil: func(g *fakeGemini) { g.text = `{"models":[` }, err: errNotJSON.Error()},
		"refusal":        {spoil: func(g *fakeGemini) { g.text = "I'm sorry, I can't." }, err: errNotJSON.Error()},
		"empty":          {spoil: func(g *fakeGemini) { g.text = "" }, err: errEmpty.Error()},
		"absurd numbers": {spoil: func(g *fakeGemini) { g.text = answerOf(entry(pro, "0", "-5", "1e30")) }, err: errNoNumbers.Error()},
		"no admission":   {spoil: func(g *fakeGemini) { g.err = errors.New("every usable project is busy") }, err: "every usable project is busy"},
		"timeout": {spoil: func(g *fakeGemini) { g.latency = time.Hour }, err: "the answer didn't come in time, 40s at most",
			took: AskTime},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				good, _ := w.refresh()
				time.Sleep(3 * 24 * time.Hour)

				w.gemini.set(tc.spoil)
				before := time.Now()
				got, ran, err := w.instance().Refresh(t.Context(), true)
				require.NoError(t, err, "no use is not an error")
				require.True(t, ran)
				assert.Equal(t, tc.err, got.Error)
				if tc.took > 0 {
					assert.InDelta(t, tc.took.Seconds(), time.Since(before).Seconds(), 0.1)
				}
				assert.Equal(t, good.Models, got.Models)
				assert.Equal(t, good.At, got.At, "the age is that of the numbers")
				assert.True(t, got.TriedAt.After(good.At))
				w.assertAsked(2, 2, "forced")
				assert.NotContains(t, w.logged.String(), "sorry", "the model's prose")

				_, ran = w.refresh()
				assert.False(t, ran)
				time.Sleep(RetryAfter - time.Minute)
				_, ran = w.refresh()
				assert.False(t, ran, "not before an hour has passed, by any instance")
				time.Sleep(time.Minute)
				_, ran = w.refresh()
				assert.True(t, ran)
				w.assertAsked(3, 2, "the list was good and isn't read again")

				w.gemini.set(func(g *fakeGemini) {
					g.text, g.err, g.latency = answerOf(entry(pro, "3", "", "")), nil, 0
				})
				time.Sleep(RetryAfter)
				got, _ = w.refresh()
				assert.Empty(t, got.Error)
				assert.Equal(t, map[string]Limits{pro: limits(3, -1, -1)}, got.Models)
			})
		})
	}
}

// TestNumbersEnd: good numbers outlive failures, but no longer than seven days.
func TestNumbersEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		good, _ := w.refresh()
		w.gemini.set(func(g *fakeGemini) { g.text = "no" })
		time.Sleep(MaxAge - time.Since(good.At) - time.Second)
		got, err := w.instance().Current(t.Context())
		require.NoError(t, err)
		assert.NotEmpty(t, got.Overrides(time.Now()))
		time.Sleep(time.Second)
		assert.Empty(t, got.Overrides(time.Now()), "without any refresh")
		got, ran := w.refresh()
		assert.True(t, ran)
		assert.Empty(t, got.Models)
		assert.NotEmpty(t, got.Error)
		assert.Equal(t, good.Chain, got.Chain, "a chain has no end")
	})
}

func TestList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.gemini.set(func(g *fakeGemini) { g.listErr = errors.New("down") })
		got, _ := w.refresh()
		assert.Equal(t, "down", got.ListError)
		assert.Empty(t, got.Chain)
		assert.NotEmpty(t, got.Models, "the numbers don't depend on it")
		for _, model := range scheduler.DefaultChain() {
			assert.Contains(t, w.gemini.last.Pieces[0].Text, model)
		}

		w.gemini.set(func(g *fakeGemini) { g.listErr = nil })
		time.Sleep(RetryAfter)
		got, _ = w.refresh()
		assert.Empty(t, got.ListError)
		chain := got.Chain
		assert.NotEmpty(t, chain)
		w.assertAsked(1, 2, "the numbers were good and aren't asked for again")

		w.gemini.set(func(g *fakeGemini) { g.models = listed("gemini-2.5-flash-image") })
		w.chain = []string{"gemini-9-pro"}
		got, _, err := w.instance().Refresh(t.Context(), true)
		require.NoError(t, err)
		assert.Equal(t, errNoModels.Error(), got.ListError)
		assert.Equal(t, chain, got.Chain)
		assert.Contains(t, w.gemini.last.Pieces[0].Text, "gemini-9-pro", "the operator's chain")
		assert.NotContains(t, w.gemini.last.Pieces[0].Text, pro)
	})
}

// TestLeaseEnds: an instance that died in the middle blocks nobody for longer than its lease.
func TestLeaseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		dead := w.instance()
		_, err := dead.acquireLease(t.Context(), "dead", func(*Reported) halves { return halves{true, true} })
		require.NoError(t, err)
		time.Sleep(LeaseTime - time.Second)
		_, ran := w.refresh()
		assert.False(t, ran)
		time.Sleep(time.Second)
		got, ran := w.refresh()
		assert.True(t, ran)
		w.assertAsked(1, 1, "by the second instance")

		// It wasn't dead but slow.
		late, err := dead.save(t.Context(), "dead", refreshed{asked: true, models: map[string]Limits{pro: limits(1, -1, -1)}})
		require.NoError(t, err)
		assert.Equal(t, got, late, "what came too late doesn't replace what is newer")
		assert.Contains(t, w.logged.String(), "too late")
	})
}

// TestLostReplies: a transaction that ran again on its own result has still happened once.
func TestLostReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.store.again = true
		got, ran := w.refresh()
		assert.True(t, ran)
		assert.NotEmpty(t, got.Models)
		assert.NotContains(t, w.logged.String(), "too late")
		_, ran = w.refresh()
		assert.False(t, ran)
		w.assertAsked(1, 1, "once")
	})
}

// TestCallerLeaves: the lease ends and the attempt is remembered, since the request may have been billed.
func TestCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(w.gemini.latency/2, cancel)
		got, ran, err := w.instance().Refresh(ctx, false)
		require.NoError(t, err)
		assert.True(t, ran)
		assert.Equal(t, "given up before the answer came", got.Error)
		rec, _ := decode(w.store.data)
		assert.Nil(t, rec.Lease)
		_, ran = w.refresh()
		assert.False(t, ran)
	})
}

// TestReaderLeaves: who waits for a read of the record that another caller began gets it when that caller has gone.
func TestReaderLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.store.latency = time.Second
		k := w.instance()
		var wg sync.WaitGroup
		leaving, leave := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer leave()
		wg.Go(func() {
			_, err := k.Current(leaving)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
		})
		synctest.Wait()
		start := time.Now()
		_, err := k.Current(t.Context())
		assert.NoError(t, err)
		assert.Equal(t, time.Second, time.Since(start))
		wg.Wait()
		assert.Equal(t, 1, w.store.reads)
	})
}

func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		k := w.instance()
		good, _, err := k.Refresh(t.Context(), false)
		require.NoError(t, err)
		down := errors.New("store unavailable")
		w.store.set(func(s *fakeStore) { s.broken = down })
		time.Sleep(CacheTime)
		known, err := k.Current(t.Context())
		assert.ErrorIs(t, err, down)
		assert.Equal(t, good, known, "what was known last")
		_, ran, err := k.Refresh(t.Context(), true)
		assert.ErrorIs(t, err, down)
		assert.False(t, ran)
		w.assertAsked(1, 1, "without a lease nobody asks")
	})
}

func TestUnreadableRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.store.data = []byte(`{"at":"yesterday"}`)
		got, ran := w.refresh()
		assert.True(t, ran)
		assert.NotEmpty(t, got.Models)
		assert.Contains(t, w.logged.String(), "can't be read")
	})
}

func TestRefusalsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.gemini.text = answerOf(entry(pro, "2", "9000000", "50"))
		got, _ := w.refresh()
		assert.Empty(t, got.Error, "the others were good")
		require.Len(t, got.Refused, 1)
		assert.Contains(t, w.logged.String(), `model=gemini-2.5-pro limit=tpm value=9000000 least=2500 most=500000`)
	})
}

func TestOverrides(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	r := Reported{At: now, Models: map[string]Limits{
		pro:                      limits(5, 125_000, 100),
		lite35:                   limits(15, 250_000, 500),
		"gemini-2.5-flash":       limits(10, 250_000, 250),
		"gemini-3.6-flash":       limits(21, 1, -1), // taken by a build with other defaults
		"gemini-3-flash-preview": limits(11, -1, 20),
	}}
	before, err := json.Marshal(r)
	require.NoError(t, err)
	n := func(n int64) *int64 { return &n }
	assert.Equal(t, map[string]scheduler.Override{
		pro:                      {TPM: n(125_000)},
		lite35:                   {RPM: n(15), TPM: n(250_000), RPD: n(500)},
		"gemini-3-flash-preview": {RPD: n(20)},
	}, r.Overrides(now.Add(MaxAge-1)))
	assert.Empty(t, r.Overrides(now.Add(MaxAge)))
	assert.Empty(t, (&Reported{}).Overrides(now))
	after, err := json.Marshal(r)
	require.NoError(t, err)
	assert.Equal(t, string(before), string(after), "what is shared isn't changed")
}

// TestRecordIsSmall: what is kept is bounded, whatever Gemini says.
func TestRecordIsSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var entries []string
		for _, model := range discover(summer2026(), nil, time.Time{}) {
			for range 20 {
				entries = append(entries, entry(model, `"a very long text instead of a number, and so on and on"`, "-1", "0"))
			}
		}
		w.gemini.text = answerOf(entries...)
		w.refresh()
		assert.Less(t, len(w.store.data), 16<<10)
		w.gemini.set(func(g *fakeGemini) { g.err = errors.New(string(make([]byte, 10_000))) })
		got, _, err := w.instance().Refresh(t.Context(), true)
		require.NoError(t, err)
		assert.LessOrEqual(t, len(got.Error), maxError)
	})
}
