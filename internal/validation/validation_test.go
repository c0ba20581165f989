package validation_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/internal/upstream/gemini"
	"fluxgate.dev/fluxgate/internal/validation"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

const model = "gemini-2.5-flash"

// A world is a store, a simulated Gemini, and the keys that are configured.
type world struct {
	t     *testing.T
	store storage.Store
	sim   *geminisim.Server
	keys  []config.KeyEntry
	wrap  func(http.RoundTripper) http.RoundTripper
}

// newWorld has n keys of n projects; Gemini knows a further one of the second.
func newWorld(t *testing.T, n int) *world {
	cfg := geminisim.Config{Limits: map[string]geminisim.Limits{model: {RPM: 10, TPM: 250_000, RPD: 100}}, Latency: 100 * time.Millisecond}
	w := &world{t: t, store: storage.NewMemory(nil)}
	for i := range n {
		value, project := fmt.Sprintf("validated-key-%d", i+1), fmt.Sprintf("p%d", i+1)
		cfg.Keys = append(cfg.Keys, geminisim.Key{Value: value, Project: project})
		w.keys = append(w.keys, config.KeyEntry{Index: i + 1, Value: config.NewSecret(value), Project: project})
	}
	cfg.Keys = append(cfg.Keys, geminisim.Key{Value: "rotated", Project: "p2"})
	w.sim = geminisim.New(cfg)
	return w
}

// instance returns a further instance's validator.
func (w *world) instance() *validation.Validator {
	w.t.Helper()
	rules := defaultRules()
	rules.Policy = scheduler.NewPolicy([]string{model}, nil)
	g, err := admission.New(w.t.Context(), admission.Options{Store: w.store, Rules: func(storage.Control) *scheduler.Rules { return rules }})
	require.NoError(w.t, err)
	transport := w.sim.Transport()
	if w.wrap != nil {
		transport = w.wrap(transport)
	}
	client, err := gemini.New(gemini.Config{Transport: transport})
	require.NoError(w.t, err)
	log := slog.New(slog.DiscardHandler)
	return &validation.Validator{
		Admission: g, Keys: keys.NewPool(keys.FromEnv(w.keys), keys.Options{Logger: log}),
		Providers: upstream.Providers{gemini.Name: client}, Logger: log,
	}
}

func (w *world) apply(project string, c scheduler.Change) {
	w.t.Helper()
	_, err := w.store.Apply(w.t.Context(), defaultRules(), project, c)
	require.NoError(w.t, err)
}

func (w *world) fingerprint(i int) string {
	list, err := w.instance().Keys.Keys(w.t.Context())
	require.NoError(w.t, err)
	return list[i-1].Fingerprint
}

func states(r validation.Report) (list []validation.Status) {
	for _, k := range r.Keys {
		list = append(list, k.Status)
	}
	return list
}

func run(t *testing.T, v *validation.Validator) validation.Report {
	t.Helper()
	r, err := v.Run(t.Context())
	require.NoError(t, err)
	return r
}

// Every state that there is, what is kept of it, and how it is forgiven.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 6)
		w.sim.SetKeyState("validated-key-1", credentials.Invalid)
		w.sim.SetKeyState("validated-key-2", credentials.Suspended)
		yes := true
		w.apply("p3", scheduler.SetMark{Key: w.fingerprint(3), Disabled: &yes})
		w.apply("p4", scheduler.RecordRefusal{Model: model, Block: scheduler.Block{Cause: scheduler.ByDay}})
		wrong := "leaked"
		w.apply("p5", scheduler.SetMark{Key: w.fingerprint(5), Invalid: &wrong})
		v := w.instance()
		before, err := w.store.Control(t.Context())
		require.NoError(t, err)

		r := run(t, v)
		assert.Equal(t, []validation.Status{validation.Invalid, validation.Invalid, validation.Disabled, validation.Exhausted,
			validation.Healthy, validation.Healthy}, states(r))
		assert.Equal(t, "API_KEY_INVALID", r.Keys[0].Reason)
		assert.Equal(t, "CONSUMER_SUSPENDED", r.Keys[1].Reason)
		require.NotNil(t, r.Keys[3].Until)
		assert.Equal(t, "2 healthy, 1 exhausted, 2 invalid, 1 disabled, 0 unknown", r.Summary())
		assert.Empty(t, w.sim.Log(), "checking is free")

		views, err := w.store.View(t.Context(), []string{"p1", "p5"})
		require.NoError(t, err)
		assert.Equal(t, "API_KEY_INVALID", views[0].Mark(w.fingerprint(1)).Invalid, "planning leaves it out from now on")
		assert.Empty(t, views[1].Mark(w.fingerprint(5)).Invalid, "one that works is forgiven")
		after, err := w.store.Control(t.Context())
		require.NoError(t, err)
		assert.Greater(t, after.Epoch, before.Epoch, "which every instance has to hear")

		kept, err := w.instance().Last(t.Context())
		require.NoError(t, err)
		assert.Equal(t, r, kept, "other instances see it")
	})
}

