package server_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	aliceToken = "alice-token-0123456789"
	bobToken   = "bob-token-0123456789ab"
	adminToken = "admin-token-0123456789"

	autoChat   = `{"model":"auto","messages":[{"role":"user","content":"Hello"}]}`
	autoNative = `{"contents":[{"parts":[{"text":"Hello"}]}]}`
)

// guarded is a world whose callers need tokens.
func guarded(t *testing.T, env ...string) *world {
	return newWorld(t, setup{
		keys: projects("alpha", "beta"),
		env: append([]string{
			"FLUXGATE_TOKENS=alice:" + aliceToken + ",bob:" + bobToken,
			"FLUXGATE_ADMIN_TOKENS=root:" + adminToken,
		}, env...),
	})
}

// Nobody gets in without a token of this deployment: nothing reaches upstream,
// nothing is counted, and the refusal is in the words of the route's clients.
func TestTokensAreNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := guarded(t)
		for name, header := range map[string][]string{
			"missing":      nil,
			"empty":        {"X-Goog-Api-Key", ""},
			"wrong":        {"X-Goog-Api-Key", "nobody-token-0123456"},
			"a Gemini key": {"Authorization", "Bearer " + w.cfg.Keys[0].Value.Reveal()},
			"half":         {"Authorization", "Bearer " + aliceToken[:10]},
		} {
			for path, body := range map[string]string{
				"/generate":                                     `{"prompt":"Hello"}`,
				"/v1beta/models/auto:generateContent":           autoNative,
				"/v1beta/models/auto:countTokens":               autoNative,
				"/v1/models/auto:streamGenerateContent?alt=sse": autoNative,
			} {
				a := w.do(http.MethodPost, path, body, header...)
				assert.Equal(t, "UNAUTHENTICATED", a.failed(http.StatusUnauthorized).Status, "%s %s", name, path)
			}
			a := w.do(http.MethodPost, "/openai/v1/chat/completions", autoChat, header...)
			require.Equal(t, http.StatusUnauthorized, a.Code, name)
			var out struct {
				Error struct{ Message, Type, Code string }
			}
			a.decode(&out)
			assert.Equal(t, "invalid_api_key", out.Error.Code, "what OpenAI's clients know")
			for _, path := range []string{"/status", "/v1beta/models", "/v1beta/files", "/openai/v1/models"} {
				assert.Equal(t, http.StatusUnauthorized, w.do(http.MethodGet, path, "", header...).Code, "%s %s", name, path)
			}
		}
		assert.Equal(t, http.StatusOK, w.do(http.MethodGet, "/health", "").Code, "probes carry no token")
		w.untouched()
		assert.Empty(t, w.sent.paths(), "something went upstream")
	})
}

// A token is taken wherever clients put API keys, and goes no further.
func TestTokensAreTakenEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := guarded(t)
		basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("anyone:"+aliceToken))
		for _, header := range [][]string{
			{"X-Goog-Api-Key", aliceToken}, {"Authorization", "Bearer " + aliceToken}, {"Authorization", basic}, {"X-Fluxgate-Token", aliceToken},
		} {
			a := w.do(http.MethodPost, "/v1beta/models/auto:generateContent", autoNative, header...)
			require.Equal(t, http.StatusOK, a.Code, "%v: %s", header[0], a.Body)
		}
		require.Equal(t, http.StatusOK, w.do(http.MethodPost, "/v1beta/models/auto:generateContent?key="+aliceToken, autoNative).Code)
		a := w.do(http.MethodPost, "/generate", `{"prompt":"x"}`, "X-Goog-Api-Key", aliceToken, "Authorization", "Bearer "+bobToken)
		assert.Equal(t, http.StatusBadRequest, a.Code, "two different ones")
		assert.Contains(t, w.logs.String(), "caller=alice")
		for _, secret := range []string{aliceToken, bobToken, adminToken, basic} {
			assert.NotContains(t, w.logs.String(), secret)
		}
	})
}

