package server_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a client puts together of the base URL that it was told and what it appends
// to it is served where the meaning is plain, and asks upstream for what the route's
// own spelling does. Cases C12, C20 and F6.
func TestSpellingsOfARoute(t *testing.T) {
	const generate = "/v1beta/models/" + pro + ":generateContent"
	for _, tt := range []struct{ method, path, body, upstream string }{
		{"POST", "/v1beta/models/" + pro + ":generateContent", hello, generate},
		{"POST", "/v1/models/" + pro + ":generateContent", hello, strings.Replace(generate, "v1beta", "v1", 1)},
		{"POST", "/models/" + pro + ":generateContent", hello, generate},
		{"POST", "/v1beta/v1beta/models/" + pro + ":generateContent", hello, generate},
		{"POST", "/v1/v1beta/models/" + pro + ":generateContent", hello, generate},
		{"POST", "//v1beta/models/" + pro + ":generateContent", hello, generate},
		{"POST", "/v1beta//models//" + pro + ":generateContent", hello, generate},
		{"POST", "///models/gemini-2%2E5-pro%3AgenerateContent", hello, generate},
		{"POST", "//models/" + pro + ":streamGenerateContent?alt=sse", hello, "/v1beta/models/" + pro + ":streamGenerateContent"},
		{"GET", "/v1beta/v1beta/models", "", "/v1beta/models"},
		{"GET", "/models", "", "/v1beta/models"},
		{"GET", "/models/" + pro, "", "/v1beta/models/" + pro},
		{"GET", "/files", "", "/v1beta/files"},
		{"GET", "/v1beta/v1/cachedContents", "", "/v1/cachedContents"},
		{"POST", "/v1beta/upload/v1beta/files", `{}`, "/upload/v1beta/files"},
		{"POST", "//upload/v1beta/files", `{}`, "/upload/v1beta/files"},
		{"POST", "/upload/files", `{}`, "/upload/v1beta/files"},
		// Parts of the API are documented for one version alone, so each stays what it is.
		{"POST", "/v1alpha/models/" + pro + ":generateContent", hello, "/v1alpha/models/" + pro + ":generateContent"},
		{"POST", "/v1beta/v1alpha/models/" + pro + ":countTokens", hello, "/v1alpha/models/" + pro + ":countTokens"},
		{"GET", "/v1alpha/models", "", "/v1alpha/models"},
		{"GET", "/v1alpha/files", "", "/v1alpha/files"},
		{"POST", "/upload/v1alpha/files", `{}`, "/upload/v1alpha/files"},
		{"POST", "/v1beta/upload/v1alpha/files", `{}`, "/upload/v1alpha/files"},
		{"POST", "/v1/chat/completions", chat, "/v1beta/openai/chat/completions"},
		{"POST", "/chat/completions", chat, "/v1beta/openai/chat/completions"},
		{"POST", "//v1/chat/completions", chat, "/v1beta/openai/chat/completions"},
		{"POST", "/v1beta/chat/completions", chat, "/v1beta/openai/chat/completions"},
		{"POST", "/v1beta/openai/v1/chat/completions", chat, "/v1beta/openai/chat/completions"},
		{"POST", "/v1beta/openai/v1beta/openai/chat/completions", chat, "/v1beta/openai/chat/completions"},
		{"POST", "/v1alpha/openai/chat/completions", chat, "/v1beta/openai/chat/completions"},
		{"POST", "/openai/chat/completions", chat, "/v1beta/openai/chat/completions"},
		{"POST", "/v1/embeddings", `{"model":"gemini-embedding-001","input":"x"}`, "/v1beta/openai/embeddings"},
	} {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			up, s := stubbed(nil)
			w := newWorld(t, s)
			var header []string
			if strings.Contains(tt.path, "upload") {
				header = []string{"X-Goog-Upload-Protocol", "resumable", "X-Goog-Upload-Command", "start"}
			}
			a := w.do(tt.method, tt.path, tt.body, header...)
			require.Equal(t, http.StatusOK, a.Code, a.Body)
			assert.Equal(t, tt.upstream, up.only(t, "").path)
		})
	}
}

