package gemini

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/upstream"
)

// testKey has the shape of the newer keys, and bytes that URLs and JSON may escape.
const testKey = "AQ.Ab8RN6/test+key&0123456789-abcdefghij<z>"

const metricPrefix = "generativelanguage.googleapis.com/"

// body returns a recorded answer with KEY replaced by the key in use, as Gemini echoes it.
func body(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	require.NoError(t, err)
	quoted, err := json.Marshal(testKey)
	require.NoError(t, err)
	return []byte(strings.ReplaceAll(string(raw), "api_key:KEY", "api_key:"+string(quoted[1:len(quoted)-1])))
}

func violation(metric, id, model string, value int64, kind upstream.Kind) upstream.Violation {
	return upstream.Violation{Metric: metricPrefix + metric, QuotaID: id, Model: model, Value: value, Kind: kind}
}

func TestClassify(t *testing.T) {
	const free, freeTokens = "generate_content_free_tier_requests", "generate_content_free_tier_input_token_count"
	const rpm, rpd = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
	const tpm, tpd = "GenerateContentInputTokensPerModelPerMinute-FreeTier", "GenerateContentInputTokensPerModelPerDay-FreeTier"
	tests := []struct {
		file   string
		class  upstream.Class
		reason string
		delay  time.Duration
		viols  []upstream.Violation
		why    string
	}{
		{"429_day", upstream.ClassDay, "", 21497994 * time.Microsecond,
			[]upstream.Violation{violation(free, rpd, "gemini-3.5-flash-lite", 500, upstream.RequestsPerDay)},
			"a day whatever the delay; the message's fraction refines the delay that RetryInfo cuts"},
		{"429_day_paid_long_message", upstream.ClassDay, "", 19*time.Hour + 34*time.Minute + 29838605682*time.Nanosecond,
			[]upstream.Violation{violation("generate_requests_per_model", "GenerateRequestsPerDayPerProjectPerModel", "gemini-2.5-pro", 1000, upstream.RequestsPerDay)},
			"no RetryInfo: the message tells the delay; a quotaId without a tier"},
		{"429_day_tokens", upstream.ClassDay, "", 11769242877 * time.Nanosecond,
			[]upstream.Violation{violation(freeTokens, tpd, "gemini-2.5-flash", 1000000, upstream.TokensPerDay)}, "details in another order"},
		{"429_minute", upstream.ClassMinute, "", 42900 * time.Millisecond,
			[]upstream.Violation{violation(free, rpm, "gemini-2.5-flash", 10, upstream.RequestsPerMinute)}, "the ordinary one"},
		{"429_minute_paid_tier", upstream.ClassMinute, "", 582198 * time.Microsecond,
			[]upstream.Violation{violation("generate_content_paid_tier_requests", "GenerateRequestsPerMinutePerProjectPerModel-PaidTier1", "gemini-2.5-flash", 1000, upstream.RequestsPerMinute)},
			"RetryInfo cut to 0s must not mean now"},
		{"429_minute_tokens", upstream.ClassMinute, "", 11769242877 * time.Nanosecond,
			[]upstream.Violation{violation(freeTokens, tpm, "gemini-2.5-pro", 250000, upstream.TokensPerMinute)},
			"fractional RetryInfo, and a message that disagrees: RetryInfo wins"},
		{"429_minute_tokens_paid", upstream.ClassMinute, "", 7 * time.Second,
			[]upstream.Violation{violation("generate_content_paid_tier_input_token_count", "GenerateContentPaidTierInputTokensPerModelPerMinute-PaidTier2", "gemini-2.5-flash", 3000000, upstream.TokensPerMinute)},
			"paid token limits have a name of their own"},
		{"429_minute_embed", upstream.ClassMinute, "", 30 * time.Second,
			[]upstream.Violation{violation("embed_content_free_tier_requests", "EmbedContentRequestsPerMinutePerProjectPerModel-FreeTier", "gemini-embedding-1.0", 100, upstream.RequestsPerMinute)}, "embeddings"},
		{"429_day_embed", upstream.ClassDay, "", 0,
			[]upstream.Violation{violation("embed_content_free_tier_requests", "EmbedContentRequestsPerDayPerProjectPerModel-FreeTier", "gemini-embedding-1.0", 1000, upstream.RequestsPerDay)}, "no delay at all"},
		{"429_day_and_minute", upstream.ClassDay, "", 20500 * time.Millisecond, []upstream.Violation{
			violation(free, rpm, "gemini-2.5-flash", 10, upstream.RequestsPerMinute),
			violation(free, rpd, "gemini-2.5-flash", 250, upstream.RequestsPerDay),
		}, "the minute comes first in the list, the day beats it"},
		{"429_limit_zero_message", upstream.ClassNoQuota, upstream.ReasonLimitZero, 27100 * time.Millisecond, []upstream.Violation{
			violation(free, rpd, "gemini-2.5-pro", -1, upstream.RequestsPerDay), violation(free, rpm, "gemini-2.5-pro", -1, upstream.RequestsPerMinute),
			violation(freeTokens, tpm, "gemini-2.5-pro", -1, upstream.TokensPerMinute), violation(freeTokens, tpd, "gemini-2.5-pro", -1, upstream.TokensPerDay),
		}, "without quotaValue only the message knows that the limit is 0"},
		{"429_limit_zero_value", upstream.ClassNoQuota, upstream.ReasonLimitZero, 0,
			[]upstream.Violation{violation(free, rpm, "gemini-3.1-pro", 0, upstream.RequestsPerMinute)}, "quotaValue 0 with a silent message"},
		{"429_bare", upstream.ClassBare429, "", 0, nil, "names no limit"},
		{"429_errorinfo_minute", upstream.ClassMinute, "RATE_LIMIT_EXCEEDED", 0,
			[]upstream.Violation{violation("generate_content_requests", "GenerateContentRequestsPerMinutePerProjectPerRegion", "", 60, upstream.RequestsPerMinute)},
			"the older form names the limit in ErrorInfo"},
		{"429_billing_prepaid", upstream.ClassBilling, upstream.ReasonBilling, 0, nil, "no code exists for it"},
		{"429_billing_cap", upstream.ClassBilling, upstream.ReasonBilling, 0, nil, "no code exists for it"},
		{"402_billing", upstream.ClassBilling, upstream.ReasonBilling, 0, nil, "402 is enough"},
		{"429_openai_array", upstream.ClassDay, "", 21497994 * time.Microsecond,
			[]upstream.Violation{violation(free, rpd, "gemini-3.5-flash-lite", 500, upstream.RequestsPerDay)}, "the OpenAI-compatible endpoint sends an array"},
		{"400_key_invalid", upstream.ClassKeyInvalid, "API_KEY_INVALID", 0, nil, "a 400 that is the key's fault"},
		{"400_key_expired", upstream.ClassKeyInvalid, "API_KEY_INVALID", 0, nil, "expired is invalid"},
		{"400_key_invalid_openai_array", upstream.ClassKeyInvalid, "API_KEY_INVALID", 0, nil, "no code: the message's start decides"},
		{"400_two_credentials", upstream.ClassCaller, "", 0, nil, "no key is touched by any other 400"},
		{"400_location", upstream.ClassCaller, upstream.ReasonLocation, 0, nil, "every key would fail from here"},
		{"400_free_tier", upstream.ClassProject, upstream.ReasonFreeTier, 0, nil, "a project with billing is served from the same place"},
		{"403_permission", upstream.ClassDenied, upstream.ReasonPermission, 0, nil, "captured for one model on one project"},
		{"429_help_only", upstream.ClassBare429, upstream.ReasonPlan, 0, nil, "captured for grounding on a project without billing; it names nothing but the plan"},
		{"429_search_zero", upstream.ClassForeignQuota, "", 27100 * time.Millisecond, nil, "the message alone names the metric, as in public fixtures"},
		{"429_search_day", upstream.ClassForeignQuota, "", 0,
			[]upstream.Violation{foreign("google_search", violation("search_grounding_requests_free_tier", "SearchGroundingRequestsPerDayPerProject", "gemini-2.5-pro", 50, upstream.RequestsPerDay))},
			"no requests per day of the model, as in public fixtures"},
		{"429_grounding_minute", upstream.ClassForeignQuota, "", 41 * time.Second,
			[]upstream.Violation{foreign("google_search", upstream.Violation{QuotaID: "GroundingSearchRequestsPerMinute-FreeTier", Value: 5, Kind: upstream.RequestsPerMinute})},
			"guessed after GroundingSearchRequestsPerDay-FreeTier of public fixtures"},
		{"429_spend", upstream.ClassSpend, "", 35 * time.Second, nil, "captured, with empty violations"},
		{"400_too_many_tokens", upstream.ClassCaller, upstream.ReasonInputTooLarge, 0, nil, "worth remembering, so it has a reason"},
		{"400_not_enabled", upstream.ClassCaller, "", 0, nil, "captured of gemma-3 with functions, here in another model's name"},
		{"400_quotes_caller", upstream.ClassCaller, "", 0, nil, "a caller must not invalidate keys by what it sends"},
		{"401_token_type", upstream.ClassKeyInvalid, "ACCESS_TOKEN_TYPE_UNSUPPORTED", 0, nil, "what an unusable key can look like"},
		{"403_leaked", upstream.ClassKeyInvalid, upstream.ReasonLeaked, 0, nil, "no code exists for it"},
		{"403_policy", upstream.ClassDenied, upstream.ReasonPermission, 0, nil, "a reason that Google documents for all its APIs: an identity or a policy, not the request"},
		{"403_denied", upstream.ClassProject, upstream.ReasonDenied, 0, nil, "captured with a model lookup that went on passing"},
		{"403_suspended", upstream.ClassKeyInvalid, "CONSUMER_SUSPENDED", 0, nil, "echoes the key twice"},
		{"403_restricted", upstream.ClassKeyInvalid, "API_KEY_SERVICE_BLOCKED", 0, nil, "key restricted to other APIs"},
		{"403_api_off", upstream.ClassKeyInvalid, "SERVICE_DISABLED", 0, nil, "the project hasn't switched the API on"},
		{"403_no_key", upstream.ClassKeyInvalid, upstream.ReasonUnregistered, 0, nil, "upstream saw no key"},
		{"403_file", upstream.ClassCaller, "", 0, nil, "a file of another project is not the key's fault"},
		{"404_unknown", upstream.ClassModelUnknown, "", 0, nil, "leaves no state"},
		{"404_gone", upstream.ClassModelGone, "", 0, nil, "still listed, but not for this project"},
		{"404_deprecated", upstream.ClassModelGone, "", 0, nil, "older wording of a retired model"},
		{"404_entity", upstream.ClassCaller, "", 0, nil, "a missing file or cache says nothing about a model"},
		{"500_internal", upstream.ClassServer, "", 0, nil, ""},
		{"503_high_demand", upstream.ClassServer, "", 0, nil, "the model is busy, the quota isn't touched"},
		{"504_deadline", upstream.ClassServer, "", 0, nil, "an answer, so not our timeout"},
	}
	seen := map[string]bool{}
	for _, tt := range tests {
		seen[tt.file+".json"] = true
		t.Run(tt.file, func(t *testing.T) {
			status, err := strconv.Atoi(tt.file[:3])
			require.NoError(t, err)
			raw := body(t, tt.file)
			e := classify(status, raw, testKey)
			assert.Equal(t, tt.class.String(), e.Class.String(), tt.why)
			assert.Equal(t, tt.reason, e.Reason, tt.why)
			assert.Equal(t, tt.delay, e.RetryDelay, tt.why)
			assert.Equal(t, tt.viols, e.Violations, tt.why)
			assert.Equal(t, status, e.HTTPStatus)
			assert.NotEmpty(t, e.Status)
			assert.NotEmpty(t, e.Message)
			assert.True(t, json.Valid(e.Body), "body must be JSON to be passed on")
			assert.Equal(t, byte('{'), e.Body[0], "always the object form")
			assertNoKey(t, e)

			// A stream breaks after HTTP 200: the event alone must give the same verdict.
			in := classify(200, raw, testKey)
			assert.Equal(t, tt.class.String(), in.Class.String(), "inside a stream")
			assert.Equal(t, status, in.HTTPStatus, "inside a stream")
		})
	}
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	for _, f := range files {
		assert.True(t, seen[filepath.Base(f)], "%s is in no test", f)
	}
}

