package clients

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/nodetest"
)

// suiteTimeout is what a suite may take, on a machine that is busy with others.
const suiteTimeout = 7 * time.Minute

func TestJavaScript(t *testing.T) {
	t.Parallel()
	// What a suite must have had answered with success. Not every client can do
	// everything: only Google's own SDKs and gemini-cli count tokens, and neither
	// the Vercel AI SDK nor gemini-cli lists models.
	suites := map[string][]string{
		"genai": {
			"generateContent", "streamGenerateContent", "countTokens", "batchEmbedContents",
			"/v1beta/models", "/v1beta/models/" + roomy, "batchGenerateContent", "download", "uploadToFileSearchStore", "predictLongRunning",
		},
		"openai": {
			"/v1beta/openai/chat/completions", "/openai/v1/chat/completions", "/v1beta/openai/embeddings",
			"/v1beta/openai/models", "/v1beta/openai/images/generations",
		},
		"vercel":     {"generateContent", "streamGenerateContent", "embedContent", "batchEmbedContents"},
		"waits":      {"/openai/v1/chat/completions", "generateContent", "streamGenerateContent"},
		"gemini-cli": {"generateContent", "streamGenerateContent", "countTokens"},
	}
	for name, routes := range suites {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nodetest.Install(t) // before a world is made for nothing
			w := newWorld(t)
			nodetest.Run(t, name, suiteTimeout, append(w.environment(t),
				"CLIENTS_TIME_URL="+w.timeControl(t), "CLIENTS_WAIT_URL="+w.waiting(t))...)
			assert.Subset(t, w.answers.routes(), routes, "a suite that calls less than it should proves nothing")
			w.requireCalm(t)
		})
	}
}
