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

// Who has a budget sees what is left of it, and until when it has to last.
func TestBudgets(t *testing.T) {
	midnight := time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	said := Usage(&remote.Usage{Budgets: []remote.Budget{
		{Name: "tokens_per_day", Limit: 2_000_000, Left: 1_234_567, Resets: midnight},
		{Name: "dollars_per_month", Limit: 50, Left: 3.25, Resets: midnight.AddDate(0, 0, 1)},
	}}, Style{})
	assert.Regexp(t, `tokens per day +2,000,000 +1,234,567 +2026-11-30 08:00:00`, said)
	assert.Regexp(t, `dollars per month +\$50\.0000 +\$3\.2500 +2026-12-01 08:00:00`, said)
	assert.NotContains(t, Usage(&remote.Usage{}, Style{}), "BUDGET")
}
