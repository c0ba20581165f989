package geminisim

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim/quota"
)

// What a project may not do is refused to requests that cost quota, in the words that
// were captured, and to no other project.
func TestStanding(t *testing.T) {
	const plain = `{"contents":[{"parts":[{"text":"google_search"}]}]}`
	const search = `{"contents":[{"parts":[{"text":"who won?"}]}],"tools":[{"google_search":{}}]}`
	for _, c := range []struct {
		standing       quota.Standing
		plain, grounds int
		says           string
	}{
		{quota.GoodStanding, 200, 200, ""},
		{quota.NoGrounding, 200, 429, "check your plan and billing details"},
		{quota.Overspent, 429, 429, "spend-based rate limit"},
		{quota.Depleted, 429, 429, "prepayment credits are depleted"},
		{quota.NoFreeTier, 400, 400, "free tier is not available in your country"},
		{quota.NoPermission, 403, 403, "The caller does not have permission"},
		{quota.DeniedAccess, 403, 403, "Your project has been denied access"},
	} {
		s, _ := newSim(Config{})
		s.SetStanding("alpha", c.standing)
		at := "/v1beta/models/" + flash
		ask := func(key, path, body string) reply {
			return do(t, s, "POST", path, body, "x-goog-api-key", key, "Content-Type", "application/json")
		}
		assert.Equal(t, c.plain, ask(key1, at+":generateContent", plain).status, c.says)
		got := ask(key1, at+":generateContent", search)
		assert.Equal(t, c.grounds, got.status, c.says)
		assert.Contains(t, got.body, c.says)
		assert.NotContains(t, got.body, "quotaId", "it names no limit")
		assert.Equal(t, c.grounds, ask(key1, at+":streamGenerateContent", search).status, c.says)
		assert.Equal(t, http.StatusOK, ask(key1, at+":countTokens", plain).status, "it is free")
		assert.Equal(t, http.StatusOK, do(t, s, "GET", "/v1beta/models", "", "x-goog-api-key", key1).status)
		assert.Equal(t, http.StatusOK, ask(key2, at+":generateContent", search).status, "another project")
		s.SetStanding("alpha", quota.GoodStanding)
		assert.Equal(t, http.StatusOK, ask(key1, at+":generateContent", search).status, "and it comes back")
	}
}

// What projects of one account spend counts together for ten minutes, and is refused in
// the captured words; another account's isn't.
func TestSpendOfABillingAccount(t *testing.T) {
	s, clock := newSim(Config{Keys: []Key{{Value: key1, Project: "alpha"}, {Value: key2, Project: "beta"}}})
	s.SetBilling("account", 15, "alpha", "beta")
	ask := func(key string) reply {
		return do(t, s, "POST", "/v1beta/models/"+flash+":generateContent", `{"contents":[{"parts":[{"text":"one two three four five six"}]}]}`, "x-goog-api-key", key, "Content-Type", "application/json")
	}
	require.Equal(t, http.StatusOK, ask(key1).status)
	got := ask(key2)
	require.Equal(t, http.StatusOK, got.status, got.body)
	got = ask(key1)
	assert.Equal(t, http.StatusTooManyRequests, got.status)
	assert.Contains(t, got.body, "spend-based rate limit")
	assert.Contains(t, got.body, `"35s"`)
	clock.add(10*time.Minute - 1)
	assert.Equal(t, http.StatusTooManyRequests, ask(key2).status)
	clock.add(time.Nanosecond)
	assert.Equal(t, http.StatusOK, ask(key2).status)
}
