package app

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/internal/simquota"
)

// What answers say of limits is known before anything is refused, and so is what others send
// with keys of the same organisation.
func TestOtherProvidersTellTheirLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		for _, c := range []struct {
			path, body, host, key string
			room                  int // of all organisations
		}{
			{chat, chatOf("gpt-5.5"), "api.openai.com/v1/chat/completions", openAIKey, 20},
			{message, messageOf("claude-sonnet-5"), "api.anthropic.com/v1/messages", anthropicKey, 10},
		} {
			served := func() (n int) {
				for range 30 {
					rec := m.ask(t, "POST", c.path, c.body)
					if rec.Code == http.StatusTooManyRequests {
						return n
					}
					require.Equal(t, http.StatusOK, rec.Code, rec.Body)
					n++
				}
				return n
			}
			assert.Equal(t, c.room, served(), "it begins at 5 a minute, and is told of 10")
			time.Sleep(2 * time.Minute)
			for range 6 {
				r, err := http.NewRequestWithContext(t.Context(), "POST", "https://"+c.host, strings.NewReader(c.body))
				require.NoError(t, err)
				r.Header.Set("Authorization", "Bearer "+c.key)
				r.Header.Set("X-Api-Key", c.key)
				r.Header.Set("Anthropic-Version", "2023-06-01")
				r.Header.Set("Content-Type", "application/json")
				resp, err := m.transport.RoundTrip(r)
				require.NoError(t, err)
				require.Equal(t, http.StatusOK, resp.StatusCode)
				require.NoError(t, resp.Body.Close())
			}
			assert.Equal(t, c.room-6-1, served(), "others have sent six, and one more is left free beside them")
			time.Sleep(2 * time.Minute)
		}
		assert.Zero(t, m.openai.Ledger().Total().Refused)
		assert.Zero(t, m.anthropic.Ledger().Total().Refused)
	})
}

// Where OpenAI's own settings leave a key a part of its organisation's limit, its answers say that too, and
// nothing is refused by it: not by the first answer, nor by the next, which says what the whole is.
func TestShareOfALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const share = 200
		sim := openaisim.New(openaisim.Config{Keys: []openaisim.Key{{Value: openAIKey, Project: "org"}}, Counting: openaisim.CountSum,
			Limits: map[string][]simquota.Limit{"": {simquota.PerMinute(simquota.Requests, 1000), simquota.PerMinute(simquota.Tokens, share)}}})
		m := &mixture{openai: sim, transport: hosts{"api.openai.com": roundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := sim.Transport().RoundTrip(r)
			if err == nil { // it is the share that the simulator keeps
				for _, of := range []string{"Limit", "Remaining", "Reset"} {
					resp.Header.Set("X-Ratelimit-"+of+"-Project-Tokens", resp.Header.Get("X-Ratelimit-"+of+"-Tokens"))
				}
				resp.Header.Set("X-Ratelimit-Limit-Tokens", "100000")
				resp.Header.Set("X-Ratelimit-Remaining-Tokens", "99000")
				resp.Header.Set("X-Ratelimit-Reset-Tokens", "600ms")
			}
			return resp, err
		})}}
		m.with(t, "OPENAI_KEY_1="+openAIKey, "OPENAI_PROJECT_1=org", `FLUXGATE_LIMITS={"openai/gpt-5.5":{"rpm":1000}}`)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		served := 0
		for range 100 {
			rec := m.ask(t, "POST", chat, strings.Replace(chatOf("gpt-5.5"), "{", `{"max_tokens":20,`, 1))
			if rec.Code == http.StatusTooManyRequests {
				seconds, err := strconv.Atoi(rec.Header().Get("Retry-After"))
				require.NoError(t, err)
				time.Sleep(time.Duration(seconds) * time.Second)
				continue
			}
			require.Equal(t, http.StatusOK, rec.Code, rec.Body)
			served++
		}
		assert.GreaterOrEqual(t, served, 50)
		assert.Zero(t, sim.Ledger().Total().Refused)
	})
}

// Gemini's answers say nothing of limits as far as is known. Should they ever, by names that say what a minute's are, they are
// believed as others' are.
func TestShouldGeminiTellItsLimits(t *testing.T) {
	const generate, hello = "/v1beta/models/gemini-2.5-pro:generateContent", `{"contents":[{"parts":[{"text":"Hello"}]}]}`
	for _, c := range []struct {
		name             string
		limit, strangers int
		of               string
		want             int
	}{
		{"a limit", 3, 0, "Requests-Minute", 3},
		{"what others have sent, and one more that is left free", 10, 6, "Requests-Minute", 10 - 6 - 1},
		{"a period that isn't said", 3, 0, "Requests", 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := mix(t)
				defer func() { assert.NoError(t, m.Close(t.Context())) }()
				inner, sent := m.transport["generativelanguage.googleapis.com"], 0
				m.transport["generativelanguage.googleapis.com"] = roundTripper(func(r *http.Request) (*http.Response, error) {
					resp, err := inner.RoundTrip(r)
					if err == nil && strings.HasSuffix(r.URL.Path, ":generateContent") {
						sent++
						resp.Header.Set("X-Ratelimit-Limit-"+c.of, strconv.Itoa(c.limit))
						resp.Header.Set("X-Ratelimit-Remaining-"+c.of, strconv.Itoa(c.limit-c.strangers-sent))
					}
					return resp, err
				})
				for _, path := range []string{generate, "/generate"} {
					body, served := hello, 0
					if path == "/generate" {
						body = `{"prompt":"Hello","model":"gemini-2.5-pro"}`
					}
					for range 20 {
						rec := m.ask(t, "POST", path, body)
						if rec.Code == http.StatusTooManyRequests {
							break
						}
						require.Equal(t, http.StatusOK, rec.Code, rec.Body)
						served++
					}
					assert.Equal(t, c.want, served, path)
					time.Sleep(2 * time.Minute)
					sent = 0
				}
				if c.want < 5 { // a limit that only begins there is tried
					assert.Zero(t, m.gemini.Stats().Refused)
				}
			})
		})
	}
}
