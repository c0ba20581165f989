package sharing_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/sharing"
)

// Requests are counted as their providers document it, and an operator's word goes before that.
func TestCounted(t *testing.T) {
	table := sharing.Table{
		"anthropic": sharing.Of("anthropic", true, nil),
		"openai":    sharing.Of("openai", false, sharing.List{{"gpt-4o", "gpt-4o-2024-*"}, {"gpt-5 family", "gpt-5.1", "gpt-5.1-mini*"}}),
		"groq":      sharing.Of("groq", false, nil),
		"proxy":     sharing.Of("proxy", true, sharing.List{{"all", "claude-*"}}),
	}
	for _, c := range []struct {
		model string
		kind  sharing.Kind
		want  string
	}{
		{"gemini-2.5-pro", sharing.Kind{Fast: true}, "gemini-2.5-pro"},
		{"unknown/claude-opus-4-8", sharing.Kind{}, "unknown/claude-opus-4-8"},
		{"anthropic/claude-opus-4-8", sharing.Kind{}, "anthropic/claude-opus-4.x"},
		{"anthropic/claude-opus-4-5-20251101", sharing.Kind{}, "anthropic/claude-opus-4.x"},
		{"anthropic/claude-opus-4-20250514", sharing.Kind{}, "anthropic/claude-opus-4.x"},
		{"anthropic/claude-opus-4.x", sharing.Kind{}, "anthropic/claude-opus-4.x"},
		{"anthropic/claude-opus-40", sharing.Kind{}, "anthropic/claude-opus-40"},
		{"anthropic/claude-sonnet-4-6", sharing.Kind{}, "anthropic/claude-sonnet-4.x"},
		{"anthropic/claude-sonnet-5", sharing.Kind{}, "anthropic/claude-sonnet-5"},
		{"anthropic/claude-opus-5", sharing.Kind{Input: 900_000}, "anthropic/claude-opus-5"},
		{"anthropic/claude-opus-5-5", sharing.Kind{}, "anthropic/claude-opus-5-5"},
		{"anthropic/claude-fable-5-1", sharing.Kind{}, "anthropic/claude-fable-5.x"},
		{"anthropic/claude-haiku-4-5-20251001", sharing.Kind{}, "anthropic/claude-haiku-4-5"},
		{"anthropic/claude-opus-5", sharing.Kind{Fast: true}, "anthropic/claude-opus-5:fast"},
		{"anthropic/claude-opus-5-20260701", sharing.Kind{Fast: true}, "anthropic/claude-opus-5:fast"},
		{"anthropic/claude-opus-4-8", sharing.Kind{Fast: true}, "anthropic/claude-opus-4-8:fast"},
		{"anthropic/claude-opus-4-6", sharing.Kind{Fast: true}, "anthropic/claude-opus-4.x"},
		{"anthropic/claude-haiku-4-5", sharing.Kind{Fast: true}, "anthropic/claude-haiku-4-5"},
		{"proxy/claude-opus-4-8", sharing.Kind{}, "proxy/all"},
		{"openai/gpt-4o", sharing.Kind{}, "openai/gpt-4o"},
		{"openai/gpt-4o-2024-08-06", sharing.Kind{}, "openai/gpt-4o"},
		{"openai/gpt-4o-mini", sharing.Kind{Fast: true}, "openai/gpt-4o-mini"},
		{"openai/gpt-5.1-mini-2026-01-01", sharing.Kind{}, "openai/gpt-5 family"},
		{"openai/gpt-4.1", sharing.Kind{Input: 128_000}, "openai/gpt-4.1"},
		{"openai/gpt-4.1-mini", sharing.Kind{Input: 128_001}, "openai/gpt-4.1-mini:long"},
		{"groq/llama-4", sharing.Kind{Input: 1 << 20}, "groq/llama-4"},
	} {
		assert.Equal(t, c.want, table.Counted(c.model, c.kind), c.model)
		assert.Equal(t, c.want, table.Counted(c.want, sharing.Kind{}), "a name that is counted by is counted by itself")
	}
	for model, want := range map[string]string{
		"gemini-2.5-pro": "gemini-2.5-pro", "groq/llama-4": "groq/llama-4", "openai/gpt-4.1": "openai/gpt-4.1",
		"openai/gpt-4o": "openai/gpt-4o:itself", "openai/gpt-4o-2024-08-06": "openai/gpt-4o-2024-08-06",
		"anthropic/claude-haiku-4-5": "anthropic/claude-haiku-4-5:itself", "anthropic/claude-haiku-4-5-20251001": "anthropic/claude-haiku-4-5-20251001",
		"anthropic/claude-opus-4-8": "anthropic/claude-opus-4-8", "anthropic/claude-opus-4.x": "anthropic/claude-opus-4.x:itself",
	} {
		assert.Equal(t, want, table.Itself(model), "none that another may be counted by")
	}
	assert.True(t, sharing.Fast("anthropic/claude-opus-5:fast"))
	assert.False(t, sharing.Fast("anthropic/claude-opus-5"))
}

// What is wrong with what an operator names is said of each entry.
func TestCheck(t *testing.T) {
	valid := regexp.MustCompile(`^[a-z0-9.-]+$`).MatchString
	assert.Empty(t, sharing.List{{"gpt-4o", "gpt-4o-2024-*"}, {"x", "y", "z*"}}.Check(valid))
	for text, l := range map[string]sharing.List{
		"shared, entry 1: want the name that its models are counted by, and then their names":            {{"gpt-4o"}},
		"shared, entry 2: want a name that its models are counted by first, such as one of theirs, once": {{"a", "b"}, {"a", "c"}},
		"shared, entry 1: want a name that its models are counted by first, such as one of theirs, once": {{"a*", "b"}},
		"shared, entry 1: want names of models, or beginnings such as gpt-4o-*":                          {{"a", "*"}},
	} {
		problems := l.Check(valid)
		if assert.Len(t, problems, 1) {
			assert.EqualError(t, problems[0], text)
		}
	}
}
