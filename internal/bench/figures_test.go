package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		figures []time.Duration
		q       float64
		want    time.Duration
	}{
		{nil, 0.5, 0},
		{[]time.Duration{7}, 0.99, 7},
		{[]time.Duration{30, 10, 20}, 0.5, 20},     // in any order
		{[]time.Duration{40, 10, 20, 30}, 0.5, 25}, // between two
		{[]time.Duration{0, 100}, 0.9, 90},
		{[]time.Duration{5, 1}, 0, 1},
		{[]time.Duration{5, 1}, 1, 5},
	} {
		given := append([]time.Duration(nil), c.figures...)
		assert.Equal(t, c.want, quantile(c.figures, c.q), "%v at %v", given, c.q)
		assert.Equal(t, given, append([]time.Duration(nil), c.figures...), "the figures of a round stay in their order")
	}
}

// The ratio is taken round by round: the sums would let one slow round decide.
func TestCompare(t *testing.T) {
	r := &OverheadReport{Parties: []Party{
		{perRound: []float64{1, 2, 10}},
		{perRound: []float64{2, 3, 11}},
	}}
	r.compare()
	assert.Equal(t, Range{1, 1, 1}, r.Parties[0].Ratio)
	assert.Equal(t, Range{1.5, 1.1, 2}, r.Parties[1].Ratio)

	// A clock too coarse to see the proxy at all is no ratio.
	r = &OverheadReport{Parties: []Party{{perRound: []float64{0}}, {perRound: []float64{1}}}}
	r.compare()
	assert.Zero(t, r.Parties[1].Ratio)
}

func TestCheck(t *testing.T) {
	r := &StreamReport{Received: 200e6, PeakBytes: memoryLimit - 1}
	assert.NoError(t, r.Check())
	r.PeakBytes = memoryLimit
	assert.EqualError(t, r.Check(),
		"a stream of 200.0 MB took Fluxgate to 64.0 MiB of resident memory, the limit is 64 MiB")
}
