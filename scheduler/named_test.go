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

// TestWhatIsTooLargeForATest: where a day's limit that upstream named is tested up to the higher one of an operator, what counts for
// more than lies between them can't be the one that tests it, so it is told of midnight; what fits is the test, or is told to come soon.
func TestWhatIsTooLargeForATest(t *testing.T) {
	d := newDesk(t, Limits{RPM: 100, TPM: 2000, RPD: 12})
	d.do(noon, RecordRefusal{Model: "m", Limits: Limits{RPD: 10}})
	now := noon.Add(24 * time.Hour)
	for range 10 {
		assert.Equal(t, Admitted, d.reserve(now, 10).Verdict)
	}
	ask := func(id uint64, requests int64) Result {
		return d.do(now+120_000, Reserve{Model: "m", Demand: Demand{Tokens: 10, Requests: requests}, ID: id})
	}
	large := ask(100, 3)
	assert.Equal(t, ByRPD, large.Cause)
	assert.Equal(t, Admitted, d.do(large.Start, Reserve{Model: "m", Demand: Demand{Tokens: 10, Requests: 3}, ID: 101}).Verdict)
	d.p = nil
	d.do(noon, RecordRefusal{Model: "m", Limits: Limits{RPD: 10}})
	for range 10 {
		d.reserve(now, 10)
	}
	assert.Equal(t, ByRPD, ask(102, 1).Probe)
	assert.Equal(t, ByTest, ask(103, 1).Cause)
	assert.Equal(t, ByRPD, ask(104, 2).Cause, "one is left, whatever comes of the test")
}
