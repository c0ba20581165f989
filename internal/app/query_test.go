package app

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
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
