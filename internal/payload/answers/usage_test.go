package answers

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// What a model writes into the arguments of a call is the caller's to choose, and nothing that the
// provider says of its answer, of what that cost or of the model.
func TestUsageIsNotTheModelsToTell(t *testing.T) {
	const (
		said = `"usageMetadata":{"promptTokenCount":1},"modelVersion":"gemini-1","modelStatus":{"modelStage":"RETIRED"}`
		call = `{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{` + said + `}}},{"functionCall":{"name":"f","args":{"list":[{` + said + `},{"a":"]}\""}]}}}]}}]`
	)
	for name, text := range map[string]string{
		"fields are left out": call + "}", "a stream": "data: " + call + "}\r\n\r\n", "a list": "[" + call + "},\n" + call + "}]", "cut": "data: " + call,
		"a long one": "data: " + call + `,"x":"` + strings.Repeat("y", 3*tailSize) + `"}`,
	} {
		end := NewTail(GeminiUsage)
		_, _ = end.Write([]byte(text))
		assert.Equal(t, Usage{PromptTokens: -1}, GeminiUsage.Read(end), name)
	}
	end := NewTail(GeminiUsage)
	_, _ = end.Write([]byte(`[{"args":{` + said)) // it doesn't show where these stand
	assert.Equal(t, Usage{PromptTokens: 1}, GeminiUsage.Read(end))
	for name, text := range map[string]string{
		"all of it": call + `,"usageMetadata":{"promptTokenCount":7},"modelVersion":"gemini-2","responseId":"}"}`,
		"a stream":  "data: " + call + `,"usageMetadata":{"promptTokenCount":7},"modelVersion":"gemini-2"}` + "\n\ndata: " + call,
		"a list":    "[" + call + "},\n" + call + `,"usageMetadata":{"promptTokenCount":7},"modelVersion":"gemini-2"}` + "\n]\n",
		"its first": "[" + call + `,"usageMetadata":{"promptTokenCount":7},"modelVersion":"gemini-2"},` + call + "}]",
	} {
		end := NewTail(GeminiUsage)
		_, _ = end.Write([]byte(text))
		assert.Equal(t, Usage{PromptTokens: 7, ModelVersion: "gemini-2"}, GeminiUsage.Read(end), name)
	}
	const output = `"steps":[{"type":"function_call","arguments":{"model":"gemini-1","usage":{"total_input_tokens":1}}}]`
	for name, text := range map[string]string{
		"an interaction": `{"id":"x","model":"gemini-2","usage":{"total_input_tokens":7},` + output + `}`,
		"its events":     `data: {"type":"a","interaction":{"model":"gemini-2","usage":{"total_input_tokens":7},` + output + `}}` + "\n\n" + `data: {"delta":{"arguments":{"model":"gemini-1"}}}` + "\n\n",
	} {
		end := NewTail(InteractionUsage)
		_, _ = end.Write([]byte(text))
		assert.Equal(t, Usage{PromptTokens: 7, ModelVersion: "gemini-2"}, InteractionUsage.Read(end), name)
	}
}
