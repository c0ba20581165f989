package ratelimits

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestInfer: a period that is told from what a bucket says of itself, in whole units and
// milliseconds, is never another than the bucket's, and mostly found.
func TestInfer(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	found, all := 0, 0
	for range 50_000 {
		per := []time.Duration{time.Second, 10 * time.Second, time.Minute, time.Hour, day}[r.IntN(5)]
		limit := int64(math.Exp(r.Float64() * math.Log(5e6)))
		missing := 1 + r.Float64()*float64(limit-1)
		if r.IntN(2) == 0 {
			missing = min(float64(limit), 1+r.Float64()*r.Float64()*20)
		}
		remaining := int64(math.Floor(float64(limit) - missing))
		whole := time.Duration(missing / float64(limit) * float64(per)).Round(time.Millisecond)
		if got := infer(limit, limit-remaining, whole); got != 0 {
			found++
			if !assert.Equal(t, per, got, "%d of %d left, whole in %s", remaining, limit, whole) {
				return
			}
		}
		all++
	}
	assert.Greater(t, found, all*3/4)
	t.Logf("%d of %d found", found, all)
}
