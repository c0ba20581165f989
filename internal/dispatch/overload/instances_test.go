package overload

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// Each instance knows of an overload from what it saw itself. Callers that come back when they were told, to any of
// ten instances, have upstream see little more than one instance would where there are many of them, and a few
// times as much where there is one.
func TestOfSeveralInstances(t *testing.T) {
	race.Skip(t)
	const lasts = 10 * time.Minute
	seen := func(callers, instances int) (requests int) {
		rnd := rand.New(rand.NewPCG(1, 2))
		all := make([]*Memory, instances)
		for i := range all {
			all[i] = New()
		}
		begun := time.Unix(0, 0)
		next := make([]time.Time, callers)
		for i := range next {
			next[i] = begun.Add(time.Duration(i) * 7 * time.Millisecond)
		}
		for {
			i := 0
			for j := range next {
				if next[j].Before(next[i]) {
					i = j
				}
			}
			if next[i].Sub(begun) >= lasts {
				return requests
			}
			requests++
			asked := next[i]
			refused := asked.Add(300 * time.Millisecond)
			next[i] = refused.Add(all[rnd.IntN(instances)].Pause("m", &upstream.Error{}, asked, refused))
		}
	}
	for callers, most := range map[int]float64{1: 3, 10: 1.5, 100: 1.1, 1000: 1.1} {
		one, ten := seen(callers, 1), seen(callers, 10)
		t.Logf("%d callers: one instance %d requests, ten %d", callers, one, ten)
		assert.LessOrEqual(t, float64(ten), most*float64(one), "%d callers", callers)
	}
}