// A list of models has one place for Google's clients and OpenAI's where the base
// URL names none. The latter send a Bearer credential.
func TestListOfModelsForItsClient(t *testing.T) {
	w := newWorld(t, setup{})
	for _, tt := range []struct {
		path   string
		header []string
		openAI bool
	}{
		{"/v1/models", []string{"Authorization", "Bearer x"}, true},
		{"/v1/models/" + pro, []string{"Authorization", "bearer x"}, true},
		{"/models", []string{"Authorization", "Bearer x"}, true},
		{"/v1/models", nil, false},
		{"/v1/models", []string{"X-Goog-Api-Key", "x"}, false},
		{"/v1/models?key=x", []string{"Authorization", "Bearer an-identity-of-cloud-run"}, false},
		{"/v1/models", []string{"Authorization", "Bearer an-identity-of-cloud-run", "X-Goog-Api-Key", "x"}, false},
		{"/v1/models", []string{"Authorization", "Bearer an-identity-of-cloud-run", "X-Fluxgate-Token", "x"}, false},
		{"/v1/models", []string{"Authorization", "Bearer x", "X-Goog-Api-Client", "google-genai-sdk/1.77"}, false},
		{"/v1/models", []string{"Authorization", "Basic eDp4"}, false},
		{"/v1beta/models", []string{"Authorization", "Bearer x"}, false},
		{"/v1beta/openai/models", nil, true},
		{"/openai/v1/models", nil, true},
	} {
		a := w.do("GET", tt.path, "", tt.header...)
		require.Equal(t, http.StatusOK, a.Code, "%s: %s", tt.path, a.Body)
		assert.Equal(t, tt.openAI, strings.Contains(a.Body.String(), `"object"`), "%s %v: %s", tt.path, tt.header, a.Body)
	}
}

// What only Google's API has is Google's, by whatever credential it comes: its own libraries send Bearer tokens too.
func TestCallsAreGoogles(t *testing.T) {
	up, s := stubbed(nil)
	w := newWorld(t, s)
	for _, version := range []string{"/v1", "/v1beta", ""} {
		a := w.do("POST", version+"/models/"+pro+":generateContent", hello, "Authorization", "Bearer x")
		require.Equal(t, http.StatusOK, a.Code, "%s: %s", version, a.Body)
	}
	assert.Len(t, up.requests("/models/"+pro+":generateContent"), 3)
}

// Whoever was told a wait is recognised by any spelling: it is one request, and one
// label in metrics.
func TestSpellingsAreOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watched := watch(t)
		w := newWorld(t, setup{env: []string{`FLUXGATE_LIMITS={"pro":{"rpm":1}}`}, telemetry: watched.Recorder})
		require.Equal(t, http.StatusOK, w.do("POST", unaryPath, hello).Code)
		first := w.do("POST", unaryPath, `{"contents":[{"parts":[{"text":"me"}]}]}`, "X-Fluxgate-Book", "true")
		require.True(t, first.booked(), first.Body)
		for _, path := range []string{"/v1beta" + unaryPath, "/" + unaryPath, strings.TrimPrefix(unaryPath, "/v1beta")} {
			synctestSleep(200 * time.Millisecond) // at once it would be another request
			again := w.do("POST", path, `{"contents":[{"parts":[{"text":"me"}]}]}`)
			assert.Equal(t, first.wait(), again.wait(), "%s: the slot that is kept", path)
			assert.True(t, again.booked(), path)
		}
		for _, path := range []string{"/a", "/b/c", "//d", "/v1beta/e", "/v1beta/v1beta/f", "/models/../g"} {
			w.do("GET", path, "")
		}
		routes := map[string]bool{}
		for name := range watched.values("http.server.request.duration") {
			m := regexp.MustCompile(`route=(\S+)`).FindStringSubmatch(name)
			require.NotNil(t, m, name)
			routes[m[1]] = true
		}
		assert.Equal(t, map[string]bool{"/v1beta/models/{call}": true, "/": true}, routes)
	})
}

