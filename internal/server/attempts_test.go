package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/race"
)

// many is a pool of n projects with a key each.
func many(n int) []geminisim.Key {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprint("project-", i))
	}
	return projects(names...)
}

// Whatever is permanent for a key or a project doesn't use up the attempts of a
// request: of forty the one serves that can, on every route.
func TestTheLastOfManyProjectsServes(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	wordings := []string{
		"403_suspended", "403_leaked", "403_api_off", "400_key_expired", "402_billing", "429_billing_prepaid", "429_day", "429_day_tokens",
		"429_limit_zero_value", "400_free_tier", "403_denied",
	}
	for _, wording := range wordings {
		for _, request := range []struct{ method, path, body string }{
			{"POST", "/generate", body("hello", `"model":"gemini-2.5-pro"`)},
			{"POST", "/v1beta/models/gemini-2.5-pro:generateContent", hello},
			{"POST", "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse", hello},
			{"POST", "/v1beta/openai/chat/completions", chat},
			{"POST", "/v1beta/models/gemini-2.5-pro:countTokens", hello},
			{"GET", "/v1beta/models", ""},
		} {
			t.Run(wording+" "+request.path, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					status, text := refusalBody(t, wording)
					list := many(40)
					_, s := stubbed(func(h heard) *http.Response {
						sent := h.header.Get("X-Goog-Api-Key") + strings.TrimPrefix(h.header.Get("Authorization"), "Bearer ")
						if sent == list[39].Value {
							return nil
						}
						return respond(status, text)
					})
					s.keys = list
					w := newWorld(t, s)
					a := w.do(request.method, request.path, request.body)
					require.Equal(t, http.StatusOK, a.Code, a.Body.String())
				})
			})
		}
	}
}

// A general overload is not made worse: a request is sent three times at most,
// whichever mixture it meets, and told when to come back.
func TestOverloadIsTriedThreeTimes(t *testing.T) {
	t.Parallel()
	for _, mixture := range [][]string{{"429_bare"}, {"503_high_demand"}, {"429_bare", "503_high_demand"}, {"503_high_demand", "429_bare"}} {
		for _, request := range []struct{ path, body string }{
			{"/generate", body("hello", "")},
			{"/v1beta/models/auto:generateContent", hello},
			{"/v1beta/openai/chat/completions", chat},
		} {
			t.Run(fmt.Sprint(mixture, request.path), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					sends, asked := 0, map[string]bool{}
					up, s := stubbed(func(h heard) *http.Response {
						if !isCall(h) {
							return nil
						}
						status, text := refusalBody(t, mixture[sends%len(mixture)])
						sends++
						asked[h.header.Get("X-Goog-Api-Key")+h.header.Get("Authorization")] = true
						return respond(status, text)
					})
					s.keys = many(16)
					w := newWorld(t, s)
					a := w.do("POST", request.path, request.body)
					assert.Equal(t, 3, sends)
					assert.Len(t, asked, 3, "three projects")
					if mixture[2%len(mixture)] == "503_high_demand" {
						assert.Equal(t, 5*time.Second, a.told(http.StatusServiceUnavailable), "Gemini's words, and our wait")
						return
					}
					assert.Equal(t, 5*time.Second, a.wait(), "when the first of the three may be tried again")
					assert.NotEmpty(t, a.ticket())
					up.answer = nil
					synctestSleep(a.wait())
					again := w.do("POST", request.path, request.body)
					assert.Equal(t, http.StatusOK, again.Code)
				})
			})
		}
	}
}

// A refusal that says nothing of the other projects is found out sixteen times at most by one request, however
// many there are.
func TestRefusalsAreHeardSixteenTimes(t *testing.T) {
	t.Parallel()
	for wording, request := range map[string]string{
		"429_minute": hello, "403_permission": hello, "429_spend": hello,
		"429_help_only": grounded["google_search"].body, "429_search_day": grounded["google_search"].body,
	} {
		t.Run(wording, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				status, text := refusalBody(t, wording)
				up, s := stubbed(func(h heard) *http.Response {
					if isCall(h) {
						return respond(status, text)
					}
					return nil
				})
				s.keys = many(40)
				w := newWorld(t, s)
				a := w.do("POST", unaryPath, request)
				assert.Equal(t, status, a.Code, a.Body)
				assert.Len(t, up.requests(":generateContent"), 16)
			})
		})
	}
}
