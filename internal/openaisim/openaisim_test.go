package openaisim_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/internal/simquota"
	"fluxgate.dev/fluxgate/internal/simserver/simtest"
)

func TestChat(t *testing.T) {
	s := sim(simquota.PerMinute(simquota.Requests, 60))
	r := ask(t, s, key1, "hi")
	require.Equal(t, 200, r.Status, r.Body)
	assert.Equal(t, "Answer to: hi", r.At(t, "choices.0.message.content"))
	assert.Equal(t, "stop", r.At(t, "choices.0.finish_reason"))
	assert.Equal(t, mini, r.At(t, "model"))
	assert.EqualValues(t, 7, r.At(t, "usage.prompt_tokens"), "one token, three of the message, three of the answer's beginning")
	assert.EqualValues(t, 4, r.At(t, "usage.completion_tokens"))
	assert.EqualValues(t, 11, r.At(t, "usage.total_tokens"))

	r = ask(t, s, key1, "think 10 tokens, write 30 tokens, cached 5 tokens", `"max_completion_tokens":25`)
	assert.Equal(t, "length", r.At(t, "choices.0.finish_reason"))
	assert.EqualValues(t, 25, r.At(t, "usage.completion_tokens"), "thinking counts")
	assert.EqualValues(t, 10, r.At(t, "usage.completion_tokens_details.reasoning_tokens"))
	assert.EqualValues(t, 5, r.At(t, "usage.prompt_tokens_details.cached_tokens"))

	r = ask(t, s, key1, "call look", `"tools":[{"type":"function","function":{"name":"look"}}]`)
	assert.Equal(t, "tool_calls", r.At(t, "choices.0.finish_reason"))
	assert.Equal(t, "look", r.At(t, "choices.0.message.tool_calls.0.function.name"))
}

func TestStream(t *testing.T) {
	s := sim(simquota.PerMinute(simquota.Requests, 60))
	r := ask(t, s, key1, "some words that are more than one piece", `"stream":true`, `"stream_options":{"include_usage":true}`)
	require.Equal(t, 200, r.Status)
	events := strings.Split(strings.TrimSpace(r.Body), "\n\n")
	assert.Greater(t, len(events), 5)
	assert.Contains(t, events[0], `"delta":{"role":"assistant","content":""}`)
	assert.Contains(t, events[1], `"content":"Answer t"`)
	assert.Contains(t, events[len(events)-3], `"finish_reason":"stop"`)
	assert.Contains(t, events[len(events)-2], `"choices":[],"usage":{"prompt_tokens":`)
	assert.Equal(t, "data: [DONE]", events[len(events)-1])
	assert.Equal(t, "60", r.Header.Get("X-Ratelimit-Limit-Requests"))

	r = ask(t, s, key1, "x", `"stream":true`)
	assert.NotContains(t, r.Body, `"usage"`)
}

// TestLimits: OpenAI's headers on each answer, and its refusals; both keys of a project draw
// on one quota, another project has its own.
func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sim(simquota.PerMinute(simquota.Requests, 3), simquota.PerMinute(simquota.Tokens, 6000), simquota.PerDay(simquota.Requests, 10_000))
		r := ask(t, s, key1, "hi", `"max_tokens":600`)
		assert.Equal(t, []string{"10000", "9999", "8.64s", "6000", "5400", "6s"}, limitHeaders(r.Header))
		ask(t, s, "sk-other", "hi")
		ask(t, s, key1, "hi")
		r = ask(t, s, key1, "hi")
		require.Equal(t, 429, r.Status)
		assert.JSONEq(t, `{"error":{"message":"Rate limit reached for gpt-5.5-mini in organization org-a on requests per min (RPM): Limit 3, Used 3, Requested 1. `+
			`Please try again in 20s. Visit https://platform.openai.com/account/rate-limits to learn more.","type":"requests","param":null,"code":"rate_limit_exceeded"}}`, r.Body)
		assert.Equal(t, "20", r.Header.Get("Retry-After"))
		assert.Equal(t, "10000", r.Header.Get("X-Ratelimit-Limit-Requests"), "refusals tell the limits too")
		assert.Equal(t, 200, ask(t, s, key2, "hi").Status)

		time.Sleep(20*time.Second - time.Millisecond)
		require.Equal(t, 429, ask(t, s, key1, "hi").Status)
		time.Sleep(time.Millisecond)
		require.Equal(t, 200, ask(t, s, key1, "hi").Status)

		r = ask(t, s, key2, "hi", `"max_tokens":6001`)
		require.Equal(t, 429, r.Status)
		assert.Contains(t, r.Body, "Request too large for gpt-5.5-mini in organization org-b on tokens per min (TPM): Limit 6000, Requested 6001.")
		assert.EqualValues(t, 4, s.Ledger().Peak("org-a", mini, simquota.Requests, time.Minute), "a bucket lets through more than its limit within a minute")
		assert.Equal(t, simquota.Counts{Accepted: 4, Refused: 2}, s.Ledger().Counts("org-a", mini))
		assert.Equal(t, simquota.Counts{Accepted: 5, Refused: 3}, s.Ledger().Total())
	})
}

