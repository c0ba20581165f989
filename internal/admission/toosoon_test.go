package admission_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/scheduler"
)

// While many wait, and sizes differ, a caller that would be far ahead of them waits though there is room. Who isn't
// ahead goes, and so does anybody where much would stand idle.
func TestWhoIsFarAheadWaits(t *testing.T) {
	for _, used := range []int64{700, 400} {
		synctest.Test(t, func(t *testing.T) {
			b := tenAMinute(t, "p")
			b.granted(b.others()) // from the next on it is kept what each was served
			full := b.request()
			full.Demand.Tokens = 980
			grant := b.granted(full)
			b.granted(b.others())
			for i, caller := range []string{"bob", "carol", "dave"} {
				req := b.request()
				req.Caller, req.Demand.Tokens = caller, []int64{100, 100, 600}[i]
				b.refused(req)
			}
			require.NoError(t, b.Settle(t.Context(), grant, used, time.Now()))
			mine, other := b.request(), b.request()
			mine.Demand.Tokens, other.Demand.Tokens, other.Caller = 190, 190, "erin"
			if used == 400 {
				b.granted(mine)
				return
			}
			wait := b.refused(mine)
			assert.Equal(t, 64*time.Second, b.left(wait), "as long as others take to get as much")
			b.granted(other)
			now := time.Duration(0)
			can := b.request() // who can't wait goes, too
			can.Demand.Tokens, can.MaxWait = 10, &now
			b.granted(can)
			time.Sleep(64 * time.Second)
			b.granted(mine) // nobody else has come
		})
	}
}

// Where each of many has a single request none has had less than another: whoever comes when it was told goes.
func TestWhoHasHadNothingIsNotAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := tenAMinute(t, "p")
		of := func(caller string, tokens int64) admission.Request {
			req := b.request()
			req.Caller, req.Demand.Tokens = caller, tokens
			return req
		}
		b.granted(of("alice", 500))
		time.Sleep(30 * time.Second)
		b.granted(of("bob", 480))
		var reqs []admission.Request
		var told []scheduler.Instant
		for _, caller := range []string{"carol", "dave", "erin", "frank"} {
			reqs = append(reqs, of(caller, 480))
			told = append(told, b.refused(reqs[len(reqs)-1]).Start)
		}
		for i, req := range reqs {
			b.until(told[i])
			b.granted(req)
		}
	})
}
