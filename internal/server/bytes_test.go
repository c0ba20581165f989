package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func golden(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "payload", "testdata", "relay", name))
	require.NoError(t, err)
	return string(text)
}

func corpus(t testing.TB, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "payload", "testdata", "relay", pattern))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	return files
}

// Whatever a body holds, known to us or not, neither Gemini nor the client may
// see a byte of it changed.
func TestBytesAreKeptNatively(t *testing.T) {
	answers := map[string][2]string{ // by method and query, the answer and its type
		"generateContent":               {"native.response.json", "application/json; charset=UTF-8"},
		"streamGenerateContent?alt=sse": {"native.response.sse", "text/event-stream"},
		"streamGenerateContent":         {"native.response.array.json", "application/json; charset=UTF-8"},
	}
	for _, file := range corpus(t, "native-*.request.json") {
		for method, answer := range answers {
			t.Run(file+" "+method, func(t *testing.T) {
				body, reply := golden(t, file), golden(t, answer[0])
				up, s := stubbed(func(h heard) *http.Response {
					if isCall(h) {
						return respond(http.StatusOK, reply, "Content-Type", answer[1])
					}
					return respond(http.StatusOK, `{"totalTokens":12}`)
				})
				w := newWorld(t, s)
				a := w.do("POST", "/v1beta/models/gemini-2.5-pro:"+method, body)
				require.Equal(t, http.StatusOK, a.Code, a.Body.String())
				assert.Equal(t, reply, a.Body.String())
				assert.Equal(t, answer[1], a.Header().Get("Content-Type"))
				path, query, _ := strings.Cut(method, "?")
				sent := up.only(t, ":"+path)
				assert.Equal(t, body, string(sent.body))
				assert.EqualValues(t, len(body), sent.r.ContentLength)
				assert.Equal(t, query, sent.r.URL.RawQuery)
			})
		}
	}
}

func TestBytesAreKeptForOpenAI(t *testing.T) {
	for _, file := range corpus(t, "openai-*.request.json") {
		for _, base := range []string{"/v1beta/openai", "/openai/v1"} {
			t.Run(file+base, func(t *testing.T) {
				body, reply := golden(t, file), golden(t, "openai.response.json")
				if strings.Contains(file, "stream") {
					reply = golden(t, "openai.response.sse")
				}
				up, s := stubbed(func(h heard) *http.Response {
					if isCall(h) {
						return respond(http.StatusOK, reply)
					}
					return respond(http.StatusOK, `{"totalTokens":12}`)
				})
				w := newWorld(t, s)
				a := w.do("POST", base+"/chat/completions", body)
				require.Equal(t, http.StatusOK, a.Code, a.Body.String())
				assert.Equal(t, reply, a.Body.String())
				want := body
				if strings.Contains(file, "auto") {
					// Of all that says "auto" in it only the model itself.
					want = strings.Replace(body, `"model" :  "auto"`, `"model" :  "gemini-2.5-pro"`, 1)
					require.NotEqual(t, body, want)
				}
				sent := up.only(t, "/chat/completions")
				assert.Equal(t, want, string(sent.body))
				assert.Equal(t, "/v1beta/openai/chat/completions", sent.path)
			})
		}
	}
}

// A body with two models would be sent to the one that upstream's parser takes,
// which need not be the one whose quota was booked.
func TestAutoIsReplacedWhereverTheModelIsNamed(t *testing.T) {
	for body, want := range map[string]string{
		`{"model":"auto","messages":[{"role":"user","content":"a"}],"model":"auto"}`:   `{"model":"gemini-2.5-pro","messages":[{"role":"user","content":"a"}],"model":"gemini-2.5-pro"}`,
		`{"model":"x","messages":[{"role":"user","content":"b"}],"\u006dodel":"auto"}`: `{"model":"gemini-2.5-pro","messages":[{"role":"user","content":"b"}],"\u006dodel":"gemini-2.5-pro"}`,
		// Parsers that take another spelling for the same field take the last.
		`{"model":"auto","messages":[{"role":"user","content":"c"}],"Model":"other"}`: `{"model":"other","messages":[{"role":"user","content":"c"}],"Model":"other"}`,
		`{"Model":"other","messages":[{"role":"user","content":"d"}],"model":"auto"}`: `{"Model":"gemini-2.5-pro","messages":[{"role":"user","content":"d"}],"model":"gemini-2.5-pro"}`,
	} {
		up, s := stubbed(func(h heard) *http.Response { return respond(http.StatusOK, golden(t, "openai.response.json")) })
		w := newWorld(t, s)
		a := w.do("POST", "/openai/v1/chat/completions", body)
		require.Equal(t, http.StatusOK, a.Code, a.Body.String())
		assert.Equal(t, want, string(up.only(t, "/chat/completions").body))
	}
}

// An error that upstream sends keeps its bytes too, but for the key in it.
func TestUpstreamErrorKeepsItsBytes(t *testing.T) {
	reply := `{ "error" : {"code":400,"message":"Invalid value at 'x' \u003c&>","status":"INVALID_ARGUMENT","details":[{"new":1.0}]} }`
	_, s := stubbed(func(h heard) *http.Response { return respond(http.StatusBadRequest, reply) })
	w := newWorld(t, s)
	a := w.do("POST", "/v1beta/models/gemini-2.5-pro:generateContent", hello)
	assert.Equal(t, http.StatusBadRequest, a.Code)
	assert.Equal(t, reply, a.Body.String())
}
