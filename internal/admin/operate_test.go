package admin

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/budget"
	"fluxgate.dev/fluxgate/internal/history"
	"fluxgate.dev/fluxgate/internal/usage"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// silent is a store that never answers.
type silent struct{}

func (silent) Record(ctx context.Context, _ string) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (s silent) UpdateRecord(ctx context.Context, name string, _ func([]byte) ([]byte, error)) ([]byte, error) {
	return s.Record(ctx, name)
}

// An instance that is stopped has so much time, and still has to export after this.
func TestFlushUsageEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &Admin{usage: usage.New(usage.Options{Records: silent{}, Now: time.Now}), log: slog.New(slog.DiscardHandler)}
		a.usage.Served(usage.Answer{For: usage.For{Model: "gemini-2.5-pro"}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		a.FlushUsage(ctx)
		assert.Equal(t, time.Second, time.Since(begun))
	})
}

// mute is a store that gives no answer for records when it is silent, as Firestore's says
// after three seconds.
type mute struct {
	*storage.Memory
	silent atomic.Bool
}

func (m *mute) UpdateRecord(ctx context.Context, name string, change func([]byte) ([]byte, error)) ([]byte, error) {
	if m.silent.Load() {
		time.Sleep(3 * time.Second)
		return nil, fmt.Errorf("change record: %w", storage.ErrUnavailable)
	}
	return m.Memory.UpdateRecord(ctx, name, change)
}

// Who sends the next request on the same connection waits until what was used is kept: while
// the store is silent, as long as it takes to find that out once, once a minute, however many
// callers have budgets and whatever else is to be kept.
func TestNobodyWaitsForWhatCantBeKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &mute{Memory: storage.NewMemory(nil)}
		rules := &scheduler.Rules{Policy: scheduler.NewPolicy(nil, nil), Skew: scheduler.DefaultSkew, Hold: 5 * time.Second}
		c, err := admission.New(t.Context(), admission.Options{Store: store, Rules: func(storage.Control) *scheduler.Rules { return rules }})
		require.NoError(t, err)
		most := int64(1_000_000)
		budgets := make(map[string]budget.Limits)
		for i := range 20 {
			budgets[fmt.Sprintf("caller-%d", i)] = budget.Limits{TokensPerDay: &most}
		}
		a := &Admin{
			admission: c, log: slog.New(slog.DiscardHandler), history: history.NewKeeper(c),
			usage:   usage.New(usage.Options{Records: c, Now: time.Now}),
			budgets: budget.New(budget.Options{Records: c, Now: c.Now, Budgets: budgets}),
		}
		archived := func() time.Duration {
			a.usage.Served(usage.Answer{For: usage.For{Model: "gemini-2.5-pro"}})
			for name := range budgets {
				a.budgets.Spend(name, "gemini-2.5-pro", 1, 0, 0)
			}
			begun := time.Now()
			a.Archive(t.Context(), func() {})
			return time.Since(begun)
		}
		store.silent.Store(true)
		assert.Equal(t, 3*time.Second, archived())
		for range 5 {
			time.Sleep(10 * time.Second)
			assert.Zero(t, archived())
		}
		time.Sleep(10 * time.Second)
		assert.Equal(t, 3*time.Second, archived())

		// Nothing is lost by it.
		store.silent.Store(false)
		require.True(t, a.FlushUsage(t.Context()))
		report, err := a.usage.Report(t.Context(), usage.Query{Window: "1h"})
		require.NoError(t, err)
		assert.EqualValues(t, 7, report.Total.Requests)
	})
}
