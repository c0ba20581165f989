package anthropicsim_test

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/anthropicsim"
	"fluxgate.dev/fluxgate/internal/simquota"
	"fluxgate.dev/fluxgate/internal/simserver/simtest"
)

func TestMessages(t *testing.T) {
	s := sim(simquota.PerMinute(simquota.Requests, 50))
	r := ask(t, s, key1, "hi")
	require.Equal(t, 200, r.Status, r.Body)
	assert.Equal(t, "Answer to: hi", r.At(t, "content.0.text"))
	assert.Equal(t, "end_turn", r.At(t, "stop_reason"))
	assert.EqualValues(t, 4, r.At(t, "usage.input_tokens"))
	assert.EqualValues(t, 4, r.At(t, "usage.output_tokens"))
	assert.Equal(t, "standard", r.At(t, "usage.service_tier"))
	assert.NotEmpty(t, r.Header.Get("Request-Id"))

	r = ask(t, s, key1, "write 2000 tokens")
	assert.Equal(t, "max_tokens", r.At(t, "stop_reason"))
	assert.EqualValues(t, 1000, r.At(t, "usage.output_tokens"))

	r = ask(t, s, key1, "call look", `"tools":[{"name":"look","input_schema":{}}]`)
	assert.Equal(t, "tool_use", r.At(t, "stop_reason"))
	assert.Equal(t, "look", r.At(t, "content.0.name"))
	assert.Equal(t, map[string]any{}, r.At(t, "content.0.input"))
}

// TestStream: the documented events, in their order.
func TestStream(t *testing.T) {
	s := sim(simquota.PerMinute(simquota.Requests, 50), simquota.PerMinute(simquota.OutputTokens, 10_000))
	r := ask(t, s, key1, "some words that are more than one piece", `"stream":true`)
	require.Equal(t, 200, r.Status)
	var names []string
	events := strings.Split(strings.TrimSpace(r.Body), "\n\n")
	for _, e := range events {
		name, _, _ := strings.Cut(strings.TrimPrefix(e, "event: "), "\n")
		if len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
	}
	assert.Equal(t, []string{"message_start", "content_block_start", "ping", "content_block_delta", "content_block_stop", "message_delta", "message_stop"}, names)
	assert.Contains(t, events[0], `"usage":{"input_tokens":13,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1,"service_tier":"standard"}`)
	assert.Contains(t, events[len(events)-2], `"delta":{"stop_reason":"end_turn","stop_sequence":null}`)
	assert.Contains(t, events[len(events)-2], `"output_tokens":13`)
	assert.EqualValues(t, 13, s.Ledger().Used("org-a", haiku)[simquota.OutputTokens], "counted piece by piece")
	assert.Equal(t, "10000", r.Header.Get("Anthropic-Ratelimit-Output-Tokens-Limit"))

	r = ask(t, s, key1, "call look", `"tools":[{"name":"look"}],"stream":true`)
	assert.Contains(t, r.Body, `"delta":{"partial_json":"{}","type":"input_json_delta"}`)
}

// TestLimits: headers on each answer, refusals with the exact wait, and what counts.
func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at 2000-01-01T00:00:00Z
		s := sim(simquota.PerMinute(simquota.Requests, 50), simquota.PerMinute(simquota.InputTokens, 30_000), simquota.PerMinute(simquota.OutputTokens, 8000))
		r := ask(t, s, key1, strings.Repeat("four", 14_997))
		require.Equal(t, 200, r.Status)
		for name, want := range map[string]string{
			"Requests-Limit": "50", "Requests-Remaining": "49", "Requests-Reset": "2000-01-01T00:00:02Z",
			"Input-Tokens-Limit": "30000", "Input-Tokens-Remaining": "15000", "Input-Tokens-Reset": "2000-01-01T00:00:30Z",
			"Output-Tokens-Limit": "8000", "Output-Tokens-Remaining": "8000", "Output-Tokens-Reset": "2000-01-01T00:00:01Z",
			"Tokens-Limit": "38000", "Tokens-Remaining": "23000", "Tokens-Reset": "2000-01-01T00:00:30Z",
		} {
			assert.Equal(t, want, r.Header.Get("Anthropic-Ratelimit-"+name), name)
		}
		assert.Empty(t, r.Header.Get("Retry-After"))

		r = ask(t, s, "sk-other", strings.Repeat("four", 19_997))
		require.Equal(t, 429, r.Status)
		assert.Equal(t, "rate_limit_error", r.At(t, "error.type"))
		assert.Contains(t, r.At(t, "error.message"), "This request would exceed your organization's rate limit of 30,000 input tokens per minute (org: org-a, model: claude-haiku-4-5).")
		assert.Equal(t, "10", r.Header.Get("Retry-After"))
		assert.Equal(t, "15000", r.Header.Get("Anthropic-Ratelimit-Input-Tokens-Remaining"), "refusals tell the limits too")
		time.Sleep(10 * time.Second)
		assert.Equal(t, 200, ask(t, s, "sk-other", strings.Repeat("four", 19_997)).Status)
		assert.Equal(t, 200, ask(t, s, key2, "hi").Status, "another project")
	})
}

