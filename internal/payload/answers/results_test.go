package answers

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// What was used is read from every form of results, wherever an answer is cut into pieces, once
// for each request that was answered, and from nothing that a model says.
func TestResults(t *testing.T) {
	native := `{"response":{"candidates":[{"content":{"parts":[{"text":"\"usageMetadata\":{\"promptTokenCount\":9}"}]}}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"thoughtsTokenCount":5,"cachedContentTokenCount":1},"modelVersion":"m"},"key":"a"}`
	of := Usage{PromptTokens: 3, Tokens: Tokens{Output: 2, Thoughts: 5, Cached: 1}, ModelVersion: "m"}
	embedded := `{"response":{"embedding":{"values":[0.5,1]},"tokenCount":"7"}}`
	failed := `{"key":"b","error":{"code":400,"message":"usageMetadata"}}`
	inlined := func(list string) string { return `{"inlinedResponses":{"inlinedResponses":[` + list + `]}}` }
	for name, tt := range map[string]struct {
		form Form
		text string
		want []Usage
	}{
		"a file":                 {Lines, native + "\n" + failed + "\n" + native + "\n", []Usage{of, of}},
		"a file of embeddings":   {Lines, embedded + "\n" + embedded, []Usage{{PromptTokens: 7}, {PromptTokens: 7}}},
		"without usage":          {Lines, `{"response":{"candidates":[]}}`, []Usage{{PromptTokens: -1}}},
		"in OpenAI's format":     {Lines, `{"id":"x","response":{"status_code":200,"body":{"model":"g","choices":[{"message":{"content":"{\"usage\":{}}"}}],"usage":{"prompt_tokens":4,"completion_tokens":6,"total_tokens":13}}},"error":null}` + "\n" + `{"response":{"status_code":400,"body":{"error":{"message":"no"}}}}`, []Usage{{PromptTokens: 4, Tokens: Tokens{Output: 6, Thoughts: 3}, ModelVersion: "g"}}},
		"in Anthropic's":         {Lines, `{"custom_id":"x","result":{"type":"succeeded","message":{"model":"c","stop_reason":"end_turn","usage":{"input_tokens":2,"cache_read_input_tokens":3,"output_tokens":4}}}}` + "\n" + `{"custom_id":"y","result":{"type":"expired"}}`, []Usage{{PromptTokens: 5, Tokens: Tokens{Output: 4, Cached: 3}, ModelVersion: "c"}}},
		"in the batch":           {Inlined, `{"name":"batches/1","done":true,"response":` + inlined(native+","+failed+","+native) + `}`, []Usage{of, of}},
		"in the batch, twice":    {Inlined, `{"metadata":{"output":` + inlined(native+","+native) + `},"done":true,"response":` + inlined(native+","+native) + `}`, []Usage{of, of}},
		"in one of embeddings":   {Inlined, `{"response":{"inlinedEmbedContentResponses":{"inlinedResponses":[` + embedded + `]}}}`, []Usage{{PromptTokens: 7}}},
		"a batch that goes on":   {Inlined, `{"name":"batches/1","metadata":{"state":"BATCH_STATE_RUNNING","usageMetadata":{"promptTokenCount":1}}}`, nil},
		"an interaction":         {Single, `{"id":"v1_a","model":"m","status":"completed","steps":[{"usage":{"total_input_tokens":99},"status":"in_progress"}],"usage":{"total_input_tokens":8,"total_output_tokens":2,"total_thought_tokens":1,"total_tokens":11}}`, []Usage{{PromptTokens: 8, Tokens: Tokens{Output: 2, Thoughts: 1}, ModelVersion: "m", TotalTokens: 11}}},
		"one that goes on":       {Single, `{"status":"in_progress","usage":{"total_input_tokens":8}}`, nil},
		"one by events":          {Single, "event: interaction.created\ndata: {\"interaction\":{\"status\":\"in_progress\"}}\n\ndata: {\"interaction\":{\"status\":\"completed\",\"model\":\"m\",\"usage\":{\"total_input_tokens\":8,\"total_tokens\":8}},\"event_id\":\"9\"}\n\n", []Usage{{PromptTokens: 8, ModelVersion: "m", TotalTokens: 8}}},
		"a response":             {Single, `{"id":"resp_1","status":"completed","model":"o","usage":{"input_tokens":5,"output_tokens":7,"total_tokens":12,"output_tokens_details":{"reasoning_tokens":4}}}`, []Usage{{PromptTokens: 5, Tokens: Tokens{Output: 3, Thoughts: 4}, ModelVersion: "o", TotalTokens: 12}}},
		"a usage that is no end": {Lines, `{"response":{"usageMetadata":{"promptTokenCount":3}`, nil},
		"not JSON":               {Lines, "\x00\x01{{{\"]]}", nil},
	} {
		for size := 1; size <= len(tt.text); size += 1 + size/8 {
			var got []Usage
			r := NewResults(tt.form, func(u Usage) { got = append(got, u) })
			for at := 0; at < len(tt.text); at += size {
				_, _ = r.Write([]byte(tt.text[at:min(at+size, len(tt.text))]))
			}
			assert.Equal(t, tt.want, got, "%s in pieces of %d", name, size)
		}
	}
	var got []Usage
	r := NewResults(Lines, func(u Usage) { got = append(got, u) })
	_, _ = r.Write([]byte(`{"response":{"usageMetadata":{"x":"` + strings.Repeat("a", 1<<20) + `","promptTokenCount":3}}}`))
	assert.Equal(t, []Usage{{PromptTokens: -1}}, got, "what is kept is bounded")
}
