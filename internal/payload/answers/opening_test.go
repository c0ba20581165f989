package answers

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/race"
)

// An error that ends an answer is found however it comes, and what a model says of
// errors is none.
func TestLastError(t *testing.T) {
	const (
		said  = `{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}`
		event = "data: " + said + "\r\n\r\n"
		fault = `{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"error":"x"},{"@type":"y"}]}}`
	)
	for text, want := range map[string]bool{
		event + "data: " + fault + "\r\n\r\n":             true,
		event + "event: error\ndata:" + fault:             true,
		event + "data: " + fault + "\n\ndata: [DONE]\n\n": true,
		event + "data: " + fault + "\n\ndata:[DONE]\n\n":  true,
		event + fault: true, // bare, after events
		event + "{\n  \"error\": {\n    \"code\": 503\n  }\n}\n":       true,
		event + "[" + fault + "]":                                      true,
		event + "[{\n  \"error\": {\n    \"code\": 503\n  }\n}\n]\r\n": true,
		"[" + said + "\r\n,\r\n" + fault + "\r\n]":                     true, // a stream without events
		"[" + said + "," + fault:                                       true, // which broke off behind it
		"[" + said + "]\n[" + fault + "]":                              true,

		// Anthropic's; OpenAI's is as Google's.
		"event: message_start\ndata: {}\n\nevent: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n": true,
		"data: {\"type\": \"error\", \"error\": {}, \"request_id\": \"x\"}\n\n":                                                    true,

		event:                 false,
		"[" + said + "]":      false,
		event + `{"error":`:   false, // nobody knows what
		event + fault + event: false, // it went on
		`data: {"candidates":[{"content":{"parts":[{"functionCall":{"args":[{"error":1}]}}]}}]}` + "\n\n": false,
		`{"candidates":[{"content":{"parts":[{"text":"data: {\"error\":{}}"}]}}]}`:                        false,
		`{"candidates":[{"content":{"parts":[{"functionCall":{"args":{"error":{"code":1}}}}]}}]}`:         false,
		`{"a":1,"error":{"code":429}}`: false,
		`data: {"type":"content_block_delta","delta":{"type":"error","error":{}}}` + "\n\n": false,
	} {
		assert.Equal(t, want, LastError([]byte(text)) != nil, text)
	}
}

// An answer is silent if it holds neither a candidate nor the reason why there is
// none, in whatever format.
func TestSilent(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "\r\n": true, "{}": true, "[]": true, "[\n]": true, `{"candidates":[]}`: true, `{"candidates": [ { } ]}`: true,
		`{"usageMetadata":{"promptTokenCount":4},"modelVersion":"x"}`: true, `{"promptFeedback":{"safetyRatings":[]}}`: true,
		"data: {\"usageMetadata\":{}}\n\n": true, "data: [DONE]\n\n": true, ": ping\n\n": true, `{"id":"x","choices":[]}`: true,

		`{"candidates":[{"finishReason":"STOP"}]}`: false, `{"candidates":[{"content":{}}]}`: false,
		`{"usageMetadata":{},"candidates":[{"index":0}]}`: false, `{"promptFeedback":{"blockReason":"SAFETY"}}`: false,
		"data: {\"candidates\": [{\"content\"": false, `{"choices":[{"index":0}]}`: false, `[{"candidates":[{"content":1}]}]`: false,
		"hello": false, "<html></html>": false, "\x12\x03abc": false,
	} {
		assert.Equal(t, want, Silent([]byte(text)), "%q", text)
	}
	for text, want := range map[string]bool{
		"": true, "{}": true, "[{}]\n": true, "data: {}\n\ndata: [DONE]\n\n": true, ": ping\n\n": true,
		"{": false, "[{}": false, "data: {}\n\ndata: {": false, "hello": false,
	} {
		assert.Equal(t, want, Whole([]byte(text)), "%q", text)
	}
}