// TestOutput: max_tokens doesn't matter; what is produced does, and who has none left waits.
func TestOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sim(simquota.PerMinute(simquota.OutputTokens, 600))
		require.Equal(t, 200, ask(t, s, key1, "write 900 tokens").Status)
		r := ask(t, s, key1, "hi")
		require.Equal(t, 429, r.Status)
		assert.Contains(t, r.Body, "rate limit of 600 output tokens per minute")
		assert.Equal(t, "31", r.Header.Get("Retry-After"), "until the debt of 300 is paid, and one token is there")
		time.Sleep(30*time.Second + 100*time.Millisecond)
		assert.Equal(t, 200, ask(t, s, key1, "hi").Status)
	})
}

// TestCaches: what is read from a cache doesn't count, what is written to one does.
func TestCaches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sim(simquota.PerMinute(simquota.InputTokens, 100_000))
		body := `"system":[{"type":"text","text":"` + strings.Repeat("four", 2000) + `","cache_control":{"type":"ephemeral"}}]`
		r := ask(t, s, key1, "hi", body)
		require.Equal(t, 200, r.Status, r.Body)
		assert.EqualValues(t, 2003, r.At(t, "usage.cache_creation_input_tokens"))
		assert.EqualValues(t, 4, r.At(t, "usage.input_tokens"))
		time.Sleep(4 * time.Minute)
		r = ask(t, s, "sk-other", "and?", body)
		assert.EqualValues(t, 2003, r.At(t, "usage.cache_read_input_tokens"))
		assert.EqualValues(t, 2003+4+4, s.Ledger().Used("org-a", haiku)[simquota.InputTokens])
		assert.EqualValues(t, 0, ask(t, s, key2, "hi", body).At(t, "usage.cache_read_input_tokens"), "another project's")
		time.Sleep(4 * time.Minute)
		assert.EqualValues(t, 2003, ask(t, s, key1, "hi", body).At(t, "usage.cache_read_input_tokens"), "its use has it live on")
		time.Sleep(5 * time.Minute)
		assert.EqualValues(t, 0, ask(t, s, key1, "hi", body).At(t, "usage.cache_read_input_tokens"))
	})
}

// TestPriority: what a commitment has room for is served by it, and told.
func TestPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := anthropicsim.New(anthropicsim.Config{Keys: keys(), Priority: []simquota.Limit{
			simquota.PerMinute(simquota.InputTokens, 10_000), simquota.PerMinute(simquota.OutputTokens, 10_000)}})
		r := ask(t, s, key1, strings.Repeat("four", 5997))
		assert.Equal(t, "priority", r.At(t, "usage.service_tier"))
		assert.Equal(t, "4000", r.Header.Get("Anthropic-Priority-Input-Tokens-Remaining"))
		assert.Equal(t, "2000-01-01T00:00:36Z", r.Header.Get("Anthropic-Priority-Input-Tokens-Reset"))
		r = ask(t, s, key1, strings.Repeat("four", 5997))
		assert.Equal(t, "standard", r.At(t, "usage.service_tier"))
		r = ask(t, s, key1, "hi", `"service_tier":"standard_only"`)
		assert.Equal(t, "standard", r.At(t, "usage.service_tier"))
		assert.Empty(t, r.Header.Get("Anthropic-Priority-Input-Tokens-Remaining"))
	})
}

