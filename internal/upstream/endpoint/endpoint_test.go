package endpoint

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/internal/upstream/arrival"
	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
)

const testKey = "sk-the-key-of-this-test"

type carrier func(*http.Request) (*http.Response, error)

func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) { return c(r) }

func client(t *testing.T, cfg Config) *Client {
	t.Helper()
	if cfg.BaseURL == "" {
		cfg.BaseURL = "https://api.openai.com/v1"
	}
	c, err := New(cfg)
	require.NoError(t, err)
	return c
}

// The bodies are captured of OpenAI (community.openai.com), of Anthropic documented or captured
// (github.com/anthropics), and made up for the others.
func TestClassify(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   upstream.Class
		reason string
	}{
		{"OpenAI: too many", 429, `{"error":{"message":"Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000. Please try again in 2s.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}`, upstream.ClassMinute, "rate_limit_exceeded"},
		{"OpenAI: no credit", 429, `{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`, upstream.ClassBilling, upstream.ReasonBilling},
		{"OpenAI: key", 401, `{"error":{"message":"Incorrect API key provided: sk-the-key-of-this-test.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`, upstream.ClassKeyInvalid, "invalid_api_key"},
		{"OpenAI: model", 404, `{"error":{"message":"The model 'gpt-9' does not exist or you do not have access to it.","type":"invalid_request_error","param":null,"code":"model_not_found"}}`, upstream.ClassModelUnknown, "model_not_found"},
		{"OpenAI: a model of others", 403, `{"error":{"message":"Project x does not have access to model y","type":"invalid_request_error","param":null,"code":"model_not_found"}}`, upstream.ClassDenied, upstream.ReasonPermission},
		{"OpenAI: may not", 403, `{"error":{"message":"You have insufficient permissions for this operation.","type":"invalid_request_error","code":null}}`, upstream.ClassDenied, upstream.ReasonPermission},
		{"OpenAI: the caller", 400, `{"error":{"message":"Invalid value","type":"invalid_request_error","param":"x","code":null}}`, upstream.ClassCaller, ""},
		{"OpenAI: failed", 500, `{"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}`, upstream.ClassServer, ""},
		{"a code that is a number", 429, `{"error":{"message":"busy","code":429}}`, upstream.ClassMinute, ""},
		{"an error that is a text", 400, `{"error":"no such parameter"}`, upstream.ClassCaller, ""},
		{"Anthropic: too many", 429, `{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your rate limit"}}`, upstream.ClassMinute, ""},
		{"Anthropic: no credit", 400, `{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}`, upstream.ClassBilling, upstream.ReasonBilling},
		{"Anthropic: key", 401, `{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}`, upstream.ClassKeyInvalid, ""},
		{"Anthropic: model", 404, `{"type":"error","error":{"type":"not_found_error","message":"model: claude-9"}}`, upstream.ClassModelUnknown, ""},
		{"Anthropic: overloaded", 529, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, upstream.ClassServer, ""},
		{"Anthropic: overloaded, in a stream", 200, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, upstream.ClassServer, ""},
		{"OpenAI: no quota", 429, `{"error":{"message":"Rate limit reached for m in organization o on requests per min (RPM): Limit 0, Used 0, Requested 1.","type":"requests","param":null,"code":"rate_limit_exceeded"}}`, upstream.ClassNoQuota, "rate_limit_exceeded"},
		{"Groq: larger than the limit", 413, `{"error":{"message":"Request too large for model ` + "`m`" + ` in organization ` + "`o`" + ` on tokens per minute (TPM): Limit 8000, Requested 10098, please reduce your message size","type":"tokens","code":"rate_limit_exceeded"}}`, upstream.ClassCaller, "rate_limit_exceeded"},
		{"a country", 403, `{"error":{"message":"Country, region, or territory not supported","type":"request_forbidden","param":null,"code":"unsupported_country_region_territory"}}`, upstream.ClassCaller, "unsupported_country_region_territory"},
		{"Cerebras: too many", 429, `{"message":"Requests per minute limit exceeded - too many requests sent.","type":"too_many_requests_error","param":"quota","code":"request_quota_exceeded"}`, upstream.ClassMinute, "request_quota_exceeded"},
		{"DeepSeek: no credit", 402, `{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}`, upstream.ClassBilling, upstream.ReasonBilling},
		{"a gateway's page", 502, `<html>`, upstream.ClassBroken, ""},
		{"no answer at all", 200, `<html>`, upstream.ClassBroken, ""},
		{"a redirect", 302, ``, upstream.ClassServer, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := client(t, Config{Name: "openai", Format: OpenAI, Header: authorization}).Classify(c.status, []byte(c.body), testKey)
			assert.Equal(t, c.want.String(), e.Class.String())
			assert.Equal(t, c.reason, e.Reason)
			assert.Equal(t, "openai", e.Provider)
			assert.NotContains(t, e.Message+string(e.Body)+e.Error(), testKey)
		})
	}
}

