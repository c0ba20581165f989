package price

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCost(t *testing.T) {
	table := List("2026-11-29")
	for name, c := range map[string]struct {
		model                 string
		input, cached, output int64
		dollars               float64
	}{
		"a million each way":        {"gemini-2.5-flash", 1_000_000, 0, 1_000_000, 2.80},
		"cached ones cost less":     {"gemini-2.5-flash", 1_000_000, 500_000, 0, 0.165},
		"at the bound":              {"gemini-2.5-pro", 200_000, 0, 1000, 0.26},
		"above it, all of it":       {"gemini-2.5-pro", 200_001, 0, 1000, 0.5150025},
		"a preview":                 {"gemini-2.5-flash-lite-preview-09-2025", 1_000_000, 0, 0, 0.10},
		"more cached than there is": {"gemini-2.5-flash", 10, 1 << 40, 0, 3e-7},
	} {
		cost, ok := table.Cost(c.model, c.input, c.cached, c.output)
		require.True(t, ok, name)
		assert.InDelta(t, c.dollars, cost.Dollars(), 1e-12, name)
	}
	for _, model := range []string{"", "gemini-2.5", "gemini-2.5-flash-image", "gemini-2.5-pronto", "gemini-9-pro"} {
		_, ok := table.Cost(model, 1, 0, 0)
		assert.False(t, ok, "%q costs something else, or nobody knows what", model)
	}
}

// A batch costs half, but for what a cached content held (documented), above the bound too.
func TestBatchCost(t *testing.T) {
	table, err := Parse(Example)
	require.NoError(t, err)
	batch := table.Batch()
	for _, input := range []int64{100_000, 300_000} {
		plain, _ := table.Cost("gemini-2.5-pro", input, 0, 1000)
		half, ok := batch.Cost("gemini-2.5-pro", input, 0, 1000)
		require.True(t, ok)
		assert.Equal(t, plain, 2*half)
		plain, _ = table.Cost("gemini-2.5-pro", input, input, 0)
		same, _ := batch.Cost("gemini-2.5-pro", input, input, 0)
		assert.Equal(t, plain, same)
	}
}

// A price that ends on a day is another from then on.
func TestListIsDated(t *testing.T) {
	before, _ := List("2026-12-31").Cost("gemini-3.8-flash", 1_000_000, 0, 0)
	after, _ := List("2027-01-01").Cost("gemini-3.8-flash", 1_000_000, 0, 0)
	assert.Equal(t, 2*before, after)
}

func TestParse(t *testing.T) {
	table, err := Parse(Example)
	require.NoError(t, err)
	assert.Equal(t, List("2026-11-29")["gemini-2.5-pro"], table["gemini-2.5-pro"])
	table, err = Parse(`{"mine":{"input":1}}`)
	require.NoError(t, err)
	assert.Equal(t, Price{Input: 1e6, Output: 1e6, Cached: 1e6}, table["mine"], "what isn't named costs what input does")
	for _, text := range []string{``, `[]`, `{"m":1}`, `{"m":{}}`, `{"m":{"input":-1}}`, `{"m":{"input":1e9}}`, `{"m":{"input":1,"inptu":2}}`, `{"m":{"input":1,"over":-1}}`, Example + `{}`} {
		_, err := Parse(text)
		assert.Error(t, err, text)
	}
	_, err = Parse(`{"a":{"output":1},"b":{"input":-1}}`)
	assert.ErrorContains(t, err, `"a"`)
	assert.ErrorContains(t, err, `"b"`, "all that is wrong is told at once")
}

// A price holds on its days, and one that is set on all of them.
func TestDaily(t *testing.T) {
	d := NewDaily(Table{"gemini-2.5-pro": {Input: 7, Output: 7, Cached: 7}})
	for _, c := range []struct {
		at   time.Time
		want Pico
	}{
		{time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC), 750_000},
		{time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), 1_500_000},
		{time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC), 750_000},
	} {
		assert.Equal(t, c.want, d.At(c.at)["gemini-3.8-flash"].Input)
		assert.EqualValues(t, 7, d.At(c.at)["gemini-2.5-pro"].Input)
		assert.Equal(t, List("2026-12-01")["gemini-2.5-flash"], NewDaily(nil).At(c.at)["gemini-2.5-flash"])
	}
}
