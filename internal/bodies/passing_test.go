package bodies

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What is short is held, and there as often as it is asked for; what is long, or not known to be short,
// once. Each takes what it holds beside what any request takes, and gives it back.
func TestPass(t *testing.T) {
	for name, c := range map[string]struct {
		size, length int64
		again        bool
		charge       int64
	}{
		"empty":            {0, 0, true, Each},
		"short":            {1000, 1000, true, Each + 1000},
		"as long as it is": {first, first, true, Each + first},
		"long":             {first + 1, first + 1, false, Each},
		"of any length":    {1000, -1, false, Each},
	} {
		t.Run(name, func(t *testing.T) {
			b := New(1 << 20)
			text := strings.Repeat("x", int(c.size))
			body, err := b.Pass(strings.NewReader(text), c.length)
			require.NoError(t, err)
			assert.Equal(t, c.charge, b.Held())
			for n := range 3 {
				from, there := body.Take()
				if require.Equal(t, n == 0 || c.again, there); there {
					got, err := io.ReadAll(from)
					require.NoError(t, err)
					assert.Equal(t, text, string(got))
				}
			}
			body.Release()
			assert.Zero(t, b.Held())
		})
	}
	b := New(1 << 20)
	_, err := b.Pass(strings.NewReader("short"), 6)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Zero(t, b.Held(), "nothing is left to release")
	_, err = New(Each).Pass(strings.NewReader("short"), 5)
	require.ErrorIs(t, err, ErrNever)
}