// TestShared: all of Opus 4 use one limit, whatever date is behind a name, and Opus 5 its own.
func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		models := []string{"claude-opus-4-8", "claude-opus-4-5-20251101", "claude-opus-5", "claude-haiku-4-5", "claude-haiku-4-5-20251001"}
		s := anthropicsim.New(anthropicsim.Config{Keys: keys(), Models: models, Limits: map[string][]simquota.Limit{"": {simquota.PerMinute(simquota.Requests, 2)}}})
		ask := func(model string) simtest.Reply {
			return send(t, s, key1, "POST", "/v1/messages", `{"model":"`+model+`","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`)
		}
		assert.Equal(t, 200, ask("claude-opus-4-8").Status)
		r := ask("claude-opus-4-5-20251101")
		assert.Equal(t, "0", r.Header.Get("Anthropic-Ratelimit-Requests-Remaining"))
		r = ask("claude-opus-4-8")
		assert.Equal(t, 429, r.Status)
		assert.Contains(t, r.Body, "model: claude-opus-4-8")
		assert.Equal(t, 200, ask("claude-opus-5").Status)
		assert.Equal(t, "1", ask("claude-haiku-4-5").Header.Get("Anthropic-Ratelimit-Requests-Remaining"))
		assert.Equal(t, "0", ask("claude-haiku-4-5-20251001").Header.Get("Anthropic-Ratelimit-Requests-Remaining"))
		assert.EqualValues(t, 2, s.Ledger().Used("org-a", anthropicsim.Shared("claude-opus-4-1"))[simquota.Requests])
	})
}

// TestFast: requests in fast mode use limits of their own, which are told in headers of their own.
func TestFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := anthropicsim.New(anthropicsim.Config{Keys: keys(), Models: []string{"claude-opus-5", "claude-opus-4-6", haiku},
			Limits: map[string][]simquota.Limit{"": {simquota.PerMinute(simquota.InputTokens, 20_000)}}, Fast: []simquota.Limit{simquota.PerMinute(simquota.InputTokens, 6000)}})
		ask := func(model, more string) simtest.Reply {
			return send(t, s, key1, "POST", "/v1/messages", `{"model":"`+model+`","max_tokens":9,`+more+`"messages":[{"role":"user","content":"`+strings.Repeat("four", 4996)+`"}]}`)
		}
		r := ask("claude-opus-5", `"speed":"fast",`)
		require.Equal(t, 200, r.Status, r.Body)
		assert.Equal(t, "fast", r.At(t, "usage.speed"))
		assert.Equal(t, "1000", r.Header.Get("Anthropic-Fast-Input-Tokens-Remaining"))
		assert.Equal(t, "20000", r.Header.Get("Anthropic-Ratelimit-Input-Tokens-Remaining"))
		r = ask("claude-opus-5", `"speed":"fast",`)
		assert.Equal(t, 429, r.Status)
		assert.Equal(t, "40", r.Header.Get("Retry-After"))
		assert.Equal(t, "15000", ask("claude-opus-5", "").Header.Get("Anthropic-Ratelimit-Input-Tokens-Remaining"))
		r = ask("claude-opus-4-6", `"speed":"fast",`)
		assert.Equal(t, "standard", r.At(t, "usage.speed"))
		assert.Equal(t, "15000", r.Header.Get("Anthropic-Ratelimit-Input-Tokens-Remaining"))
		assert.Equal(t, 400, ask(haiku, `"speed":"fast",`).Status)
		assert.EqualValues(t, 4999, s.Fast().Used("org-a", "claude-opus-5")[simquota.InputTokens])
	})
}