func foreign(feature string, v upstream.Violation) upstream.Violation {
	v.Feature = feature
	v.Foreign = true
	return v
}

// What Google documents (google.api.ErrorReason) as said of a project, of who runs it, or of its
// policies is nothing that the caller could mend, whatever the message says.
func TestReasonsOfProjects(t *testing.T) {
	for _, reason := range []string{
		"IAM_PERMISSION_DENIED", "SECURITY_POLICY_VIOLATED", "RESOURCE_USAGE_RESTRICTION_VIOLATED", "ENDPOINT_USAGE_RESTRICTION_VIOLATED",
		"ORG_RESTRICTION_VIOLATION", "SERVICE_NOT_VISIBLE", "GCP_SUSPENDED", "LOCATION_POLICY_VIOLATED", "LOCATION_ORG_POLICY_VIOLATED", "LOCATION_TAX_POLICY_VIOLATED",
	} {
		for _, message := range []string{"The caller does not have permission", "Request is prohibited by organization's policy.", ""} {
			body := `{"error":{"code":403,"message":"` + message + `","status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"` + reason + `","domain":"googleapis.com"}]}}`
			e := classify(403, []byte(body), testKey)
			assert.Equal(t, "denied", e.Class.String(), "%s: %s", reason, message)
			assert.Equal(t, upstream.ReasonPermission, e.Reason, reason)
			assert.Equal(t, "caller", classify(400, []byte(body), testKey).Class.String(), "%s as the request's fault", reason)
		}
	}
}

