package storetest

import (
	"bytes"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/storage"
)

var recordCases = []testCase{
	{name: "Records", body: recordRoundTrip},
	{name: "RecordOwnError", body: recordOwnError},
	{name: "RecordBounds", body: recordBounds},
	{name: "RecordLosesNothing", body: recordLosesNothing},
	{name: "FreshControl", body: freshControl, shared: true, virtual: true},
	{name: "OperationsAreCounted", body: operationsAreCounted, shared: true},
}

func recordRoundTrip(t *testing.T, h Harness) {
	s := h.Open(t, eager())
	data, err := s.Record(t.Context(), "events")
	require.NoError(t, err)
	assert.Nil(t, data, "there is none")
	put := func(text string) {
		data, err := s.UpdateRecord(t.Context(), "events", func([]byte) ([]byte, error) { return []byte(text), nil })
		require.NoError(t, err)
		assert.Equal(t, text, string(data))
	}
	put("one")
	put("two\x00")
	put("two\x00")
	for _, s := range []storage.Store{s, h.Open(t, eager())} {
		data, err = s.Record(t.Context(), "events")
		require.NoError(t, err)
		assert.Equal(t, "two\x00", string(data))
		data[0] = 'x' // a copy: the caller's to do with what it likes
		other, err := s.Record(t.Context(), "history-1")
		require.NoError(t, err)
		assert.Nil(t, other)
	}
	data, err = s.Record(t.Context(), "events")
	require.NoError(t, err)
	assert.Equal(t, "two\x00", string(data))
}

func recordOwnError(t *testing.T, h Harness) {
	s := h.Open(t, eager())
	own := errors.New("somebody else has the lease")
	_, err := s.UpdateRecord(t.Context(), "lease", func([]byte) ([]byte, error) { return []byte("mine"), own })
	assert.Same(t, own, err)
	data, err := s.Record(t.Context(), "lease")
	require.NoError(t, err)
	assert.Nil(t, data)
}

func recordBounds(t *testing.T, h Harness) {
	s := h.Open(t, eager())
	for _, name := range []string{"", "a/b", "Upper", "..", string(bytes.Repeat([]byte("a"), 65))} {
		_, err := s.Record(t.Context(), name)
		assert.ErrorIs(t, err, storage.ErrRecord, name)
		_, err = s.UpdateRecord(t.Context(), name, func([]byte) ([]byte, error) { return nil, nil })
		assert.ErrorIs(t, err, storage.ErrRecord, name)
	}
	fill := func(n int) error {
		_, err := s.UpdateRecord(t.Context(), "large", func([]byte) ([]byte, error) { return make([]byte, n), nil })
		return err
	}
	require.NoError(t, fill(storage.MaxRecord))
	assert.ErrorIs(t, fill(storage.MaxRecord+1), storage.ErrRecord)
	data, err := s.Record(t.Context(), "large")
	require.NoError(t, err)
	assert.Len(t, data, storage.MaxRecord)
}

func recordLosesNothing(t *testing.T, h Harness) {
	const instances, changes = 3, 3
	var runs atomic.Int64
	stores := make([]storage.Store, instances)
	for i := range stores {
		stores[i] = h.Open(t, eager())
	}
	together(instances*changes, func(i int) {
		_, err := stores[i%instances].UpdateRecord(t.Context(), "sum", func(data []byte) ([]byte, error) {
			runs.Add(1)
			n, _ := strconv.Atoi(string(data)) // none is 0
			return []byte(strconv.Itoa(n + 1)), nil
		})
		assert.NoError(t, err)
	})
	data, err := stores[0].Record(t.Context(), "sum")
	require.NoError(t, err)
	assert.Equal(t, strconv.Itoa(instances*changes), string(data))
	t.Logf("%d changes ran %d times", instances*changes, runs.Load())
}

// What an admin changed shows to who looks within a second, though requests may
// go by an older one.
func freshControl(t *testing.T, h Harness) {
	a, b := h.Open(t, eager()), h.Open(t, eager())
	_, err := a.Control(t.Context())
	require.NoError(t, err)
	_, err = b.UpdateControl(t.Context(), func(c *storage.Control) error { c.Mode = "pro_only"; return nil })
	require.NoError(t, err)
	time.Sleep(time.Second)
	c, err := a.Control(t.Context())
	require.NoError(t, err)
	assert.Empty(t, c.Mode, "cached")
	asked := a.Stats().Control
	together(10, func(int) {
		c, err := a.FreshControl(t.Context())
		assert.NoError(t, err)
		assert.Equal(t, "pro_only", c.Mode)
	})
	assert.Equal(t, asked+1, a.Stats().Control, "many callers, one read")
	c, err = a.Control(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "pro_only", c.Mode, "and what was read once is known")
}

// Every commit counts itself and what was asked of the database before it, so
// that the project documents tell what all instances did today.
func operationsAreCounted(t *testing.T, h Harness) {
	for range 3 {
		s := h.Open(t, eager())
		for range 2 {
			admit(t, s, plenty, ask(1))
		}
	}
	p := stored(t, h)
	assert.EqualValues(t, 6, p.Today(p.Latest).Writes)
}
