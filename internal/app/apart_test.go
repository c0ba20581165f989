package app

import (
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
