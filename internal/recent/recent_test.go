package recent

import (
	"slices"
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

// However often it is filled anew, it remembers what was put last, and nothing else.
func TestRecentIsTheLast(t *testing.T) {
	const most = 5
	r := New[int, int](most)
	var last []int // the keys, in the order in which they came
	for n := range 1000 {
		key := n * n % 23 // some come again
		if r.Put(key, n); !slices.Contains(last, key) {
			last = append(last, key)
			last = last[max(0, len(last)-most):]
		}
		for k := range 23 {
			got, ok := r.Get(k)
			assert.Equal(t, slices.Contains(last, k), ok)
			assert.True(t, k != key || got == n)
		}
	}
	assert.Len(t, r.order, most)
}