// TestErrors: the bodies as they are documented and were captured.
func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sim(simquota.PerMinute(simquota.Requests, 50))
		for state, value := range map[anthropicsim.State]string{anthropicsim.Spent: "spent", anthropicsim.Capped: "capped", anthropicsim.Limited: "limited"} {
			s.SetKey(anthropicsim.Key{Value: value, State: state})
		}
		hi := `{"model":"` + haiku + `","max_tokens":1,"messages":[{"role":"user","content":"hi"}]}`
		for _, c := range []struct {
			name, key, method, path, body string
			status                        int
			kind, message                 string
		}{
			{"no key", "", "POST", "/v1/messages", hi, 401, "authentication_error", "x-api-key header is required"},
			{"an unknown key", "sk-x", "GET", "/v1/models", "", 401, "authentication_error", "invalid x-api-key"},
			{"no credit", "spent", "POST", "/v1/messages", hi, 400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API."},
			{"a spend cap", "capped", "POST", "/v1/messages", hi, 429, "rate_limit_error", "You will regain access on 2000-02-01 at 00:00 UTC."},
			{"no access", "limited", "POST", "/v1/messages", hi, 403, "permission_error", "Your API key does not have permission"},
			{"no such model", key1, "POST", "/v1/messages", strings.Replace(hi, haiku, "claude-9", 1), 404, "not_found_error", "model: claude-9"},
			{"no max_tokens", key1, "POST", "/v1/messages", strings.Replace(hi, `"max_tokens":1,`, "", 1), 400, "invalid_request_error", "max_tokens: Field required"},
			{"no messages", key1, "POST", "/v1/messages", `{"model":"m","max_tokens":1}`, 400, "invalid_request_error", "messages: at least one message is required"},
			{"no JSON", key1, "POST", "/v1/messages", `{`, 400, "invalid_request_error", "The request body is not valid JSON"},
			{"no route", key1, "GET", "/v1/nothing", "", 404, "not_found_error", "Not Found"},
		} {
			r := send(t, s, c.key, c.method, c.path, c.body)
			assert.Equal(t, c.status, r.Status, c.name)
			assert.Equal(t, "error", r.At(t, "type"), c.name)
			assert.Equal(t, c.kind, r.At(t, "error.type"), c.name)
			assert.Contains(t, r.At(t, "error.message"), c.message, c.name)
			assert.Equal(t, r.Header.Get("Request-Id"), r.At(t, "request_id"), c.name)
			assert.Empty(t, r.Header.Get("Retry-After"), c.name)
		}
		assert.Equal(t, "enforced_spend_limit_reached", send(t, s, "capped", "POST", "/v1/messages", hi).At(t, "error.details.error_code"))
		assert.Zero(t, s.Ledger().Total(), "none of them was charged")
		req := simtest.Request(t, "POST", "http://anthropic.test/v1/messages", hi, "X-Api-Key", key1)
		assert.Contains(t, simtest.Do(t, s, req).Body, "anthropic-version: header is required")
	})
}

// TestFaults: failures that are injected, whole and within a stream.
func TestFaults(t *testing.T) {
	s := sim(simquota.PerMinute(simquota.Requests, 50))
	s.FailNext(1, anthropicsim.Overloaded)
	r := ask(t, s, key1, "hi")
	assert.Equal(t, 529, r.Status)
	assert.Equal(t, "overloaded_error", r.At(t, "error.type"))
	assert.Equal(t, 200, ask(t, s, key1, "hi").Status)
	s.FailNext(1, anthropicsim.Acceleration)
	r = ask(t, s, key1, "hi")
	assert.Equal(t, 429, r.Status)
	assert.Contains(t, r.Body, "maximum usage increase rate")
	s.FailNext(1, anthropicsim.OverloadedStream)
	r = ask(t, s, key1, "hi there you", `"stream":true`)
	assert.Equal(t, 200, r.Status)
	assert.Contains(t, r.Body, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"")
	assert.NotContains(t, r.Body, "message_stop")
	s.FailNext(1, anthropicsim.CutStream)
	resp, err := s.Transport().RoundTrip(request(t, key1, "POST", "/v1/messages", `{"model":"`+haiku+`","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}`))
	require.NoError(t, err)
	_, err = io.ReadAll(resp.Body)
	require.Error(t, err)
	require.NoError(t, resp.Body.Close())
}

// TestCountTokens: counting costs no tokens, and has a limit of its own.
func TestCountTokens(t *testing.T) {
	s := anthropicsim.New(anthropicsim.Config{Keys: keys(), Limits: map[string][]simquota.Limit{
		anthropicsim.CountTokens: {simquota.PerMinute(simquota.Requests, 1)}}})
	body := `{"model":"` + haiku + `","messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"image"}]}]}`
	r := send(t, s, key1, "POST", "/v1/messages/count_tokens", body)
	require.Equal(t, 200, r.Status, r.Body)
	assert.EqualValues(t, 3+1+1590, r.At(t, "input_tokens"))
	r = send(t, s, key1, "POST", "/v1/messages/count_tokens", body)
	assert.Equal(t, 429, r.Status)
	assert.Equal(t, "60", r.Header.Get("Retry-After"))
	assert.Zero(t, s.Ledger().Used("org-a", haiku))
}

