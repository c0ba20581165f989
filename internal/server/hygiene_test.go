package server_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
)

// However many credentials a caller sends, and wherever: upstream gets one, and
// it is ours. It refuses requests with two.
func TestOneCredentialGoesUpstream(t *testing.T) {
	t.Parallel()
	forms := []string{"x-goog-api-key", "Authorization", "Basic", "query", "X-Fluxgate-Token", "Cookie", "Proxy-Authorization", "X-Goog-User-Project"}
	const secret = "a-caller's-own"
	w := newWorld(t, setup{env: []string{"FLUXGATE_CHAIN=gemini-2.5-flash-lite"}, sim: func(c *geminisim.Config) {
		c.Limits["gemini-2.5-flash-lite"] = geminisim.Limits{RPM: 1 << 20, TPM: 1 << 40, RPD: 1 << 20}
	}})
	for _, route := range []struct{ method, path, body string }{
		{"POST", "/v1beta/models/gemini-2.5-flash-lite:countTokens", hello},
		{"GET", "/v1beta/models", ""},
		{"GET", "/v1beta/openai/models", ""},
		{"GET", "/v1beta/files", ""},
		{"POST", "/upload/v1beta/files", `{}`},
	} {
		for set := range 1 << len(forms) {
			path := route.path
			var header []string
			for i, form := range forms {
				if set&(1<<i) == 0 {
					continue
				}
				switch form {
				case "query":
					path += "?key=" + secret + "&access_token=" + secret + "&%6Bey=" + secret + "&$.xgafv=2"
				case "Authorization":
					header = append(header, form, "Bearer "+secret)
				case "Basic":
					header = append(header, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("u:"+secret)))
				default:
					header = append(header, form, secret)
				}
			}
			if route.path == "/upload/v1beta/files" {
				header = append(header, "X-Goog-Upload-Protocol", "resumable", "X-Goog-Upload-Command", "start")
			}
			a := w.do(route.method, path, route.body, header...)
			require.Equal(t, http.StatusOK, a.Code, a.Body.String())
		}
	}
	for _, r := range w.sim.RequestLog() {
		require.Len(t, r.Credentials, 1, r.Path)
		require.Equal(t, "alpha", r.Project)
		require.NotContains(t, r.Query, "access_token")
		require.NotContains(t, r.Headers, "Cookie")
	}
}

// Headers pass only where they are known to be harmless, and never those that
// are for one hop, that a proxy added, or that are ours.
func TestHeadersAreFiltered(t *testing.T) {
	up, s := stubbed(func(h heard) *http.Response {
		return respond(http.StatusOK, golden(t, "native.response.json"), "Set-Cookie", "a=b", "Alt-Svc", "h3", "Server", "ESF", "Via", "1.1 x",
			"Connection", "Server-Timing", "Server-Timing", "gfet4t7", "X-Fluxgate-Ticket", "forged", "Retry-After", "1",
			"Access-Control-Allow-Origin", "*", "X-Goog-Upload-Url", "https://generativelanguage.googleapis.com/x",
			"Content-Language", "en", "Location", "https://evil.test/", "Www-Authenticate", "Basic", "Keep-Alive", "9")
	})
	w := newWorld(t, s)
	a := w.do("POST", "/v1beta/models/gemini-2.5-pro:generateContent", hello,
		"Connection", "keep-alive, x-goog-api-client", "X-Goog-Api-Client", "sdk", "Keep-Alive", "5", "TE", "trailers", "Upgrade", "h2c",
		"Proxy-Connection", "x", "Transfer-Encoding", "chunked", "X-Forwarded-For", "1.2.3.4", "X-Forwarded-Host", "evil.test", "Forwarded", "for=1",
		"X-Fluxgate-Book", "true", "X-Fluxgate-Max-Wait", "0", "X-Http-Method-Override", "DELETE", "X-Goog-Upload-Command", "start",
		"Accept-Encoding", "gzip", "Traceparent", "00-1-1-01", "Origin", "https://a.test", "Referer", "https://a.test/",
		"Accept-Language", "nb", "User-Agent", "mine", "X-Server-Timeout", "30", "Content-Type", "application/json", "Host", "evil.test")
	require.Equal(t, http.StatusOK, a.Code)
	var names []string
	for name := range up.only(t, ":generateContent").header {
		names = append(names, name)
	}
	assert.ElementsMatch(t, []string{"Accept-Encoding", "Accept-Language", "Cdn-Loop", "Content-Type", "User-Agent", "X-Goog-Api-Key", "X-Server-Timeout"}, names)
	assert.Equal(t, "identity", up.only(t, ":generateContent").header.Get("Accept-Encoding"), "compressed bytes would not be the same bytes")
	names = nil
	for name := range a.Header() {
		names = append(names, name)
	}
	assert.ElementsMatch(t, []string{"Content-Type", "Content-Language", "Content-Length", "X-Content-Type-Options", "X-Fluxgate-Key", "X-Fluxgate-Model", "X-Fluxgate-Request-Id", "X-Fluxgate-Wait"}, names)
}

