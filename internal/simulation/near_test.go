package simulation

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/internal/simquota"
)

// TestArrivalsThatJump has a crowd ask under a limit of a second whose requests are seen to arrive within 20 ms, until they take much
// longer at once, each as long as it likes, and later no longer again. The first that doesn't arrive is noticed before what takes its
// place is sent. So nothing is refused, as long as what a request takes longer shows before the provider
// counts the next. What is too little to show costs one group of refusals, which widens what is taken for a day.
func TestArrivalsThatJump(t *testing.T) {
	const beyond = "beyond what is taken of any"
	for name, c := range map[string]struct {
		most, limit int64
		becomes     time.Duration
		dials       time.Duration
		groups      int
	}{
		"to what is allowed for":               {1, 1, 38 * time.Millisecond, dial, 0},
		"to more than shows":                   {1, 1, 90 * time.Millisecond, dial, 1},
		"to a segment that is sent twice":      {1, 1, 250 * time.Millisecond, dial, 0},
		"to what is taken of any":              {1, 1, 500 * time.Millisecond, dial, 0},
		beyond:                                 {1, 1, 1200 * time.Millisecond, dial, 0},
		"ten of them, to what is taken of any": {10, 10, 500 * time.Millisecond, dial, 0},
		"of connections that take long":        {1, 1, dial, 700 * time.Millisecond, 0},
	} {
		if (race.Enabled || testing.Short()) && name != beyond {
			continue // what differs between these is arithmetic
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				bound := simquota.Per(simquota.Requests, c.limit, time.Second)
				f := newForeign(t, regime{
					provider: "azure", dialect: openaisim.Azure, counting: openaisim.CountSum, late: dial, near: true, organisations: 2,
					limits: []simquota.Limit{sliding(simquota.Requests, c.limit, time.Second), simquota.PerMinute(simquota.Tokens, 10_000_000)},
					input:  50, output: 50, bound: bound, exact: true,
				})
				f.begin = time.Now()
				const steady, long = 2 * time.Minute, 5 * time.Minute
				var known int
				time.AfterFunc(steady, func() {
					known = f.ledger.Total().Refused
					w := httptest.NewRecorder()
					f.app.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/status", nil))
					assert.Equal(t, f.organisations, strings.Count(w.Body.String(), `"arrives_within_ms":40`))
					f.way.become(c.becomes, c.dials)
				})
				time.AfterFunc(steady+long, func() { f.way.become(dial, dial) })
				var all sync.WaitGroup
				f.unleash(&all, f.begin.Add(12*time.Minute))
				all.Wait()
				assert.Empty(t, f.strays)
				groups, last := map[string]int{}, map[string]time.Time{}
				for _, x := range f.log() {
					if at := x.At.Sub(f.begin); x.Status == http.StatusTooManyRequests && at > f.latency+dial {
						t.Logf("%s refused after %v", x.Project, at)
						if last[x.Project].IsZero() || x.At.Sub(last[x.Project]) > 2*time.Second {
							groups[x.Project]++
						}
						last[x.Project] = x.At
					}
				}
				total := f.ledger.Total()
				t.Logf("%d answered, %d refused, %d of them before the jump", total.Accepted, total.Refused, known)
				for i := range f.organisations {
					assert.LessOrEqual(t, groups[org(i)], c.groups)
				}
				w := httptest.NewRecorder()
				f.app.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/status", nil))
				assert.Equal(t, len(groups), strings.Count(w.Body.String(), "arrive later than"))
			})
		})
	}
}
