package geminisim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
	"fluxgate.dev/fluxgate/internal/geminisim/faults"
	"fluxgate.dev/fluxgate/internal/geminisim/journal"
	"fluxgate.dev/fluxgate/internal/geminisim/models"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// captured429 is a daily refusal as captured in public.
const captured429 = `{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. To monitor your current usage, head to: https://ai.dev/rate-limit. \n* Quota exceeded for metric: generativelanguage.googleapis.com/generate_content_free_tier_requests, limit: 500, model: gemini-3.5-flash-lite\nPlease retry in 21.497994s.","status":"RESOURCE_EXHAUSTED","details":[
{"@type":"type.googleapis.com/google.rpc.Help","links":[{"description":"Learn more about Gemini API quotas","url":"https://ai.google.dev/gemini-api/docs/rate-limits"}]},
{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaMetric":"generativelanguage.googleapis.com/generate_content_free_tier_requests","quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier","quotaDimensions":{"location":"global","model":"gemini-3.5-flash-lite"},"quotaValue":"500"}]},
{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"21s"}]}}`

func TestCaptured429(t *testing.T) {
	const model = "gemini-3.5-flash-lite"
	s, _ := newSim(Config{
		Limits:          map[string]Limits{model: {RPM: -1, TPM: -1, RPD: 500}},
		DailyRetryDelay: 21*time.Second + 497994*time.Microsecond,
	})
	for range 500 {
		require.Equal(t, 200, ask(t, s, key1, model, 1).status)
	}
	r := ask(t, s, key1, model, 1)
	assert.Equal(t, 429, r.status)
	assert.JSONEq(t, captured429, r.body)
	assert.Empty(t, r.header.Get("Retry-After"), "the real service sends none")
}

// TestKeyStates compares the refusals with bodies captured in public.
func TestKeyStates(t *testing.T) {
	number := wire.ProjectNumber("alpha")
	blocked := "Requests to this API generativelanguage.googleapis.com method google.ai.generativelanguage.v1beta.GenerativeService.GenerateContent are blocked."
	for _, tc := range []struct {
		state credentials.State
		want  string
	}{
		{credentials.Invalid, `{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com","metadata":{"service":"generativelanguage.googleapis.com"}},{"@type":"type.googleapis.com/google.rpc.LocalizedMessage","locale":"en-US","message":"API key not valid. Please pass a valid API key."}]}}`},
		{credentials.Expired, `{"error":{"code":400,"message":"API key expired. Please renew the API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com","metadata":{"service":"generativelanguage.googleapis.com"}},{"@type":"type.googleapis.com/google.rpc.LocalizedMessage","locale":"en-US","message":"API key expired. Please renew the API key."}]}}`},
		{credentials.Leaked, `{"error":{"code":403,"message":"Your API key was reported as leaked. Please use another API key.","status":"PERMISSION_DENIED"}}`},
		{credentials.Suspended, `{"error":{"code":403,"message":"Permission denied: Consumer 'api_key:` + key1 + `' has been suspended.","status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"CONSUMER_SUSPENDED","domain":"googleapis.com","metadata":{"consumer":"projects/` + number + `","service":"generativelanguage.googleapis.com","containerInfo":"api_key:` + key1 + `"}}]}}`},
		{credentials.Blocked, `{"error":{"code":403,"message":"` + blocked + `","status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_SERVICE_BLOCKED","domain":"googleapis.com","metadata":{"consumer":"projects/` + number + `","service":"generativelanguage.googleapis.com","apiName":"generativelanguage.googleapis.com","methodName":"google.ai.generativelanguage.v1beta.GenerativeService.GenerateContent"}},{"@type":"type.googleapis.com/google.rpc.LocalizedMessage","locale":"en-US","message":"` + blocked + `"}]}}`},
	} {
		s, _ := newSim(Config{})
		s.SetKeyState(key1, tc.state)
		r := ask(t, s, key1, flash, 1)
		assert.JSONEq(t, tc.want, r.body, "state %d", tc.state)
		var e wireError
		r.decode(t, &e)
		assert.Equal(t, e.Error.Code, r.status)
		assert.Equal(t, journal.Stats{OtherErrors: 1}, s.Stats())
		assert.NotEqual(t, 200, do(t, s, "GET", "/v1beta/models", "", "x-goog-api-key", key1).status, "on every route")
		assert.NotEqual(t, 200, post(t, s, "models/"+flash+":countTokens", prompt("word")).status)

		s.SetKeyState(key1, credentials.Healthy)
		assert.Equal(t, 200, ask(t, s, key1, flash, 1).status)
		assert.Equal(t, "alpha", s.Log()[1].Project, "a change of state keeps the project")
	}

	s, _ := newSim(Config{Keys: []Key{{Value: "off", Project: "alpha", State: credentials.DisabledAPI}}})
	r := ask(t, s, "off", flash, 1)
	assert.Equal(t, 403, r.status)
	assert.Contains(t, r.body, `"SERVICE_DISABLED"`)
	assert.Contains(t, r.body, `"activationUrl":"https://console.developers.google.com/apis/api/generativelanguage.googleapis.com/overview?project=`+number+`"`)

	s.SetKeyState("late", credentials.Healthy)
	assert.Equal(t, 200, ask(t, s, "late", flash, 1).status, "a key that didn't exist before")
}