// A redirect is told as one, whatever is in it, in the log too, and nothing is learned of its words.
func TestRedirectIsTold(t *testing.T) {
	e := client(t, Config{Name: "openai", Format: OpenAI, Header: authorization}).Classify(308, []byte(`{"error":{"message":"Moved","type":"x","code":"insufficient_quota"}}`), testKey)
	assert.Equal(t, 502, e.HTTPStatus)
	assert.Equal(t, upstream.ClassServer, e.Class)
	assert.Empty(t, e.Status+e.Reason)
	assert.Empty(t, e.Body)
	assert.Equal(t, "The provider redirects, which isn't followed: is it asked at the right address?", e.Message)
	assert.Contains(t, e.Error(), e.Message)
}

// What a refusal says of a limit is kept: how long it lasts, and what it is of, if that is a minute.
func TestNamedLimits(t *testing.T) {
	openAI := client(t, Config{Name: "openai", Format: OpenAI, Header: authorization})
	e := openAI.Classify(429, []byte(`{"error":{"message":"Rate limit reached for m in organization o on tokens per min (TPM): Limit 30000, Used 22999, Requested 12528. Please try again in 11.054s.","type":"tokens","code":"rate_limit_exceeded"}}`), testKey)
	assert.Equal(t, 11_054*time.Millisecond, e.RetryDelay)
	assert.Equal(t, []upstream.Violation{{Kind: upstream.TokensPerMinute, Value: 30_000}}, e.Violations)
	e = openAI.Classify(429, []byte(`{"error":{"message":"Rate limit reached for m in organization o on requests per day (RPD): Limit 200, Used 200, Requested 1. Please try again in 7m12s.","type":"requests","code":"rate_limit_exceeded"}}`), testKey)
	assert.Equal(t, 432*time.Second, e.RetryDelay)
	assert.Empty(t, e.Violations)
	anthropic := client(t, Config{Name: "anthropic", Format: Anthropic, Header: "X-Api-Key"})
	e = anthropic.Classify(429, []byte(`{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your organization's rate limit of 30,000 input tokens per minute (org: o, model: m)."}}`), testKey)
	assert.Equal(t, []upstream.Violation{{Kind: upstream.TokensPerMinute, Value: 30_000}}, e.Violations)
	assert.Nil(t, e.Named, "its headers tell of it")
}

