package app

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/internal/simquota"
)

// A limit of input by itself that is named holds from the first request on, whatever the model's tokens have room for, and who
// waits for it is told so.
func TestInputsByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := openaisim.New(openaisim.Config{
			Keys: []openaisim.Key{{Value: endpointKey, Project: "org"}}, Models: []string{"m"}, Dialect: openaisim.Groq, Counting: openaisim.CountReserved,
			Limits: map[string][]simquota.Limit{"": {simquota.PerMinute(simquota.Tokens, 100_000), simquota.PerMinute(simquota.InputTokens, 1000)}},
		})
		m := configured(t, "groq", `{"name":"groq","base_url":"https://endpoint.test/v1","limits":[{"of":"input_tokens","most":1000,"burst":1000}]}`, sim, `FLUXGATE_LIMITS={"groq/m":{"rpm":100}}`)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		body := strings.Replace(chatOf("groq/m"), "Hello", strings.Repeat("word ", 300), 1)
		require.Equal(t, http.StatusOK, m.ask(t, "POST", chat, body).Code)
		for range 5 {
			rec := m.ask(t, "POST", chat, body)
			if rec.Code == http.StatusOK {
				continue
			}
			assert.Equal(t, http.StatusTooManyRequests, rec.Code, rec.Body)
			assert.Contains(t, rec.Body.String(), "on input tokens per min")
			assert.Zero(t, sim.Ledger().Total().Refused)
			return
		}
		t.Error("there is no room for so many")
	})
}