func limitHeaders(h http.Header) (out []string) {
	for _, of := range []string{"Requests", "Tokens"} {
		for _, what := range []string{"Limit", "Remaining", "Reset"} {
			out = append(out, h.Get("X-Ratelimit-"+what+"-"+of))
		}
	}
	return out
}

// TestCounting: what counts as tokens.
func TestCounting(t *testing.T) {
	for counting, want := range map[openaisim.Counting]int64{openaisim.CountLarger: 500, openaisim.CountSum: 505, openaisim.CountUsed: 31, openaisim.CountReserved: 31} {
		s := openaisim.New(openaisim.Config{Keys: keys(), Counting: counting})
		r := ask(t, s, key1, "write 20 tokens ...", `"max_tokens":500`)
		require.Equal(t, 200, r.Status)
		used := s.Ledger().Used("org-a", mini)
		assert.Equal(t, want, used[simquota.Tokens], counting)
		assert.EqualValues(t, 11, used[simquota.InputTokens])
		assert.EqualValues(t, 20, used[simquota.OutputTokens])
	}
}

// TestSeveralChoices: a chat is answered as often as is asked for, and what counts is what all may put out, and then put out.
func TestSeveralChoices(t *testing.T) {
	s := openaisim.New(openaisim.Config{Keys: keys(), Counting: openaisim.CountSum})
	r := ask(t, s, key1, "write 20 tokens ...", `"max_tokens":100,"n":3`)
	require.Equal(t, 200, r.Status)
	assert.Len(t, r.At(t, "choices"), 3)
	assert.Contains(t, r.Body, `"index":2`)
	assert.EqualValues(t, 60, r.At(t, "usage.completion_tokens"))
	used := s.Ledger().Used("org-a", mini)
	assert.EqualValues(t, 60, used[simquota.OutputTokens])
	assert.Greater(t, used[simquota.Tokens], int64(300))
	r = ask(t, s, key1, "write 20 tokens ...", `"stream":true,"n":2`)
	assert.Equal(t, 2, strings.Count(r.Body, `"finish_reason":"stop"`), r.Body)
	assert.Contains(t, r.Body, `"index":1`)
	assert.Equal(t, 400, ask(t, s, key1, "hi", `"n":129`).Status)
}

