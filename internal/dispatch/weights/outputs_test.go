package weights

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/race"
)

// What is expected is what such requests have used, and no more than one allows for.
func TestExpect(t *testing.T) {
	b := New(nil, nil)
	tokens, takes := b.Expect("alice", "m", 0)
	assert.EqualValues(t, Unknown, tokens)
	assert.Equal(t, UnknownTime, takes)
	tokens, _ = b.Expect("alice", "m", 100)
	assert.EqualValues(t, 100, tokens, "it allows for no more")

	b.Note("alice", "m", 200, 2*time.Second)
	tokens, takes = b.Expect("alice", "m", 0)
	assert.EqualValues(t, 300, tokens, "one answer is little to go by")
	assert.Equal(t, 3*time.Second, takes)
	tokens, _ = b.Expect("bob", "m", 0)
	assert.EqualValues(t, 300, tokens, "those of others are all that is known")
	b.Note("bob", "m", 10, time.Second)
	tokens, _ = b.Expect("bob", "m", 0)
	assert.EqualValues(t, 15, tokens)
	tokens, _ = b.Expect("alice", "other", 0)
	assert.EqualValues(t, Unknown, tokens)

	for range 2 * Kept {
		b.Note("alice", "m", 50, time.Millisecond)
	}
	tokens, takes = b.Expect("alice", "m", 0)
	assert.EqualValues(t, 50, tokens, "what was long ago is forgotten")
	assert.Equal(t, time.Millisecond, takes)
	b.Note("alice", "n", 1<<62, -time.Second)
	tokens, _ = b.Expect("alice", "n", 1<<40)
	assert.Positive(t, tokens)
}

// Whatever the sizes, no more exceed what was expected than Quantile says.
func TestQuantile(t *testing.T) {
	race.Skip(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	for name, next := range map[string]func() int64{
		"even":   func() int64 { return rnd.Int64N(1000) },
		"skewed": func() int64 { return int64(rnd.ExpFloat64() * 500) },
		"two":    func() int64 { return 10 + 4000*(rnd.Int64N(20)/19) },
	} {
		b, above := New(nil, nil), 0
		const n = 20_000
		for i := range n + Kept {
			tokens, _ := b.Expect("", "m", 0)
			used := next()
			if i >= Kept && used > tokens {
				above++
			}
			b.Note("", "m", used, 0)
		}
		assert.LessOrEqual(t, float64(above)/n, 1-Quantile/100.0+0.005, name)
	}
}