func TestClassifyNonsense(t *testing.T) {
	long := `{"error":{"message":"` + strings.Repeat("é", 5000) + `","code":400}}`
	tests := []struct {
		name    string
		status  int
		body    string
		class   upstream.Class
		http    int
		message string
	}{
		{"empty 429", 429, "", upstream.ClassBare429, 429, "Too Many Requests"},
		{"HTML 429", 429, "<html>429 PerDay limit: 0</html>", upstream.ClassBare429, 429, "Too Many Requests"},
		{"truncated 429", 429, `{"error":{"code":429,"message":"You ex`, upstream.ClassBare429, 429, "Too Many Requests"},
		{"429 with details of wrong types", 429, `{"error":{"code":"x","message":7,"details":[null,3,{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":"no"}]}}`, upstream.ClassBare429, 429, "Too Many Requests"},
		{"429 with one odd field beside good ones", 429, `{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","reason":9,"violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel","quotaValue":250,"quotaDimensions":{"model":1}}]}]}}`, upstream.ClassDay, 429, "Too Many Requests"},
		{"429 on a quantity that is neither requests nor tokens", 429, `{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"ImagesPerMinutePerProject"}]}]}}`, upstream.ClassForeignQuota, 429, "Too Many Requests"},
		{"plain text from a proxy", 502, "upstream unavailable\n", upstream.ClassBroken, 502, "upstream unavailable"},
		{"error as a string", 400, `{"error":"nope"}`, upstream.ClassCaller, 400, "nope"},
		{"array without errors", 400, `[1,{}]`, upstream.ClassCaller, 400, "Bad Request"},
		{"byte order mark", 404, "\uFEFF" + `{"error":{"message":"This model is no longer available."}}`, upstream.ClassModelGone, 404, "This model is no longer available."},
		{"redirect", 302, "", upstream.ClassServer, 502, "Bad Gateway"},
		{"a page with success", 200, "<html>", upstream.ClassBroken, 502, "Upstream answered with success but with what is no answer, such as a page. It isn't passed on; the request may have been served."},
		{"success without an error", 200, `{"candidates":[]}`, upstream.ClassBroken, 502, "Bad Gateway"},
		{"success with an error known by name only", 200, `{"error":{"status":"RESOURCE_EXHAUSTED"}}`, upstream.ClassBare429, 429, "Too Many Requests"},
		{"no status", 0, "", upstream.ClassBroken, 502, "Bad Gateway"},
		{"401 from a proxy", 401, "", upstream.ClassKeyInvalid, 401, "Unauthorized"},
		{"403 from a proxy", 403, "<html>", upstream.ClassCaller, 403, "Forbidden"},
		{"body too large", 413, "", upstream.ClassCaller, 413, "Request Entity Too Large"},
		{"a gateway that gave up: the model may have answered behind it", 504, "<html>", upstream.ClassBroken, 504, "Gateway Timeout"},
		{"an error whose text is lost", 500, "", upstream.ClassBroken, 500, "Internal Server Error"},
		{"overloaded, in a gateway's words", 503, "<html>", upstream.ClassServer, 503, "Service Unavailable"},
		{"overloaded, in no words", 503, "", upstream.ClassServer, 503, "Service Unavailable"},
		{"reset behind a proxy that had passed it on", 503, "upstream connect error or disconnect/reset before headers. reset reason: connection termination", upstream.ClassBroken, 503, "upstream connect error or disconnect/reset before headers. reset reason: connection termination"},
		{"the same on a page", 503, "<html>Connection Reset</html>", upstream.ClassBroken, 503, "Service Unavailable"},
		{"another gateway's JSON, behind which it may go on", 504, `{"message":"Endpoint request timed out"}`, upstream.ClassBroken, 504, "Gateway Timeout"},
		{"another gateway's JSON, overloaded or not", 503, `{"message":"Service Unavailable"}`, upstream.ClassBroken, 503, "Service Unavailable"},
		{"another gateway's JSON with an error in it", 502, `{"error":"Bad gateway"}`, upstream.ClassBroken, 502, "Bad gateway"},
		{"no error", 500, `{"error":null}`, upstream.ClassBroken, 500, "Internal Server Error"},
		{"Google's error in a list", 504, `[{"error":{"code":504,"message":"x","status":"DEADLINE_EXCEEDED"}}]`, upstream.ClassServer, 504, "x"},
		{"OpenAI's error", 500, `{"error":{"message":"x","type":"server_error"}}`, upstream.ClassServer, 500, "x"},
		{"nobody knows how much of it came", 408, "", upstream.ClassBroken, 408, "Request Timeout"},
		{"the same on a page", 408, "<html>", upstream.ClassBroken, 408, "Request Timeout"},
		{"slow upload, in Google's words", 408, `{"error":{"code":408,"message":"x"}}`, upstream.ClassServer, 408, "x"},
		{"canceled while it was served", 499, `{"error":{"code":499,"message":"x","status":"CANCELLED"}}`, upstream.ClassBroken, 499, "x"},
		{"canceled within an answer", 200, `{"error":{"message":"x","status":"CANCELLED"}}`, upstream.ClassBroken, 499, "x"},
		{"long message is cut between characters", 400, long, upstream.ClassCaller, 400, strings.Repeat("é", 2048/2) + "…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := classify(tt.status, []byte(tt.body), testKey)
			assert.Equal(t, tt.class.String(), e.Class.String())
			assert.Equal(t, tt.http, e.HTTPStatus)
			assert.Equal(t, tt.message, e.Message)
		})
	}
}

