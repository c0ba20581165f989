package admission_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/scheduler"
)

// Who comes before its time, having sat out a minute of it, is told no later time than before, though what others
// that wait were served was booked, or turned out to weigh more or less: it is all the same that they were.
func TestWhatOthersWereServedCounts(t *testing.T) {
	for name, x := range map[string]struct {
		back   scheduler.Instant // when the second of Alice's comes, which proves that it does; 0: not before its time
		tokens int64             // that it turns out to weigh
	}{
		"as it was reserved": {0, 10}, "more": {0, 12}, "less": {0, 8}, "booked": {60_000, 10}, "booked, and more": {60_000, 12},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := sharedPool(t, 1)
				one, two, three, bobs := b.request(), b.request(), b.request(), b.others()
				two.SitsOut, bobs.SitsOut = time.Minute, time.Minute
				began := b.Now()
				b.granted(one)
				b.until(began + 100)
				b.wait(two)
				b.until(began + 200)
				b.wait(three)
				b.until(began + 300)
				told := b.wait(bobs)
				assert.Equal(t, 122*time.Second, b.left(told))
				if x.back != 0 {
					b.until(began + x.back)
					assert.True(t, b.wait(two).Booked)
				}
				b.until(began + 61_200)
				second, sent := b.granted(two), time.Now()
				assert.Equal(t, x.back != 0, second.Booked)
				b.until(began + 61_700)
				assert.NoError(t, b.Settle(t.Context(), second, x.tokens, sent))

				b.until(began + 63_000)
				again := b.wait(bobs)
				assert.True(t, again.Booked)
				assert.LessOrEqual(t, again.Start, told.Start+1000, "to the second")
				b.until(again.Start)
				b.granted(bobs)
			})
		})
	}
}
