package geminisim

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim/journal"
	"fluxgate.dev/fluxgate/internal/geminisim/quota"
)

// A request that searches is charged to its model and to the project's searches, whatever the
// model, or to neither. What doesn't search goes on, and so do other projects.
func TestSearchQuota(t *testing.T) {
	const plain = `{"contents":[{"parts":[{"text":"about \"google_search\": nothing"}]}]}`
	const search = `{"contents":[{"parts":[{"text":"who won?"}]}],"tools":[{"google_search":{}}]}`
	s, clock := newSim(Config{Limits: map[string]Limits{flash: {RPM: 10, TPM: -1, RPD: 4}}})
	s.SetFeature("alpha", quota.Search, quota.FeatureLimits{PerMinute: -1, PerDay: 2})
	ask := func(key, model, body string) reply {
		return do(t, s, "POST", "/v1beta/models/"+model+":generateContent", body, "x-goog-api-key", key, "Content-Type", "application/json")
	}
	require.Equal(t, http.StatusOK, ask(key1, flash, search).status)
	require.Equal(t, http.StatusOK, ask(key1, "gemini-2.5-pro", search).status)
	got := ask(key1, flash, search)
	require.Equal(t, http.StatusTooManyRequests, got.status)
	assert.Contains(t, got.body, `"quotaId":"SearchGroundingRequestsPerDayPerProject"`)
	assert.Contains(t, got.body, `"quotaValue":"2"`)
	assert.NotContains(t, got.body, `"model":`, "it is of all models")
	assert.Equal(t, journal.Stats{Accepted: 2, Refused: 1, RefusedFeature: 1}, s.Stats())
	assert.Equal(t, "search_day", s.Log()[2].Reason)
	for range 3 { // one of four was used by a search, and none by the refused one
		require.Equal(t, http.StatusOK, ask(key1, flash, plain).status)
	}
	assert.Contains(t, ask(key1, flash, plain).body, "GenerateRequestsPerDay")
	got = ask(key1, flash, search)
	assert.Contains(t, got.body, "GenerateRequestsPerDay", "both are told")
	assert.Contains(t, got.body, "SearchGroundingRequestsPerDay")
	assert.Equal(t, http.StatusOK, ask(key2, flash, search).status, "another project")

	clock.add(24 * time.Hour)
	s.SetFeature("alpha", quota.Search, quota.FeatureLimits{PerMinute: 1, PerDay: -1, Unnamed: true})
	require.Equal(t, http.StatusOK, ask(key1, flash, search).status)
	got = ask(key1, flash, search)
	assert.Equal(t, http.StatusTooManyRequests, got.status)
	assert.NotContains(t, got.body, "quotaId", "as captured")
	assert.Equal(t, "search_minute", s.Log()[len(s.Log())-1].Reason, "the journal knows")
	clock.add(time.Minute)
	assert.Equal(t, http.StatusOK, ask(key1, flash, search).status)
}

// Images are counted as they are made, by whichever of three routes, for each model by itself; the
// answer of generateContent has one, and costs what an image does.
func TestImageQuota(t *testing.T) {
	const image = "gemini-2.5-flash-image"
	const draw = `{"contents":[{"parts":[{"text":"a banana"}]}],"generationConfig":{"responseModalities":["TEXT","IMAGE"]}}`
	unlimited := Limits{RPM: -1, TPM: -1, RPD: -1}
	s, clock := newSim(Config{Limits: map[string]Limits{image: unlimited, "imagen-4.0-generate-001": unlimited}})
	s.SetFeature("alpha", quota.Images, quota.FeatureLimits{PerMinute: 2, PerDay: -1})
	post := func(path, body string) reply {
		return do(t, s, "POST", path, body, "Authorization", "Bearer "+key1, "Content-Type", "application/json")
	}
	native := func(model, call string) reply {
		return do(t, s, "POST", "/v1beta/models/"+model+call, draw, "x-goog-api-key", key1, "Content-Type", "application/json")
	}
	got := native(image, ":generateContent")
	require.Equal(t, http.StatusOK, got.status, got.body)
	assert.Contains(t, got.body, `"inlineData":{"mimeType":"image/png"`)
	assert.Contains(t, got.body, `"candidatesTokenCount":1290`)
	got = native(image, ":streamGenerateContent?alt=sse")
	require.Equal(t, http.StatusOK, got.status)
	assert.Equal(t, 1, strings.Count(got.body, "inlineData"))
	unsaid := do(t, s, "POST", "/v1beta/models/"+image+":generateContent", `{"contents":[{"parts":[{"text":"a banana"}]}]}`, "x-goog-api-key", key2, "Content-Type", "application/json")
	require.Equal(t, http.StatusOK, unsaid.status, unsaid.body)
	assert.Contains(t, unsaid.body, "inlineData", "it is what such a model does")
	got = native(image, ":generateContent")
	require.Equal(t, http.StatusTooManyRequests, got.status)
	assert.Contains(t, got.body, `"quotaId":"GenerateImagesPerMinutePerProjectPerModel-FreeTier"`)
	assert.Contains(t, got.body, `"model":"`+image+`"`)
	assert.Contains(t, got.body, `"quotaValue":"2"`)
	assert.Contains(t, got.body, `"retryDelay":"60s"`)

	// A model of its own, and two images at once.
	predict := func() reply { return native("imagen-4.0-generate-001", ":predict") }
	assert.Equal(t, http.StatusOK, predict().status)
	assert.Equal(t, http.StatusOK, predict().status)
	assert.Equal(t, http.StatusTooManyRequests, predict().status)
	clock.add(time.Minute)
	const two = `{"model":"` + image + `","prompt":"a banana","n":2}`
	assert.Equal(t, http.StatusOK, post("/v1beta/openai/images/generations", two).status)
	assert.Equal(t, http.StatusTooManyRequests, post("/v1beta/openai/images/generations", two).status)

	assert.Equal(t, journal.Stats{Accepted: 6, Refused: 3, RefusedFeature: 3}, s.Stats())
	assert.Equal(t, journal.Bill{Answers: 2, Input: s.Log()[0].Tokens * 2, Output: 2580}, s.Bills()[journal.BillKey{Project: "alpha", Model: image}])
	assert.Equal(t, http.StatusOK, native(flash, ":generateContent").status, "it makes none")
}