func TestClassifySeveralReasons(t *testing.T) {
	// One ErrorInfo that condemns the key is enough, wherever it stands.
	info := func(reason string) string {
		return `{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"` + reason + `"}`
	}
	raw := `{"error":{"details":[` + info("IAM_PERMISSION_DENIED") + `,` + info("API_KEY_IP_ADDRESS_BLOCKED") + `]}}`
	e := classify(403, []byte(raw), testKey)
	assert.Equal(t, upstream.ClassKeyInvalid.String(), e.Class.String())
	assert.Equal(t, "API_KEY_IP_ADDRESS_BLOCKED", e.Reason)

	e = classify(403, []byte(`{"error":{"details":[`+info("IAM_PERMISSION_DENIED")+`]}}`), testKey)
	assert.Equal(t, upstream.ClassDenied.String(), e.Class.String(), "another permission isn't the key's fault, nor the caller's")
	e = classify(403, []byte(`{"error":{"details":[`+info("BILLING_DISABLED")+`]}}`), testKey)
	assert.Equal(t, upstream.ClassBilling.String(), e.Class.String(), "the project's, so other keys of it are no use")
	e = classify(403, []byte(`{"error":{"details":[`+info("not a code: "+testKey)+`]}}`), testKey)
	assert.Empty(t, e.Reason, "only identifiers are reasons")
}

