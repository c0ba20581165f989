package server_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/geminisim"
)

// Nobody has named the limits of a model: it begins with what is built in, 10 a minute,
// and goes up to what there is, for one 429 of upstream's, which names it.
func TestLimitsAreFoundFromWhereTheyBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{"FLUXGATE_CHAIN=" + flash}, sim: func(c *geminisim.Config) {
			c.Limits[flash] = geminisim.Limits{RPM: 14, TPM: 1_000_000, RPD: 10_000}
			c.Latency = time.Second
		}})
		n := 0
		minute := func() (answered int) {
			for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(500 * time.Millisecond) {
				n++
				if w.generate(fmt.Sprint(n), `"max_wait":0`).Code == http.StatusOK {
					answered++
				}
			}
			time.Sleep(5 * time.Second)
			return answered
		}
		for range 3 {
			minute()
		}
		assert.Equal(t, 14, minute())
		assert.EqualValues(t, 1, w.sim.Stats().Refused)
		rpm := w.full().Projects[0].Models[0].RPM
		assert.Equal(t, "learned", rpm.Source)
		assert.EqualValues(t, 14, rpm.Limit)
		assert.NotContains(t, w.full().said(), "probe answered", "a limit that goes up by one is no event")
	})
}
