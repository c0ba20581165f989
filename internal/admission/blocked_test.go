package admission_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// Who was told a time behind a block is told the same whenever it comes early: what it was told itself is
// not in its way, and those that were told later times aren't either, whether or not there are other projects.
func TestPromisesBehindABlockStand(t *testing.T) {
	for _, projects := range [][]string{{"p"}, {"p", "q"}} {
		inBubble(t, projects, func(b *bench) {
			ctl, err := admission.New(b.Context(), admission.Options{
				Store: b.shared, Shared: true, Rules: func(storage.Control) *scheduler.Rules { return b.rules },
			})
			require.NoError(t, err)
			b.Controller = ctl
			for range projects {
				b.granted(b.request())
			}
			time.Sleep(30 * time.Second)
			b.apply("p", scheduler.RecordRefusal{Model: first, Block: scheduler.Block{Until: b.Now().Add(40 * time.Second), Cause: scheduler.ByRPM}})
			requests, told := make([]admission.Request, 4), make([]scheduler.Instant, 4)
			for i := range requests {
				requests[i] = b.request()
				requests[i].Caller = fmt.Sprint("c", i)
				told[i] = b.refused(requests[i]).Start
			}
			for range 5 {
				time.Sleep(5 * time.Second)
				for i := range requests {
					assert.Equal(t, told[i], b.refused(requests[i]).Start, "%d of %v", i, projects)
				}
			}
		})
	}
}