// TestCredentials: exactly one, in a place that the route accepts.
func TestCredentials(t *testing.T) {
	const generate, chat = "/v1beta/models/" + flash + ":generateContent", "/v1beta/openai/chat/completions"
	bearer := "Bearer " + key1
	for _, tc := range []struct {
		name, path string
		header     []string
		status     int
		message    string
	}{
		{"header", generate, []string{"x-goog-api-key", key1}, 200, ""},
		{"query", generate + "?key=" + key1, nil, 200, ""},
		{"none", generate, nil, 403, "Method doesn't allow unregistered callers"},
		{"two places", generate + "?key=" + key1, []string{"x-goog-api-key", key1}, 400, "Multiple authentication credentials received. Please pass only one."},
		{"two headers", generate, []string{"x-goog-api-key", key1, "Authorization", bearer}, 400, "Multiple authentication"},
		{"bearer", generate, []string{"Authorization", bearer}, 401, "Request had invalid authentication credentials."},
		{"unknown", generate, []string{"x-goog-api-key", "AIza-unknown"}, 400, "API key not valid."},
		{"OpenAI bearer", chat, []string{"Authorization", bearer}, 200, ""},
		{"OpenAI basic", chat, []string{"Authorization", "Basic " + key1}, 401, "Request had invalid"},
		{"OpenAI none", chat, nil, 403, "Method doesn't allow"},
		{"OpenAI twice", chat, []string{"Authorization", bearer, "x-goog-api-key", key1}, 400, "Multiple authentication"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, _ := newSim(Config{})
			body := prompt("word")
			if tc.path == chat {
				body = `{"model":"` + flash + `","messages":[{"role":"user","content":"word"}]}`
			}
			r := do(t, s, "POST", tc.path, body, tc.header...)
			require.Equal(t, tc.status, r.status, r.body)
			assert.Contains(t, r.body, tc.message)
			if r.status == 401 {
				assert.Contains(t, r.body, `"ACCESS_TOKEN_TYPE_UNSUPPORTED"`)
			}
		})
	}
}

