package admission_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// While a large request waits, a small one doesn't take the last request of a project that has
// most of its tokens left, if there is room on another, or is soon: nobody could use the tokens.
func TestSmallRequestsLeaveWhatTheyWouldWaste(t *testing.T) {
	for range 10 { // or chance would do as well
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, storage.NewMemory(time.Now), []string{"few", "many"})
			ten, thousand, unlimited := int64(10), int64(1000), scheduler.Unlimited
			b.rules.Policy = scheduler.NewPolicy([]string{first}, map[string]scheduler.Override{first: {RPM: &ten, TPM: &thousand, RPD: &unlimited}})
			ctl, err := admission.New(t.Context(), admission.Options{
				Store: b.shared, Shared: true, Rules: func(storage.Control) *scheduler.Rules { return b.rules },
			})
			require.NoError(t, err)
			b.Controller = ctl
			send := func(on int, tokens int64) {
				req := b.others()
				req.Demand.Tokens = tokens
				req.Projects = req.Projects[on : on+1]
				b.granted(req)
			}
			send(0, 500)
			time.Sleep(5 * time.Second)
			for range 9 {
				send(0, 1)
			}
			send(1, 990)
			large := b.others()
			large.Demand.Tokens = 600
			b.refused(large)
			time.Sleep(56 * time.Second)
			small := b.request()
			small.Demand.Tokens = 20
			wait := b.refused(small)
			assert.Equal(t, "many", wait.Project)
			assert.LessOrEqual(t, b.left(wait), 5*time.Second)
			assert.Equal(t, "few", b.granted(large).Project)
			b.until(wait.Start)
			b.granted(small)
		})
	}
}