// TestCompletionsAndModerations: each prompt is answered as often as is asked for, and what counts are the answers, too, of which the best are told.
func TestCompletionsAndModerations(t *testing.T) {
	for members, want := range map[string]struct{ choices, tokens, input, output int64 }{
		`"prompt":"hi"`:                                              {1, 16, 4, 4},
		`"prompt":"hi","max_tokens":500`:                             {1, 500, 4, 4},
		`"prompt":["hi","you"],"n":2,"max_tokens":9`:                 {4, 36, 5, 16},
		`"prompt":"hi","n":2,"best_of":5,"max_tokens":9,"echo":true`: {2, 45, 4, 20},
		`"prompt":[1,2,3,4]`:                                         {1, 16, 7, 3},
		`"prompt":[[1,2],[3]],"n":3`:                                 {6, 96, 6, 18},
	} {
		s := openaisim.New(openaisim.Config{Keys: keys()})
		r := send(t, s, key1, "POST", "/v1/completions", `{"model":"`+mini+`",`+members+`}`)
		require.Equal(t, 200, r.Status, r.Body)
		used := s.Ledger().Used("org-a", mini)
		assert.Len(t, r.At(t, "choices"), int(want.choices), members)
		assert.Equal(t, want.tokens, used[simquota.Tokens], members)
		assert.Equal(t, want.input, used[simquota.InputTokens], members)
		assert.Equal(t, want.output, used[simquota.OutputTokens], members)
		assert.EqualValues(t, want.output, r.At(t, "usage.completion_tokens"), members)
	}
	s := openaisim.New(openaisim.Config{Keys: keys()})
	parts := `[{"type":"text","text":"hi"},{"type":"image_url","image_url":{"url":"https://h/a.png"}}]`
	for input, status := range map[string]int{`"hi"`: 200, `["hi","you"]`: 200, parts: 200, `[]`: 400, `7`: 400, `[7]`: 400} {
		assert.Equal(t, status, send(t, s, key1, "POST", "/v1/moderations", `{"input":`+input+`}`).Status, input)
	}
	assert.Equal(t, 400, send(t, s, key1, "POST", "/v1/completions", `{"model":"`+mini+`","prompt":"hi","best_of":2,"stream":true}`).Status)
	r := send(t, s, key1, "POST", "/v1/completions", `{"model":"`+mini+`","prompt":["hi","you"],"stream":true}`)
	assert.Equal(t, 2, strings.Count(r.Body, `"finish_reason":"stop"`), r.Body)
	assert.Contains(t, r.Body, `"index":1`)
}

// TestCachedInput: what was cached is given back as of the request's arrival, so that no more is
// ever left than the limit.
func TestCachedInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openaisim.New(openaisim.Config{Keys: keys(), Counting: openaisim.CountUsed, Latency: 10 * time.Second, Limits: map[string][]simquota.Limit{
			"": {{Dimension: simquota.Tokens, Amount: 1000, Per: time.Minute, Kind: simquota.Sliding}}}})
		left := func(d time.Duration) int64 {
			time.Sleep(d)
			return s.Ledger().Standings(time.Now(), "org-a", mini)[0].Remaining
		}
		r := ask(t, s, key1, "cached 90 tokens, write 5 tokens"+strings.Repeat("four", 92))
		require.EqualValues(t, 106, r.At(t, "usage.prompt_tokens"))
		assert.EqualValues(t, 1000-16-5, left(0))
		assert.EqualValues(t, 1000-5, left(50*time.Second), "the input came a minute ago")
		assert.EqualValues(t, 1000, left(10*time.Second))
	})
}

// TestErrors: the bodies as they are documented and were captured.
func TestErrors(t *testing.T) {
	s := sim(simquota.PerMinute(simquota.Requests, 60))
	s.SetKey(openaisim.Key{Value: "sk-spent", Project: "org-c", State: openaisim.Spent})
	s.SetKey(openaisim.Key{Value: "sk-limited", Project: "org-d", State: openaisim.Limited})
	chat := `{"model":"` + mini + `","messages":[{"role":"user","content":"hi"}]}`
	for _, c := range []struct {
		name, key, method, path, body string
		status                        int
		kind, code                    any
		message                       string
	}{
		{"no key", "", "POST", "/v1/chat/completions", chat, 401, "invalid_request_error", nil, "You didn't provide an API key."},
		{"an unknown key", "sk-proj-cccccccccccccccccccc3333", "GET", "/v1/models", "", 401, "invalid_request_error", "invalid_api_key",
			"Incorrect API key provided: sk-proj-********************3333. You can find your API key at https://platform.openai.com/account/api-keys."},
		{"no credit", "sk-spent", "POST", "/v1/chat/completions", chat, 429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota"},
		{"no access", "sk-limited", "POST", "/v1/chat/completions", chat, 403, "invalid_request_error", "model_not_found", "Project `org-d` does not have access"},
		{"no such model", key1, "POST", "/v1/chat/completions", strings.Replace(chat, mini, "gpt-9", 1), 404, "invalid_request_error", "model_not_found",
			"The model `gpt-9` does not exist or you do not have access to it."},
		{"no such model to read", key1, "GET", "/v1/models/gpt-9", "", 404, "invalid_request_error", "model_not_found", "The model 'gpt-9' does not exist"},
		{"no JSON", key1, "POST", "/v1/chat/completions", "{", 400, "invalid_request_error", nil, "We could not parse the JSON body of your request."},
		{"no messages", key1, "POST", "/v1/chat/completions", `{"model":"` + mini + `"}`, 400, "invalid_request_error", nil, "Invalid 'messages': empty array."},
		{"no route", key1, "POST", "/v1/nothing", "", 404, "invalid_request_error", nil, "Invalid URL (POST /v1/nothing)"},
		{"the wrong method", key1, "GET", "/v1/embeddings", "", 404, "invalid_request_error", nil, "Invalid URL (GET /v1/embeddings)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := send(t, s, c.key, c.method, c.path, c.body)
			assert.Equal(t, c.status, r.Status)
			assert.Equal(t, c.kind, r.At(t, "error.type"))
			assert.Equal(t, c.code, r.At(t, "error.code"))
			assert.Contains(t, r.At(t, "error.message"), c.message)
			assert.NotEmpty(t, r.Header.Get("X-Request-Id"))
		})
	}
	assert.Zero(t, s.Ledger().Total(), "none of them was charged")
	s.SetKey(openaisim.Key{Value: key1, Project: "org-a", State: openaisim.Revoked})
	assert.Equal(t, 401, ask(t, s, key1, "hi").Status)
}

