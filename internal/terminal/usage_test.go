package terminal

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/remote"
)

func TestUsage(t *testing.T) {
	to := time.Date(2026, 11, 25, 22, 11, 26, 0, time.UTC)
	u := remote.Usage{
		Window: "24h", From: to.Add(-24 * time.Hour), To: to,
		Rows: []remote.UsageRow{
			{Model: "gemini-2.5-pro", Caller: "alice", Requests: 1204, Refused: 3, Input: 3_456_789, Output: 1000, Thoughts: 500, Dollars: 1.5, WaitP95: 12.34, TookP95: 4.5},
			{Model: "gemini-\x1b[2J", Caller: "bob", Failed: 7},
		},
		Total: remote.UsageRow{Requests: 1204, Unmetered: 4},
	}
	got := Usage(&u, Style{Width: 160})
	assert.Regexp(t, `(?m)^ +gemini-2.5-pro +alice +1,204 +3 +3,456,789 +1,000 +500 +1.5000 +12.3s +4.5s$`, got)
	assert.Regexp(t, `(?m)^total`, got)
	assert.Contains(t, got, "4 answers said nothing of their tokens")
	assert.NotContains(t, got, "DAY  PROJECT", "columns that nothing stands in are left out")
	assert.NotContains(t, got, "\x1b")
	for _, width := range []int{80, 120} {
		fits(t, Usage(&u, Style{Width: width}), width)
	}
}
