package passing

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestOtherHeaders: what clients of other providers say passes whatever names their next version has for it, but for
// what would have a key used for another organisation, workspace, project or customer of its own, and for what may be a secret.
func TestOtherHeaders(t *testing.T) {
	passes := []string{
		"Anthropic-Beta", "Anthropic-Version", "Anthropic-Dangerous-Direct-Browser-Access", "Idempotency-Key", "Originator",
		"Openai-Beta", "Openai-Safety-Identifier", "Session_id", "Session-Id", "Thread-Id", "X-App", "X-Claude-Code-Session-Id", "X-Claude-Code-Agent-Id",
		"X-Claude-Code-Parent-Agent-Id", "X-Claude-Code-Request-Class", "X-Claude-Code-Compaction", "X-Client-Request-Id", "X-Codex-Installation-Id", "X-Codex-Turn-Metadata",
		"X-Codex-Window-Id", "X-Openai-Subagent", "X-Stainless-Retry-Count", "X-Stainless-Helper",
	}
	stays := []string{
		"Anthropic-Workspace-Id", "Anthropic-Organization-Id", "Openai-Organization", "Openai-Project", "X-Openai-Actor-Authorization", "X-Openai-Fedramp",
		"Anthropic-User-Profile-Id", "Anthropic-Api-Key", "Anthropic-Auth-Token", "Openai-Account-Id", "Openai-Client-Secret", "Openai-Sentinel-Token", "X-Openai-Api-Key",
		"X-Openai-Session-Cookie", "Openai-my_organization", "X-Openai-actor_authorization", // which is a name like any other to who takes _ for -
		"X-Codex-Turn-State", "Chatgpt-Account-Id", "Anthropic", "Forwarded", "X-Fluxgate-Provider", "X-Forwarded-For", "X-Anthropic-Beta",
	}
	from, to := http.Header{}, http.Header{}
	for _, name := range append(stays, passes...) {
		from.Set(name, "v")
	}
	from.Set("X-Codex-Hop", "v")
	from.Set("Connection", "x-codex-hop")
	OtherHeaders(to, from)
	for _, name := range passes {
		assert.Equal(t, "v", to.Get(name), name)
	}
	assert.Len(t, to, len(passes))
}
