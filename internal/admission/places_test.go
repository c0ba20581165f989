package admission

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// When there is a place is told only where nothing else is missing: not to a request that weighs on a feature without quota, whose
// model's place it would wait for in vain.
func TestPlacesAreToldWhereTheyAreMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const chain = "gemini-2.5-flash"
		rules := &scheduler.Rules{Policy: scheduler.NewPolicy([]string{chain}, nil), Skew: scheduler.DefaultSkew, Hold: scheduler.DefaultHold, Specs: make(map[string]scheduler.Spec)}
		store := storage.NewMemory(time.Now)
		c, err := New(t.Context(), Options{Store: store, Rules: func(storage.Control) *scheduler.Rules { return rules }})
		require.NoError(t, err)
		id := uint64(0)
		ask := func(model string, also ...scheduler.Weight) error {
			id++
			_, _, err := c.Admit(t.Context(), Request{
				Caller: "alice", Hash: id, Models: []string{model}, Demand: scheduler.Demand{Tokens: 10}, Projects: []Project{{ID: "p", Keys: []string{"k"}}},
				Also: func(string) []scheduler.Weight { return also },
			})
			return err
		}
		none := scheduler.OfFeature(chain, "google_search")
		rules.Specs[none] = scheduler.Spec{EffectiveLimits: scheduler.EffectiveLimits{Limits: scheduler.Limits{RPM: 0, TPM: scheduler.Unlimited, RPD: scheduler.Unlimited}}}
		on := func(name string) scheduler.Weight {
			return scheduler.Weight{On: name, Demand: scheduler.Demand{Requests: 1}}
		}
		told := func(err error) time.Duration {
			t.Helper()
			require.ErrorIs(t, err, ErrNoProject)
			var full *NoPlaceError
			if !assert.ErrorAs(t, err, &full) {
				return 0
			}
			return full.Wait
		}
		noPlace := func(err error) {
			t.Helper()
			require.ErrorIs(t, err, ErrNoProject)
			assert.NotErrorAs(t, err, new(*NoPlaceError))
		}
		require.NoError(t, ask(chain))
		noPlace(ask("gemini-9.0-flash", on(none)))
		for i := range scheduler.MaxModels {
			_ = ask(fmt.Sprintf("gemini-9.%d-flash", i))
		}
		assert.InDelta(t, time.Minute, told(ask("gemini-10-flash")), float64(2*time.Second))
		noPlace(ask("gemini-10-flash", on(none)))

		// Of features there are only so many places, too.
		for i := range scheduler.MaxOthers {
			name := scheduler.OfFeature(chain, fmt.Sprint("f", i))
			rules.Specs[name] = scheduler.Spec{EffectiveLimits: scheduler.EffectiveLimits{Limits: scheduler.Limits{RPM: 100, TPM: scheduler.Unlimited, RPD: scheduler.Unlimited}}}
			require.NoError(t, ask(chain, on(name)))
		}
		another := scheduler.OfFeature(chain, "another")
		rules.Specs[another] = rules.Specs[scheduler.OfFeature(chain, "f0")]
		wait := told(ask(chain, on(another)))
		assert.InDelta(t, time.Minute, wait, float64(2*time.Second))
		time.Sleep(wait - time.Millisecond)
		assert.Error(t, ask(chain, on(another)))
		time.Sleep(time.Millisecond)
		assert.NoError(t, ask(chain, on(another)))
	})
}