// TestBadRequests: bodies and paths that the service refuses. None is charged.
func TestBadRequests(t *testing.T) {
	const notFound = `{"error":{"code":404,"message":"models/X is not found for API version v1beta, or is not supported for generateContent. Call ModelService.ListModels to see the list of available models and their supported methods.","status":"NOT_FOUND"}}`
	const tooLong = `{"error":{"code":400,"message":"The input token count exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}`
	s, _ := newSim(Config{Limits: map[string]Limits{flash: {RPM: -1, TPM: -1, RPD: -1}}})
	assert.JSONEq(t, notFound, post(t, s, "models/X:generateContent", prompt("word")).body)
	marks := strings.Repeat("!", models.InputTokenLimit) // a token per byte: the smallest such body
	assert.JSONEq(t, tooLong, post(t, s, "models/"+flash+":generateContent", prompt(marks+"!")).body)
	assert.Equal(t, 200, post(t, s, "models/"+flash+":generateContent", prompt(marks)).status, "the limit itself is allowed")

	for _, tc := range []struct {
		name, path, body string
		status           int
		message          string
	}{
		{"no JSON", flash + ":generateContent", `{"contents"`, 400, "Invalid JSON payload received."},
		{"wrong type", flash + ":generateContent", `{"contents":7}`, 400, "Invalid JSON payload received."},
		{"empty body", flash + ":generateContent", ``, 400, "contents is not specified"},
		{"no contents", flash + ":generateContent", `{"contents":[]}`, 400, "contents is not specified"},
		{"no parts", flash + ":generateContent", `{"contents":[{}]}`, 400, "contents[0].parts"},
		{"bad role", flash + ":generateContent", `{"contents":[{"role":"boss","parts":[{"text":"x"}]}]}`, 400, "valid role"},
		{"bad base64", flash + ":generateContent", `{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"!"}}]}]}`, 400, "Base64 decoding failed"},
		{"bad tools", flash + ":generateContent", `{"contents":[{"parts":[{"text":"x"}]}],"tools":[7]}`, 400, "tools[0]"},
		{"cached content", flash + ":generateContent", `{"contents":[{"parts":[{"text":"x"}]}],"cachedContent":"cachedContents/1"}`, 403, "CachedContent not found"},
		{"embedding model", "gemini-embedding-001:generateContent", prompt("x"), 404, "is not supported for generateContent"},
		{"text model", flash + ":embedContent", `{"content":{"parts":[{"text":"x"}]}}`, 404, "is not supported for embedContent"},
		{"image model", "gemini-2.5-flash-image:generateContent", `{"contents":[{"parts":[{"text":"x"}]}],"generationConfig":{"responseModalities":["TEXT"]}}`, 400, "response modalities"},
		{"speech model", "gemini-2.5-flash-preview-tts:generateContent", prompt("x"), 400, "AUDIO"},
		{"no such method", flash + ":dance", prompt("x"), 404, "not found"},
		{"no method", flash, prompt("x"), 404, "not found"},
		{"count: both forms", flash + ":countTokens", `{"contents":[{"parts":[{"text":"x"}]}],"generateContentRequest":{}}`, 400, "Only one of"},
		{"count: nothing", flash + ":countTokens", `{}`, 400, "contents is not specified"},
		{"count: unknown model", "X:countTokens", prompt("x"), 404, "is not supported for countTokens"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := post(t, s, "models/"+tc.path, tc.body)
			assert.Equal(t, tc.status, r.status)
			var e wireError
			r.decode(t, &e)
			assert.Equal(t, tc.status, e.Error.Code)
			assert.Contains(t, e.Error.Message, tc.message)
		})
	}
	assert.Equal(t, 404, do(t, s, "GET", "/v1beta/models/"+flash+":generateContent", "", "x-goog-api-key", key1).status)
	assert.Equal(t, 404, do(t, s, "GET", "/v2/models", "", "x-goog-api-key", key1).status)
	requests, _ := s.Peak("", "")
	assert.EqualValues(t, 1, requests)
	assert.Zero(t, s.Stats().Refused)
}

// TestFailures: every injected failure, what it looks like, whether it is
// charged, and that it happens as often as asked.
func TestFailures(t *testing.T) {
	for _, tc := range []struct {
		failure faults.Failure
		want    string
		charged int64
	}{
		{faults.Unavailable503, `{"error":{"code":503,"message":"This model is currently experiencing high demand. Spikes in demand are usually temporary. Please try again later.","status":"UNAVAILABLE"}}`, 1},
		{faults.Internal500, `{"error":{"code":500,"message":"An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting","status":"INTERNAL"}}`, 1},
		{faults.Bare429, `{"error":{"code":429,"message":"Resource has been exhausted (e.g. check quota).","status":"RESOURCE_EXHAUSTED"}}`, 0},
		{faults.StreamBroken429, `{"error":{"code":429,"message":"Resource has been exhausted (e.g. check quota).","status":"RESOURCE_EXHAUSTED"}}`, 0},
		{faults.BillingDepleted, `{"error":{"code":429,"message":"Your prepayment credits are depleted. Please go to AI Studio at https://ai.studio/projects to manage your project and billing.","status":"RESOURCE_EXHAUSTED"}}`, 0},
		{faults.Retired404, `{"error":{"code":404,"message":"This model models/gemini-2.5-flash is no longer available to new users. Please update your code to use a newer model for the latest features and improvements.","status":"NOT_FOUND"}}`, 0},
	} {
		s, _ := newSim(Config{})
		s.FailNext(2, tc.failure)
		for range 2 {
			assert.JSONEq(t, tc.want, ask(t, s, key1, flash, 1).body)
		}
		require.Equal(t, 200, ask(t, s, key1, flash, 1).status)
		assert.Equal(t, tc.charged, s.Log()[0].Charged, tc.failure.String())
		assert.Equal(t, journal.Stats{Accepted: 1, OtherErrors: 2}, s.Stats())

		s.FailNext(-1, tc.failure)
		for range 3 {
			require.NotEqual(t, 200, ask(t, s, key1, flash, 1).status)
		}
		require.Equal(t, 200, post(t, s, "models/"+flash+":countTokens", prompt("x")).status, "generate requests only")
		s.FailNext(0, tc.failure)
		require.Equal(t, 200, ask(t, s, key1, flash, 1).status)
	}
}

