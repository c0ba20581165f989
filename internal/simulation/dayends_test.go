package simulation

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
)

// More wait than a day has places left. What is told isn't kept, and doesn't count on the day: whether all come for it shows
// within minutes, while who was told of tomorrow for it would wait for hours in vain where one doesn't come. So the
// others are told a time of today too: where all come, each comes once more and is told of tomorrow, and where
// half of them don't, others go in their place. Those that are told of tomorrow come by and by as there is room, and
// no crowd at midnight: all of these came within its first two seconds, as each was told the first time at which it could be booked,
// though it is too far ahead for that; and of 841 at four instances some 600 within its first minute, as each instance told of all the room
// that there is then.
func TestMoreWaitThanADayHasPlaces(t *testing.T) {
	race.Skip(t)
	const places = 160
	type day struct {
		callers, all, instances int
		returns                 float64
	}
	days := []day{{5, 600, 1, .5}, {5, 1000, 2, 1}, {1, 600, 1, 1}, {5, 600, 1, 1}, {1, 600, 1, .5}, {1, 1000, 1, 1}, {1, 1000, 2, 1}, {1, 1000, 4, 1}, {5, 1000, 4, 1}, {5, 1000, 4, .5}}
	if testing.Short() { // one of one instance, half of which don't come, and one of several
		days = days[:2]
	}
	for _, c := range days {
		t.Run(fmt.Sprintf("%d callers, %d requests, %d instances, %.0f%% return", c.callers, c.all, c.instances, 100*c.returns), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSociety(t, pool, c.instances, 3, nil, scheduler.Limits{RPM: rpm, TPM: tpm, RPD: places / pool})
				midnight := time.Until(scheduler.DayOf(scheduler.At(time.Now())).End().Time())
				for i := range c.all {
					m := manner{name: fmt.Sprint("c", i%c.callers), returns: c.returns, late: 100 * time.Millisecond, thinks: 1000 * time.Hour}
					s.after(time.Duration(s.rnd.Int64N(int64(10*time.Second))), func() { s.try(m, s.request(1000), 0) })
				}
				s.run(midnight - time.Minute)
				today, waiting := s.admitted, len(s.waiting)
				assert.Equal(t, places, today, "none is lost for those that don't come")
				assert.LessOrEqual(t, s.calls, places/2+c.all*22/10, "twice each, and few more")
				before, last := s.calls, s.calls
				var herd []int // calls of each minute from midnight on
				for i := range 15 {
					s.after(midnight-s.elapsed()+time.Duration(i+1)*time.Minute, func() { herd, last = append(herd, s.calls-last), s.calls })
				}
				s.run(midnight + 15*time.Minute)
				t.Logf("%d calls by midnight, %d waiting; then each minute %v, and %d were sent", before, waiting, herd, s.admitted-today)
				most := 9 * pool * rpm / 4
				if c.instances > 2 { // what one doesn't know of others is by chance
					most = 3 * pool * rpm
				}
				for _, n := range herd {
					assert.LessOrEqual(t, n, most, "as many as there is room for, and who found the day spent")
				}
				assert.GreaterOrEqual(t, s.admitted-today, int(c.returns*float64(min(places, waiting))))
				assert.Zero(t, s.broken)
				assert.Zero(t, s.upstream.violations())
			})
		})
	}
}