// A limit of input or of output by itself, of which no header tells, is taken from the words of a refusal (captured of Groq),
// beside what its headers tell.
func TestNamedInWords(t *testing.T) {
	groq := client(t, Config{Name: "groq", Format: OpenAI, Header: authorization})
	for words, want := range map[string]ratelimits.Limit{
		"on output tokens per minute (OTPM): Limit 1000, Used 528, Requested 600. Please try again in 7.68s.":        {Dimension: ratelimits.OutputTokens, Limit: 1000, Remaining: 472},
		"on input tokens per minute (ITPM): Limit 7000, Used 6635, Requested 538. Please try again in 1.482857142s.": {Dimension: ratelimits.InputTokens, Limit: 7000, Remaining: 365},
		"on output tokens per minute (OTPM): Limit 1000, Requested 1024.":                                            {Dimension: ratelimits.OutputTokens, Limit: 1000, Remaining: -1},
	} {
		e := groq.Classify(429, []byte(`{"error":{"message":"Rate limit reached for model m in organization o service tier on_demand `+words+`","type":"tokens","code":"rate_limit_exceeded"}}`), testKey)
		want.Per, want.Named = time.Minute, true
		tokens := []ratelimits.Limit{{Dimension: ratelimits.Tokens, Per: time.Minute, Limit: 8000, Remaining: 5000}}
		e.Told(tokens)
		assert.Equal(t, append(tokens, want), e.Limits, words)
		assert.Empty(t, e.Violations, "it is none of the model's tokens")
	}
	assert.Nil(t, groq.Classify(429, []byte(`{"error":{"message":"Rate limit reached for m on tokens per minute (TPM): Limit 8000, Used 6000, Requested 2500.","code":"rate_limit_exceeded"}}`), testKey).Named)
	for _, name := range []string{"groq", "home"} {
		c := client(t, Config{Name: name, Format: OpenAI, Header: authorization})
		tokens, apart := c.Outputs(upstream.Asked{MaxOutput: 600, Output: 200})
		assert.EqualValues(t, map[string]int64{"groq": 600, "home": 200}[name], tokens, "what is requested is max_tokens")
		assert.False(t, apart)
		tokens, _ = c.Outputs(upstream.Asked{Output: 200})
		assert.EqualValues(t, 200, tokens)
	}
}

// The key goes where it is wanted, and nothing else does that the caller brought along.
func TestCredential(t *testing.T) {
	for header, want := range map[string]string{"authorization": "Bearer " + testKey, "x-api-key": testKey, "api-key": testKey} {
		var sent http.Header
		c := client(t, Config{Name: "groq", Format: OpenAI, Header: header, Transport: carrier(func(r *http.Request) (*http.Response, error) {
			sent = r.Header
			assert.Equal(t, "https://api.openai.com/v1/models", r.URL.String())
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(`{"data":[{"id":"a"}]}`)), Request: r}, nil
		})})
		r, err := c.NewRequest(upstream.WithKey(t.Context(), testKey), "GET", "models", http.NoBody)
		require.NoError(t, err)
		for _, name := range []string{"Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key", "Cookie"} {
			r.Header.Set(name, "the caller's")
		}
		resp, err := c.Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, want, sent.Get(header))
		assert.NotContains(t, sent, "X-Goog-Api-Key")
		for name, values := range sent {
			assert.NotContains(t, strings.Join(values, " "), "the caller's", name)
		}
		models, err := c.ListModels(t.Context(), testKey)
		require.NoError(t, err)
		assert.Equal(t, []upstream.Model{{Name: "a"}}, models)
	}
}

// Nothing is sent to where a cloud has its metadata.
func TestLinkLocalIsNotCalled(t *testing.T) {
	c := client(t, Config{Name: "home", Format: OpenAI, Header: authorization, BaseURL: "http://169.254.169.254/v1"})
	_, err := c.ListModels(t.Context(), testKey)
	require.ErrorIs(t, err, upstream.ErrLinkLocal)
}

