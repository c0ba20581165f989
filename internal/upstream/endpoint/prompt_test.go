package endpoint

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// answering returns a client whose endpoint answers that, and where it puts what it was asked.
func answering(t *testing.T, format Format, status int, answer string, header http.Header) (*Client, *string) {
	asked := new(string)
	return client(t, Config{Name: "one", Format: format, Header: "X-Api-Key", Transport: carrier(func(r *http.Request) (*http.Response, error) {
		text, err := io.ReadAll(r.Body)
		*asked = r.Method + " " + r.URL.Path + " " + string(text)
		return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(answer)), ContentLength: int64(len(answer)), Request: r}, err
	})}), asked
}

func prompt(bound int32) upstream.Prompt {
	warm := float32(0.5)
	return upstream.Prompt{Model: "m", MaxOutputTokens: bound, Temperature: &warm, System: payload.Piece{Text: "Be brief."}, Pieces: []payload.Piece{{Text: "Hello <you>"}}}
}

// Answers as both formats' documentation has them.
func TestGenerate(t *testing.T) {
	for _, c := range []struct {
		name   string
		format Format
		answer string
		want   upstream.Reply
	}{
		{"a chat", OpenAI, `{"choices":[{"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"model":"m-1","usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":1}}}`,
			upstream.Reply{Text: "Hi", FinishReason: "STOP", PromptTokens: 9, Tokens: answers.Tokens{Output: 2, Thoughts: 1, Cached: 4}, ModelVersion: "m-1"}},
		{"a chat that is cut", OpenAI, `{"choices":[{"message":{"content":"Hi"},"finish_reason":"length"}]}`, upstream.Reply{Text: "Hi", FinishReason: "MAX_TOKENS"}},
		{"a chat that is refused", OpenAI, `{"choices":[{"message":{"content":null,"refusal":"No."},"finish_reason":"stop"}]}`, upstream.Reply{FinishReason: "SAFETY"}},
		{"a message", Anthropic, `{"content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"H"},{"type":"text","text":"i"}],"stop_reason":"end_turn","model":"m-1","usage":{"input_tokens":5,"cache_read_input_tokens":4,"output_tokens":3}}`,
			upstream.Reply{Text: "Hi", FinishReason: "STOP", PromptTokens: 9, Tokens: answers.Tokens{Output: 3, Cached: 4}, ModelVersion: "m-1"}},
		{"a message that is cut", Anthropic, `{"content":[],"stop_reason":"max_tokens"}`, upstream.Reply{FinishReason: "MAX_TOKENS"}},
		{"a message that is refused", Anthropic, `{"content":[],"stop_reason":"refusal"}`, upstream.Reply{FinishReason: "SAFETY"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, _ := answering(t, c.format, 200, c.answer, nil)
			got, err := client.Generate(t.Context(), testKey, prompt(7))
			require.NoError(t, err)
			got.SentAt = c.want.SentAt
			got.TotalTokens = 0
			assert.Equal(t, &c.want, got)
		})
	}
	chat, asked := answering(t, OpenAI, 200, `{"choices":[{"finish_reason":"stop"}]}`, nil)
	_, err := chat.Generate(t.Context(), testKey, prompt(0))
	require.NoError(t, err)
	assert.Equal(t, `POST /v1/chat/completions {"model":"m","temperature":0.5,"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hello <you>"}]}`, *asked)
	message, asked := answering(t, Anthropic, 200, `{"stop_reason":"end_turn"}`, nil)
	usual := prompt(0)
	usual.Usual = true
	_, err = message.Generate(t.Context(), testKey, usual)
	require.NoError(t, err)
	assert.Equal(t, `POST /v1/v1/messages {"model":"m","max_tokens":4096,"system":"Be brief.","messages":[{"role":"user","content":"Hello <you>"}]}`, *asked)
}