func TestClassifyDelayBounds(t *testing.T) {
	// A delay blocks a model, so nonsense must not block it for longer than any limit lasts, or into the past.
	for delay, want := range map[string]time.Duration{
		"99999h": maxRetryDelay, "-5s": 0, "soon": 0, "1e9s": 0, "99999999999999999999s": 0, "1.5s": 1500 * time.Millisecond,
	} {
		raw := `{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"` + delay + `"}]}}`
		assert.Equal(t, want, classify(429, []byte(raw), testKey).RetryDelay, delay)
	}
}

func TestClassifyKeepsBody(t *testing.T) {
	// Clients parse what is passed on: everything but keys stays byte for byte.
	raw := `{ "error" : {"b":1.0,"a":12345678901234567890,"message":"<&>\u00e9","details":[]} }`
	assert.Equal(t, raw, string(classify(400, []byte(raw), testKey).Body))
	assert.Equal(t, `{"error":{"message":"x"}}`, string(classify(400, []byte(`[{"error":{"message":"x"}}]`), testKey).Body))
	assert.Nil(t, classify(502, []byte("<html>"), testKey).Body)
}

// Errors whose details didn't come along, as some gateways and formats leave them out, mean the same by
// their words. So do those that nobody has seen yet of models that are shut down.
func TestWithoutDetails(t *testing.T) {
	for _, c := range []struct {
		status  int
		message string
		class   upstream.Class
	}{
		{403, "Generative Language API has not been used in project 123 before or it is disabled. Enable it by visiting https://console.developers.google.com/", upstream.ClassKeyInvalid},
		{403, "Requests to this API generativelanguage.googleapis.com method google.ai.generativelanguage.v1beta.GenerativeService.GenerateContent are blocked.", upstream.ClassKeyInvalid},
		{403, "This API method requires billing to be enabled. Please enable billing on project #123 by visiting https://console.developers.google.com/", upstream.ClassBilling},
		{403, "Permission denied: Consumer 'api_key:x' has been suspended.", upstream.ClassKeyInvalid},
		{400, "API Key not found. Please pass a valid API key.", upstream.ClassKeyInvalid},
		{400, "API key expired. Please renew the API key.", upstream.ClassKeyInvalid},
		{404, "models/gemini-1.5-pro has been retired. Please use a newer model.", upstream.ClassModelGone},
		{404, "The model gemini-1.5-pro has been shut down.", upstream.ClassModelGone},
		{404, "Model gemini-2.0-flash was shut down on 1 June 2026.", upstream.ClassModelGone},
		{404, "models/gemini-2.5-pro is not supported for generateContent.", upstream.ClassModelUnknown},
		{404, "models/gemini-1.5-pro: model not found.", upstream.ClassModelUnknown},
		{404, "gemini-2.0-flash has been shut down. Use a newer model.", upstream.ClassModelGone},
		{404, "The model `gemini-2.5-pro` is no longer available.", upstream.ClassModelGone},
		{404, "`gemini-2.5-pro` has been deprecated.", upstream.ClassModelGone},
		{404, `Model "models/gemini-2.5-pro" has been retired.`, upstream.ClassModelGone},
		{404, "'gemini-2.5-pro' is no longer available to new users.", upstream.ClassModelGone},
		{404, "Model `gemini-2.5-pro`: `this is no longer available`", upstream.ClassCaller},
		{404, "`Gemini has been retired`, you say, is not found", upstream.ClassCaller},
		{404, "Model `x is no longer available", upstream.ClassCaller},
		{404, "The file has been discontinued.", upstream.ClassCaller},
		{404, "Interaction model-has-been is not found, for the model has been retired", upstream.ClassCaller},
		{404, "fileSearchStores/the model has been shut down not found", upstream.ClassCaller},
		{404, `Model: tool "this model is no longer available" not found`, upstream.ClassCaller},
		{404, "The tool This model is no longer available is unknown", upstream.ClassCaller},
		{404, "Store models/x is not found for API version v1beta is unknown", upstream.ClassCaller},
		{400, "The text says: API Key not found", upstream.ClassCaller},
		{403, "You ask: Requests to this API generativelanguage.googleapis.com are blocked", upstream.ClassCaller},
	} {
		raw, err := json.Marshal(map[string]any{"error": map[string]any{"code": c.status, "message": c.message, "status": "X"}})
		require.NoError(t, err)
		assert.Equal(t, c.class, classify(c.status, raw, testKey).Class, c.message)
	}
}

