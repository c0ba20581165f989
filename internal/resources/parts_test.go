package resources_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/resources"
	"fluxgate.dev/fluxgate/storage"
)

// What is within something is found by its own name, for whoever has that, by all instances, as long as it is there;
// and a build that knows no parts leaves it as it is.
func TestParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storage.NewMemory(nil)
		a, b := registry(store, nil), registry(store, nil)
		const item, late = "openai:items/msg_1", "openai:items/msg_2"
		assert.Empty(t, projectOf(t, b, "alice", item), "b has read it before")
		response := resources.Resource{Name: "openai:responses/r", Project: "alpha"}
		require.NoError(t, a.Made(t.Context(), "alice", response))
		for range 2 {
			require.NoError(t, a.Consists(t.Context(), "alice", "alpha", response.Name, []string{item}))
		}
		require.NoError(t, a.Consists(t.Context(), "alice", "alpha", response.Name, []string{late}))
		require.NoError(t, a.Consists(t.Context(), "bob", "alpha", response.Name, []string{"openai:items/bobs"}))
		require.NoError(t, b.Changed(t.Context(), response))
		for _, r := range []*resources.Registry{a, b, registry(store, nil)} {
			found, err := r.Find(t.Context(), "alice", []string{item, late, response.Name, "openai:items/msg_3"})
			require.NoError(t, err)
			assert.Len(t, found, 3)
			assert.Equal(t, "alpha", found[item].Project)
			assert.Equal(t, "alpha", r.FindParts(t.Context(), []string{response.Name, late})[late].Project, "whosever it is")
			for _, name := range []string{item, late, "openai:items/bobs"} {
				assert.Empty(t, projectOf(t, r, "bob", name))
			}
			assert.Equal(t, []string{response.Name}, own(t, r, "alice", "openai:responses"), "which no list has")
			in, err := r.FindIn(t.Context(), "alice", "beta", []string{item})
			require.NoError(t, err)
			assert.Empty(t, in)
		}
		require.NoError(t, a.Gone(t.Context(), response))
		time.Sleep(resources.MaxAge)
		assert.Empty(t, projectOf(t, b, "alice", item))
		var none *resources.Registry
		require.NoError(t, none.Consists(t.Context(), "alice", "alpha", response.Name, []string{item}))
		assert.Empty(t, none.FindParts(t.Context(), []string{item}))
	})
}

// What a thing consists of is noted by what is known of it: nothing else is read for that, and nothing is written
// where it is known.
func TestPartsAreNotedWithoutReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowRecords{Store: storage.NewMemory(nil)}
		r := registry(store, nil)
		response := resources.Resource{Name: "openai:responses/r", Project: "alpha"}
		require.NoError(t, r.Made(t.Context(), "alice", response))
		consists := func() {
			require.NoError(t, r.Consists(t.Context(), "alice", "alpha", response.Name, []string{"openai:items/msg_1", "openai:items/msg_2"}))
		}
		consists()
		assert.Zero(t, store.reads)
		assert.Equal(t, 2, store.writes)
		consists()
		assert.Zero(t, store.reads)
		assert.Equal(t, 2, store.writes)
	})
}

// Of very many parts the last are known.
func TestPartsAreBounded(t *testing.T) {
	store := storage.NewMemory(nil)
	r := registry(store, nil)
	response := resources.Resource{Name: "openai:responses/r", Project: "alpha"}
	var parts []string
	for i := range 500 {
		parts = append(parts, fmt.Sprint("openai:items/", i))
	}
	require.NoError(t, r.Made(t.Context(), "alice", response))
	require.NoError(t, r.Consists(t.Context(), "alice", "alpha", response.Name, parts))
	found, err := r.Find(t.Context(), "alice", parts)
	require.NoError(t, err)
	assert.Len(t, found, 64)
	assert.Equal(t, "alpha", projectOf(t, r, "alice", "openai:items/499"))
	size := 0
	for n := range 16 {
		data, err := store.Record(t.Context(), fmt.Sprintf("resources-%x", n))
		require.NoError(t, err)
		size += len(data)
	}
	assert.Less(t, size, 64*8+200, "eight bytes each")
}

// When something was made that lasts until it is deleted is known for an hour.
func TestWhenItWasMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storage.NewMemory(nil)
		begin := time.Now()
		r := registry(store, nil)
		require.NoError(t, r.Made(t.Context(), "alice", resources.Resource{Name: "openai:files/x", Project: "alpha"}))
		made := func() time.Time {
			all, err := registry(store, nil).Own(t.Context(), "alice", "openai:files")
			require.NoError(t, err)
			require.Len(t, all, 1)
			return all[0].Made()
		}
		time.Sleep(30 * time.Minute)
		assert.WithinDuration(t, begin, made(), time.Second)
		time.Sleep(31 * time.Minute)
		for n := range 64 { // something is written to every record
			require.NoError(t, r.Made(t.Context(), "bob", resources.Resource{Name: fmt.Sprint("files/", n), Project: "alpha"}))
		}
		assert.Zero(t, made())
		for n := range 16 {
			data, err := store.Record(t.Context(), fmt.Sprintf("resources-%x", n))
			require.NoError(t, err)
			assert.False(t, strings.Contains(string(data), `"made"`), string(data))
		}
	})
}