// A redirect is not followed, whatever it says: the key would go with it.
func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, to := range []string{"https://evil.test/", "https://generativelanguage.googleapis.com/v1beta/models/x", "/v1beta/models"} {
		up, s := stubbed(func(h heard) *http.Response { return respond(http.StatusTemporaryRedirect, "", "Location", to) })
		w := newWorld(t, s)
		a := w.do("POST", "/v1beta/models/gemini-2.5-pro:generateContent", hello)
		a.failed(http.StatusBadGateway)
		assert.Empty(t, a.Header().Get("Location"))
		for _, h := range up.requests("") {
			assert.Equal(t, "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent", h.url)
		}
		b := w.do("GET", "/v1beta/models", "")
		b.failed(http.StatusBadGateway)
	}
}

// Upstream is asked only what is known: other parameters could change what an
// answer is, or name a credential.
func TestQueryIsFiltered(t *testing.T) {
	up, s := stubbed(func(h heard) *http.Response { return respond(http.StatusOK, golden(t, "native.response.sse")) })
	w := newWorld(t, s)
	a := w.do("POST", streamPath+"&key=k&prettyPrint=false&callback=evil&$httpMethod=DELETE&$outputDefaults=true&fluxgate_project=beta&upload_url=http://x&;=", hello)
	require.Equal(t, http.StatusOK, a.Code, a.Body.String())
	assert.Equal(t, "alt=sse&prettyPrint=false", up.only(t, ":streamGenerateContent").r.URL.RawQuery)
}

// The body that a suspended key earns repeats the key.
func TestKeysAreRedactedInEveryFormat(t *testing.T) {
	for _, path := range []string{"/v1beta/models/gemini-2.5-pro:generateContent", "/v1beta/models/gemini-2.5-pro:countTokens", "/openai/v1/chat/completions", "/v1beta/models", "/v1beta/files"} {
		w := newWorld(t, setup{})
		w.sim.SetKeyState(key(1, "").Value, credentials.Suspended)
		method, body := "POST", hello
		switch {
		case strings.HasPrefix(path, "/openai"):
			body = chat
		case !strings.Contains(path, ":"):
			method = "GET"
		}
		a := w.do(method, path, body)
		assert.GreaterOrEqual(t, a.Code, 500, "not the caller's mistake: %s %s", path, a.Body.String())
		assert.NotContains(t, a.Body.String(), key(1, "").Value)
		assert.NotContains(t, w.logs.String(), key(1, "").Value)
	}
}

// A key that turns out to be invalid doesn't take its project along.
func TestFreeRequestsGoOnWithTheProjectsOtherKeys(t *testing.T) {
	w := newWorld(t, setup{keys: []geminisim.Key{key(1, "alpha"), key(2, "alpha"), key(3, "alpha"), key(4, "alpha"), key(5, "alpha")}})
	for n := 1; n <= 4; n++ {
		w.sim.SetKeyState(key(n, "").Value, credentials.Leaked)
	}
	a := w.do("POST", "/v1beta/models/gemini-2.5-pro:countTokens", hello)
	assert.Equal(t, http.StatusOK, a.Code, a.Body.String())
	assert.Equal(t, "5", a.Header().Get("X-Fluxgate-Key"))
}