func TestModels(t *testing.T) {
	s := sim()
	r := send(t, s, key1, "GET", "/v1/models", "")
	assert.Equal(t, "claude-opus-5", r.At(t, "data.0.id"))
	assert.Equal(t, haiku, r.At(t, "last_id"))
	assert.Equal(t, 200, send(t, s, key1, "GET", "/v1/models/"+haiku, "").Status)
	s.SetModels(haiku)
	assert.Equal(t, 404, send(t, s, key1, "GET", "/v1/models/claude-opus-5", "").Status)
}

// TestChat: OpenAI's route, with OpenAI's headers.
func TestChat(t *testing.T) {
	s := sim(simquota.PerMinute(simquota.Requests, 60), simquota.PerMinute(simquota.InputTokens, 6000))
	body := `{"model":"` + haiku + `","messages":[{"role":"user","content":"hi"}]`
	req := func(body string) simtest.Reply {
		return simtest.Do(t, s, simtest.Request(t, "POST", "http://anthropic.test/v1/chat/completions", body, "Authorization", "Bearer "+key1))
	}
	r := req(body + `}`)
	require.Equal(t, 200, r.Status, r.Body)
	assert.Equal(t, "Answer to: hi", r.At(t, "choices.0.message.content"))
	assert.EqualValues(t, 8, r.At(t, "usage.total_tokens"))
	assert.Equal(t, "6000", r.Header.Get("X-Ratelimit-Limit-Tokens"))
	assert.Empty(t, r.Header.Get("Anthropic-Ratelimit-Requests-Limit"))
	r = req(body + `,"stream":true,"stream_options":{"include_usage":true}}`)
	assert.Contains(t, r.Body, `"usage":{"completion_tokens":4`)
	assert.True(t, strings.HasSuffix(r.Body, "data: [DONE]\n\n"), r.Body)
	assert.Equal(t, 400, req(body+`,"max_tokens":-1,"max_completion_tokens":-1}`).Status)
	assert.Equal(t, "not_found_error", req(`{"model":"x","messages":[{"role":"user","content":"hi"}]}`).At(t, "error.code"))
}

// TestBatches: a batch runs, and its results can be had, in one project alone.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sim(simquota.PerMinute(simquota.Requests, 1))
		create := `{"requests":[{"custom_id":"one","params":{"model":"` + haiku + `","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}},{"custom_id":"two","params":{"model":"` + haiku + `","messages":[{"role":"user","content":"hi"}]}},{"custom_id":"three","params":{"model":"` + haiku + `","max_tokens":-1,"messages":[{"role":"user","content":"hi"}]}}]}`
		r := send(t, s, key1, "POST", "/v1/messages/batches", create)
		require.Equal(t, 200, r.Status, r.Body)
		path := "/v1/messages/batches/" + r.At(t, "id").(string)
		assert.Equal(t, "in_progress", r.At(t, "processing_status"))
		assert.Equal(t, 404, send(t, s, key1, "GET", path+"/results", "").Status)
		assert.Equal(t, 400, send(t, s, key1, "DELETE", path, "").Status)
		time.Sleep(10 * time.Second)
		assert.Equal(t, "ended", send(t, s, key1, "GET", "/v1/messages/batches", "").At(t, "data.0.processing_status"), "lists say what is")
		for _, method := range []string{"GET", "DELETE"} {
			assert.Equal(t, 404, send(t, s, key2, method, path, "").Status)
		}
		r = send(t, s, key1, "GET", path, "")
		assert.Equal(t, "ended", r.At(t, "processing_status"))
		assert.EqualValues(t, 1, r.At(t, "request_counts.succeeded"))
		assert.EqualValues(t, 2, r.At(t, "request_counts.errored"))
		r = send(t, s, key1, "GET", path+"/results", "")
		assert.Contains(t, r.Body, "Answer to: hi")
		assert.Contains(t, r.Body, "max_tokens: Field required")
		assert.Contains(t, r.Body, "max_tokens: Input should be greater than or equal to 1")

		r = send(t, s, key1, "POST", "/v1/messages/batches", create)
		second := "/v1/messages/batches/" + r.At(t, "id").(string)
		assert.Equal(t, "canceling", send(t, s, key1, "POST", second+"/cancel", "").At(t, "processing_status"))
		assert.NotEqual(t, path, "/v1/messages/batches/"+send(t, s, key1, "GET", "/v1/messages/batches", "").At(t, "data.0.id").(string), "the newest comes first")
		time.Sleep(10 * time.Second)
		assert.EqualValues(t, 3, send(t, s, key1, "GET", second, "").At(t, "request_counts.canceled"))
		assert.Equal(t, "message_batch_deleted", send(t, s, key1, "DELETE", path, "").At(t, "type"))
		assert.Equal(t, []any{}, send(t, s, key2, "GET", "/v1/messages/batches", "").At(t, "data"))
		assert.Zero(t, s.Ledger().Total(), "none of that costs quota")
	})
}

