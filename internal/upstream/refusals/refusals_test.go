package refusals_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
	"fluxgate.dev/fluxgate/internal/upstream/refusals"
)

// sentence makes an error of OpenAI's.
func sentence(message, kind, code string) string {
	if code != "null" {
		code = `"` + code + `"`
	}
	return `{"error":{"message":"` + message + `","type":"` + kind + `","param":null,"code":` + code + `}}`
}

func TestOpenAI(t *testing.T) {
	reached := "Rate limit reached for gpt-5.1 in organization org-AAA on tokens per min (TPM): Limit 30000, Used 22999, Requested 12528. Please try again in 11.054s. Visit https://platform.openai.com/account/rate-limits to learn more."
	for _, c := range []struct {
		name   string // and where it is from
		status int
		body   string
		class  refusals.Class
		scope  refusals.Scope
		limit  int64 // that is named; -1: none
		wait   time.Duration
	}{
		{"OpenAI, captured", 429, sentence(reached, "tokens", "rate_limit_exceeded"), refusals.RateLimit, refusals.Model, 30_000, 11_054 * time.Millisecond},
		{"OpenAI, captured without a code", 429, sentence(reached, "tokens", "null"), refusals.RateLimit, refusals.Model, 30_000, 11_054 * time.Millisecond},
		{"OpenAI, captured: larger than the limit", 429, sentence("Request too large for gpt-4o in organization org-XYZ on tokens per min (TPM): Limit 30000, Requested 1000011. The input or output tokens must be reduced in order to run successfully.", "tokens", "rate_limit_exceeded"),
			refusals.TooLarge, refusals.Request, 30_000, 0},
		{"OpenAI, captured: no quota at all", 429, sentence("Rate limit reached for m in organization o on requests per min (RPM): Limit 0, Used 0, Requested 1.", "requests", "rate_limit_exceeded"), refusals.NoQuota, refusals.Model, 0, 0},
		{"OpenAI, captured", 429, sentence("You exceeded your current quota, please check your plan and billing details.", "insufficient_quota", "insufficient_quota"), refusals.Spent, refusals.Project, -1, 0},
		{"OpenAI until 2023, captured", 429, sentence("You exceeded your current quota, please check your plan and billing details.", "insufficient_quota", "null"), refusals.Spent, refusals.Project, -1, 0},
		{"OpenAI 2026, captured", 429, sentence("You have no credits remaining. Add credits to continue using the API at https://platform.openai.com/settings/organization/billing/.", "insufficient_quota", "credit_balance_exhausted"), refusals.Spent, refusals.Project, -1, 0},
		{"OpenAI 2026, documented: a project of OpenAI's own, which is a part of ours", 429, sentence("m", "insufficient_quota", "project_spend_limit_exceeded"), refusals.Spent, refusals.Key, -1, 0},
		{"OpenAI, captured of images", 400, sentence("Billing hard limit has been reached", "invalid_request_error", "billing_hard_limit_reached"), refusals.Spent, refusals.Project, -1, 0},
		{"OpenAI, documented: a rate that rose too fast", 429, sentence("Slow down", "rate_limit_error", "slow_down"), refusals.RateLimit, refusals.Model, -1, 0},
		{"OpenAI, documented", 429, sentence("The engine is currently overloaded, please try again later", "server_error", "null"), refusals.Overloaded, refusals.Everyone, -1, 0},
		{"OpenAI, documented, as a limit", 429, sentence("The engine is currently overloaded, please try again later", "requests", "null"), refusals.Overloaded, refusals.Everyone, -1, 0},
		{"OpenAI, documented", 503, sentence("Model temporarily overloaded", "service_unavailable_error", "server_is_overloaded"), refusals.Overloaded, refusals.Everyone, -1, 0},
		{"OpenAI, captured", 401, sentence("Incorrect API key provided: sk-proj-****3333.", "invalid_request_error", "invalid_api_key"), refusals.KeyInvalid, refusals.Key, -1, 0},
		{"OpenAI, captured", 401, sentence("You didn't provide an API key.", "invalid_request_error", "null"), refusals.KeyInvalid, refusals.Key, -1, 0},
		{"OpenAI, captured: a restricted key", 401, sentence("You have insufficient permissions for this operation. Missing scopes: model.request.", "invalid_request_error", "null"), refusals.Denied, refusals.Key, -1, 0},
		{"OpenAI, documented", 403, sentence("Country, region, or territory not supported", "request_forbidden", "unsupported_country_region_territory"), refusals.Denied, refusals.Everyone, -1, 0},
		{"OpenAI, captured", 404, sentence("The model `gpt-9` does not exist or you do not have access to it.", "invalid_request_error", "model_not_found"), refusals.ModelUnknown, refusals.Model, -1, 0},
		{"OpenAI, captured", 403, sentence("Project `proj_1` does not have access to model `gpt-5`", "invalid_request_error", "model_not_found"), refusals.Denied, refusals.Model, -1, 0},
		{"OpenAI, captured: no model", 404, sentence("No such File object: file-1", "invalid_request_error", "null"), refusals.Caller, refusals.Request, -1, 0},
		{"OpenAI, captured", 400, sentence("This model's maximum context length is 400000 tokens.", "invalid_request_error", "context_length_exceeded"), refusals.Caller, refusals.Request, -1, 0},
		{"OpenAI, captured", 500, sentence("The server had an error while processing your request. Sorry about that!", "server_error", "null"), refusals.Server, refusals.Request, -1, 0},
		{"a gateway's page", 502, "<html>502 Bad Gateway</html>", refusals.Unsure, refusals.Request, -1, 0},
		{"a gateway's page", 503, "", refusals.Unsure, refusals.Request, -1, 0},
		{"a redirect", 307, "", refusals.Server, refusals.Request, -1, 0},
		{"Groq, captured", 413, sentence("Request too large for model `m` in organization `o` service tier `on_demand` on tokens per minute (TPM): Limit 8000, Requested 10098, please reduce your message size and try again.", "tokens", "rate_limit_exceeded"), refusals.TooLarge, refusals.Request, 8000, 0},
		{"Groq, captured", 429, sentence("Rate limit reached for model `m` in organization `o` service tier `on_demand` on tokens per day (TPD): Limit 100000, Used 99866, Requested 1434. Please try again in 18m43.2s.", "tokens", "rate_limit_exceeded"), refusals.RateLimit, refusals.Model, 100_000, 18*time.Minute + 43_200*time.Millisecond},
		{"Groq, captured", 400, sentence("The model `m` has been decommissioned and is no longer supported.", "invalid_request_error", "model_decommissioned"), refusals.ModelUnknown, refusals.Model, -1, 0},
		{"Groq, captured", 403, sentence("The model `m` is blocked at the organization level.", "permissions_error", "model_permission_blocked_org"), refusals.Denied, refusals.Model, -1, 0},
		{"Groq, documented: no capacity of the flex tier", 498, sentence("Flex tier capacity exceeded", "invalid_request_error", "capacity_exceeded"), refusals.Overloaded, refusals.Everyone, -1, 0},
		{"Azure, captured", 429, `{"error":{"code":"429","message":"Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-02-01 have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 26 seconds."}}`, refusals.RateLimit, refusals.Model, -1, 26 * time.Second},
		{"Azure, captured", 404, `{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}`, refusals.ModelUnknown, refusals.Model, -1, 0},
		{"Azure, captured", 401, `{"error":{"code":"401","message":"Access denied due to invalid subscription key or wrong API endpoint."}}`, refusals.KeyInvalid, refusals.Key, -1, 0},
		{"Mistral, captured", 429, `{"object":"error","message":"Rate limit exceeded","type":"rate_limited","param":null,"code":"1300"}`, refusals.RateLimit, refusals.Model, -1, 0},
		{"Mistral, captured", 429, `{"object":"error","message":"Service tier capacity exceeded for this model.","type":"service_tier_capacity_exceeded","code":"3505"}`, refusals.Overloaded, refusals.Everyone, -1, 0},
		{"Mistral, captured", 429, `{"object":"error","message":"Service tier capacity exceeded for this model.","type":"invalid_request_error","param":null,"code":null}`, refusals.Overloaded, refusals.Everyone, -1, 0},
		{"Mistral, captured", 401, `{"detail":"Invalid API Key"}`, refusals.KeyInvalid, refusals.Key, -1, 0},
		{"Mistral, captured", 400, `{"object":"error","message":"Invalid model: m","type":"invalid_model","param":null,"code":"1500"}`, refusals.ModelUnknown, refusals.Model, -1, 0},
		{"Cerebras, captured", 429, `{"message":"Requests per minute limit exceeded - too many requests sent.","type":"too_many_requests_error","param":"quota","code":"request_quota_exceeded"}`, refusals.RateLimit, refusals.Model, -1, 0},
		{"Cerebras, captured", 429, `{"message":"We're experiencing high traffic right now! Please try again soon.","type":"too_many_requests_error","param":"queue","code":"queue_exceeded"}`, refusals.Overloaded, refusals.Everyone, -1, 0},
		{"Cerebras, captured", 401, `{"message":"Wrong API Key","type":"invalid_request_error","param":"api_key","code":"wrong_api_key"}`, refusals.KeyInvalid, refusals.Key, -1, 0},
		{"Together, captured", 429, sentence("Request was rejected due to request rate limiting.", "rate_limit", "null"), refusals.RateLimit, refusals.Model, -1, 0},
		{"Together, documented", 402, sentence("Credit limit exceeded", "credit_limit", "null"), refusals.Spent, refusals.Project, -1, 0},
		{"OpenRouter, captured", 429, `{"error":{"message":"Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day","code":429,"metadata":{"headers":{"X-RateLimit-Limit":"50"}}}}`, refusals.RateLimit, refusals.Model, -1, 0},
		{"OpenRouter, captured, in a stream", 200, `{"error":{"message":"Provider returned error","code":502}}`, refusals.Server, refusals.Request, -1, 0},
		{"OpenRouter, captured", 402, `{"error":{"message":"Insufficient credits. Add more using https://openrouter.ai/settings/credits","code":402}}`, refusals.Spent, refusals.Project, -1, 0},
		{"OpenRouter, captured", 404, `{"error":{"message":"No endpoints found for m.","code":404}}`, refusals.ModelUnknown, refusals.Model, -1, 0},
		{"xAI, captured", 429, `{"code":"Some resource has been exhausted","error":"Too many requests for team 1 and model grok-4."}`, refusals.RateLimit, refusals.Model, -1, 0},
		{"OpenRouter, documented", 403, `{"error":{"code":403,"message":"m requires moderation on OpenRouter. Your input was flagged for \"violence\". No credits were charged.","metadata":{"reasons":["violence"],"flagged_input":"I beat"}}}`, refusals.Caller, refusals.Request, -1, 0},
		{"xAI, in public reports", 403, `{"code":"The caller does not have permission to execute the specified operation","error":"Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_CSAM"}`, refusals.Caller, refusals.Request, -1, 0},
		{"as a gateway says it", 403, `{"error":{"message":"Access denied"}}`, refusals.Denied, refusals.Key, -1, 0},
		{"xAI, captured", 403, `{"code":"permission-denied","error":"Your team 1a2b3c has either used all available credits or reached its monthly spending limit."}`, refusals.Spent, refusals.Project, -1, 0},
		{"xAI, captured with a status of 200", 200, `{"code":"x y","error":"Your team has either used all available credits or reached its monthly spending limit."}`, refusals.Spent, refusals.Project, -1, 0},
		{"xAI, captured: a member that the model doesn't know", 400, `{"code":"Client specified an invalid argument","error":"Argument not supported on this model: presencePenalty"}`, refusals.Caller, refusals.Request, -1, 0},
		{"Together, documented: beyond what the model's traffic allows", 429, sentence("Request was rejected due to dynamic rate limiting.", "dynamic_request_limited", "null"), refusals.RateLimit, refusals.Model, -1, 0},
		{"Together, documented: no capacity", 503, sentence("The server is overloaded or not ready yet.", "service_unavailable", "null"), refusals.Overloaded, refusals.Everyone, -1, 0},
		{"xAI, captured", 400, `{"code":"invalid-argument","error":"Incorrect API key provided: xa***"}`, refusals.KeyInvalid, refusals.Key, -1, 0},
		{"DeepSeek, documented", 402, sentence("Insufficient Balance", "unknown_error", "invalid_request_error"), refusals.Spent, refusals.Project, -1, 0},
		{"vLLM, captured", 404, `{"object":"error","message":"The model ` + "`m`" + ` does not exist.","type":"NotFoundError","param":null,"code":404}`, refusals.ModelUnknown, refusals.Model, -1, 0},
		{"Ollama, captured", 404, sentence(`model \"m\" not found, try pulling it first`, "api_error", "null"), refusals.ModelUnknown, refusals.Model, -1, 0},
		{"Anthropic's endpoint of this format, guessed", 404, `{"error":{"code":"not_found_error","message":"model: claude-9","type":"not_found_error","param":null}}`, refusals.ModelUnknown, refusals.Model, -1, 0},
		{"Gemini's endpoint, captured", 404, `[{"error":{"code":404,"message":"x","status":"NOT_FOUND"}}]`, refusals.Caller, refusals.Request, -1, 0},
		{"OpenAI's Responses API, documented: an event", 200, `{"type":"error","code":"rate_limit_exceeded","message":"` + reached + `","param":null,"sequence_number":1}`, refusals.RateLimit, refusals.Model, 30_000, 11_054 * time.Millisecond},
		{"OpenAI's Responses API, captured: the event that it fails with", 200, "event: response.failed\ndata: " + `{"type":"response.failed","response":{"status":"failed","error":{"code":"server_is_overloaded","message":"x"}}}` + "\n\n", refusals.Overloaded, refusals.Everyone, -1, 0},
		{"nothing at all", 200, "", refusals.Unsure, refusals.Request, -1, 0},
		{"words of the caller's", 400, sentence("Invalid value: 'You exceeded your current quota'", "invalid_request_error", "null"), refusals.Caller, refusals.Request, -1, 0},
	} {
		r := refusals.OpenAI(c.status, []byte(c.body))
		assert.Equal(t, []any{c.class, c.scope, c.limit, c.wait}, []any{r.Class, r.Scope, r.Limit.Limit, r.Wait}, "%s: %d %s", c.name, c.status, c.body)
		assert.GreaterOrEqual(t, r.Status, 300, c.name)
		known(t, r)
	}
	for _, body := range []string{ // Mistral's, captured (github.com/Gitlawb/openclaude/issues/739, github.com/editor-code-assistant/eca/issues/315)
		`{"detail":[{"type":"extra_forbidden","loc":["body","store"],"msg":"Extra inputs are not permitted","input":false}]}`,
		`{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","max_completion_tokens"],"msg":"Extra inputs are not permitted","input":32000}]},"type":"invalid_request_error","param":null,"code":null}`,
	} {
		r := refusals.OpenAI(422, []byte(body))
		assert.Equal(t, []any{refusals.Caller, refusals.Request, "extra_forbidden"}, []any{r.Class, r.Scope, r.Code}, body)
		known(t, r)
	}
	assert.Empty(t, refusals.OpenAI(422, []byte(`{"detail":[{"type":"what the caller said"}]}`)).Code)
	assert.Empty(t, refusals.OpenAI(422, []byte(`{"detail":[],"message":{"detail":[7]}}`)).Code)
	r := refusals.OpenAI(200, []byte(`{"error":{"message":"`+reached+`","type":"tokens","code":"rate_limit_exceeded"}}`))
	assert.Equal(t, 429, r.Status)
	assert.Equal(t, "rate_limit_exceeded", r.Code)
	assert.Equal(t, "tokens", r.Type)
	assert.EqualValues(t, 12_528, r.Requested)
	assert.Empty(t, refusals.OpenAI(429, []byte(`{"error":{"message":"busy","code":429}}`)).Code, "which only repeats the status")
	assert.Equal(t, ratelimits.Limit{Dimension: ratelimits.Tokens, Per: time.Minute, Limit: 30_000, Remaining: 7001}, r.Limit)
}

