package answers

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// An ID is found wherever an answer is cut into pieces, and nothing else is taken for it.
func TestInteractionFinder(t *testing.T) {
	for text, want := range map[string]string{
		`{"id":"v1_abc","status":"completed"}`: "interactions/v1_abc",
		`{"steps":[{"id":"call_1","content":[{"id":"x"}]}],"usage":{"id":"y"},"text":"\"id\":\"z\"","id":"v1_a"}`:                 "interactions/v1_a",
		"event: interaction.created\ndata: {\"interaction\":{\"object\":\"interaction\",\"id\":\"v1_b\"},\"event_id\":\"1\"}\n\n": "interactions/v1_b",
		`data: {"interaction_id":"v1_c","status":"in_progress"}`:                                                                  "interactions/v1_c",
		`{"id":"../x"}`: "", `{"id":7,"name":"id"}`: "", `{"step":{"id":"x"}}`: "", `["id","x"]`: "", `{"a":["id","b"]}`: "",
		`{"id":"` + strings.Repeat("a", 200) + `"}`: "", `]}{"id":"v1_d"}`: "interactions/v1_d",
	} {
		for size := 1; size <= len(text); size++ {
			var f InteractionFinder
			got := ""
			for at := 0; at < len(text) && got == ""; at += size {
				got = f.Find([]byte(text[at:min(at+size, len(text))]))
			}
			assert.Equal(t, want, got, "%s in pieces of %d", text, size)
		}
	}
}

func TestInteractionUsage(t *testing.T) {
	end := NewTail(InteractionUsage)
	_, _ = end.Write([]byte(`data: {"interaction":{"model":"gemini-2.5-flash","usage":{"total_input_tokens":7,"total_tool_use_tokens":2,"total_output_tokens":5,"total_tokens":17,"total_thought_tokens":3,"total_cached_tokens":4}}}`))
	assert.Equal(t, Usage{PromptTokens: 9, TotalTokens: 17, Tokens: Tokens{Output: 5, Thoughts: 3, Cached: 4, Tools: 2}, ModelVersion: "gemini-2.5-flash"}, InteractionUsage.Read(end))
	assert.EqualValues(t, 14, ConversationTokens([]byte(`{"usage":{"total_input_tokens":7,"total_tokens":14}}`)))
	assert.Zero(t, ConversationTokens([]byte(`{"status":"in_progress"}`)))
}
