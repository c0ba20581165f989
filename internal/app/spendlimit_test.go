package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// answering is a provider that always answers the same.
func answering(status int, body string) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		rec := httptest.NewRecorder()
		rec.Header().Set("Content-Type", "application/json")
		rec.WriteHeader(status)
		fmt.Fprint(rec, body)
		return rec.Result(), nil
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The spending limit of one of an organisation's projects at OpenAI closes the keys of that one
// alone, and they are tried again like a project that can't pay.
func TestSpendLimitOfOneKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t, "OPENAI_PROJECT_2=org-a")
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		spent := true
		inner := m.transport["api.openai.com"]
		refusal := answering(http.StatusTooManyRequests, `{"error":{"message":"Your project has reached its spend limit.","type":"insufficient_quota","param":null,"code":"project_spend_limit_exceeded"}}`)
		tried := 0
		m.transport["api.openai.com"] = roundTripper(func(r *http.Request) (*http.Response, error) {
			if spent && r.Method == http.MethodPost && r.Header.Get("Authorization") == "Bearer "+openAIKey {
				tried++
				return refusal.RoundTrip(r)
			}
			return inner.RoundTrip(r)
		})
		ask := func() string {
			rec := m.ask(t, "POST", chat, chatOf("gpt-5.5"))
			require.Equal(t, http.StatusOK, rec.Code, rec.Body)
			return rec.Header().Get("X-Fluxgate-Key")
		}
		for tried == 0 {
			assert.Equal(t, "100002", ask(), "the other key of the organisation serves")
			time.Sleep(20 * time.Second)
		}
		for range 3 {
			time.Sleep(20 * time.Second)
			assert.Equal(t, "100002", ask())
		}
		assert.Equal(t, 1, tried)
		for range 20 {
			time.Sleep(time.Minute)
			assert.Equal(t, "100002", ask())
		}
		assert.Equal(t, 3, tried, "after 5 and 10 minutes more")
		spent = false
		keys := make(map[string]int)
		for range 60 {
			time.Sleep(time.Minute)
			keys[ask()]++
		}
		assert.Positive(t, keys["100001"], "it serves again: %v", keys)
	})
}