func TestAnthropic(t *testing.T) {
	of := func(kind, message string) string {
		return `{"type":"error","error":{"type":"` + kind + `","message":"` + message + `"},"request_id":"req_1"}`
	}
	until := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		status int
		body   string
		class  refusals.Class
		scope  refusals.Scope
		until  time.Time
	}{
		{"captured", 429, of("rate_limit_error", "This request would exceed your organization's rate limit of 30,000 input tokens per minute (org: 9a35, model: m). For details, refer to: https://docs.claude.com/en/api/rate-limits."), refusals.RateLimit, refusals.Model, time.Time{}},
		{"captured: a sharp increase", 429, of("rate_limit_error", "This request would exceed your organization's maximum usage increase rate for input tokens per minute."), refusals.RateLimit, refusals.Model, time.Time{}},
		{"captured: requests at a time", 429, of("rate_limit_error", "Number of concurrent connections has exceeded your rate limit."), refusals.RateLimit, refusals.Model, time.Time{}},
		{"documented: the tier's spend cap", 429, `{"type":"error","error":{"type":"rate_limit_error","message":"You have reached your API usage limits: your organization has crossed its monthly API usage threshold. You will regain access on 2026-09-01 at 00:00 UTC.","details":{"error_code":"enforced_spend_limit_reached"}},"request_id":"r"}`, refusals.Spent, refusals.Project, until},
		{"documented: a limit of one's own", 400, of("invalid_request_error", "You have reached your specified API usage limits. You will regain access on 2026-09-01 at 00:00 UTC."), refusals.Spent, refusals.Project, until},
		{"documented: of a workspace", 400, of("invalid_request_error", "You have reached your specified workspace API usage limits. You will regain access on 2026-09-01 at 00:00 UTC."), refusals.Spent, refusals.Key, until},
		{"captured", 400, of("invalid_request_error", "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."), refusals.Spent, refusals.Project, time.Time{}},
		{"documented", 402, of("billing_error", "x"), refusals.Spent, refusals.Project, time.Time{}},
		{"captured", 401, of("authentication_error", "invalid x-api-key"), refusals.KeyInvalid, refusals.Key, time.Time{}},
		{"documented", 403, of("permission_error", "Your API key does not have permission to use the specified resource."), refusals.Denied, refusals.Key, time.Time{}},
		{"captured", 404, of("not_found_error", "model: claude-9"), refusals.ModelUnknown, refusals.Model, time.Time{}},
		{"captured", 404, of("not_found_error", "Not Found"), refusals.Caller, refusals.Request, time.Time{}},
		{"captured", 400, of("invalid_request_error", "max_tokens: Field required"), refusals.Caller, refusals.Request, time.Time{}},
		{"captured", 400, of("invalid_request_error", "prompt is too long: 213462 tokens > 200000 maximum"), refusals.Caller, refusals.Request, time.Time{}},
		{"documented", 413, of("request_too_large", "Request exceeds the maximum allowed number of bytes."), refusals.Caller, refusals.Request, time.Time{}},
		{"documented", 529, of("overloaded_error", "Overloaded"), refusals.Overloaded, refusals.Everyone, time.Time{}},
		{"documented, in a stream", 200, "event: error\ndata: " + of("overloaded_error", "Overloaded"), refusals.Overloaded, refusals.Everyone, time.Time{}},
		{"documented", 500, of("api_error", "Internal server error"), refusals.Server, refusals.Request, time.Time{}},
		{"documented", 504, of("timeout_error", "x"), refusals.Unsure, refusals.Request, time.Time{}},
		{"a gateway's page", 529, "", refusals.Unsure, refusals.Request, time.Time{}},
		{"a gateway's page", 429, "<html>", refusals.RateLimit, refusals.Model, time.Time{}},
		{"words of the caller's", 400, of("invalid_request_error", "messages.0: Your credit balance is too low"), refusals.Caller, refusals.Request, time.Time{}},
	} {
		r := refusals.Anthropic(c.status, []byte(c.body))
		assert.Equal(t, []any{c.class, c.scope, c.until}, []any{r.Class, r.Scope, r.Until}, "%s: %d %s", c.name, c.status, c.body)
		known(t, r)
	}
	assert.Equal(t, 529, refusals.Anthropic(200, []byte(of("overloaded_error", "Overloaded"))).Status)
	assert.EqualValues(t, 30_000, refusals.Anthropic(429, []byte(of("rate_limit_error", "This request would exceed your organization's rate limit of 30,000 input tokens per minute"))).Limit.Limit)
}