// Before it is answered a request weighs what its provider takes for it when it comes, and then
// what is left of that, or what was used.
func TestCounting(t *testing.T) {
	asked := upstream.Asked{Input: 100, Characters: 500, MaxOutput: 1000, Output: 300}
	open := upstream.Asked{Input: 100, Characters: 200, Output: 300}
	used := answers.Tokens{Output: 150, Thoughts: 50, Cached: 40}
	for _, c := range []struct {
		name                string
		format              Format
		reserves, weighs    int64
		openly, weighsAgain int64
	}{
		{"openai", OpenAI, 1000, 1000, 400, 400},    // the larger; nothing is given back
		{"azure", OpenAI, 1125, 1125, 400, 400},     // the sum
		{"home", OpenAI, 1125, 1125, 400, 400},      // nothing is known of it
		{"groq", OpenAI, 1125, 280, 400, 280},       // the sum, until it is known, without what was cached
		{"cerebras", OpenAI, 1125, 320, 400, 320},   // the sum, until it is known
		{"xai", OpenAI, 1125, 320, 400, 320},        // likewise
		{"together", OpenAI, 1125, 1125, 400, 400},  // nothing is documented of it
		{"anthropic", Anthropic, 100, 80, 100, 80},  // the input alone, without what was cached
		{"of-its-own", Anthropic, 100, 80, 100, 80}, // it speaks like that
	} {
		p := client(t, Config{Name: c.name, Format: c.format, Header: authorization})
		assert.Equal(t, c.reserves, p.Reserves(asked), c.name)
		assert.Equal(t, c.weighs, p.Weighs(asked, 120, used, p.Reserves(asked)), c.name)
		assert.Equal(t, c.openly, p.Reserves(open), c.name)
		assert.Equal(t, c.weighsAgain, p.Weighs(open, 120, used, p.Reserves(open)), c.name)
		assert.EqualValues(t, -1, p.Weighs(asked, -1, answers.Tokens{}, 1000), c.name)
	}
	openAI := client(t, Config{Name: "openai", Format: OpenAI, Header: authorization})
	assert.EqualValues(t, 1200, openAI.Weighs(open, 1000, used, 100), "it used more than was thought")
	assert.EqualValues(t, 2000, openAI.Weighs(asked, 2000, used, 1000), "its prompt is larger than was thought")
}

// A deployment is asked at its own path, which no name of a model leads away from.
func TestDeployments(t *testing.T) {
	const base = "https://one.openai.azure.com/openai"
	c := client(t, Config{Name: "azure", Format: OpenAI, Header: "Api-Key", BaseURL: base, Version: "2024-10-21"})
	for _, path := range []string{"chat/completions", "audio/transcriptions"} {
		r, err := c.NewRequest(upstream.WithModel(t.Context(), "gpt-4.1_eu"), "POST", path, http.NoBody)
		require.NoError(t, err)
		assert.Equal(t, base+"/deployments/gpt-4.1_eu/"+path, r.URL.String())
		for _, model := range []string{"..", ".", "../..", "x/../gpt-4", "gpt-4/../..", "gpt%2d4", "x/", "/x", "gpt-4?", "gpt-4#"} {
			_, err := c.NewRequest(upstream.WithModel(t.Context(), model), "POST", path, http.NoBody)
			require.Error(t, err, model)
			e := upstream.TransportError(t.Context(), err)
			assert.Equal(t, upstream.ClassModelUnknown, e.Class, model)
			assert.Equal(t, upstream.ReasonModelName, e.Reason, model)
			assert.True(t, e.SentAt.IsZero(), model)
		}
	}
	for path, model := range map[string]string{"responses": "x/..", "chat/completions": ""} {
		r, err := c.NewRequest(upstream.WithModel(t.Context(), model), "POST", path, http.NoBody)
		require.NoError(t, err)
		assert.Equal(t, base+"/"+path, r.URL.String())
	}
}

// TestChatsAreWatched: chats at an endpoint of their own count on the same windows as all that is sent to their provider, so it is measured
// there too how soon they arrive.
func TestChatsAreWatched(t *testing.T) {
	path := new(arrival.Path)
	c := client(t, Config{Name: "anthropic", Format: Anthropic, BaseURL: "https://api.anthropic.com", Header: "X-Api-Key", Chats: "https://api.anthropic.com/v1", Path: path})
	chats, _ := c.InOpenAIFormat().(*Client)
	require.NotSame(t, c, chats)
	assert.Same(t, path, chats.keyed.Path)
}

// TestFilesWantABeta: what Anthropic has in a trial is asked for where a caller's client doesn't, and its version everywhere.
// https://docs.claude.com/en/docs/build-with-claude/files
func TestFilesWantABeta(t *testing.T) {
	for path, want := range map[string]string{"v1/files": filesBeta, "v1/files/file_1/content": filesBeta, "v1/messages": ""} {
		r, err := client(t, Config{Name: "anthropic", Format: Anthropic, Header: "X-Api-Key"}).NewRequest(t.Context(), http.MethodGet, path, nil)
		require.NoError(t, err)
		assert.Equal(t, want, r.Header.Get("Anthropic-Beta"), path)
		assert.Equal(t, anthropicVersion, r.Header.Get("Anthropic-Version"), path)
	}
}
