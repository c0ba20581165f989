package geminisim

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
	"fluxgate.dev/fluxgate/internal/geminisim/journal"
	"fluxgate.dev/fluxgate/internal/geminisim/quota"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// TestDefaultLimits: a project has the family's limits on every default model,
// and is told which one it hit.
func TestDefaultLimits(t *testing.T) {
	for model, rpm := range map[string]int{
		"gemini-2.5-pro": 5, "gemini-2.5-flash": 10, "gemini-2.5-flash-lite": 15,
		"gemini-3.1-pro-preview": 5, "gemini-3-flash-preview": 10, "gemini-3.1-flash-lite-preview": 15,
	} {
		t.Run(model, func(t *testing.T) {
			s, _ := newSim(Config{})
			for range rpm {
				require.Equal(t, http.StatusOK, ask(t, s, key1, model, 1).status)
			}
			got := parseRefusal(t, ask(t, s, key1, model, 1))
			require.Equal(t, []string{"GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}, got.ids())
			assert.Equal(t, fmt.Sprint(rpm), *got.violations[0].Value)
			assert.Equal(t, map[string]string{"location": "global", "model": model}, got.violations[0].Dimensions)
			require.Equal(t, http.StatusOK, ask(t, s, key2, model, 1).status, "another project has its own quota")
		})
	}
}

// TestMinuteOverHTTP: the sliding log refuses at 59.999 s and admits at 60 s,
// and the refusal in between says how long is left: exactly in the message,
// floored in retryDelay.
func TestMinuteOverHTTP(t *testing.T) {
	s, now := newSim(Config{Limits: map[string]Limits{flash: {RPM: 1, TPM: -1, RPD: -1}}})
	require.Equal(t, http.StatusOK, ask(t, s, key1, flash, 5).status)

	now.set(noon.Add(38*time.Second + 502*time.Millisecond + 6*time.Microsecond))
	got := parseRefusal(t, ask(t, s, key1, flash, 5))
	assert.Contains(t, got.message, "\nPlease retry in 21.497994s.")
	assert.Contains(t, got.message, "\n* Quota exceeded for metric: generativelanguage.googleapis.com/generate_content_free_tier_requests, limit: 1, model: gemini-2.5-flash\n")
	assert.Equal(t, "21s", got.retry)

	now.set(noon.Add(59_999 * time.Millisecond))
	got = parseRefusal(t, ask(t, s, key1, flash, 5))
	assert.Contains(t, got.message, "Please retry in 1ms.")
	assert.Equal(t, "0s", got.retry)

	now.set(noon.Add(60 * time.Second))
	assert.Equal(t, http.StatusOK, ask(t, s, key1, flash, 5).status, "refused requests must not count")

	assert.Equal(t, journal.Stats{Accepted: 2, Refused: 2, RefusedRPM: 2}, s.Stats())
}

// TestWindowsOverHTTP: each kind of window is what Config says it is. They
// differ at the turn of a minute.
func TestWindowsOverHTTP(t *testing.T) {
	for _, tc := range []struct {
		window   quota.Window
		retry    string
		atTurn   int // status one second later, at the next minute of the clock
		atSix    int // status six seconds later
		atMinute int // status 61 s later
	}{
		{quota.SlidingLog, "1m0s", 429, 429, 200},
		{quota.FixedMinute, "1s", 200, 200, 200},
		{quota.TokenBucket, "6s", 429, 200, 200},
	} {
		for i, at := range []time.Duration{time.Second, 6 * time.Second, 61 * time.Second} {
			s, now := newSim(Config{Window: tc.window, Limits: map[string]Limits{flash: {RPM: 10, TPM: -1, RPD: -1}}})
			now.set(noon.Add(59 * time.Second))
			for range 10 {
				require.Equal(t, http.StatusOK, ask(t, s, key1, flash, 1).status)
			}
			got := parseRefusal(t, ask(t, s, key1, flash, 1))
			require.Contains(t, got.message, "Please retry in "+tc.retry+".", "window %d", tc.window)
			now.add(at)
			want := []int{tc.atTurn, tc.atSix, tc.atMinute}[i]
			require.Equal(t, want, ask(t, s, key1, flash, 1).status, "window %d after %v", tc.window, at)
		}
	}
}

func TestTokensPerMinute(t *testing.T) {
	s, now := newSim(Config{Limits: map[string]Limits{flash: {RPM: -1, TPM: 1000, RPD: -1}}})
	require.Equal(t, 200, ask(t, s, key1, flash, 600).status)
	now.add(10 * time.Second)
	require.Equal(t, 200, ask(t, s, key1, flash, 400).status, "exactly the limit fits")
	now.add(10 * time.Second)

	got := parseRefusal(t, ask(t, s, key1, flash, 601))
	require.Equal(t, []string{"GenerateContentInputTokensPerModelPerMinute-FreeTier"}, got.ids())
	assert.Equal(t, "generativelanguage.googleapis.com/generate_content_free_tier_input_token_count", got.violations[0].Metric)
	assert.Equal(t, "1000", *got.violations[0].Value)
	assert.Equal(t, "50s", got.retry, "600 that leave after 40 s don't make room for 601")
	assert.Equal(t, "40s", parseRefusal(t, ask(t, s, key1, flash, 600)).retry)
	assert.EqualValues(t, 2, s.Stats().RefusedTPM)

	requests, tokens := s.Peak("alpha", flash)
	assert.EqualValues(t, 2, requests)
	assert.EqualValues(t, 1000, tokens)
}

// TestOversize: a request of four times TPM is admitted by an empty window and
// fills it for four minutes, or is never admitted, as the switch says.
func TestOversize(t *testing.T) {
	limits := map[string]Limits{flash: {RPM: -1, TPM: 250, RPD: -1}}
	for _, window := range []quota.Window{quota.SlidingLog, quota.FixedMinute, quota.TokenBucket} {
		s, now := newSim(Config{Limits: limits, Window: window})
		require.Equal(t, 200, ask(t, s, key1, flash, 1).status)
		require.Equal(t, 429, ask(t, s, key1, flash, 1000).status, "not empty")
		now.add(time.Minute)
		require.Equal(t, 200, ask(t, s, key1, flash, 1000).status)
		now.add(4*time.Minute - time.Millisecond)
		require.Equal(t, 429, ask(t, s, key1, flash, 250).status, "window %d", window)
		now.add(time.Millisecond)
		require.Equal(t, 200, ask(t, s, key1, flash, 250).status, "window %d", window)
	}

	s, now := newSim(Config{Limits: limits, RejectOversize: true})
	now.add(time.Hour)
	got := parseRefusal(t, ask(t, s, key1, flash, 251))
	assert.Equal(t, []string{"GenerateContentInputTokensPerModelPerMinute-FreeTier"}, got.ids())
	assert.Equal(t, "60s", got.retry)
	assert.Equal(t, 200, ask(t, s, key1, flash, 250).status, "the limit itself is not oversize")
}

// TestSeveralViolations: a request that breaks all limits is told of all, and
// the daily one decides what delay is claimed.
func TestSeveralViolations(t *testing.T) {
	s, _ := newSim(Config{Limits: map[string]Limits{flash: {RPM: 1, TPM: 10, RPD: 1}}})
	require.Equal(t, 200, ask(t, s, key1, flash, 10).status)
	got := parseRefusal(t, ask(t, s, key1, flash, 10))
	assert.Equal(t, []string{
		"GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
		"GenerateContentInputTokensPerModelPerMinute-FreeTier",
		"GenerateRequestsPerDayPerProjectPerModel-FreeTier",
	}, got.ids())
	assert.Equal(t, "20s", got.retry)
	assert.Equal(t, journal.Stats{Accepted: 1, Refused: 1, RefusedRPM: 1, RefusedTPM: 1, RefusedRPD: 1}, s.Stats())
	assert.Equal(t, "rpm+tpm+rpd", s.Log()[1].Reason)
}

// TestDayReset: the day is spent until Pacific midnight, whatever retryDelay
// says; on the days when clocks change it has 23 and 25 hours.
func TestDayReset(t *testing.T) {
	pacific, err := time.LoadLocation("America/Los_Angeles")
	require.NoError(t, err)
	for _, tc := range []struct {
		date  string
		hours int
	}{
		{"2026-06-10", 24}, {"2026-03-07", 24}, {"2026-03-08", 23}, {"2026-03-09", 24},
		{"2026-10-31", 24}, {"2026-11-01", 25}, {"2026-11-02", 24}, {"2026-12-31", 24},
	} {
		t.Run(tc.date, func(t *testing.T) {
			midnight, err := time.ParseInLocation("2006-01-02", tc.date, pacific)
			require.NoError(t, err)
			s, now := newSim(Config{Limits: map[string]Limits{flash: {RPM: -1, TPM: -1, RPD: 2}}})
			now.set(midnight.Add(-time.Millisecond))
			require.Equal(t, 200, ask(t, s, key1, flash, 1).status, "yesterday's")
			now.set(midnight)
			require.Equal(t, 200, ask(t, s, key1, flash, 1).status)
			require.Equal(t, 200, ask(t, s, key1, flash, 1).status)
			now.set(midnight.Add(30 * time.Second))
			got := parseRefusal(t, ask(t, s, key1, flash, 1))
			require.Equal(t, "20s", got.retry, "the misleading delay")
			now.set(midnight.Add(time.Duration(tc.hours)*time.Hour - time.Millisecond))
			require.Equal(t, 429, ask(t, s, key1, flash, 1).status)
			now.set(midnight.Add(time.Duration(tc.hours) * time.Hour))
			require.Equal(t, 200, ask(t, s, key1, flash, 1).status)
		})
	}
}

// TestSharedQuota: keys of one project, and an alias and its model, draw on
// one bucket, and errors and answers name the resolved model.
func TestSharedQuota(t *testing.T) {
	s, _ := newSim(Config{
		Keys: []Key{{Value: "a", Project: "p"}, {Value: "b", Project: "p"}, {Value: "c"}, {Value: "d"}},
		Limits: map[string]Limits{
			"gemini-flash-latest": {RPM: 2, TPM: -1, RPD: -1}}, // by its alias
	})
	require.Equal(t, 200, ask(t, s, "a", "gemini-flash-latest", 1).status)
	r := ask(t, s, "b", "gemini-flash-latest", 1)
	var answer wire.GenerateResponse
	r.decode(t, &answer)
	assert.Equal(t, flash, answer.ModelVersion)
	for _, key := range []string{"a", "b"} {
		for _, model := range []string{flash, "gemini-flash-latest"} {
			got := parseRefusal(t, ask(t, s, key, model, 1))
			assert.Equal(t, flash, got.violations[0].Dimensions["model"])
			assert.Contains(t, got.message, "model: gemini-2.5-flash\n")
		}
	}
	assert.Equal(t, 200, ask(t, s, "c", flash, 1).status)
	assert.Equal(t, 200, ask(t, s, "d", flash, 1).status, "keys without a project don't share")

	for alias, model := range map[string]string{
		"gemini-pro-latest": "gemini-2.5-pro", "gemini-flash-lite-latest": "gemini-2.5-flash-lite"} {
		var answer wire.GenerateResponse
		ask(t, s, "c", alias, 1).decode(t, &answer)
		assert.Equal(t, model, answer.ModelVersion)
	}
	requests, _ := s.Peak("p", "gemini-flash-latest")
	assert.EqualValues(t, 2, requests, "Peak resolves aliases")
	assert.Equal(t, "key-"+credentials.Fingerprint("c"), s.Log()[6].Project)
}

// TestNoQuota: "limit: 0" has no quotaValue and violates everything.
func TestNoQuota(t *testing.T) {
	s, _ := newSim(Config{})
	s.SetNoQuota("alpha", flash)
	got := parseRefusal(t, ask(t, s, key1, flash, 1))
	require.Len(t, got.violations, 4)
	for _, v := range got.violations {
		assert.Nil(t, v.Value)
	}
	assert.Contains(t, got.ids(), "GenerateRequestsPerDayPerProjectPerModel-FreeTier")
	assert.Contains(t, got.message, "generate_content_free_tier_requests, limit: 0, model: gemini-2.5-flash\n")
	assert.Equal(t, 200, ask(t, s, key2, flash, 1).status, "only on that project")
	assert.Equal(t, journal.Stats{Accepted: 1, OtherErrors: 1}, s.Stats())
	assert.Equal(t, "no_quota", s.Log()[0].Reason)

	s.SetLimits("alpha", flash, Limits{RPM: -1, TPM: -1, RPD: -1})
	assert.Equal(t, 200, ask(t, s, key1, flash, 1).status, "SetLimits gives it back")

	s.SetLimits("", flash, Limits{RPM: -1, TPM: -1, RPD: 0})
	got = parseRefusal(t, ask(t, s, key1, flash, 1))
	require.Len(t, got.violations, 1, "a single zero limit")
	assert.Nil(t, got.violations[0].Value)
}

// TestSetLimits: changes apply at once, to what has arrived as well, for one
// project or for all.
func TestSetLimits(t *testing.T) {
	s, now := newSim(Config{})
	for range 3 {
		require.Equal(t, 200, ask(t, s, key1, flash, 100).status)
	}
	s.SetLimits("alpha", flash, Limits{RPM: 3, TPM: -1, RPD: -1})
	require.Equal(t, 429, ask(t, s, key1, flash, 1).status, "lowered")
	require.Equal(t, 200, ask(t, s, key2, flash, 1).status)
	s.SetLimits("alpha", flash, Limits{RPM: 4, TPM: -1, RPD: -1})
	require.Equal(t, 200, ask(t, s, key1, flash, 1).status, "raised")
	s.SetLimits("", flash, Limits{RPM: 1, TPM: -1, RPD: -1})
	require.Equal(t, 429, ask(t, s, key1, flash, 1).status, "all projects, also those set before")
	require.Equal(t, 429, ask(t, s, key2, flash, 1).status)
	now.add(time.Minute)
	require.Equal(t, 200, ask(t, s, key2, flash, 1).status)
	require.Equal(t, 429, ask(t, s, key2, flash, 1).status)

	// The same for a project that hasn't sent anything yet.
	s.SetLimits("alpha", "gemini-2.5-pro", Limits{RPM: 1, TPM: -1, RPD: -1})
	s.SetLimits("", "gemini-pro-latest", Limits{RPM: 2, TPM: -1, RPD: -1})
	require.Equal(t, 200, ask(t, s, key1, "gemini-2.5-pro", 1).status)
	require.Equal(t, 200, ask(t, s, key1, "gemini-2.5-pro", 1).status)

	s.SetLimits("alpha", "no-such-model", Limits{}) // no effect
	require.Equal(t, 404, ask(t, s, key1, "no-such-model", 1).status)
}

// TestClockBackwards: an instant before an earlier one counts as that one, so
// neither the window nor the day forgets.
func TestClockBackwards(t *testing.T) {
	s, now := newSim(Config{Limits: map[string]Limits{flash: {RPM: 2, TPM: -1, RPD: 3}}})
	require.Equal(t, 200, ask(t, s, key1, flash, 1).status)
	now.add(-48 * time.Hour)
	require.Equal(t, 200, ask(t, s, key1, flash, 1).status)
	require.Equal(t, 429, ask(t, s, key1, flash, 1).status)
	assert.Equal(t, noon, s.Log()[1].At)
	now.set(noon.Add(time.Minute))
	require.Equal(t, 200, ask(t, s, key1, flash, 1).status)
	require.Equal(t, 429, ask(t, s, key1, flash, 1).status, "the third of the day was the last")
}

// TestPeak is computed from the log: the busiest trailing minute, requests and
// tokens each on their own, per bucket.
func TestPeak(t *testing.T) {
	s, now := newSim(Config{Limits: map[string]Limits{flash: {RPM: -1, TPM: -1, RPD: -1}}})
	for _, st := range []struct {
		at     time.Duration
		key    string
		tokens int
	}{
		{0, key1, 500}, {30 * time.Second, key1, 1}, {59 * time.Second, key1, 1},
		{60 * time.Second, key1, 1}, // the first has left
		{200 * time.Second, key1, 700}, {200 * time.Second, key2, 100},
	} {
		now.set(noon.Add(st.at))
		require.Equal(t, 200, ask(t, s, st.key, flash, st.tokens).status)
	}
	requests, tokens := s.Peak("alpha", flash)
	assert.EqualValues(t, 3, requests)
	assert.EqualValues(t, 700, tokens)
	requests, tokens = s.Peak("", "")
	assert.EqualValues(t, 3, requests, "the maximum over buckets, not their sum")
	assert.EqualValues(t, 700, tokens)
	requests, tokens = s.Peak(Key{Value: key2}.ProjectID(), "")
	assert.EqualValues(t, 1, requests)
	assert.EqualValues(t, 100, tokens)
	requests, _ = s.Peak("alpha", "gemini-2.5-pro")
	assert.Zero(t, requests)
}

// TestLog: an entry per generate request whatever became of it, none with a
// key's value.
func TestLog(t *testing.T) {
	s, now := newSim(Config{Limits: map[string]Limits{flash: {RPM: 1, TPM: -1, RPD: -1}}})
	ask(t, s, key1, flash, 7)
	now.add(time.Second)
	ask(t, s, key1, flash, 8)
	ask(t, s, "who?", flash, 9)
	ask(t, s, key1, "gemini-9", 9)
	post(t, s, "models/"+flash+":generateContent", "{")
	post(t, s, "models/"+flash+":countTokens", prompt("word")) // not a generate request
	at := noon.Add(time.Second)
	fp := credentials.Fingerprint(key1)
	assert.Equal(t, []journal.Entry{
		{At: noon, Project: "alpha", Model: flash, Key: fp, Tokens: 7, Status: 200, Charged: 1},
		{At: at, Project: "alpha", Model: flash, Key: fp, Tokens: 8, Status: 429, Reason: "rpm"},
		{At: at, Model: flash, Key: credentials.Fingerprint("who?"), Status: 400, Reason: "API_KEY_INVALID"},
		{At: at, Project: "alpha", Model: "gemini-9", Key: fp, Status: 404, Reason: "NOT_FOUND"},
		{At: at, Project: "alpha", Model: flash, Key: fp, Status: 400, Reason: "INVALID_ARGUMENT"},
	}, s.Log())
	assert.Equal(t, journal.Stats{Accepted: 1, Refused: 1, RefusedRPM: 1, OtherErrors: 3, Counted: 1}, s.Stats())
}