// What a quota is of is what its metric and quotaId say. Only those of requests and input tokens are the model's own; which
// words others have is guessed, but for those of search.
func TestWhatAQuotaIsOf(t *testing.T) {
	for _, c := range []struct {
		metric, id string
		foreign    bool
		feature    string
	}{
		{"generate_requests_per_model", "GenerateRequestsPerDayPerProjectPerModel", false, ""},
		{"embed_content_free_tier_requests", "EmbedContentRequestsPerMinutePerUserPerProjectPerModel-FreeTier", false, ""},
		{"generate_content_paid_tier_input_token_count", "", false, ""},
		{"", "GenerateContentInputTokensPerModelPerMinute-FreeTier", false, ""},
		{"", "GenerateTokensPerMinutePerProjectPerModel", false, ""},
		{"live_sessions", "GenerateRequestsPerMinutePerProjectPerModel", true, ""},
		{"generate_content_free_tier_requests", "BatchJobsPerDayPerProject", true, ""},
		{"generate_content_free_tier_images", "", true, "image_output"},
		{"", "GenerateContentImagesPerMinutePerProjectPerModel", true, "image_output"},
		{"", "GenerateContentAudioTokensPerMinutePerProjectPerModel", true, ""},
		{"", "GenerateContentVideoSecondsPerMinutePerProjectPerModel", true, ""},
		{"", "GenerateContentOutputTokensPerMinutePerProjectPerModel", true, ""},
		{"", "GenerateContentSearchQueriesPerDayPerProject", true, "google_search"},
		{"", "GenerateContentGroundingRequestsPerDayPerProject", true, "google_search"},
		{"grounding_requests_free_tier", "", true, "google_search"},
		{"search_requests_free_tier", "", true, "google_search"},
		{"maps_grounding_requests", "MapsGroundingRequestsPerDayPerProject", true, "google_maps"},
		{"url_context_requests", "", true, "url_context"},
	} {
		v := map[string]any{"quotaId": c.id, "quotaValue": "50"}
		if c.metric != "" {
			v["quotaMetric"] = metricPrefix + c.metric
		}
		detail := map[string]any{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": []any{v}}
		raw, err := json.Marshal(map[string]any{"error": map[string]any{"code": 429, "details": []any{detail}}})
		require.NoError(t, err)
		got := classify(429, raw, testKey)
		require.Len(t, got.Violations, 1, c)
		assert.Equal(t, c.foreign, got.Violations[0].Foreign, c)
		assert.Equal(t, c.feature, got.Violations[0].Feature, c)
		assert.Equal(t, c.foreign, got.Class == upstream.ClassForeignQuota, c)
	}
}

// What else an answer says beside what decides.
func TestWhatDecides(t *testing.T) {
	const search = `{"quotaId":"SearchGroundingRequestsPerDayPerProject","quotaValue":"50"}`
	failure := func(violations string) string {
		return `{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[` + violations + `]}`
	}
	reason := func(s string) string {
		return `{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"` + s + `"}`
	}
	for _, c := range []struct {
		status           int
		message, details string
		class            upstream.Class
		why              string
	}{
		{429, "", failure(search + `,{"quotaId":"GenerateRequestsPerMinutePerProjectPerModel","quotaValue":"10"}`), upstream.ClassMinute, "the model's own limit is reached too"},
		{429, "You exceeded your current quota, limit: 0", failure(search), upstream.ClassForeignQuota, "whose limit that is was said"},
		{429, "You exceeded your current quota, limit: 0", "", upstream.ClassNoQuota, "nobody else's is named"},
		{429, "Billing is off.", reason("BILLING_DISABLED"), upstream.ClassBilling, "a code"},
		{429, "You exceeded your spend-based rate limit. limit: 0", failure(search), upstream.ClassSpend, "whatever else is named"},
		{400, "API key not valid: so the text begins that is quoted", reason("FIELD_INVALID"), upstream.ClassCaller, "texts decide only where there is no code"},
	} {
		message, err := json.Marshal(c.message)
		require.NoError(t, err)
		raw := `{"error":{"message":` + string(message) + `,"details":[` + c.details + `]}}`
		assert.Equal(t, c.class.String(), classify(c.status, []byte(raw), testKey).Class.String(), c.why)
	}
}

// A limit that a violation doesn't give is the message's, where that names one for each of its metric's.
func TestLimitsOfTheMessage(t *testing.T) {
	const requests, tokens = metricPrefix + "generate_content_free_tier_requests", metricPrefix + "generate_content_free_tier_input_token_count"
	line := func(metric string, limit int) string {
		return "\n* Quota exceeded for metric: " + metric + ", limit: " + strconv.Itoa(limit) + ", model: gemini-2.5-flash"
	}
	violated := func(metric, id, value string) string {
		if value != "" {
			value = `,"quotaValue":"` + value + `"`
		}
		return `{"quotaMetric":"` + metric + `","quotaId":"` + id + `","quotaDimensions":{"model":"gemini-2.5-flash"}` + value + `}`
	}
	const rpm, rpd, tpm = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "GenerateContentInputTokensPerModelPerMinute-FreeTier"
	for name, c := range map[string]struct {
		message    string
		violations []string
		want       []int64
	}{
		"one":                      {line(requests, 10), []string{violated(requests, rpm, "")}, []int64{10}},
		"what the violation says":  {line(requests, 10), []string{violated(requests, rpm, "12")}, []int64{12}},
		"of two metrics":           {line(requests, 10) + line(tokens, 250000), []string{violated(tokens, tpm, ""), violated(requests, rpm, "")}, []int64{250000, 10}},
		"of one metric, in order":  {line(requests, 250) + line(requests, 10), []string{violated(requests, rpd, ""), violated(requests, rpm, "")}, []int64{250, 10}},
		"fewer than there are":     {line(requests, 250), []string{violated(requests, rpd, ""), violated(requests, rpm, "")}, []int64{-1, -1}},
		"of another metric":        {line(tokens, 250), []string{violated(requests, rpd, "")}, []int64{-1}},
		"none":                     {"", []string{violated(requests, rpd, "")}, []int64{-1}},
		"too large for a number":   {strings.Replace(line(requests, 1), "limit: 1", "limit: 99999999999999999999", 1), []string{violated(requests, rpd, "")}, []int64{-1}},
		"zero, which the class is": {line(requests, 0), []string{violated(requests, rpd, "")}, []int64{-1}},
	} {
		message, err := json.Marshal("You exceeded your current quota." + c.message)
		require.NoError(t, err)
		raw := `{"error":{"code":429,"message":` + string(message) + `,"status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[` + strings.Join(c.violations, ",") + `]}]}}`
		var got []int64
		for _, v := range classify(429, []byte(raw), testKey).Violations {
			got = append(got, v.Value)
		}
		assert.Equal(t, c.want, got, name)
	}
}

func TestViolationsBounded(t *testing.T) {
	one := `{"quotaId":"GenerateRequestsPerDayPerProjectPerModel"}`
	raw := `{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[` + one + strings.Repeat(","+one, 1000) + `]}]}}`
	assert.Len(t, classify(429, []byte(raw), testKey).Violations, maxViolations)
}

func TestNames(t *testing.T) {
	names := map[string]bool{}
	for c := upstream.ClassDay; c <= upstream.ClassProject; c++ {
		names[c.String()] = true
	}
	assert.Len(t, names, int(upstream.ClassProject), "metrics need distinct names")
	assert.False(t, names["unknown"])
	assert.Equal(t, "unknown", upstream.Class(0).String(), "a zero Error must not pass for a class")
	assert.Equal(t, "unknown", upstream.Class(99).String())
	assert.Equal(t, []string{"unknown", "RPM", "RPD", "TPM", "TPD"}, []string{upstream.KindUnknown.String(),
		upstream.RequestsPerMinute.String(), upstream.RequestsPerDay.String(), upstream.TokensPerMinute.String(), upstream.TokensPerDay.String()})
}

func TestErrorText(t *testing.T) {
	// Error() goes to logs, and upstream quotes the caller's prompt when the request is at fault.
	e := classify(400, []byte(`{"error":{"message":"Invalid value: \"my secret diary\"","status":"INVALID_ARGUMENT"}}`), testKey)
	assert.Equal(t, "gemini: caller, HTTP 400 INVALID_ARGUMENT", e.Error())
	assert.Contains(t, e.Message, "diary", "the caller itself is told")
	e = classify(403, body(t, "403_suspended"), testKey)
	assert.Equal(t, "gemini: key_invalid, HTTP 403 PERMISSION_DENIED (CONSUMER_SUSPENDED): Permission denied: Consumer 'api_key:[redacted]' has been suspended.", e.Error())
}

// What was captured of Gemini is known, and told to whoever is refused for the same reason, but for what is about the
// one request.
func TestCapturedWordsAreKnown(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	known := 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		status, err := strconv.Atoi(name[:3])
		if err != nil {
			continue
		}
		e := classify(status, body(t, name), testKey)
		if e.Class == upstream.ClassCaller {
			continue
		}
		known++
		assert.Equal(t, e.Message, e.ForOthers().Message, name)
		assert.Equal(t, string(e.Body), string(e.ForOthers().Body), name)
		assert.NotContains(t, e.Error(), "aren't known", name)
	}
	assert.Greater(t, known, 30)
}
