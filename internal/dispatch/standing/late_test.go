package standing

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// TestMayBeLate: a refusal that says that enough was left of a limit, or to come again much later than that takes, isn't by that limit, and
// shows nothing of how late its request arrived.
func TestMayBeLate(t *testing.T) {
	second := func(of ratelimits.Dimension, remaining int64) ratelimits.Limit {
		return ratelimits.Limit{Dimension: of, Per: time.Second, Limit: 10, Remaining: remaining, Tier: ratelimits.Standard}
	}
	minute := ratelimits.Limit{Dimension: ratelimits.Requests, Per: time.Minute, Limit: 60, Remaining: 60, Tier: ratelimits.Standard}
	share := second(ratelimits.Requests, 5)
	share.Tier = ratelimits.Share
	for name, c := range map[string]struct {
		told  []ratelimits.Limit
		again time.Duration
		want  bool
	}{
		"nothing is said":        {nil, 0, true},
		"nothing is left":        {[]ratelimits.Limit{second(ratelimits.Requests, 0)}, time.Second, true},
		"one is left":            {[]ratelimits.Limit{second(ratelimits.Requests, 1)}, time.Second, false},
		"too few tokens":         {[]ratelimits.Limit{second(ratelimits.Requests, 1), second(ratelimits.Tokens, 6)}, time.Second, true},
		"enough of both":         {[]ratelimits.Limit{second(ratelimits.Requests, 1), second(ratelimits.Tokens, 7)}, time.Second, false},
		"of another period":      {[]ratelimits.Limit{minute}, time.Second, true},
		"of a key's own":         {[]ratelimits.Limit{share}, time.Second, true},
		"it isn't said how many": {[]ratelimits.Limit{second(ratelimits.Requests, -1)}, time.Second, true},
		"to come in a minute":    {[]ratelimits.Limit{second(ratelimits.Requests, 0)}, time.Minute, false},
		"to come in 20 s":        {nil, 20 * time.Second, true},
	} {
		assert.Equal(t, c.want, mayBeLate(scheduler.Spec{Window: time.Second}, scheduler.Reservation{Requests: 1, Tokens: 7}, c.told, c.again), name)
	}
}

// TestLateIsToldForAsLongAsItIsKept: the event says for how long requests count for longer, which is a day, and an hour where somebody
// else is known to use the limits.
func TestLateIsToldForAsLongAsItIsKept(t *testing.T) {
	for want, others := range map[string]int64{": for a day they count for longer": 0, ": for an hour they count for longer": 10} {
		synctest.Test(t, func(t *testing.T) {
			on := scheduler.OfWindow(model, time.Second)
			rules := rulesOf(60, 0)
			rules.Skew = 500 * time.Millisecond
			rules.Specs = map[string]scheduler.Spec{on: {
				EffectiveLimits: scheduler.EffectiveLimits{Limits: scheduler.Limits{RPM: 1, TPM: scheduler.Unlimited, RPD: scheduler.Unlimited}}, Window: time.Second, Late: 50 * time.Millisecond,
			}}
			ctl, err := admission.New(t.Context(), admission.Options{Store: storage.NewMemory(time.Now), Rules: func(storage.Control) *scheduler.Rules { return rules }})
			require.NoError(t, err)
			if others > 0 {
				used := scheduler.Demand{Requests: others}
				_, err := ctl.Apply(t.Context(), "p", scheduler.Heard{Model: model, ID: 1000, Used: used, Most: used})
				require.NoError(t, err)
				time.Sleep(2 * time.Minute)
			}
			var last scheduler.Result
			for id := range uint64(2) {
				last, err = ctl.Apply(t.Context(), "p", scheduler.Reserve{Model: model, ID: id + 1, Demand: scheduler.Demand{Tokens: 10}, Also: []scheduler.Weight{{On: on}}})
				require.NoError(t, err)
				require.Equal(t, scheduler.Admitted, last.Verdict)
				time.Sleep(1100 * time.Millisecond)
			}
			news, err := arrivedLate(t.Context(), ctl, &admission.Grant{Project: "p", Model: model, Also: last.Also}, nil, Sent{refused: map[string]scheduler.Demand{}})
			require.NoError(t, err)
			require.Len(t, news, 1)
			assert.Contains(t, news[0], "arrive later than the 50ms that are named"+want)
		})
	}
}
