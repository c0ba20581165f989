package ratelimits_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/anthropicsim"
	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/internal/simquota"
	"fluxgate.dev/fluxgate/internal/simserver/simtest"
	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
)

// call sends a request of 1,000 tokens at most, and returns its headers and what its body says.
func call(t *testing.T, server simtest.Server, path, model string) (http.Header, string) {
	t.Helper()
	r := simtest.Do(t, server, simtest.Request(t, "POST", "http://upstream.test"+path, `{"model":"`+model+`","max_tokens":1000,"messages":[{"role":"user","content":"write 1000 tokens"}]}`,
		"Authorization", "Bearer k", "Anthropic-Version", "2023-06-01"))
	return r.Header, r.Body
}

// TestSimulators: what each simulated provider enforces is what is read of its first answer, and
// who comes back when its first refusal says so is served.
func TestSimulators(t *testing.T) {
	minute, day, tokens := simquota.PerMinute(simquota.Requests, 3), simquota.PerDay(simquota.Requests, 1000), simquota.PerMinute(simquota.Tokens, 60_000)
	for _, c := range []struct {
		name    string
		dialect openaisim.Dialect
		limits  []simquota.Limit
		want    map[ratelimits.Dimension]time.Duration // the periods that are read
		wait    bool                                   // a refusal tells its wait
	}{
		{"openai", openaisim.OpenAI, []simquota.Limit{minute, tokens}, map[ratelimits.Dimension]time.Duration{ratelimits.Requests: time.Minute, ratelimits.Tokens: time.Minute}, true},
		{"openai", openaisim.OpenAI, []simquota.Limit{minute, day, tokens}, map[ratelimits.Dimension]time.Duration{ratelimits.Requests: 24 * time.Hour, ratelimits.Tokens: time.Minute}, true},
		{"groq", openaisim.Groq, []simquota.Limit{minute, day, tokens}, map[ratelimits.Dimension]time.Duration{ratelimits.Requests: 24 * time.Hour, ratelimits.Tokens: time.Minute}, true},
		{"azure", openaisim.Azure, []simquota.Limit{simquota.Per(simquota.Requests, 3, 10*time.Second), tokens}, map[ratelimits.Dimension]time.Duration{ratelimits.Requests: 10 * time.Second, ratelimits.Tokens: time.Minute}, true},
		{"mistral", openaisim.Mistral, []simquota.Limit{minute, tokens}, map[ratelimits.Dimension]time.Duration{ratelimits.Requests: time.Minute, ratelimits.Tokens: time.Minute}, false},
		{"cerebras", openaisim.Cerebras, []simquota.Limit{simquota.Per(simquota.Requests, 3, time.Hour), tokens}, map[ratelimits.Dimension]time.Duration{ratelimits.Requests: time.Hour, ratelimits.Tokens: time.Minute}, true},
		{"together", openaisim.Together, []simquota.Limit{simquota.Per(simquota.Requests, 3, time.Second), simquota.Per(simquota.Tokens, 5000, time.Second)}, map[ratelimits.Dimension]time.Duration{ratelimits.Requests: time.Second, ratelimits.Tokens: time.Second}, false},
		{"xai", openaisim.XAI, []simquota.Limit{minute, tokens}, map[ratelimits.Dimension]time.Duration{ratelimits.Requests: 0, ratelimits.Tokens: time.Minute}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := openaisim.New(openaisim.Config{Keys: []openaisim.Key{{Value: "k", Project: "p"}}, Models: []string{"m"}, Dialect: c.dialect, Limits: map[string][]simquota.Limit{"": c.limits}})
			h, body := call(t, s, "/v1/chat/completions", "m")
			told := ratelimits.Read(h, time.Now(), ratelimits.Named(c.name))
			got := map[ratelimits.Dimension]time.Duration{}
			for _, l := range told.Limits {
				got[l.Dimension] = l.Per
				assert.Positive(t, l.Used(), "%s: %s", c.name, l.Dimension)
			}
			assert.Equal(t, c.want, got, "%s: %s", c.name, body)
			for range 3 {
				h, body = call(t, s, "/v1/chat/completions", "m")
			}
			wait := max(ratelimits.Read(h, time.Now(), ratelimits.Named(c.name)).RetryAfter, ratelimits.ReadMessage(body).Wait)
			assert.Equal(t, c.wait, wait > 0, c.name)
			if c.wait {
				time.Sleep(wait)
				call(t, s, "/v1/chat/completions", "m")
				assert.Equal(t, simquota.Counts{Accepted: 4, Refused: 1}, s.Ledger().Total(), c.name)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := anthropicsim.New(anthropicsim.Config{Keys: []anthropicsim.Key{{Value: "k", Project: "p"}}, Models: []string{"m"}, Limits: map[string][]simquota.Limit{
			"": {simquota.PerMinute(simquota.Requests, 50), simquota.PerMinute(simquota.InputTokens, 30_000), simquota.PerMinute(simquota.OutputTokens, 600)}}})
		h, _ := call(t, s, "/v1/messages", "m")
		told := ratelimits.Read(h, time.Now(), ratelimits.Anthropic)
		require.Len(t, told.Limits, 4)
		assert.EqualValues(t, 49, told.Limits[0].Remaining)
		assert.EqualValues(t, 600, told.Limits[3].Limit)
		h, _ = call(t, s, "/v1/messages", "m")
		time.Sleep(ratelimits.Read(h, time.Now(), ratelimits.Anthropic).RetryAfter)
		call(t, s, "/v1/messages", "m")
		assert.Equal(t, simquota.Counts{Accepted: 2, Refused: 1}, s.Ledger().Total())
	})
}
