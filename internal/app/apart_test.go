package app

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/anthropicsim"
	"fluxgate.dev/fluxgate/internal/openaisim"
)

// To a provider all callers are one: none is answered what another was by the key that it gave its
// request, and its own retries are known for what they are.
func TestIdempotencyKeysAreTheirCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const alice, bob = "0123456789abcdef", "fedcba9876543210"
		m := mix(t, "FLUXGATE_TOKENS=alice:"+alice+",bob:"+bob)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		sent := &headers{RoundTripper: m.transport["api.openai.com"]}
		m.transport["api.openai.com"] = sent
		for _, token := range []string{alice, alice, bob} {
			rec := m.ask(t, "POST", chat, chatOf("gpt-5.5"), "Authorization", "Bearer "+token, "Idempotency-Key", "order-17")
			require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		}
		require.Len(t, sent.sent, 3)
		key := func(i int) string { return sent.sent[i].Get("Idempotency-Key") }
		assert.NotEmpty(t, key(0))
		assert.Equal(t, key(0), key(1))
		assert.NotEqual(t, key(0), key(2))
		assert.NotEqual(t, "order-17", key(0))

		rec := m.ask(t, "POST", chat, chatOf("openai/"), "Authorization", "Bearer "+alice)
		assert.Equal(t, http.StatusBadRequest, rec.Code, "it names no model: %s", rec.Body)
		assert.Len(t, sent.sent, 3)
	})
}

// A provider is sent its own keys alone, whatever is asked for, wherever a chain leads and whoever
// fails; and it is sent no caller's token.
func TestKeysGoToTheirProviderAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mixCallers(t, "FLUXGATE_CHAIN=gemini-2.5-pro,openai/gpt-5.5,anthropic/claude-sonnet-5")
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		own := map[string][]string{
			"generativelanguage.googleapis.com": {simulatedKey(1)}, "api.openai.com": {openAIKey, otherKey},
			"api.anthropic.com": {anthropicKey, moreAnthropicKey}, "api.groq.com": {groqKey},
		}
		sent := make(map[string]*headers)
		for host := range own {
			sent[host] = &headers{RoundTripper: m.transport[host]}
			m.transport[host] = sent[host]
		}
		all := func() {
			for path, bodies := range map[string][]string{
				chat:                                  {chatOf("auto"), chatOf("gemini-2.5-pro"), chatOf("gpt-5.5"), chatOf("llama-4"), chatOf("claude-sonnet-5")},
				message:                               {messageOf("claude-sonnet-5")},
				"/openai/v1/responses":                {`{"model":"gpt-5.5","input":"Hello"}`},
				"/openai/v1/embeddings":               {`{"model":"text-embedding-3-small","input":"Hello"}`},
				"/generate":                           {`{"prompt":"Hello"}`},
				"/v1beta/models/auto:generateContent": {`{"contents":[{"parts":[{"text":"Hello"}]}]}`},
			} {
				for _, body := range bodies {
					_ = m.as(t, alice, "POST", path, body, "X-Stainless-Lang", "go")
				}
			}
			for _, path := range []string{"/openai/v1/models", "/anthropic/v1/models", "/v1beta/models", "/v1beta/files"} {
				_ = m.as(t, alice, "GET", path, "")
			}
			_, _ = m.upload(t, alice, "/openai/v1/files", "content")
		}
		all()
		m.openai.SetKey(openaisim.Key{Value: openAIKey, Project: "org-a", State: openaisim.Revoked})
		m.anthropic.FailNext(2, anthropicsim.Overloaded)
		all()
		synctest.Wait()
		for host, to := range sent {
			require.NotEmpty(t, to.sent, host)
			for _, header := range to.sent {
				text, carries := fmt.Sprint(header), 0
				for at, keys := range own {
					for _, key := range keys {
						n := strings.Count(text, key)
						if at != host {
							assert.Zero(t, n, "a key of %s at %s", at, host)
						}
						carries += n
					}
				}
				assert.Equal(t, 1, carries, "one credential at %s", host)
				for _, token := range []string{alice, bob, root} {
					assert.NotContains(t, text, token, host)
				}
			}
		}
	})
}
