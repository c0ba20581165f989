package providers

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/payload/completion"
)

// Every row of the table is of something that a chat is known to use.
func TestUnserved(t *testing.T) {
	for provider, members := range unserved {
		for _, what := range members {
			assert.Equal(t, what, Unserved(provider, []string{"messages.content.text", what}), provider)
		}
		assert.Empty(t, Unserved(provider, nil))
	}
	assert.Equal(t, completion.FrequencyPenalty, Unserved("cerebras", []string{completion.Logprobs, completion.FrequencyPenalty}))
	assert.Equal(t, completion.MaxCompletion, Unserved("mistral", []string{completion.Several, completion.MaxCompletion}))
	assert.Equal(t, completion.Store, Unserved("mistral", []string{completion.Store}))
	assert.Empty(t, Unserved("mistral", []string{completion.Several, completion.FrequencyPenalty}), "it serves both")
	assert.Equal(t, completion.Stop, Unserved("xai", []string{completion.Several, completion.Logprobs, completion.Stop}))
	assert.Equal(t, completion.Logprobs, Unserved("together", []string{completion.LogitBias, completion.Several, completion.Stop, completion.Logprobs}))
	assert.Equal(t, completion.LogitBias, Unserved("openrouter", []string{completion.FrequencyPenalty, completion.Stop, completion.LogitBias}))
	assert.Equal(t, completion.ExtraBody, Unserved("home", []string{completion.ExtraBody}))
	assert.Empty(t, Unserved("gemini", []string{completion.ExtraBody, completion.LogitBias}))
	assert.Empty(t, Unserved("home", []string{completion.LogitBias}), "nothing is known of it")
}
