package standing

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
	"fluxgate.dev/fluxgate/scheduler"
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
