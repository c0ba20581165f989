package events_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/events"
	"fluxgate.dev/fluxgate/storage"
)

func TestLog(t *testing.T) {
	store := storage.NewMemory(nil)
	log := events.NewLog(store)
	all, err := log.Last(t.Context())
	require.NoError(t, err)
	assert.Empty(t, all)

	at := time.Date(2026, 11, 25, 12, 0, 0, 1_234_567, time.UTC)
	for i := range events.Kept + 5 {
		require.NoError(t, log.Add(t.Context(), events.Event{At: at, Who: "root", What: fmt.Sprint(i)}))
	}
	all, err = events.NewLog(store).Last(t.Context())
	require.NoError(t, err)
	require.Len(t, all, events.Kept, "the oldest go first")
	assert.Equal(t, events.Event{At: at.Truncate(time.Millisecond), Who: "root", What: "104"}, all[0], "newest first")
	assert.Equal(t, "5", all[events.Kept-1].What)
}

// The record has its bound, whatever is said.
func TestBounds(t *testing.T) {
	store := storage.NewMemory(nil)
	log := events.NewLog(store)
	long := strings.Repeat("x", 10_000)
	require.NoError(t, log.Add(t.Context(), events.Event{What: long}))
	all, err := log.Last(t.Context())
	require.NoError(t, err)
	assert.Len(t, all[0].What, 300)
}

// A record that can't be read is said to be so, and doesn't keep anybody from
// adding to it.
func TestSpoilt(t *testing.T) {
	store := storage.NewMemory(nil)
	_, err := store.UpdateRecord(t.Context(), "events", func([]byte) ([]byte, error) { return []byte("{"), nil })
	require.NoError(t, err)
	log := events.NewLog(store)
	_, err = log.Last(t.Context())
	require.Error(t, err)
	require.NoError(t, log.Add(t.Context(), events.Event{What: "new"}))
	all, err := log.Last(t.Context())
	require.NoError(t, err)
	assert.Len(t, all, 1)
}
