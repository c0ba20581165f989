package refusals_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/anthropicsim"
	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/internal/simquota"
	"fluxgate.dev/fluxgate/internal/upstream/refusals"
)

// ask sends a short request, and returns its answer.
func ask(t *testing.T, transport http.RoundTripper, path, key, model string) (status int, body []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://upstream.test"+path,
		strings.NewReader(`{"model":"`+model+`","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}`))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Anthropic-Version", "2023-06-01")
	resp, err := transport.RoundTrip(req)
	require.NoError(t, err)
	body, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode, body
}

// TestSimulators: what each simulated provider refuses with is understood, whoever it is.
func TestSimulators(t *testing.T) {
	limits := map[string][]simquota.Limit{"": {simquota.PerMinute(simquota.Requests, 1)}}
	for _, d := range []openaisim.Dialect{openaisim.OpenAI, openaisim.Groq, openaisim.Azure, openaisim.Mistral, openaisim.Cerebras, openaisim.Together,
		openaisim.OpenRouter, openaisim.XAI, openaisim.DeepSeek, openaisim.Plain} {
		s := openaisim.New(openaisim.Config{Dialect: d, Models: []string{"m"}, Limits: limits, Keys: []openaisim.Key{
			{Value: "k", Project: "p"}, {Value: "spent", State: openaisim.Spent}, {Value: "limited", State: openaisim.Limited}, {Value: "fresh"}}})
		class := func(key, model string) refusals.Class {
			status, body := ask(t, s.Transport(), "/v1/chat/completions", key, model)
			if status == 200 {
				return 0
			}
			return refusals.OpenAI(status, body).Class
		}
		assert.Zero(t, class("k", "m"), d)
		assert.Equal(t, refusals.RateLimit, class("k", "m"), d)
		assert.Equal(t, refusals.Spent, class("spent", "m"), d)
		assert.Equal(t, refusals.Denied, class("limited", "m"), d)
		assert.Equal(t, refusals.KeyInvalid, class("unknown", "m"), d)
		assert.Equal(t, refusals.ModelUnknown, class("k", "other"), d)
		s.FailNext(1, openaisim.Overloaded)
		assert.Equal(t, refusals.Overloaded, class("fresh", "m"), d)
	}
	s := anthropicsim.New(anthropicsim.Config{Models: []string{"m"}, Limits: limits, Keys: []anthropicsim.Key{
		{Value: "k", Project: "p"}, {Value: "spent", State: anthropicsim.Spent}, {Value: "capped", State: anthropicsim.Capped}, {Value: "limited", State: anthropicsim.Limited}, {Value: "fresh"}}})
	for path, read := range map[string]func(int, []byte) refusals.Refusal{"/v1/messages": refusals.Anthropic, "/v1/chat/completions": refusals.OpenAI} {
		class := func(key, model string) refusals.Class {
			status, body := ask(t, s.Transport(), path, key, model)
			if status == 200 {
				return 0
			}
			return read(status, body).Class
		}
		class("k", "m")
		assert.Equal(t, refusals.RateLimit, class("k", "m"), path)
		assert.Equal(t, refusals.Spent, class("spent", "m"), path)
		assert.Equal(t, refusals.Spent, class("capped", "m"), path)
		assert.Equal(t, refusals.Denied, class("limited", "m"), path)
		assert.Equal(t, refusals.KeyInvalid, class("unknown", "m"), path)
		assert.Equal(t, refusals.ModelUnknown, class("k", "other"), path)
		s.SetKey(anthropicsim.Key{Value: "fresh", Project: path})
		s.FailNext(1, anthropicsim.Overloaded)
		assert.Equal(t, refusals.Overloaded, class("fresh", "m"), path)
	}
}
