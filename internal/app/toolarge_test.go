package app

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/internal/simquota"
)

// TestOtherProvidersSayWhatIsTooLarge: what is more than Gemini's models take, of which the output isn't a part there, is for another provider
// to judge, as long as its limits have room.
func TestOtherProvidersSayWhatIsTooLarge(t *testing.T) {
	for limit, want := range map[int64]int{10_000_000: http.StatusOK, 200_000: http.StatusTooManyRequests} {
		sim := openaisim.New(openaisim.Config{Keys: []openaisim.Key{{Value: endpointKey, Project: "org"}}, Models: []string{"m"}, Limits: map[string][]simquota.Limit{
			"": {simquota.PerMinute(simquota.Tokens, limit)}}})
		m := configured(t, "azure", `{"name":"azure","base_url":"https://endpoint.test/v1"}`, sim)
		rec := m.ask(t, "POST", chat, `{"model":"m","max_tokens":3000000,"messages":[{"role":"user","content":"hi"}]}`)
		assert.Equal(t, want, rec.Code, rec.Body)
		assert.Equal(t, want != http.StatusOK, strings.Contains(rec.Body.String(), "Request too large for m"), "what it says itself")
		assert.NoError(t, m.Close(t.Context()))
	}
}

// TestModelsThatCantBeRead: where another provider may serve a route that Gemini doesn't, a request that names no model that can be read is told
// so, and not that nobody serves it.
func TestModelsThatCantBeRead(t *testing.T) {
	m := mix(t)
	defer func() { assert.NoError(t, m.Close(t.Context())) }()
	for _, body := range []string{`{"model":7,"input":"hi"}`, `{"model":["gpt-5-mini"],"input":"hi"}`, `{"input":"hi"}`, `{"model":"","input":"hi"}`} {
		rec := m.ask(t, "POST", "/openai/v1/responses", body)
		assert.Equal(t, http.StatusBadRequest, rec.Code, "%s: %s", body, rec.Body)
		assert.Contains(t, rec.Body.String(), "model", body)
	}
	rec := m.ask(t, "POST", "/openai/v1/responses", `{"model":"gemini-2.5-pro","input":"hi"}`)
	assert.Equal(t, http.StatusNotImplemented, rec.Code, "%s", rec.Body)
}