// Whatever was counted beside the prompt was produced, however it is spelled.
func TestProduced(t *testing.T) {
	for text, want := range map[string]bool{
		`"promptTokenCount":4,"thoughtsTokenCount": 7`:                                                         true,
		`"promptTokenCount":4,"candidatesTokenCount":"50"`:                                                     true,
		`"promptTokenCount":4,"totalTokenCount":5`:                                                             true,
		`"totalTokenCount":5`:                                                                                  true,
		`"promptTokenCount":4,"toolUsePromptTokenCount":3,"totalTokenCount":4`:                                 true,
		`"promptTokenCount":4,"candidatesTokensDetails":[{"modality":"TEXT","tokenCount":9}]`:                  true,
		`"promptTokensDetails":[{"tokenCount":4}],"toolUsePromptTokensDetails":[{"tokenCount":"2"}]`:           true,
		`"prompt_token_count":4,"candidates_token_count":9`:                                                    true,
		`"prompt_token_count":4,"thoughts_token_count":9`:                                                      true,
		`"prompt_token_count":"4","total_token_count":"9"`:                                                     true,
		`"prompt_token_count":4,"candidates_tokens_details":[{"token_count":9}]`:                               true,
		`"prompt_tokens":4,"completion_tokens":9`:                                                              true,
		`"prompt_tokens":4,"total_tokens":9`:                                                                   true,
		`"prompt_tokens":4,"completion_tokens":0,"completion_tokens_details":{"reasoning_tokens":9}`:           true,
		`"promptTokenCount":4,"totalTokenCount":6}}` + "\n\ndata: " + `{"usageMetadata":{"promptTokenCount":6`: true,

		``: false,
		`"promptTokenCount":4,"candidatesTokenCount":0`:                                                                false,
		`"promptTokenCount":4,"candidatesTokenCount":0.0,"thoughtsTokenCount":"0","totalTokenCount":"4"`:               false,
		`"promptTokenCount":4,"cachedContentTokenCount":3,"cacheTokensDetails":[{"modality":"TEXT","tokenCount":3}]`:   false,
		`"promptTokenCount":4,"totalTokenCount":4,"promptTokensDetails":[{"modality":"TEXT","tokenCount":4}]`:          false,
		`"prompt_token_count":4,"total_token_count":4,"prompt_tokens_details":[{"token_count":3},{"token_count":1}]`:   false,
		`"prompt_tokens":4,"total_tokens":4,"completion_tokens":0,"prompt_tokens_details":{"cached_tokens":3}`:         false,
		`"promptTokenCount":4,"candidatesTokensDetails":[{"modality":"TEXT","tokenCount":0}],"serviceTier":"standard"`: false,
	} {
		assert.Equal(t, want, Produced([]byte(`{"usageMetadata":{`+text+`}}`)), text)
	}
}

// What is looked for from the end is found wherever it stands.
func TestLastIndex(t *testing.T) {
	const what = `"usage"`
	for size := range 3 * nearEnd / 2 {
		for _, text := range []string{
			strings.Repeat("x", size), what + strings.Repeat("x", size), strings.Repeat("x", size) + what, what + strings.Repeat("x", size) + what,
			`"usag` + strings.Repeat("x", size) + `sage"`,
		} {
			if got, want := lastIndex([]byte(text), what), strings.LastIndex(text, what); got != want {
				t.Fatalf("%d in a text of %d, want %d", got, len(text), want)
			}
		}
	}
}

// What says something is found wherever a regular expression finds it.
func TestSaysSomething(t *testing.T) {
	race.Skip(t)
	says := regexp.MustCompile(`"(?:candidates|choices)"\s*:\s*\[\s*\{\s*"|"blockReason"\s*:\s*"`)
	pieces := []string{`"candidates"`, `"choices"`, `"blockReason"`, `:`, `[`, `{`, `"`, " ", "\n\t\f\r", "\v", "x", "candidates"}
	random := rand.New(rand.NewPCG(1, 2))
	found := 0
	for range 200_000 {
		var text []byte
		for range 3 + random.IntN(7) {
			text = append(text, pieces[random.IntN(len(pieces))]...)
		}
		want := says.Match(text)
		if got := saysSomething(text); got != want {
			t.Fatalf("%q: %v, want %v", text, got, want)
		}
		if want {
			found++
		}
	}
	assert.NotZero(t, found)
}
