package answers

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// read reads the usage of an answer that came in pieces of that size.
func read(m *Meter, text string, size int) Usage {
	end := NewTail(m)
	for len(text) > 0 {
		n := min(size, len(text))
		_, _ = end.Write([]byte(text[:n]))
		text = text[n:]
	}
	return m.Read(end)
}

// TestAnthropicUsage: messages and streams as they are documented at
// platform.claude.com/docs/en/build-with-claude/streaming, and were captured.
func TestAnthropicUsage(t *testing.T) {
	begin := `event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"claude-opus-5","stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":25,"cache_creation_input_tokens":100,"cache_read_input_tokens":2000,"output_tokens":1}}}

`
	piece := `event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\"usage\":{\"input_tokens\":9,\"output_tokens\":9} and so on"}}

`
	finish := func(usage string) string {
		return "event: message_delta\n" + `data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":` + usage + `}` + "\n\nevent: message_stop\n" + `data: {"type":"message_stop"}` + "\n\n"
	}
	streamed := Usage{PromptTokens: 2125, Tokens: Tokens{Output: 15, Cached: 2000}, ModelVersion: "claude-opus-5"}
	for _, c := range []struct {
		name, text string
		want       Usage
	}{
		{"a message", `{"id":"msg_1","type":"message","model":"claude-opus-5","content":[{"type":"text","text":"hi"}],"usage":{"input_tokens":2095,"cache_creation":{"ephemeral_5m_input_tokens":7},"cache_creation_input_tokens":7,"cache_read_input_tokens":3,"output_tokens":503,"service_tier":"standard"}}`,
			Usage{PromptTokens: 2105, Tokens: Tokens{Output: 503, Cached: 3}, ModelVersion: "claude-opus-5"}},
		{"thinking", `{"usage":{"input_tokens":10,"output_tokens":40,"output_tokens_details":{"thinking_tokens":25}}}`, Usage{PromptTokens: 10, Tokens: Tokens{Output: 15, Thoughts: 25}}},
		{"all of it cached", `{"usage":{"input_tokens":0,"cache_read_input_tokens":50,"output_tokens":1}}`, Usage{PromptTokens: 50, Tokens: Tokens{Output: 1, Cached: 50}}},
		{"nulls", `{"usage":{"input_tokens":5,"cache_creation_input_tokens":null,"cache_read_input_tokens":null,"output_tokens":2}}`, Usage{PromptTokens: 5, Tokens: Tokens{Output: 2}}},
		{"a stream", begin + piece + finish(`{"output_tokens":15}`), streamed},
		{"a long stream", begin + strings.Repeat(piece, 3000) + finish(`{"output_tokens":15}`), streamed},
		{"a stream whose end says it all", begin + piece + finish(`{"input_tokens":30,"cache_creation_input_tokens":0,"cache_read_input_tokens":5000,"output_tokens":15,"iterations":[{"input_tokens":1,"output_tokens":2}]}`),
			Usage{PromptTokens: 5030, Tokens: Tokens{Output: 15, Cached: 5000}, ModelVersion: "claude-opus-5"}},
		{"a stream that broke", begin + piece, Usage{PromptTokens: 2125, Tokens: Tokens{Output: 1, Cached: 2000}, ModelVersion: "claude-opus-5", Unended: true}},
		{"the end alone", finish(`{"output_tokens":15}`), Usage{PromptTokens: -1}},
		{"an error", `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, Usage{PromptTokens: -1}},
		{"nonsense", `{"usage":{"input_tokens":"5"}}`, Usage{PromptTokens: -1}},
		{"the counting of tokens", `{"input_tokens":14}`, Usage{PromptTokens: -1}},
	} {
		for _, size := range []int{1 << 30, 1000, 7} {
			assert.Equal(t, c.want, read(AnthropicUsage, c.text, size), "%s, in pieces of %d", c.name, size)
		}
	}
}

// TestResponsesUsage: responses and their events as documented at
// developers.openai.com/api/docs/api-reference/responses, images and transcriptions.
func TestResponsesUsage(t *testing.T) {
	usage := `"usage":{"input_tokens":36,"input_tokens_details":{"cached_tokens":16},"output_tokens":87,"output_tokens_details":{"reasoning_tokens":20},"total_tokens":123}`
	want := Usage{PromptTokens: 36, Tokens: Tokens{Output: 67, Thoughts: 20, Cached: 16}, TotalTokens: 123, ModelVersion: "gpt-5.5"}
	event := func(name, rest string) string {
		return "event: " + name + "\n" + `data: {"type":"` + name + `",` + rest + "}\n\n"
	}
	tools := `"tools":[{"type":"function","name":"f","parameters":{"properties":{"usage":{"type":"string"}}}}],`
	stream := event("response.created", `"response":{"model":"gpt-5.5",`+tools+`"usage":null}`) +
		strings.Repeat(event("response.output_text.delta", `"delta":"\"usage\":{\"input_tokens\":9}"`), 2000) +
		event("response.completed", `"response":{"model":"gpt-5.5",`+tools+usage+`,"user":null,"metadata":{}}`)
	for _, c := range []struct {
		name, text string
		want       Usage
	}{
		{"a response", `{"id":"resp_1","object":"response","model":"gpt-5.5","output":[],` + tools + usage + `,"user":null}`, want},
		{"events", stream, want},
		{"events that broke", stream[:len(stream)/2], Usage{PromptTokens: -1, ModelVersion: "gpt-5.5"}},
		{"an image", `{"created":1,"data":[{"b64_json":"x"}],"usage":{"total_tokens":100,"input_tokens":50,"output_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40}}}`,
			Usage{PromptTokens: 50, Tokens: Tokens{Output: 50}, TotalTokens: 100}},
		{"a transcription", `{"text":"hi","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"audio_tokens":14},"output_tokens":45,"total_tokens":59}}`, Usage{PromptTokens: 14, Tokens: Tokens{Output: 45}, TotalTokens: 59}},
		{"a transcription by time", `{"text":"hi","usage":{"type":"duration","seconds":9}}`, Usage{PromptTokens: -1}},
		{"none yet", `{"model":"gpt-5.5","status":"queued","usage":null}`, Usage{PromptTokens: -1, ModelVersion: "gpt-5.5"}},
	} {
		for _, size := range []int{1 << 30, 1000, 7} {
			assert.Equal(t, c.want, read(ResponsesUsage, c.text, size), "%s, in pieces of %d", c.name, size)
		}
	}
}

// TestOpenAIUsageOfOthers: chats and embeddings of OpenAI and of those that speak like it.
func TestOpenAIUsageOfOthers(t *testing.T) {
	for text, want := range map[string]Usage{
		// OpenAI, documented: completion_tokens have the reasoning.
		`{"model":"gpt-5.5","usage":{"prompt_tokens":19,"completion_tokens":30,"total_tokens":49,"prompt_tokens_details":{"cached_tokens":8},"completion_tokens_details":{"reasoning_tokens":20}}}`: {PromptTokens: 19, Tokens: Tokens{Output: 10, Thoughts: 20, Cached: 8}, ModelVersion: "gpt-5.5"},
		// An embedding.
		`{"object":"list","model":"text-embedding-3-small","usage":{"prompt_tokens":8,"total_tokens":8}}`: {PromptTokens: 8, ModelVersion: "text-embedding-3-small"},
		// Groq, captured: the usage of a stream is x_groq's.
		`data: {"model":"m","choices":[],"x_groq":{"id":"r","usage":{"queue_time":0.01,"prompt_tokens":7,"prompt_time":0.0002,"completion_tokens":3,"total_tokens":10}}}` + "\n\ndata: [DONE]\n\n": {PromptTokens: 7, Tokens: Tokens{Output: 3}, ModelVersion: "m"},
		// DeepSeek, documented: caches are told apart beside.
		`{"model":"m","usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14,"prompt_cache_hit_tokens":6,"prompt_tokens_details":{"cached_tokens":6}}}`: {PromptTokens: 10, Tokens: Tokens{Output: 4, Cached: 6}, ModelVersion: "m"},
	} {
		assert.Equal(t, want, read(OpenAIUsage, text, 1<<30), text)
	}
}

// FuzzOtherUsages: no text gives numbers that can't be, and pieces give what the whole gives.
func FuzzOtherUsages(f *testing.F) {
	seeds(f)
	f.Add([]byte(`{"usage":{"input_tokens":5,"output_tokens":40,"output_tokens_details":{"thinking_tokens":250}}}`))
	f.Add([]byte(`{"usage":{"input_tokens":-5,"output_tokens":-4,"cache_read_input_tokens":9223372036854775807}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, m := range []*Meter{AnthropicUsage, ResponsesUsage} {
			u := read(m, string(text), 1<<30)
			if u != read(m, string(text), 5) {
				t.Fatal("pieces differ")
			}
			if u.PromptTokens < -1 || u.Output < 0 || u.Thoughts < 0 || u.Cached < 0 || u.TotalTokens < 0 {
				t.Fatalf("%+v", u)
			}
		}
	})
}