// A model that isn't there says nothing against the key, which is looked at first.
func TestNoModelOfTheChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.sim.SetKeyState("validated-key-2", credentials.Invalid)
		w.sim.RemoveModel(model)
		r := run(t, w.instance())
		assert.Equal(t, []validation.Status{validation.Healthy, validation.Invalid}, states(r))
		assert.Contains(t, r.Keys[0].Reason, "no model of the chain is there for it")
		assert.NotContains(t, r.Keys[0].Reason, "validated-key")
	})
}

// What can't be found out says nothing about a key.
// A key of which every model is spent or blocked says when the first is to be had again: after ten
// minutes where a project may not use it, after a day where it is gone, at midnight where the day is spent.
func TestExhaustedUntil(t *testing.T) {
	midnight := func(now scheduler.Instant) scheduler.Instant { return scheduler.DayOf(now).End() }
	const other = "gemini-2.5-flash-lite"
	denied := func(now scheduler.Instant) scheduler.Block {
		return scheduler.Block{Cause: scheduler.Unavailable, Until: now.Add(10 * time.Minute)}
	}
	gone := func(now scheduler.Instant) scheduler.Block {
		return scheduler.Block{Cause: scheduler.Unavailable, Until: now.Add(24 * time.Hour)}
	}
	spent := func(scheduler.Instant) scheduler.Block { return scheduler.Block{Cause: scheduler.ByDay} }
	type block func(now scheduler.Instant) scheduler.Block
	for name, c := range map[string]struct {
		blocks map[string]block
		rpd    int64 // learned of the first, and used up; 0: not
		want   func(now scheduler.Instant) scheduler.Instant
	}{
		"denied":                        {map[string]block{model: denied, other: denied}, 0, func(now scheduler.Instant) scheduler.Instant { return denied(now).Until }},
		"gone, and one denied":          {map[string]block{model: gone, other: denied}, 0, func(now scheduler.Instant) scheduler.Instant { return denied(now).Until }},
		"gone":                          {map[string]block{model: gone, other: gone}, 0, func(now scheduler.Instant) scheduler.Instant { return gone(now).Until }},
		"spent":                         {map[string]block{model: spent, other: spent}, 0, midnight},
		"spent, and one gone":           {map[string]block{model: spent, other: gone}, 0, midnight},
		"denied, and its day was spent": {map[string]block{model: denied, other: gone}, 1, midnight},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				if c.rpd > 0 {
					w.apply("p1", scheduler.RecordRefusal{Model: model, Limits: scheduler.Limits{RPD: c.rpd}})
					w.apply("p1", scheduler.Reserve{Model: model, ID: 1, Demand: scheduler.Demand{Tokens: 1}})
				}
				now := scheduler.At(time.Now())
				for m, b := range c.blocks {
					w.apply("p1", scheduler.RecordRefusal{Model: m, Block: b(now)})
				}
				states, err := w.store.View(t.Context(), []string{"p1"})
				require.NoError(t, err)
				r := validation.Standing(defaultRules(), now, states[0], []string{model, other}, validation.Result{Status: validation.Healthy})
				require.Equal(t, validation.Exhausted, r.Status)
				assert.Equal(t, c.want(now).Time(), *r.Until)
			})
		})
	}
}

func TestUpstreamOutOfReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.wrap = func(http.RoundTripper) http.RoundTripper { return deaf{} }
		r := run(t, w.instance())
		assert.Equal(t, []validation.Status{validation.Unknown, validation.Unknown}, states(r))
		assert.Contains(t, r.Keys[0].Reason, "the check failed")
		views, err := w.store.View(t.Context(), []string{"p1"})
		require.NoError(t, err)
		assert.True(t, views[0].Usable(w.fingerprint(1)))
	})
}

// slow takes a second.
type slow struct{ next http.RoundTripper }

func (s slow) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(time.Second)
	return s.next.RoundTrip(r)
}

// deaf never answers.
type deaf struct{}

