package lasting_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/admission/lasting"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

const model = "gemini-3.8-live"

// instance is a controller over a store, where one session of a model at a time may be, for
// two minutes unless its place is extended.
func instance(t *testing.T, store storage.Store) *admission.Controller {
	t.Helper()
	limits := scheduler.Limits{RPM: 1, TPM: scheduler.Unlimited, RPD: scheduler.Unlimited}
	rules := &scheduler.Rules{
		Policy: scheduler.NewPolicy(nil, nil), Skew: scheduler.DefaultSkew, Hold: scheduler.DefaultHold,
		Specs: map[string]scheduler.Spec{scheduler.OfFeature(scheduler.EachModel, "live"): {
			EffectiveLimits: scheduler.EffectiveLimits{Limits: limits}, Window: 2 * time.Minute, AtATime: true,
		}},
	}
	c, err := admission.New(t.Context(), admission.Options{Store: store, Rules: func(storage.Control) *scheduler.Rules { return rules }})
	require.NoError(t, err)
	return c
}

func ask(t *testing.T, c *admission.Controller) (*admission.Grant, *admission.Wait) {
	t.Helper()
	grant, wait, err := c.Admit(t.Context(), admission.Request{
		Models: []string{model}, Projects: []admission.Project{{ID: "project", Keys: []string{"key"}}},
		Also: func(model string) []scheduler.Weight {
			return []scheduler.Weight{{On: scheduler.OfFeature(model, "live")}}
		},
	})
	require.NoError(t, err)
	return grant, wait
}

// A place that is extended is kept for an hour, for every instance; what an instance had that
// is gone is free after two minutes, and not before. What was settled is free at once.
func TestPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storage.NewMemory(nil)
		a, b := instance(t, store), instance(t, store)
		grant, _ := ask(t, a)
		require.NotNil(t, grant)
		place := lasting.Of(a, grant, nil)
		for range 90 {
			time.Sleep(40 * time.Second)
			require.NoError(t, place.Extend(t.Context()))
			none, wait := ask(t, b)
			require.Nil(t, none)
			require.Equal(t, scheduler.OfFeature(model, "live"), wait.On)
		}
		assert.Greater(t, place.Until().Sub(a.Now()), 2*time.Minute-time.Second)
		require.NoError(t, a.Settle(t.Context(), grant, -1, time.Now()))
		time.Sleep(time.Second)
		grant, _ = ask(t, b)
		require.NotNil(t, grant, "it was settled")

		// Its instance is gone.
		time.Sleep(2*time.Minute - time.Second)
		none, wait := ask(t, a)
		require.Nil(t, none)
		time.Sleep(wait.Start.Sub(a.Now()))
		other, _ := ask(t, a)
		require.NotNil(t, other)
		assert.ErrorIs(t, lasting.Of(b, grant, nil).Extend(t.Context()), lasting.ErrOver, "who comes back has lost it")
	})
}

// Without a place that lasts there is nothing to extend.
func TestNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := instance(t, storage.NewMemory(nil))
		grant, _, err := c.Admit(t.Context(), admission.Request{Models: []string{model}, Projects: []admission.Project{{ID: "project", Keys: []string{"key"}}}})
		require.NoError(t, err)
		place := lasting.Of(c, grant, nil)
		assert.Zero(t, place.Until())
		time.Sleep(time.Hour)
		assert.NoError(t, place.Extend(t.Context()))
	})
}

// What a request uses that goes on counts on its caller's own limits too, for every instance.
func TestUseCountsForItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tpm := int64(1000)
		store := storage.NewMemory(nil)
		instance := func() *admission.Controller {
			rules := &scheduler.Rules{Policy: scheduler.NewPolicy(nil, nil), Skew: scheduler.DefaultSkew, Hold: scheduler.DefaultHold}
			c, err := admission.New(t.Context(), admission.Options{
				Store: store, Rules: func(storage.Control) *scheduler.Rules { return rules },
				Callers: map[string]scheduler.Override{"alice": {TPM: &tpm}},
			})
			require.NoError(t, err)
			return c
		}
		a, b := instance(), instance()
		limit := a.CallerLimit("alice", scheduler.Demand{Tokens: 10})
		grant, wait, err := a.Admit(t.Context(), admission.Request{
			Caller: "alice", Models: []string{model}, Projects: []admission.Project{{ID: "project", Keys: []string{"key"}}},
			Demand: scheduler.Demand{Tokens: 10}, Limit: limit,
		})
		require.NoError(t, err)
		require.Nil(t, wait)
		time.Sleep(5 * time.Minute)
		require.NoError(t, lasting.Of(a, grant, limit).Use(t.Context(), 900))
		for _, tokens := range []int64{100, 200} {
			wait, err = b.CallerLimit("alice", scheduler.Demand{Tokens: tokens}).Check(t.Context())
			require.NoError(t, err)
			assert.Equal(t, tokens > 100, wait != nil, tokens)
		}
		states, err := b.View(t.Context(), []string{"project"})
		require.NoError(t, err)
		_, tokens := states[0].Calendar(model).InWindow(b.Rules(), b.Now())
		assert.EqualValues(t, 900, tokens)
	})
}
