package config

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSettings(t *testing.T) {
	before := []string{"FLUXGATE_HOLD=7s", "GEMINI_KEY_1=a-key", "PORT=", "HOME=/root"}
	after := append(before, "GEMINI_MODE=flash_only", "FLUXGATE_TOKENS=alice:0123456789abcdef", "GEMINI_KEY_2=another-key", "GEMINI_PROJECT_2=team", "GOOGLE_API_KEY=third", "OPENAI_BASE_URL=https://u:hunter2@x/v1")
	found := map[string]Setting{}
	for _, s := range Settings(before, after) {
		found[s.Name] = s
	}
	for _, want := range []Setting{
		{"FLUXGATE_HOLD", "7s", FromEnvironment},
		{"PORT", "8080", FromDefault}, // an empty one is none
		{"GEMINI_MODE", "flash_only", FromDotEnv},
		{"FLUXGATE_MAX_WAIT", "", FromDefault}, // its tag has another option
		{"GEMINI_KEY_1", "(set)", FromEnvironment},
		{"GEMINI_KEY_2", "(set)", FromDotEnv},
		{"GOOGLE_API_KEY", "(set)", FromDotEnv},
		{"GEMINI_PROJECT_2", "(set)", FromDotEnv}, // the report on keys shows it once it is known to be no key
		{"FLUXGATE_TOKENS", "(set)", FromDotEnv},
		{"OPENAI_BASE_URL", "https://u:xxxxx@x/v1", FromDotEnv}, // it is nobody's, so it was right
	} {
		assert.Equal(t, want, found[want.Name])
	}
	assert.NotContains(t, found, "HOME")
}