// What is no answer is an error of the class that says whether it may have been served.
func TestGenerateFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		answer string
		want   upstream.Class
	}{
		{"refused", 429, `{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}`, upstream.ClassMinute},
		{"an error within success", 200, `{"error":{"message":"overloaded","type":"overloaded_error"}}`, upstream.ClassServer},
		{"a page", 200, `<html>`, upstream.ClassBroken},
		{"nothing", 200, `{"choices":[]}`, upstream.ClassServer},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, _ := answering(t, OpenAI, c.status, c.answer, http.Header{"Retry-After": {"7"}})
			_, err := client.Generate(t.Context(), testKey, prompt(7))
			var e *upstream.Error
			require.True(t, errors.As(err, &e), "%v", err)
			assert.Equal(t, c.want.String(), e.Class.String())
			assert.Equal(t, "one", e.Provider)
			assert.False(t, e.SentAt.IsZero())
		})
	}
}

// A model of Anthropic's that isn't on the first page of its list is asked for by itself.
func TestLacks(t *testing.T) {
	for _, c := range []struct {
		format Format
		models []string
		want   []string
		asked  int
	}{
		{OpenAI, []string{"listed"}, nil, 1}, {OpenAI, []string{"other"}, []string{"other"}, 1}, {OpenAI, []string{"none", "listed", "other"}, []string{"none", "other"}, 1},
		{Anthropic, []string{"listed"}, nil, 1}, {Anthropic, []string{"other"}, nil, 2}, {Anthropic, []string{"none"}, []string{"none"}, 2}, {Anthropic, []string{"none", "listed", "other"}, []string{"none"}, 3},
	} {
		asked := 0
		client := client(t, Config{Name: "one", Format: c.format, Header: "X-Api-Key", BaseURL: "https://one.example", Transport: carrier(func(r *http.Request) (*http.Response, error) {
			asked++
			status, text := 200, `{"data":[{"id":"listed"}]}`
			switch {
			case strings.HasSuffix(r.URL.Path, "/other"):
				text = `{"id":"other"}`
			case strings.HasSuffix(r.URL.Path, "/none"):
				status, text = 404, `{"type":"error","error":{"type":"not_found_error","message":"model: none"}}`
			}
			return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(text)), ContentLength: int64(len(text)), Request: r}, nil
		})})
		got, failure := client.Lacks(t.Context(), testKey, c.models)
		require.Nil(t, failure)
		assert.Equal(t, c.want, got, "%s %s", c.format, c.models)
		assert.Equal(t, c.asked, asked, "%s %s", c.format, c.models)
	}
}

// TestGenerateIsToldOfLimits: what the header of an answer says of limits, and a refusal's of when to come again, is known of prompts as
// of what passes.
func TestGenerateIsToldOfLimits(t *testing.T) {
	header := http.Header{"X-Ratelimit-Limit-Requests": {"60"}, "X-Ratelimit-Remaining-Requests": {"0"}, "X-Ratelimit-Reset-Requests": {"9s"}}
	served, _ := answering(t, OpenAI, 200, `{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}`, header)
	reply, err := served.Generate(t.Context(), testKey, prompt(7))
	require.NoError(t, err)
	require.Len(t, reply.Limits, 1)
	assert.EqualValues(t, 60, reply.Limits[0].Limit)

	refusal := func(header http.Header) *upstream.Error {
		refused, _ := answering(t, OpenAI, 429, `{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}`, header)
		_, err := refused.Generate(t.Context(), testKey, prompt(7))
		var e *upstream.Error
		require.ErrorAs(t, err, &e)
		return e
	}
	again := header.Clone()
	again.Set("Retry-After", "7")
	e := refusal(again)
	assert.Equal(t, 7*time.Second, e.RetryDelay)
	assert.Len(t, e.Limits, 1)
	e = refusal(header)
	assert.InDelta(t, 9, e.RetryDelay.Seconds(), 1, "until what is used up is there again")
}