// TestFiles: a file belongs to its project, where messages can mention it.
func TestFiles(t *testing.T) {
	now := time.Now()
	s := anthropicsim.New(anthropicsim.Config{Keys: keys(), Now: func() time.Time { return now }})
	req := request(t, key1, "POST", "/v1/files", "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n--b--\r\n")
	req.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	r := simtest.Do(t, s, req)
	require.Equal(t, 200, r.Status, r.Body)
	assert.Equal(t, "a.pdf", r.At(t, "filename"))
	assert.EqualValues(t, 4, r.At(t, "size_bytes"))
	id := r.At(t, "id").(string)
	mention := `{"model":"` + haiku + `","max_tokens":9,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"` + id + `"}}]}]}`
	assert.Equal(t, 200, send(t, s, "sk-other", "POST", "/v1/messages", mention).Status)
	assert.Equal(t, 404, send(t, s, key2, "POST", "/v1/messages", mention).Status)
	for key, status := range map[string]string{key1: "succeeded", key2: "errored"} {
		batch := send(t, s, key, "POST", "/v1/messages/batches", `{"requests":[{"custom_id":"one","params":`+mention+`}]}`)
		now = now.Add(10 * time.Second)
		assert.EqualValues(t, 1, send(t, s, key, "GET", "/v1/messages/batches/"+batch.At(t, "id").(string), "").At(t, "request_counts."+status), "a batch can't mention another's file either")
	}
	assert.Equal(t, 404, send(t, s, key2, "GET", "/v1/files/"+id, "").Status)
	assert.Equal(t, id, send(t, s, key1, "GET", "/v1/files/"+id, "").At(t, "id"))
	assert.Equal(t, 400, send(t, s, key1, "GET", "/v1/files/"+id+"/content", "").Status)
	assert.Equal(t, id, send(t, s, key1, "GET", "/v1/files", "").At(t, "first_id"))
	assert.Equal(t, []any{}, send(t, s, key2, "GET", "/v1/files", "").At(t, "data"))
	assert.Equal(t, 404, send(t, s, key2, "DELETE", "/v1/files/"+id, "").Status)
	assert.Equal(t, "file_deleted", send(t, s, key1, "DELETE", "/v1/files/"+id, "").At(t, "type"))
	assert.Equal(t, 404, send(t, s, key1, "POST", "/v1/messages", mention).Status)
	assert.Equal(t, 400, send(t, s, key1, "POST", "/v1/files", "").Status)
}

// TestStreamIsInFlight: a request is in flight until its answer has been read.
func TestStreamIsInFlight(t *testing.T) {
	s := sim(simquota.Limit{Dimension: simquota.Requests, Amount: 1, Kind: simquota.AtOnce})
	resp, err := s.Transport().RoundTrip(request(t, key1, "POST", "/v1/messages", `{"model":"`+haiku+`","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}`))
	require.NoError(t, err)
	r := ask(t, s, key1, "hi")
	assert.Equal(t, 429, r.Status)
	assert.Contains(t, r.Body, "Number of concurrent connections has exceeded your rate limit.")
	_, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, 200, ask(t, s, key1, "hi").Status)
}
