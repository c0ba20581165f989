package scheduler_test

import (
	"testing"
	"time"

	. "fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/scheduler/learned"
	"github.com/stretchr/testify/assert"
)

// TestNamedLimitIsNeverRaised: a limit that an operator has named, to leave others their part, holds though upstream names a
// higher one when others have used that up: in the minute after, on later days, and when the lesson is old.
func TestNamedLimitIsNeverRaised(t *testing.T) {
	named := Limits{RPM: 2, TPM: 20, RPD: 3}
	for name, taught := range map[string]Limits{"higher": {RPM: 5, TPM: 50, RPD: 10}, "as high": named} {
		for _, after := range []time.Duration{2 * time.Minute, 24 * time.Hour, learned.LearnedFor - time.Hour, learned.LearnedFor + time.Hour} {
			d := newDesk(t, named)
			d.do(noon, RecordRefusal{Model: "m", Limits: taught})
			now := noon.Add(after)
			assert.Equal(t, named, d.limits(now).Limits, "%s, %v", name, after)
			for range 2 {
				assert.Equal(t, Admitted, d.reserve(now, 10).Verdict, "%s, %v", name, after)
			}
			refused := d.reserve(now, 10)
			assert.Equal(t, Refused, refused.Verdict, "%s, %v", name, after)
			assert.Equal(t, now.Add(61*time.Second), refused.Start, "%s, %v", name, after)
			assert.Equal(t, Admitted, d.reserve(refused.Start, 10).Verdict)

			spent := d.reserve(refused.Start.Add(2*time.Minute), 10)
			assert.Equal(t, ByRPD, spent.Cause, "%s, %v: nothing is tested, so who asks is told of midnight", name, after)
			assert.Equal(t, Admitted, d.reserve(spent.Start, 10).Verdict, "%s, %v", name, after)
		}
	}
}