// TestDialects: what each provider says beside its answers, and of a refusal.
func TestDialects(t *testing.T) {
	minute, day := simquota.PerMinute(simquota.Requests, 2), simquota.PerDay(simquota.Requests, 1000)
	tokens := simquota.PerMinute(simquota.Tokens, 6000)
	for _, c := range []struct {
		dialect openaisim.Dialect
		limits  []simquota.Limit
		served  map[string]string
		refused map[string]string
		status  int
		body    string
	}{
		{openaisim.Groq, []simquota.Limit{minute, day, tokens},
			map[string]string{"X-Ratelimit-Limit-Requests": "1000", "X-Ratelimit-Remaining-Requests": "999", "X-Ratelimit-Reset-Requests": "1m26.4s",
				"X-Ratelimit-Reset-Tokens": "50ms", "Retry-After": ""},
			map[string]string{"Retry-After": "30"}, 429, "Rate limit reached for model `gpt-5.5-mini` in organization `org-a` service tier `on_demand` on requests per minute (RPM): Limit 2, Used 2, Requested 1. Please try again in 30s."},
		{openaisim.Azure, []simquota.Limit{simquota.Per(simquota.Requests, 2, 10*time.Second), tokens},
			map[string]string{"X-Ratelimit-Limit-Requests": "2", "X-Ratelimit-Renewalperiod-Requests": "10", "X-Ratelimit-Renewalperiod-Tokens": "60",
				"X-Ratelimit-Reset-Requests": "5", "X-Ratelimit-Type": ""},
			map[string]string{"Retry-After": "5", "Retry-After-Ms": "5000", "X-Ratelimit-Type": "Requests"}, 429, "have exceeded call rate limit of your current OpenAI S0 pricing tier. Please retry after 5 seconds."},
		{openaisim.Mistral, []simquota.Limit{minute, tokens},
			map[string]string{"X-Ratelimit-Limit-Req-Minute": "2", "X-Ratelimit-Remaining-Req-Minute": "1", "X-Ratelimit-Remaining-Tokens-Minute": "5995", "X-Ratelimit-Tokens-Query-Cost": "5"},
			map[string]string{"Retry-After": ""}, 429, `"code":"1300","message":"Rate limit exceeded"`},
		{openaisim.Cerebras, []simquota.Limit{minute, {Dimension: simquota.Requests, Amount: 1000, Per: 24 * time.Hour, Kind: simquota.Calendar}, tokens},
			map[string]string{"X-Ratelimit-Limit-Requests-Day": "1000", "X-Ratelimit-Remaining-Requests-Minute": "1", "X-Ratelimit-Reset-Tokens-Minute": "0.05", "X-Ratelimit-Reset-Requests-Day": "86400"},
			map[string]string{"Retry-After": "30"}, 429, `"code":"request_quota_exceeded"`},
		{openaisim.Together, []simquota.Limit{simquota.Per(simquota.Requests, 2, time.Second), tokens},
			map[string]string{"X-Ratelimit-Limit": "2", "X-Ratelimit-Remaining": "1", "X-Ratelimit-Reset": "1", "X-Tokenlimit-Limit": "6000"},
			nil, 429, `"type":"rate_limit"`},
		{openaisim.OpenRouter, []simquota.Limit{{Dimension: simquota.Requests, Amount: 2, Per: 24 * time.Hour, Kind: simquota.Calendar}},
			map[string]string{"X-Ratelimit-Limit": ""},
			map[string]string{"X-Ratelimit-Limit": "2", "X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "946771200000"}, 429, `"X-RateLimit-Reset":"946771200000"`},
		{openaisim.XAI, []simquota.Limit{minute, tokens},
			map[string]string{"X-Ratelimit-Limit-Requests": "2", "X-Ratelimit-Remaining-Tokens": "5995", "X-Ratelimit-Reset-Tokens": ""},
			nil, 429, `"code":"Some resource has been exhausted"`},
		{openaisim.DeepSeek, []simquota.Limit{minute}, map[string]string{"X-Ratelimit-Limit-Requests": ""}, nil, 429, "rate_limit_exceeded"},
		{openaisim.Plain, []simquota.Limit{minute}, map[string]string{"X-Ratelimit-Limit-Requests": ""}, nil, 429, "rate_limit_exceeded"},
	} {
		synctest.Test(t, func(t *testing.T) { // begins at 2000-01-01T00:00:00Z
			s := openaisim.New(openaisim.Config{Keys: keys(), Dialect: c.dialect, Limits: map[string][]simquota.Limit{"": c.limits}})
			r := ask(t, s, key1, "twenty characters ..")
			require.Equal(t, 200, r.Status, "%d: %s", c.dialect, r.Body)
			for name, want := range c.served {
				assert.Equal(t, want, r.Header.Get(name), "%d: %s", c.dialect, name)
			}
			ask(t, s, key1, "hi")
			r = ask(t, s, key1, "hi")
			require.Equal(t, c.status, r.Status, "%d: %s", c.dialect, r.Body)
			for name, want := range c.refused {
				assert.Equal(t, want, r.Header.Get(name), "%d: %s", c.dialect, name)
			}
			assert.Contains(t, r.Body, c.body, c.dialect)
			s.SetKey(openaisim.Key{Value: "sk-spent", State: openaisim.Spent})
			assert.Contains(t, []int{402, 403, 429}, ask(t, s, "sk-spent", "hi").Status)
		})
	}
}

// TestPlaces: the routes of Azure and of those that have something before /v1.
func TestPlaces(t *testing.T) {
	s := sim(simquota.PerMinute(simquota.Requests, 60))
	body := `{"messages":[{"role":"user","content":"hi"}]}`
	req := simtest.Request(t, "POST", "http://a.test/openai/deployments/"+mini+"/chat/completions?api-version=2024-10-21", body, "Api-Key", key1)
	assert.Equal(t, 200, simtest.Do(t, s, req).Status)
	for _, path := range []string{"/openai/v1/models", "/api/v1/models", "/v1/models"} {
		assert.Equal(t, 200, send(t, s, key1, "GET", path, "").Status, path)
	}
	log := s.Requests()
	assert.Equal(t, "org-a", log[0].Project)
	assert.Equal(t, mini, log[0].Model)
	assert.NotContains(t, log[0].Header, "Api-Key")
}

// TestResponses: a conversation goes on in its project alone, and brings along what was said.
func TestResponses(t *testing.T) {
	s := sim(simquota.PerMinute(simquota.Requests, 60))
	r := send(t, s, key1, "POST", "/v1/responses", `{"model":"`+mini+`","input":"hi","instructions":"Be brief."}`)
	require.Equal(t, 200, r.Status, r.Body)
	assert.Equal(t, "Answer to: hi", r.At(t, "output.0.content.0.text"))
	assert.EqualValues(t, 10, r.At(t, "usage.input_tokens"))
	assert.EqualValues(t, 4, r.At(t, "usage.output_tokens"))
	id := r.At(t, "id").(string)

	next := `{"model":"` + mini + `","input":"and?","previous_response_id":"` + id + `"}`
	r = send(t, s, "sk-other", "POST", "/v1/responses", next)
	require.Equal(t, 200, r.Status, r.Body)
	assert.EqualValues(t, 7+14, r.At(t, "usage.input_tokens"))
	r = send(t, s, key2, "POST", "/v1/responses", next)
	assert.Equal(t, 400, r.Status)
	assert.Equal(t, "previous_response_not_found", r.At(t, "error.code"))

	assert.Equal(t, 404, send(t, s, key2, "GET", "/v1/responses/"+id, "").Status)
	assert.Equal(t, 200, send(t, s, key1, "GET", "/v1/responses/"+id, "").Status)
	assert.Equal(t, 404, send(t, s, key2, "DELETE", "/v1/responses/"+id, "").Status)
	assert.Equal(t, true, send(t, s, key1, "DELETE", "/v1/responses/"+id, "").At(t, "deleted"))
	assert.Equal(t, 404, send(t, s, key1, "GET", "/v1/responses/"+id, "").Status)

	r = send(t, s, key1, "POST", "/v1/responses", `{"model":"`+mini+`","input":[{"role":"user","content":[{"type":"input_text","text":"hi there"}]}],"stream":true,"store":false,"max_output_tokens":2}`)
	events := strings.Split(strings.TrimSpace(r.Body), "\n\n")
	assert.True(t, strings.HasPrefix(events[0], "event: response.created\ndata: {"), events[0])
	assert.Contains(t, events[len(events)-1], "event: response.incomplete\n")
	assert.Contains(t, events[len(events)-1], `"output_tokens":2`)
	assert.Contains(t, events[1], `"sequence_number":1`)
	assert.Contains(t, events[2], `"role":"assistant","content":[]`, "which OpenAI's SDK for Node relies on")
}

func TestEmbeddings(t *testing.T) {
	s := sim(simquota.PerMinute(simquota.Requests, 60))
	r := send(t, s, key1, "POST", "/v1/embeddings", `{"model":"text-embedding-3-small","input":["a","four and more"]}`)
	require.Equal(t, 200, r.Status, r.Body)
	assert.EqualValues(t, 5, r.At(t, "usage.prompt_tokens"))
	assert.Equal(t, []any{1.0, 1.0}, r.At(t, "data.0.embedding"))
	r = send(t, s, key1, "POST", "/v1/embeddings", `{"model":"text-embedding-3-small","input":"a","encoding_format":"base64"}`)
	assert.Equal(t, "AACAPwAAgD8=", r.At(t, "data.0.embedding"))
	assert.Equal(t, 400, send(t, s, key1, "POST", "/v1/embeddings", `{"model":"text-embedding-3-small","input":[]}`).Status)
}

// TestMedia: images, transcriptions and speech, which the formats of the SDKs can carry.
func TestMedia(t *testing.T) {
	s := sim(simquota.PerMinute(simquota.Requests, 60))
	r := send(t, s, key1, "POST", "/v1/images/generations", `{"model":"gpt-image-1","prompt":"a cat","n":2}`)
	require.Equal(t, 200, r.Status, r.Body)
	assert.EqualValues(t, 2114, r.At(t, "usage.total_tokens"))
	assert.Len(t, r.At(t, "data"), 2)
	assert.Equal(t, 400, send(t, s, key1, "POST", "/v1/images/generations", `{"model":"gpt-image-1"}`).Status)
	assert.Len(t, send(t, s, key1, "POST", "/v1/audio/speech", `{"model":"gpt-4o-mini-tts","input":"ten bytes."}`).Body, 10)
	body, kind := upload(t, strings.Repeat("x", 2500), "model", "gpt-4o-transcribe")
	r = post(t, s, key1, "/v1/audio/transcriptions", body, kind)
	require.Equal(t, 200, r.Status, r.Body)
	assert.EqualValues(t, 3, r.At(t, "usage.input_tokens"))
	assert.Equal(t, "Answer to: in.jsonl", r.At(t, "text"))
	body, kind = upload(t, "GIF89a", "model", "gpt-image-1")
	assert.Equal(t, 200, post(t, s, key1, "/v1/images/edits", body, kind).Status)
	assert.EqualValues(t, 3*1056, s.Ledger().Used("org-a", "gpt-image-1")[simquota.OutputTokens])
}

// post sends a form.
func post(t *testing.T, s *openaisim.Server, key, path, body, kind string) simtest.Reply {
	t.Helper()
	req := request(t, key, "POST", path, body)
	req.Header.Set("Content-Type", kind)
	return simtest.Do(t, s, req)
}

// upload returns a form with a file and one more value, and its type.
func upload(t *testing.T, data, name, value string) (body, kind string) {
	t.Helper()
	return simtest.Form(t, "in.jsonl", name, value, "@file", data)
}

// TestBatches: a file is uploaded, a batch of it runs, and its output can be had; all of it
// in one project alone.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sim(simquota.PerMinute(simquota.Requests, 1))
		body, kind := upload(t, `{"custom_id":"one","method":"POST","url":"/v1/chat/completions","body":{"model":"`+mini+`","messages":[{"role":"user","content":"hi"}]}}`+"\n", "purpose", "batch")
		r := post(t, s, key1, "/v1/files", body, kind)
		require.Equal(t, 200, r.Status, r.Body)
		id := r.At(t, "id").(string)
		assert.Equal(t, 404, send(t, s, key2, "GET", "/v1/files/"+id, "").Status)
		assert.Contains(t, send(t, s, key1, "GET", "/v1/files/"+id+"/content", "").Body, `"custom_id":"one"`)
		mention := `{"model":"` + mini + `","input":[{"role":"user","content":[{"type":"input_file","file_id":"` + id + `"}]}]}`
		assert.Equal(t, 404, send(t, s, key2, "POST", "/v1/responses", mention).Status, "another's file can't be mentioned")

		create := `{"input_file_id":"` + id + `","endpoint":"/v1/chat/completions","completion_window":"24h"}`
		assert.Equal(t, 404, send(t, s, key2, "POST", "/v1/batches", create).Status)
		r = send(t, s, key1, "POST", "/v1/batches", create)
		require.Equal(t, 200, r.Status, r.Body)
		batch := r.At(t, "id").(string)
		assert.Equal(t, "in_progress", r.At(t, "status"))
		time.Sleep(10 * time.Second)
		assert.Equal(t, "completed", send(t, s, key1, "GET", "/v1/batches", "").At(t, "data.0.status"), "lists say what is")
		assert.Equal(t, 404, send(t, s, key2, "GET", "/v1/batches/"+batch, "").Status)
		r = send(t, s, key1, "GET", "/v1/batches/"+batch, "")
		require.Equal(t, "completed", r.At(t, "status"))
		output := send(t, s, key1, "GET", "/v1/files/"+r.At(t, "output_file_id").(string)+"/content", "")
		assert.Contains(t, output.Body, "Answer to: hi")
		assert.Equal(t, "completed", send(t, s, key1, "POST", "/v1/batches/"+batch+"/cancel", "").At(t, "status"), "too late")
		r = send(t, s, key1, "POST", "/v1/batches", create)
		assert.Equal(t, "cancelled", send(t, s, key1, "POST", "/v1/batches/"+r.At(t, "id").(string)+"/cancel", "").At(t, "status"))
		assert.NotEqual(t, batch, send(t, s, key1, "GET", "/v1/batches", "").At(t, "data.0.id"), "the newest comes first")
		assert.Equal(t, []any{}, send(t, s, key2, "GET", "/v1/files", "").At(t, "data"))
		assert.Equal(t, true, send(t, s, key1, "DELETE", "/v1/files/"+id, "").At(t, "deleted"))
		assert.Zero(t, s.Ledger().Total(), "none of that costs quota")
	})
}