// FuzzOpenAI and Anthropic: any bytes give a class, and no code that isn't a word.
func FuzzRefusals(f *testing.F) {
	for _, body := range []string{sentence("m", "tokens", "rate_limit_exceeded"), `[{"error":{"code":429}}]`, `{"error":"x","code":1}`, "data: {", `{"response":{"error":null}}`, `{"error":{"type":{},"code":[],"message":5,"details":{"error_code":"a b"}}}`, "null", "[]", ""} {
		f.Add(429, []byte(body))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		for _, r := range []refusals.Refusal{refusals.OpenAI(status, body), refusals.Anthropic(status, body)} {
			assert.NotEqual(t, "unknown", r.Class.String())
			assert.NotEqual(t, "unknown", r.Scope.String())
			assert.GreaterOrEqual(t, r.Status, 400)
			assert.False(t, strings.ContainsAny(r.Code+r.Type, " \n\"\x00"))
			assert.LessOrEqual(t, len(r.Code)+len(r.Type), 128)
			assert.GreaterOrEqual(t, r.Wait, time.Duration(0))
		}
	})
}

// known asserts that a log has what a refusal says that isn't about the one request.
func known(t *testing.T, r refusals.Refusal) {
	t.Helper()
	if r.Class == refusals.Caller || r.Class == refusals.TooLarge || len(r.Message) < 5 { // such as "x", which stands for any
		return
	}
	e := upstream.Error{Class: upstream.ClassServer, HTTPStatus: r.Status, Message: r.Message}
	assert.NotContains(t, e.Error(), "aren't known", r.Message)
}