func (deaf) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// One instance validates at a time. The others are shown what was found before,
// until the lease of one that died is over.
func TestLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		first := run(t, w.instance())
		time.Sleep(time.Hour)
		counted := w.sim.Stats().Counted
		// A check takes a while, or the next instance would find it done already.
		w.wrap = func(next http.RoundTripper) http.RoundTripper { return slow{next} }

		var mu sync.Mutex
		var ran, told int
		var wg sync.WaitGroup
		for range 12 {
			v := w.instance()
			wg.Go(func() {
				r, err := v.Run(t.Context())
				assert.NoError(t, err)
				mu.Lock()
				defer mu.Unlock()
				if r.Running {
					told++
					assert.Equal(t, first.At, r.At)
				} else {
					ran++
				}
			})
		}
		wg.Wait()
		assert.Equal(t, 1, ran)
		assert.Equal(t, 11, told)
		assert.EqualValues(t, 3, w.sim.Stats().Counted-counted, "every key once")

		// One that dies in the middle: it never gives its lease back.
		w.wrap = func(http.RoundTripper) http.RoundTripper { return deaf{} }
		dying := w.instance()
		w.wrap = nil
		go func() { _, _ = dying.Run(context.WithoutCancel(t.Context())) }()
		synctest.Wait()
		assert.True(t, run(t, w.instance()).Running)
		time.Sleep(3 * time.Minute)
		assert.False(t, run(t, w.instance()).Running)
	})
}

// A caller that hangs up leaves the results of before and no lease.
func TestHungUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		first := run(t, w.instance())
		time.Sleep(time.Hour)
		w.wrap = func(http.RoundTripper) http.RoundTripper { return deaf{} }
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := w.instance().Run(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		w.wrap = nil
		last, err := w.instance().Last(t.Context())
		require.NoError(t, err)
		assert.Equal(t, first, last)
		assert.False(t, run(t, w.instance()).Running)
	})
}

// A start doesn't wait for a check while there is a fresh result for every key.
// What happened since shows all the same.
func TestEnsure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		ensure := func() validation.Report {
			r, err := w.instance().Ensure(t.Context())
			require.NoError(t, err)
			return r
		}
		first := ensure()
		assert.EqualValues(t, 2, w.sim.Stats().Counted)
		time.Sleep(validation.Fresh - time.Minute)
		w.apply("p2", scheduler.RecordRefusal{Model: model, Block: scheduler.Block{Cause: scheduler.ByDay}})
		again := ensure()
		assert.Equal(t, first.At, again.At)
		assert.Equal(t, []validation.Status{validation.Healthy, validation.Exhausted}, states(again))
		assert.EqualValues(t, 2, w.sim.Stats().Counted)

		time.Sleep(time.Minute)
		assert.Greater(t, ensure().At, first.At, "no longer fresh")
		assert.EqualValues(t, 4, w.sim.Stats().Counted)

		// A rotated key was never checked.
		w.keys[1].Value = config.NewSecret("rotated")
		assert.Equal(t, 2, len(ensure().Keys))
		assert.EqualValues(t, 6, w.sim.Stats().Counted)
	})
}

// defaultRules returns the built-in policy with the default skew and hold.
func defaultRules() *scheduler.Rules {
	return &scheduler.Rules{Policy: scheduler.NewPolicy(nil, nil), Skew: scheduler.DefaultSkew, Hold: scheduler.DefaultHold}
}

// A behind store has seen nothing of what other instances wrote until it looks.
type behind struct {
	storage.Store
	looked atomic.Bool
	looks  atomic.Int64
}

func (b *behind) Refresh(ctx context.Context, ids []string, force bool) error {
	b.looked.Store(true)
	b.looks.Add(1)
	return b.Store.Refresh(ctx, ids, force)
}

func (b *behind) View(ctx context.Context, ids []string) ([]*scheduler.Project, error) {
	if !b.looked.Load() {
		return make([]*scheduler.Project, len(ids)), nil
	}
	return b.Store.View(ctx, ids)
}

// What another instance found out a moment ago, which a free call can't show, counts: that a project can't pay, or that
// somebody has disabled the key.
func TestRunKnowsWhatOthersFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		yes, spent := true, upstream.ReasonBilling
		w.apply("p1", scheduler.SetMark{Key: w.fingerprint(1), Invalid: &spent})
		w.apply("p2", scheduler.SetMark{Key: w.fingerprint(2), Disabled: &yes})
		w.store = &behind{Store: w.store}
		r := run(t, w.instance())
		assert.Equal(t, []validation.Status{validation.Invalid, validation.Disabled, validation.Healthy}, states(r))
		assert.Equal(t, upstream.ReasonBilling, r.Keys[0].Reason)
	})
}

// What is known of all projects is read at once, not of one after the other, however many keys there are.
func TestEnsureReadsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5)
		w.keys[4].Project = "p1"
		store := &behind{Store: w.store}
		w.store = store
		first := run(t, w.instance())
		store.looks.Store(0)
		again, err := w.instance().Ensure(t.Context())
		require.NoError(t, err)
		assert.Equal(t, first, again)
		assert.EqualValues(t, 1, store.looks.Load())
	})
}
