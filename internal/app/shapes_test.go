package app

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// heard keeps what a provider answered last, byte for byte.
type heard struct {
	http.RoundTripper
	mu   sync.Mutex
	last *bytes.Buffer
}

func (h *heard) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := h.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = new(bytes.Buffer)
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(resp.Body, h.last), resp.Body}
	return resp, nil
}

// What Claude Code and Codex send, and what they are answered, passes byte for byte, with the
// headers by which they say who asks.
//
// The bodies are made up in the shapes of: github.com/openai/codex, codex-rs/codex-api/src/common.rs
// (ResponsesApiRequest, CompactionInput) and core/tests/suite/client.rs (headers and items); Claude
// Code's as captured by others (github.com/starbased-co/ccproxy, examples/cc-api-req.zsh;
// github.com/waylon256yhw/Claude-Cloak, src/services/headers.ts; github.com/chief-builder/claude-code-analytics). What came
// in 2026: of Codex the session's, thread's, turn's and window's names (github.com/openai/codex/pull/16758, /27122), IDs of
// items and stream_options; of Claude Code the session's header, the user as JSON, effort, adaptive thinking, system messages
// in between, caches of an hour and tools that are loaded later (as betas name them that others captured of 2.1.197), and more
// headers by which they say who asks, which they have ever more of (code.claude.com/docs/en/llm-gateway-protocol).
func TestCodingAgentsPass(t *testing.T) {
	claudeCode := []string{
		"X-Api-Key", alice, "User-Agent", "claude-cli/2.1.31 (external, cli)", "X-App", "cli", "Anthropic-Version", "2023-06-01",
		"Anthropic-Beta", "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27",
		"Anthropic-Dangerous-Direct-Browser-Access", "true", "Content-Type", "application/json", "Accept", "application/json",
		"X-Stainless-Lang", "js", "X-Stainless-Package-Version", "0.72.1", "X-Stainless-Os", "Linux", "X-Stainless-Arch", "x64",
		"X-Stainless-Runtime", "node", "X-Stainless-Runtime-Version", "v24.6.0", "X-Stainless-Retry-Count", "0", "X-Stainless-Timeout", "600",
		"X-Stainless-Helper-Method", "stream",
	}
	codex := []string{
		"Authorization", "Bearer " + alice, "User-Agent", "codex_cli_rs/0.98.0 (Debian 13; x86_64) xterm", "Originator", "codex_cli_rs", "Version", "0.98.0",
		"Session_id", "0199a213-81c0-7800-8aa1-bbab2a035a53", "Conversation_id", "0199a213-81c0-7800-8aa1-bbab2a035a53", "X-Openai-Subagent", "review",
		"Openai-Beta", "responses=experimental", "Content-Type", "application/json", "Accept", "text/event-stream",
	}
	claudeCodeNow := append(slices.Clone(claudeCode),
		"User-Agent", "claude-cli/2.1.197 (external, cli)", "X-Claude-Code-Session-Id", "34832e57-9b65-4df6-9604-60b9fc786bcb",
		"X-Claude-Code-Agent-Id", "a1b2c3d4", "X-Claude-Code-Parent-Agent-Id", "e5f6", "X-Claude-Code-Request-Class", "agent", "X-Stainless-Helper", "BetaToolRunner",
		"Anthropic-Beta", "claude-code-20250219,context-1m-2025-08-07,interleaved-thinking-2025-05-14,redact-thinking-2026-02-12,thinking-token-count-2026-05-13,"+
			"context-management-2025-06-27,prompt-caching-scope-2026-01-05,mid-conversation-system-2026-04-07,advisor-tool-2026-03-01,"+
			"advanced-tool-use-2025-11-20,effort-2025-11-24,extended-cache-ttl-2025-04-11,cache-diagnosis-2026-04-07")
	const thread = "0199a213-81c0-7800-8aa1-bbab2a035a53"
	codexNow := []string{
		"Authorization", "Bearer " + alice, "User-Agent", "codex_cli_rs/0.144.0 (Debian 13; x86_64) xterm", "Originator", "codex_cli_rs", "Version", "0.144.0",
		"Session-Id", thread, "Thread-Id", thread, "X-Client-Request-Id", thread, "X-Codex-Window-Id", thread + ":0", "X-Codex-Beta-Features", "remote_compaction_v2",
		"X-Codex-Turn-Metadata", `{"session_id":"` + thread + `","request_kind":"turn"}`, "X-Codex-Parent-Thread-Id", thread,
		"X-Codex-Installation-Id", thread, "X-Openai-Subagent", "collab_spawn",
		"Content-Type", "application/json", "Accept", "text/event-stream",
	}
	synctest.Test(t, func(t *testing.T) {
		m := mixCallers(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		back := &heard{RoundTripper: m.anthropic.Transport()}
		m.transport["api.anthropic.com"] = back
		other := &heard{RoundTripper: m.openai.Transport()}
		m.transport["api.openai.com"] = other
		for _, c := range []struct {
			path, file, ends string
			headers          []string
			heard            *heard
			status           int
		}{
			{message + "?beta=true", "claude-code", "event: message_stop", claudeCode, back, http.StatusOK},
			{message + "?beta=true", "claude-code-quota", "", claudeCode, back, http.StatusOK},
			{message + "/count_tokens?beta=true", "claude-code", "", claudeCode, back, http.StatusOK},
			{message + "?beta=true", "claude-code-2.1.197", "event: message_stop", claudeCodeNow, back, http.StatusOK},
			{message + "/count_tokens?beta=true", "claude-code-2.1.197", "", claudeCodeNow, back, http.StatusOK},
			{"/openai/v1/responses", "codex-0.144", "event: response.completed", codexNow, other, http.StatusOK},
			{"/openai/v1/responses", "codex", "event: response.completed", codex, other, http.StatusOK},
			{"/v1/responses", "codex", "event: response.completed", codex, other, http.StatusOK},
			{"/openai/v1/responses/compact", "codex-compact", "", codex, other, http.StatusNotFound}, // the simulator has none
		} {
			body, err := os.ReadFile("testdata/" + c.file + ".json")
			require.NoError(t, err)
			rec := m.ask(t, "POST", c.path, string(body), c.headers...)
			require.Equal(t, c.status, rec.Code, "%s: %s", c.path, rec.Body)
			assert.Contains(t, rec.Body.String(), c.ends)
			if c.status == http.StatusOK {
				assert.Equal(t, c.heard.last.String(), rec.Body.String(), "the answer")
			}
			came := last(append(m.openai.Requests(), m.anthropic.Requests()...))
			if c.heard == other {
				came = last(m.openai.Requests())
			}
			assert.Equal(t, string(body), string(came.Body))
			assert.True(t, strings.HasSuffix(strings.Split(c.path, "?")[0], strings.TrimPrefix(came.Path, "/v1")), came.Path)
			for i := 0; i < len(c.headers); i += 2 {
				if name := c.headers[i]; name != "Authorization" && name != "X-Api-Key" && !slices.Contains(c.headers[i+2:], name) {
					assert.Equal(t, c.headers[i+1], came.Header.Get(name), name)
				}
			}
		}
		assert.NotContains(t, m.logs.String(), "naïvely", "what is said is in no log")
	})
}
