package app

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// queries keeps the queries of what is sent.
type queries struct {
	http.RoundTripper
	sent []string
}

func (q *queries) RoundTrip(r *http.Request) (*http.Response, error) {
	q.sent = append(q.sent, r.URL.RawQuery)
	return q.RoundTripper.RoundTrip(r)
}

// What a caller asks of another provider in its query passes as it is, but for credentials, in
// whatever spelling.
func TestQueriesHoldNoCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mixCallers(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		sent := &queries{RoundTripper: m.transport["api.openai.com"]}
		m.transport["api.openai.com"] = sent
		const body = `{"model":"gpt-5.5","messages":[{"role":"user","content":"Hello"}]}`
		for _, query := range []string{
			"?key=" + alice + "&a=b%20c", "?a=b%20c&%6bey=" + alice, "?a=b%20c&$key=" + alice, "?KEY=" + alice + "&a=b%20c", "?access_token=x;key=" + alice + "&a=b%20c", "?a=b%20c&x=" + alice,
		} {
			rec := m.as(t, alice, "POST", chat+query, body)
			if rec.Code != http.StatusOK {
				continue // it may be refused for having two of them
			}
			assert.Equal(t, "a=b%20c", sent.sent[len(sent.sent)-1], query)
		}
		assert.NotEmpty(t, sent.sent)
		assert.NotContains(t, strings.Join(sent.sent, " "), alice)
	})
}

// TestModelsOfOneProvider: a list of models is that of the provider that is named, as it has it; in the list of all are all that one has,
// of Anthropic's those beyond its first page too.
func TestModelsOfOneProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		rec := m.ask(t, "GET", "/openai/v1/models", "", "X-Fluxgate-Provider", "groq", "Authorization", "Bearer whoever")
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		assert.Contains(t, rec.Body.String(), `"llama-4"`)
		assert.NotContains(t, rec.Body.String(), "gpt-5.5")
		assert.NotContains(t, rec.Body.String(), "gemini")

		var limits []string
		m.transport["api.anthropic.com"] = roundTripper(func(r *http.Request) (*http.Response, error) {
			limits = append(limits, r.URL.Query().Get("limit"))
			return m.anthropic.Transport().RoundTrip(r)
		})
		rec = m.ask(t, "GET", "/openai/v1/models", "", "Authorization", "Bearer whoever")
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		assert.Contains(t, rec.Body.String(), `"anthropic/claude-sonnet-5"`)
		assert.Equal(t, []string{"1000"}, limits, "the longest page that there is")
	})
}
