package app

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/anthropicsim"
	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/internal/remote"
)

// Where a provider has no capacity its words pass in its own format, with when to come back; once
// it has served somebody, the next pause is the first again.
func TestOverloadOfOtherProviders(t *testing.T) {
	for _, c := range []struct {
		name, path, body string
		status           int
		fail             func(m *mixture)
		says             string
	}{
		{"Anthropic", message, messageOf("claude-sonnet-5"), 529, func(m *mixture) { m.anthropic.FailNext(1, anthropicsim.Overloaded) }, `"overloaded_error"`},
		{"OpenAI", chat, chatOf("gpt-5.5"), http.StatusServiceUnavailable, func(m *mixture) { m.openai.FailNext(2, openaisim.Overloaded) }, `overloaded`},
		{"OpenAI's other route", "/openai/v1/responses", `{"model":"gpt-5.5","input":"Hello"}`, http.StatusServiceUnavailable, func(m *mixture) { m.openai.FailNext(2, openaisim.Overloaded) }, `overloaded`},
		{"by prompt", "/generate", `{"prompt":"Hello","model":"anthropic/claude-sonnet-5"}`, 529, func(m *mixture) { m.anthropic.FailNext(1, anthropicsim.Overloaded) }, `verloaded`},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := mix(t)
				defer func() { assert.NoError(t, m.Close(t.Context())) }()
				fail := func(seconds, millis string) {
					t.Helper()
					c.fail(m)
					rec := m.ask(t, "POST", c.path, c.body)
					require.Equal(t, c.status, rec.Code, rec.Body)
					assert.Contains(t, rec.Body.String(), c.says)
					assert.Equal(t, seconds, rec.Header().Get("Retry-After"))
					assert.Equal(t, millis, rec.Header().Get("Retry-After-Ms"))
					assert.Equal(t, millis, rec.Header().Get("X-Fluxgate-Retry-Ms"))
					assert.Equal(t, "true", rec.Header().Get("X-Should-Retry"))
				}
				fail("5", "5000")
				time.Sleep(5 * time.Second)
				fail("10", "10000")
				require.Equal(t, http.StatusOK, m.ask(t, "POST", c.path, c.body).Code)
				time.Sleep(61 * time.Second)
				fail("5", "5000")
			})
		})
	}
}

// Where it is a 429 whose words say that, its callers are told like those of a 503.
func TestOverloadUnder429(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		m.openai.FailNext(2, openaisim.EngineOverloaded)
		rec := m.ask(t, "POST", chat, chatOf("gpt-5.5"))
		require.Equal(t, http.StatusTooManyRequests, rec.Code, rec.Body)
		assert.Contains(t, rec.Body.String(), "The engine is currently overloaded")
		wait, own := remote.Refused(rec.Code, rec.Header(), time.Now())
		assert.True(t, own, "wait sits it out")
		assert.Equal(t, 5*time.Second, wait)
		require.Equal(t, http.StatusOK, m.ask(t, "POST", chat, chatOf("gpt-5.5")).Code, "nobody is kept away")
	})
}