// TestBatchesMention: a batch can't mention another project's file either.
func TestBatchesMention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sim()
		put := func(key, data string) string {
			body, kind := upload(t, data+"\n", "purpose", "batch")
			return post(t, s, key, "/v1/files", body, kind).At(t, "id").(string)
		}
		mentioned := put(key1, "{}")
		line := `{"custom_id":"one","method":"POST","url":"/v1/chat/completions","body":{"model":"` + mini + `","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"` + mentioned + `"}}]}]}}`
		run := func(key string) simtest.Reply {
			r := send(t, s, key, "POST", "/v1/batches", `{"input_file_id":"`+put(key, line)+`","endpoint":"/v1/chat/completions","completion_window":"24h"}`)
			time.Sleep(10 * time.Second)
			return send(t, s, key, "GET", "/v1/batches/"+r.At(t, "id").(string), "")
		}
		r := run(key1)
		assert.EqualValues(t, 1, r.At(t, "request_counts.completed"))
		assert.Nil(t, r.At(t, "error_file_id"))
		r = run(key2)
		assert.EqualValues(t, 0, r.At(t, "request_counts.completed"))
		assert.EqualValues(t, 1, r.At(t, "request_counts.failed"))
		failed := send(t, s, key2, "GET", "/v1/files/"+r.At(t, "error_file_id").(string)+"/content", "")
		assert.Contains(t, failed.Body, "No such File object: "+mentioned)
	})
}