// A request that the quota refuses doesn't use up a charged failure.
func TestFailureAfterQuota(t *testing.T) {
	s, now := newSim(Config{Limits: map[string]Limits{flash: {RPM: 1, TPM: -1, RPD: -1}}})
	require.Equal(t, 200, ask(t, s, key1, flash, 1).status)
	s.FailNext(1, faults.Unavailable503)
	require.Equal(t, 429, ask(t, s, key1, flash, 1).status)
	now.add(time.Minute)
	require.Equal(t, 503, ask(t, s, key1, flash, 1).status)
	require.Equal(t, 429, ask(t, s, key1, flash, 1).status, "the failed one was charged")
}

// TestConnectionReset: over a real socket the client sees a reset, in memory
// the same error; neither sees a response.
func TestConnectionReset(t *testing.T) {
	s, _ := newSim(Config{})
	server := httptest.NewServer(s)
	defer server.Close()
	for name, client := range map[string]*http.Client{
		"socket": server.Client(), "memory": {Transport: s.Transport()},
	} {
		t.Run(name, func(t *testing.T) {
			s.FailNext(1, faults.ConnectionReset)
			url := server.URL + "/v1beta/models/" + flash + ":generateContent?key=" + key1
			resp, err := client.Post(url, "application/json", strings.NewReader(prompt("word")))
			if resp != nil {
				_ = resp.Body.Close()
			}
			require.ErrorIs(t, err, syscall.ECONNRESET)
			resp, err = client.Post(url, "application/json", strings.NewReader(prompt("word")))
			require.NoError(t, err)
			assert.Equal(t, 200, resp.StatusCode)
			require.NoError(t, resp.Body.Close())
		})
	}
	last := s.Log()[len(s.Log())-2]
	assert.Equal(t, "connection_reset", last.Reason)
	assert.Zero(t, last.Status)
	assert.EqualValues(t, 1, last.Charged)
}

// TestNoKeyValueIsShown: whatever way a key, a server or its log is printed.
func TestNoKeyValueIsShown(t *testing.T) {
	var logged bytes.Buffer
	s, _ := newSim(Config{Logger: slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	secret := "the secret prompt"
	require.Equal(t, 200, do(t, s, "POST", "/v1beta/models/"+flash+":generateContent?key="+key1, prompt(secret)).status)
	s.SetKeyState(key1, credentials.Suspended)
	require.Equal(t, 403, ask(t, s, key1, flash, 1).status)
	require.Equal(t, 403, do(t, s, "POST", "/v1beta/models/"+flash+":generateContent?key="+key1, prompt(secret)).status)
	k := Key{Value: key1, Project: "alpha"}
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "key", k, "keys", []Key{k})
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "key", k, "keys", []Key{k})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		_, _ = io.WriteString(&logged, fmt.Sprintf(verb+verb+verb+verb, k, &k, Config{Keys: []Key{k}}, s.Log()))
	}
	_, _ = fmt.Fprintf(&logged, "%v %#v", s.keys, s.keys)
	raw, err := json.Marshal(k)
	require.NoError(t, err)
	logged.Write(raw)
	assert.NotContains(t, logged.String(), key1)
	assert.NotContains(t, logged.String(), fmt.Sprintf("%x", key1))
	assert.NotContains(t, logged.String(), secret)
	assert.Contains(t, logged.String(), credentials.Fingerprint(key1), "there is something to see")
}
