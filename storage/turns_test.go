package storage

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whoever changes records of ever other names, as those of days, leaves nothing behind, nor
// does one that leaves before its turn; and of those of one name one is at it at a time.
func TestTurnsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := (&Line{DB: NewFake(100 * time.Millisecond)}).Open(t, Options{})
		_, err := g.Control(t.Context())
		require.NoError(t, err)
		held := func() int {
			g.updating.mu.Lock()
			defer g.updating.mu.Unlock()
			return len(g.updating.names)
		}
		add := func(ctx context.Context, name string) error {
			_, err := g.UpdateRecord(ctx, name, func(data []byte) ([]byte, error) { return append(data, 'x'), nil })
			return err
		}
		var wg sync.WaitGroup
		for i := range 300 {
			wg.Go(func() { assert.NoError(t, add(t.Context(), fmt.Sprintf("day-%d", i))) })
		}
		for range 3 {
			wg.Go(func() { assert.NoError(t, add(t.Context(), "day-0")) })
		}
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() { assert.ErrorIs(t, add(ctx, "day-0"), context.Canceled) })
		time.Sleep(50 * time.Millisecond)
		assert.Equal(t, 300, held())
		cancel()
		wg.Wait()
		assert.Zero(t, held())
		data, err := g.Record(t.Context(), "day-0")
		require.NoError(t, err)
		assert.Equal(t, "xxxx", string(data))
		assert.Zero(t, g.Stats().Conflicts)
	})
}
