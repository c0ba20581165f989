package policy

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/answers"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/internal/upstream/gemini"
	"fluxgate.dev/fluxgate/scheduler"
)

const simKey = "AIza-a-key-of-the-simulator"

// simulated returns a simulator, and a function that makes an instance which asks it through the real client. It asks
// flash-lite, and may at once: admission isn't what is tested here.
func simulated(t *testing.T, store *fakeStore) (*geminisim.Server, func() *Keeper) {
	sim := geminisim.New(geminisim.Config{Keys: []geminisim.Key{{Value: simKey, Project: "alpha"}}, Latency: time.Second})
	client, err := gemini.New(gemini.Config{BaseURL: "http://gemini.test", Transport: sim.Transport()})
	require.NoError(t, err)
	return sim, func() *Keeper {
		return New(Options{
			Store: store,
			Ask: func(ctx context.Context, r upstream.Prompt, _ []string) (*upstream.Reply, error) {
				r.Model = "gemini-2.5-flash-lite"
				return client.Generate(ctx, simKey, r)
			},
			List:   func(ctx context.Context) ([]upstream.Model, error) { return client.ListModels(ctx, simKey) },
			Logger: slog.New(slog.DiscardHandler),
		})
	}
}

// TestSimulatedAnswers is the whole way: request, wire, simulator, and back.
func TestSimulatedAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		answer  answers.LimitsAnswer
		err     string
		refused int
	}{
		"true":   {answer: answers.LimitsTrue},
		"fenced": {answer: answers.LimitsFenced},
		"broken": {answer: answers.LimitsBroken, err: errNotJSON.Error()},
		"absurd": {answer: answers.LimitsAbsurd, err: errNoNumbers.Error(), refused: 3 * len(scheduler.DefaultChain())},
		"prose":  {answer: answers.LimitsRefused, err: errNotJSON.Error()},
		"block":  {answer: answers.LimitsBlocked, err: "the question was blocked (SAFETY)"},
		"empty":  {answer: answers.LimitsEmpty, err: errEmpty.Error()},
		"stall":  {answer: answers.LimitsStalled, err: "the answer didn't come in time, 40s at most"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim, instance := simulated(t, &fakeStore{})
				sim.SetLimits("alpha", "gemini-2.5-flash", geminisim.Limits{RPM: 5, TPM: 250_000, RPD: 20})
				sim.SetLimitsAnswer(tc.answer)
				got, ran, err := instance().Refresh(t.Context(), false)
				require.NoError(t, err)
				require.True(t, ran)
				assert.Equal(t, tc.err, got.Error)
				assert.Len(t, got.Refused, tc.refused)
				assert.Equal(t, scheduler.DefaultChain(), got.Chain, "whatever the answer, there is a chain")
				assert.Len(t, sim.Log(), 1, "one request that counts")
				if tc.err != "" {
					assert.Empty(t, got.Overrides(time.Now()))
					return
				}
				assert.Len(t, got.Models, len(scheduler.DefaultChain()))
				n := func(n int64) *int64 { return &n }
				assert.Equal(t, map[string]scheduler.Override{"gemini-2.5-flash": {RPM: n(5), RPD: n(20)}},
					got.Overrides(time.Now()), "the others have what is built in")
			})
		})
	}
}

// TestTokenBound: what is reserved for the question covers what it is charged.
func TestTokenBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, instance := simulated(t, &fakeStore{})
		_, _, err := instance().Refresh(t.Context(), false)
		require.NoError(t, err)
		bound := TokenBound(limitsRequest(scheduler.DefaultChain()))
		assert.LessOrEqual(t, sim.Log()[0].Tokens, bound)
		assert.Less(t, bound, int64(2500), "and is a hundredth of the smallest TPM, so it needn't be counted first")
	})
}

// TestSimulatedChange: the simulator's models and limits change, and a forced refresh by any instance finds out.
func TestSimulatedChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, instance := simulated(t, &fakeStore{latency: 5 * time.Millisecond})
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() {
				_, _, err := instance().Refresh(t.Context(), false)
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		assert.Len(t, sim.Log(), 1, "twelve instances, one request")

		sim.AddModel("gemini-3.6-flash", geminisim.Limits{RPM: 12, TPM: 250_000, RPD: 20})
		sim.RemoveModel("gemini-2.5-flash")
		sim.SetLimits("", "gemini-2.5-pro", geminisim.Limits{RPM: 2, TPM: 125_000, RPD: 1000})
		got, ran, err := instance().Refresh(t.Context(), true)
		require.NoError(t, err)
		require.True(t, ran)
		assert.Equal(t, []string{"gemini-2.5-pro", "gemini-3.6-flash", "gemini-2.5-flash-lite", "gemini-3.1-pro-preview",
			"gemini-3-flash-preview", "gemini-3.1-flash-lite-preview"}, got.Chain)
		require.Len(t, got.Refused, 1, "more than twice the default: %v", got.Refused)
		n := func(n int64) *int64 { return &n }
		assert.Equal(t, map[string]scheduler.Override{
			"gemini-2.5-pro":   {RPM: n(2), TPM: n(125_000)},
			"gemini-3.6-flash": {RPM: n(12), TPM: n(250_000), RPD: n(20)}, // filled in, above its family's 10
		}, got.Overrides(time.Now()))
		assert.EqualValues(t, 1_048_576, got.Windows["gemini-3.6-flash"])
	})
}