// TestFaults: failures that are injected, whole and within a stream.
func TestFaults(t *testing.T) {
	s := sim(simquota.PerMinute(simquota.Requests, 60))
	s.FailNext(1, openaisim.Overloaded)
	r := ask(t, s, key1, "hi")
	assert.Equal(t, 503, r.Status)
	assert.Equal(t, "server_is_overloaded", r.At(t, "error.code"))
	assert.Equal(t, 200, ask(t, s, key1, "hi").Status)
	s.FailNext(-1, openaisim.ServerError)
	assert.Equal(t, 500, ask(t, s, key1, "hi").Status)
	assert.Equal(t, 500, ask(t, s, key1, "hi").Status)
	s.FailNext(1, openaisim.CutStream)
	resp, err := s.Transport().RoundTrip(request(t, key1, "POST", "/v1/chat/completions", `{"model":"`+mini+`","stream":true,"messages":[{"role":"user","content":"long enough for pieces"}]}`))
	require.NoError(t, err)
	raw, err := io.ReadAll(resp.Body)
	require.Error(t, err)
	assert.NotContains(t, string(raw), "[DONE]")
	require.NoError(t, resp.Body.Close())
}

// TestManyAtOnce: what many send at once is charged once each, never above the window.
func TestManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openaisim.New(openaisim.Config{Keys: keys(), Latency: time.Second, Limits: map[string][]simquota.Limit{
			"": {{Dimension: simquota.Requests, Amount: 20, Per: time.Minute, Kind: simquota.Sliding}}}})
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() { ask(t, s, key1, "hi") })
		}
		wg.Wait()
		assert.Equal(t, simquota.Counts{Accepted: 20, Refused: 12}, s.Ledger().Total())
		assert.EqualValues(t, 20, s.Ledger().Peak("org-a", mini, simquota.Requests, time.Minute))
		assert.Len(t, s.Requests(), 32)
	})
}

