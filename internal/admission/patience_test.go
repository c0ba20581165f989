package admission_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission/patience"
	"fluxgate.dev/fluxgate/storage"
)

// A request that is admitted again, because upstream failed, has what is left of its
// patience; the time at upstream doesn't count. Another request has its own.
func TestPatienceIsARequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowStore{Store: storage.NewMemory(time.Now)}
		b := newBench(t, slow, []string{"p", "q", "r"})
		slow.commit.Store(int64(300 * time.Millisecond))
		ctx := patience.With(t.Context())
		grant, _, err := b.Admit(ctx, b.request())
		require.NoError(t, err)
		require.NotNil(t, grant)

		time.Sleep(time.Minute) // at upstream, in vain
		slow.commit.Store(int64(7 * time.Second))
		begun := time.Now()
		for range 3 {
			_, _, err = b.Admit(ctx, b.request())
			require.ErrorIs(t, err, storage.ErrUnavailable)
		}
		assert.InDelta(t, 9.7, time.Since(begun).Seconds(), 0.5)

		slow.commit.Store(0)
		grant, _, err = b.Admit(patience.With(t.Context()), b.request())
		require.NoError(t, err)
		assert.NotNil(t, grant)
	})
}

// slowControl is a store whose control document takes a while to read.
type slowControl struct {
	storage.Store
	takes time.Duration
}

func (s *slowControl) Control(ctx context.Context) (storage.Control, error) {
	select {
	case <-ctx.Done():
		return storage.Control{}, ctx.Err()
	case <-time.After(s.takes):
		return s.Store.Control(ctx)
	}
}

// What an admission reads to begin with takes of the patience once.
func TestPatienceCountsTheSnapshotOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowControl{Store: storage.NewMemory(time.Now)}
		b := newBench(t, slow, []string{"p", "q"})
		slow.takes = 4 * time.Second
		ctx := patience.With(t.Context())
		for range 2 {
			req := b.request()
			req.Snapshot = nil
			grant, _, err := b.Admit(ctx, req)
			require.NoError(t, err)
			assert.NotNil(t, grant)
		}
	})
}

// A caller that leaves sooner is told so, not that the store can't be reached.
func TestCallersOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowStore{Store: storage.NewMemory(time.Now)}
		b := newBench(t, slow, []string{"p"})
		slow.commit.Store(int64(20 * time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, _, err := b.Admit(ctx, b.request())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.NotErrorIs(t, err, storage.ErrUnavailable)
	})
}