// What has no plain meaning stays unserved, goes nowhere, and its answer names the
// route that is most like it.
func TestNearestRoute(t *testing.T) {
	w := newWorld(t, setup{})
	for _, tt := range []struct{ method, path, want string }{
		{"POST", "/v1beta/models/" + pro + ":predic", "POST /v1beta/models/{model}:predict."},
		{"POST", "/v1beta/models/" + pro + ":generatecontent", "POST /v1beta/models/{model}:generateContent."},
		{"POST", "/v1beta/models/" + pro + ":generate_content", "POST /v1beta/models/{model}:generateContent."},
		{"POST", "/v1beta/models/" + pro + ":streamGenerate", "POST /v1beta/models/{model}:streamGenerateContent."},
		{"POST", "/v1beta/model/" + pro + ":generateContent", "POST /v1beta/models/{model}:generateContent."},
		{"POST", "/v2/models/" + pro + ":generateContent", "POST /v1beta/models/{model}:generateContent."},
		{"POST", "/v1beta1/publishers/google/models/" + pro + ":generateContent", "POST /v1beta/models/{model}:generateContent."},
		{"POST", "/v1beta/" + pro + ":generateContent", "POST /v1beta/models/{model}:generateContent."},
		{"GET", "/v1beta/cachedcontents", "GET, POST /v1beta/cachedContents."},
		{"GET", "/v1beta/file/abc", "DELETE, GET /v1beta/files/{id}."},
		{"POST", "/upload/v1beta/file", "POST, PUT /upload/v1beta/files."},
		{"POST", "/v1/chat/completion", "POST /v1beta/openai/chat/completions."},
		{"POST", "/generat", "POST /generate."},
		{"GET", "/stats", "GET /status."},
		{"GET", "/healthz", "GET /health."},
		{"POST", "/v1beta/models/:generateContent", "POST /v1beta/models/{model}:generateContent."},
	} {
		a := w.do(tt.method, tt.path, hello)
		require.Equal(t, http.StatusNotFound, a.Code, tt.path)
		_, nearest, ok := strings.Cut(a.Body.String(), "The nearest route is ")
		require.True(t, ok, a.Body)
		assert.Contains(t, "The nearest route is "+nearest, tt.want, tt.path)
		assert.NotContains(t, a.Body.String(), pro, "the path isn't repeated")
	}
	// Where nothing is near nothing is named.
	for _, path := range []string{
		"/" + strings.Repeat("x/", 10_000), "/" + strings.Repeat("x", 100_000), "/wp-login.php", "/.env", "/favicon.ico", "/v1beta/foo/bar",
		"/v1beta/openai/foo", "/api/v1/users", "/upload/x", "/v1beta",
	} {
		a := w.do("GET", path, "")
		require.Equal(t, http.StatusNotFound, a.Code, path)
		assert.NotContains(t, a.Body.String(), "nearest", path)
		assert.Contains(t, a.Body.String(), "The routes are GET /", path)
	}
	w.untouched()

	// What it names exists.
	for _, method := range []string{"generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents"} {
		a := w.do("POST", fmt.Sprintf("/v1beta/models/%s:%sx", pro, method), hello)
		assert.Contains(t, a.Body.String(), "{model}:"+method+".")
		model, body := flash, hello
		if strings.Contains(strings.ToLower(method), "embed") {
			model, body = "gemini-embedding-001", `{"content":{"parts":[{"text":"x"}]},"requests":[{"content":{"parts":[{"text":"x"}]}}]}`
		}
		served := w.do("POST", fmt.Sprintf("/v1beta/models/%s:%s", model, method), body)
		assert.Equal(t, http.StatusOK, served.Code, "%s: %s", method, served.Body)
	}
	// In the format of OpenAI's clients, where it is one of theirs.
	assert.Contains(t, w.do("POST", "/v1/chat/completion", "{}").Body.String(), `"code":"not_found"`)
	unserved := w.do("POST", "/v1/responses", "{}")
	assert.Equal(t, http.StatusNotImplemented, unserved.Code)
	assert.Contains(t, unserved.Body.String(), "OpenAI itself has.")
	assert.Equal(t, "false", unserved.Header().Get("X-Should-Retry"))
}