// TestResetEndsARequest: one whose connection breaks isn't in flight any more.
func TestResetEndsARequest(t *testing.T) {
	s := sim(simquota.Limit{Dimension: simquota.Requests, Amount: 1, Kind: simquota.AtOnce})
	s.FailNext(1, openaisim.Reset)
	_, err := s.Transport().RoundTrip(request(t, key1, "POST", "/v1/chat/completions", `{"model":"`+mini+`","messages":[{"role":"user","content":"hi"}]}`))
	require.ErrorIs(t, err, syscall.ECONNRESET)
	assert.Equal(t, 200, ask(t, s, key1, "hi").Status)
	assert.Equal(t, 200, ask(t, s, key1, "hi").Status, "nor is one that was answered")
}

// TestStreamIsInFlight: a request is in flight until its answer has been read.
func TestStreamIsInFlight(t *testing.T) {
	s := sim(simquota.Limit{Dimension: simquota.Requests, Amount: 1, Kind: simquota.AtOnce})
	resp, err := s.Transport().RoundTrip(request(t, key1, "POST", "/v1/chat/completions", `{"model":"`+mini+`","stream":true,"messages":[{"role":"user","content":"hi"}]}`))
	require.NoError(t, err)
	assert.Equal(t, 429, ask(t, s, key1, "hi").Status)
	_, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, 200, ask(t, s, key1, "hi").Status)
}
