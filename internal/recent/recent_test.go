package recent

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// What is remembered is bounded, the oldest goes first, and a value that is put
// again doesn't grow it.
func TestRecentIsBounded(t *testing.T) {
	r := New[int, string](2)
	r.Put(1, "a")
	r.Put(2, "b")
	r.Put(1, "c")
	r.Put(3, "d")
	_, ok := r.Get(1)
	assert.False(t, ok, "the oldest")
	for k, want := range map[int]string{2: "b", 3: "d"} {
		got, ok := r.Get(k)
		assert.True(t, ok)
		assert.Equal(t, want, got)
	}
	assert.Len(t, r.values, 2)
	assert.Len(t, r.order, 2)
}