// Only an administrator changes the configuration.
func TestAdminsAloneConfigure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := guarded(t)
		change := `{"mode":"flash_only"}`
		assert.Equal(t, http.StatusForbidden, w.do(http.MethodPost, "/config", change, "X-Goog-Api-Key", aliceToken).Code)
		assert.Equal(t, http.StatusOK, w.do(http.MethodPost, "/config", change, "X-Goog-Api-Key", adminToken).Code)
	})
}

// A ticket is its caller's own.
func TestTicketsAreTheirCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := guarded(t, `FLUXGATE_LIMITS={"pro":{"rpm":1}}`, "GEMINI_MODE=pro_only", "FLUXGATE_CHAIN=gemini-2.5-pro")
		ask := func(token string, header ...string) answer {
			return w.do(http.MethodPost, "/generate", `{"prompt":"Hello"}`, append([]string{"X-Fluxgate-Token", token}, header...)...)
		}
		require.Equal(t, http.StatusOK, ask(aliceToken).Code)
		require.Equal(t, http.StatusOK, ask(aliceToken).Code)
		told := ask(aliceToken, "X-Fluxgate-Book", "true")
		require.True(t, told.booked())
		gone := w.do(http.MethodDelete, "/tickets/"+told.ticket(), "", "X-Fluxgate-Token", bobToken)
		gone.failed(http.StatusNotFound)
		time.Sleep(told.wait())
		// It doesn't get bob in alice's place: her slot is there for her.
		stolen := ask(bobToken, "X-Fluxgate-Ticket", told.ticket())
		require.Equal(t, http.StatusOK, ask(aliceToken).Code)
		if stolen.Code == http.StatusOK {
			assert.EqualValues(t, 4, w.sim.Stats().Accepted, "bob found room beside her")
		}
	})
}

// A caller with limits is refused by its own, says which, and leaves the pool to
// others; one without pays nothing for that.
func TestCallersOwnLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := guarded(t, `FLUXGATE_CALLERS={"alice":{"rpm":2,"rpd":3}}`)
		ask := func(token, prompt string) answer {
			return w.do(http.MethodPost, "/generate", `{"prompt":"`+prompt+`"}`, "X-Goog-Api-Key", token)
		}
		for range 2 {
			require.Equal(t, http.StatusOK, ask(aliceToken, "Hello").Code)
		}
		before := w.store.Stats().Writes
		refused := ask(aliceToken, "Hello")
		f := refused.failed(http.StatusTooManyRequests)
		assert.Contains(t, f.Message, "Your own limit")
		assert.Contains(t, refused.Body.String(), "RequestsPerMinutePerCaller")
		assert.Equal(t, before, w.store.Stats().Writes, "a refusal writes nothing")
		assert.False(t, refused.booked(), "own limits are never booked")

		require.Equal(t, http.StatusOK, ask(bobToken, "Hello").Code, "bob has no limits, and room")
		assert.EqualValues(t, 1, w.store.Stats().Writes-before, "and costs one write")

		time.Sleep(refused.wait())
		before = w.store.Stats().Writes
		require.Equal(t, http.StatusOK, ask(aliceToken, "Hello").Code, "the wait was exact")
		assert.EqualValues(t, 2, w.store.Stats().Writes-before, "one write more for a caller with limits")

		time.Sleep(2 * time.Minute)
		spent := ask(aliceToken, "Hello")
		assert.Contains(t, spent.Body.String(), "RequestsPerDayPerCaller")
		assert.Equal(t, "false", spent.Header().Get("X-Should-Retry"), "there is no hope before midnight")
		assert.Empty(t, spent.Header().Get("X-Fluxgate-Ticket"), "there is nothing to hold")
	})
}

