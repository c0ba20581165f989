package answers

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestInteractionUsage(t *testing.T) {
	end := NewTail(InteractionUsage)
	_, _ = end.Write([]byte(`data: {"interaction":{"model":"gemini-2.5-flash","usage":{"total_input_tokens":7,"total_tool_use_tokens":2,"total_output_tokens":5,"total_tokens":17,"total_thought_tokens":3,"total_cached_tokens":4}}}`))
	assert.Equal(t, Usage{PromptTokens: 9, TotalTokens: 17, Tokens: Tokens{Output: 5, Thoughts: 3, Cached: 4, Tools: 2}, ModelVersion: "gemini-2.5-flash"}, InteractionUsage.Read(end))
	assert.EqualValues(t, 14, ConversationTokens([]byte(`{"usage":{"total_input_tokens":7,"total_tokens":14}}`)))
	assert.Zero(t, ConversationTokens([]byte(`{"status":"in_progress"}`)))
}
