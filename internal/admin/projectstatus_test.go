package admin

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/scheduler"
)

// A model that gave up its place is listed with what it was used for today: by its name if
// that is known, else together with others of which no more than a hash is kept.
func TestModelsWithoutAPlace(t *testing.T) {
	now := scheduler.At(time.Date(2026, 11, 28, 20, 0, 0, 0, time.UTC))
	today := scheduler.DayOf(now)
	idle := func(model string, day scheduler.Day, requests int64) scheduler.Idle {
		return scheduler.Idle{Name: scheduler.NameOf(model), Day: scheduler.DayCount{Day: day, Requests: requests, Tokens: 10 * requests}}
	}
	state := &scheduler.Project{
		Calendars: []*scheduler.Calendar{{Model: "has-a-place"}},
		Idle: []scheduler.Idle{
			idle("chain", today, 3), idle("named", today, 4), idle("x", today, 5), idle("y", today, 6), idle("z", today-1, 100),
		},
	}
	v := &statusView{
		rules: &scheduler.Rules{Policy: scheduler.NewPolicy([]string{"chain"}, nil), Skew: scheduler.DefaultSkew, Hold: scheduler.DefaultHold},
		now:   now, chain: []string{"chain"}, names: slices.Values([]string{"chain", "named"}),
	}
	used := map[string][2]int64{}
	for _, m := range v.project("p", keys.Key{}, state).Models {
		used[m.Model] = [2]int64{m.RPD.Used, m.TokensToday}
	}
	assert.Equal(t, map[string][2]int64{
		"chain": {3, 30}, "has-a-place": {}, "named": {4, 40}, "(others)": {11, 110},
	}, used)
	data, err := json.Marshal(v.others(scheduler.DayCount{Day: today, Requests: 11, Tokens: 110}))
	require.NoError(t, err)
	var fields map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(data, &fields))
	assert.Subset(t, slices.Collect(maps.Keys(fields)), []string{"model", "rpm", "tpm", "rpd", "tokens_today", "bookings", "next_free"})
}

// A note on a calendar is shown as nothing that was sent.
func TestNotesWereNotSent(t *testing.T) {
	now := scheduler.At(time.Date(2026, 11, 28, 20, 0, 0, 0, time.UTC))
	v := &statusView{
		rules: &scheduler.Rules{Policy: scheduler.NewPolicy([]string{"chain"}, nil), Skew: scheduler.DefaultSkew, Hold: scheduler.DefaultHold},
		now:   now, chain: []string{"chain"}, names: slices.Values([]string{"chain"}),
	}
	others := scheduler.Demand{Requests: 1}
	state, _ := (*scheduler.Project)(nil).Apply(v.rules, now, scheduler.Heard{Model: "chain", ID: 1, Used: others, Most: others})
	require.Len(t, state.Calendar("chain").Sent, 2)
	assert.Len(t, v.project("p", keys.Key{}, state).Models[0].Sent, 1)
}

// TestHowSoonRequestsArriveIsTold: what is measured of a provider's connections is told of each of its projects, in milliseconds, and nothing
// where it isn't.
func TestHowSoonRequestsArriveIsTold(t *testing.T) {
	rules := &scheduler.Rules{Policy: scheduler.NewPolicy([]string{"chain"}, nil), Skew: scheduler.DefaultSkew, Hold: scheduler.DefaultHold}
	own := *rules
	rules.Projects = map[string]*scheduler.Rules{"org-b": &own}
	v := &statusView{
		rules: rules.Nearer(map[string]time.Duration{"azure": 70 * time.Millisecond}),
		now:   scheduler.At(time.Date(2026, 11, 28, 20, 0, 0, 0, time.UTC)), chain: []string{"chain"}, names: slices.Values([]string{"chain"}),
	}
	for project, c := range map[string]struct {
		provider string
		want     string
	}{"org-a": {"azure", "70"}, "org-b": {"azure", "70"}, "org-c": {"openai", ""}, "g": {"", ""}} {
		data, err := json.Marshal(v.project(project, keys.Key{Provider: c.provider}, nil))
		require.NoError(t, err)
		var fields map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(data, &fields))
		assert.Equal(t, c.want, string(fields["arrives_within_ms"]), project)
	}
}