// What follows the start of an upload may come without a credential, as
// Google's Python client sends it: its URL speaks for the caller that started
// it, for that upload alone and for a time.
func TestUploadURLsSpeakForTheirCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := guarded(t)
		start := func() *url.URL {
			a := w.do(http.MethodPost, "/upload/v1beta/files", `{"file":{"displayName":"one"}}`, "X-Goog-Api-Key", aliceToken,
				"X-Goog-Upload-Protocol", "resumable", "X-Goog-Upload-Command", "start",
				"X-Goog-Upload-Header-Content-Length", "3", "X-Goog-Upload-Header-Content-Type", "text/plain")
			require.Equal(t, http.StatusOK, a.Code, a.Body)
			u, err := url.Parse(a.Header().Get("X-Goog-Upload-Url"))
			require.NoError(t, err)
			assert.NotContains(t, u.String(), aliceToken)
			return u
		}
		finish := func(u *url.URL) int {
			return w.do(http.MethodPost, u.RequestURI(), "abc", "X-Goog-Upload-Command", "upload, finalize", "X-Goog-Upload-Offset", "0").Code
		}
		u := start()
		for name, value := range map[string]string{
			"fluxgate_caller": "bob", "fluxgate_until": "99999999999", "upload_id": "another", "fluxgate_project": "beta2", "fluxgate_claim": "",
		} {
			forged := *u
			query := forged.Query()
			query.Set(name, value)
			forged.RawQuery = query.Encode()
			assert.Equal(t, http.StatusUnauthorized, finish(&forged), name)
		}
		for name, add := range map[string]string{"uploadType": "&uploadType=resumable", "upload_id": "&upload_id=another"} {
			a := w.do(http.MethodPost, u.RequestURI()+add, "abc", "X-Goog-Upload-Command", "upload, finalize", "X-Goog-Upload-Offset", "0")
			assert.Equal(t, http.StatusUnauthorized, a.Code, name)
		}
		for _, command := range []string{"start", "START", "start, upload, finalize"} {
			a := w.do(http.MethodPost, u.RequestURI(), `{}`, "X-Goog-Upload-Protocol", "resumable", "X-Goog-Upload-Command", command)
			assert.Equal(t, http.StatusUnauthorized, a.Code, command)
			assert.Empty(t, a.Header().Get("X-Goog-Upload-Url"), command)
		}
		assert.Equal(t, http.StatusOK, finish(u))
		elsewhere := *u
		elsewhere.Path = "/v1beta/files"
		assert.Equal(t, http.StatusUnauthorized, w.do(http.MethodGet, elsewhere.RequestURI(), "").Code, "it is for uploads")

		late := start()
		time.Sleep(25 * time.Hour)
		assert.Equal(t, http.StatusUnauthorized, finish(late), "its time is over")
	})
}

// An URL in the answer to what goes on with an upload speaks for its caller no longer
// than the first one. A start has a time of its own, whatever URL it is sent to.
func TestUploadURLsAreNotProlonged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := stubbed(func(heard) *http.Response {
			return respond(http.StatusOK, "", "X-Goog-Upload-Url", "https://gemini.test/upload/v1beta/files?upload_id=1&uploadType=resumable")
		})
		s.env = append(s.env, "FLUXGATE_TOKENS=alice:"+aliceToken)
		w := newWorld(t, s)
		next := func(to, command string, header ...string) *url.URL {
			a := w.do(http.MethodPost, to, "", append(header, "X-Goog-Upload-Command", command)...)
			require.Equal(t, http.StatusOK, a.Code, a.Body)
			u, err := url.Parse(a.Header().Get("X-Goog-Upload-Url"))
			require.NoError(t, err)
			return u
		}
		until := func(u *url.URL) string { return u.Query().Get("fluxgate_until") }
		first := next("/upload/v1beta/files", "start", "X-Goog-Api-Key", aliceToken)
		require.NotEmpty(t, until(first))
		time.Sleep(20 * time.Hour)
		second := next(first.RequestURI(), "query")
		assert.Equal(t, until(first), until(second))
		assert.Equal(t, until(first), until(next(first.RequestURI(), "query", "X-Goog-Api-Key", aliceToken)))
		fresh := until(next(first.RequestURI(), "start", "X-Goog-Api-Key", aliceToken))
		assert.Greater(t, fresh, until(first))
		assert.Equal(t, fresh, until(next("/upload/v1beta/files?fluxgate_until=99999999999", "query", "X-Goog-Api-Key", aliceToken)), "not signed")
		time.Sleep(5 * time.Hour)
		assert.Equal(t, http.StatusUnauthorized, w.do(http.MethodPost, second.RequestURI(), "", "X-Goog-Upload-Command", "query").Code)
	})
}
