package gemini

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/genai"

	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// seen is one request as upstream sees it.
type seen struct {
	method, uri string
	header      http.Header
	body        map[string]any
}

// google is a server on the loopback that records requests and answers each with the next of its answers.
type google struct {
	*httptest.Server
	mu      sync.Mutex
	seen    []seen
	answers []string // "status body"; the last one repeats
}

func newUpstream(t *testing.T, answers ...string) (*google, *Client) {
	t.Helper()
	u := &google{answers: answers}
	u.Server = httptest.NewServer(http.HandlerFunc(u.serve))
	t.Cleanup(u.Close)
	c, err := New(Config{BaseURL: u.URL, Transport: u.Client().Transport})
	require.NoError(t, err)
	return u, c
}

func (u *google) serve(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	s := seen{method: r.Method, uri: r.URL.RequestURI(), header: r.Header.Clone()}
	_ = json.Unmarshal(raw, &s.body)
	u.mu.Lock()
	u.seen = append(u.seen, s)
	answer := u.answers[0]
	if len(u.answers) > 1 {
		u.answers = u.answers[1:]
	}
	u.mu.Unlock()
	var status int
	text := ""
	fmt.Sscanf(answer, "%d", &status)
	if _, rest, ok := strings.Cut(answer, " "); ok {
		text = rest
	}
	if len(raw) > 0 && r.Header.Get("Content-Type") != "application/json" {
		status, text = http.StatusBadRequest, `{"error":{"code":400,"message":"Invalid JSON payload received.","status":"INVALID_ARGUMENT"}}`
	}
	w.Header().Set("Content-Type", "application/json")
	if status/100 == 3 {
		w.Header().Set("Location", "/elsewhere")
	}
	w.WriteHeader(status)
	io.WriteString(w, text)
}

func (u *google) only(t *testing.T) seen {
	t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	require.Len(t, u.seen, 1, "exactly one request: another would be billed and unreserved")
	return u.seen[0]
}

// assertOneCredential fails unless the only credential of the request is key, in x-goog-api-key.
func assertOneCredential(t *testing.T, s seen, key string) {
	t.Helper()
	assert.Equal(t, []string{key}, s.header.Values("X-Goog-Api-Key"))
	assert.Empty(t, s.header.Values("Authorization"))
	assert.Empty(t, s.header.Values("Cookie"))
	assert.NotContains(t, s.uri, "key=")
}

const okAnswer = `200 {"candidates":[{"content":{"role":"model","parts":[{"text":"hmm","thought":true},{"text":"Bon"},{"text":"jour"}]},"finishReason":"STOP"}],
"usageMetadata":{"promptTokenCount":12,"candidatesTokenCount":3,"thoughtsTokenCount":4,"totalTokenCount":19},"modelVersion":"models/gemini-2.5-flash-001"}`

func fullRequest() upstream.Prompt {
	temperature := float32(0.2)
	return upstream.Prompt{
		Model: "gemini-2.5-flash", System: payload.Piece{Text: "Translate into French."}, MaxOutputTokens: 77, Temperature: &temperature,
		Pieces: []payload.Piece{
			{Text: "Hello <&>"},
			{Media: payload.Media{Base64: []byte("/9gA"), MIMEType: "image/jpeg"}},
			{},
		},
	}
}

const (
	wantContents = `[{"role":"user","parts":[{"text":"Hello <&>"},{"inlineData":{"data":"/9gA","mimeType":"image/jpeg"}}]}]`
	wantSystem   = `{"role":"user","parts":[{"text":"Translate into French."}]}`
)

func assertJSON(t *testing.T, want string, got any) {
	t.Helper()
	raw, err := json.Marshal(got)
	require.NoError(t, err)
	assert.JSONEq(t, want, string(raw))
}

func TestGenerate(t *testing.T) {
	u, c := newUpstream(t, okAnswer)
	resp, err := c.Generate(context.Background(), testKey, fullRequest())
	require.NoError(t, err)
	assert.False(t, resp.SentAt.IsZero())
	resp.SentAt = resp.SentAt.UTC().Truncate(0)
	assert.Equal(t, &upstream.Reply{Text: "Bonjour", PromptTokens: 12, TotalTokens: 19, Tokens: answers.Tokens{Output: 3, Thoughts: 4},
		ModelVersion: "gemini-2.5-flash-001", FinishReason: "STOP", SentAt: resp.SentAt}, resp, "thoughts aren't text but are output")

	s := u.only(t)
	assert.Equal(t, "POST /v1beta/models/gemini-2.5-flash:generateContent", s.method+" "+s.uri)
	assertOneCredential(t, s, testKey)
	assertJSON(t, `{"contents":`+wantContents+`,"systemInstruction":`+wantSystem+`,"generationConfig":{"maxOutputTokens":77,"temperature":0.2}}`, s.body)
}

func TestGenerateLeavesOutWhatIsUnset(t *testing.T) {
	u, c := newUpstream(t, okAnswer)
	_, err := c.Generate(context.Background(), testKey, upstream.Prompt{Model: "models/gemini-2.5-pro", Pieces: []payload.Piece{{Text: "Hi"}}})
	require.NoError(t, err)
	s := u.only(t)
	assert.Equal(t, "/v1beta/models/gemini-2.5-pro:generateContent", s.uri)
	config, _ := s.body["generationConfig"].(map[string]any)
	assert.Empty(t, config, "zero is not a limit and 0.0 would be a temperature")
	assert.NotContains(t, s.body, "systemInstruction")
}

func TestGenerateWithSchema(t *testing.T) {
	u, c := newUpstream(t, okAnswer)
	yes := true
	schema := genai.Schema{Type: "OBJECT", Required: []string{"n"},
		Properties: map[string]*genai.Schema{"n": {Type: "INTEGER", Nullable: &yes}}}
	_, err := c.Generate(context.Background(), testKey, upstream.Prompt{Model: "m", Pieces: []payload.Piece{{Text: "Hi"}}, Schema: &schema})
	require.NoError(t, err)
	assertJSON(t, `{"responseMimeType":"application/json","responseSchema":{"type":"OBJECT","required":["n"],
		"properties":{"n":{"type":"INTEGER","nullable":true}}}}`, u.only(t).body["generationConfig"])
}

func TestGenerateDoesNotContinue(t *testing.T) {
	// The SDK would send the request again, billed and unreserved, for as long as upstream asks for it.
	u, c := newUpstream(t, `200 {"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"CONTINUATION","continuationToken":"dG9rZW4="}]}`, okAnswer)
	resp, err := c.Generate(context.Background(), testKey, prompt())
	require.NoError(t, err)
	assert.Equal(t, "a", resp.Text)
	u.only(t)
}

func TestGenerateEmptyAnswers(t *testing.T) {
	// None of these is an error: upstream answered, and counted the tokens.
	tests := []struct {
		name, body           string
		text, finish, blocks string
		prompt               int64
	}{
		{"blocked prompt", `{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":9}}`, "", "", "SAFETY", 9},
		{"stopped for safety", `{"candidates":[{"finishReason":"SAFETY"}]}`, "", "SAFETY", "", 0},
		{"thought until the limit", `{"candidates":[{"content":{"role":"model"},"finishReason":"MAX_TOKENS"}],"usageMetadata":{"promptTokenCount":5}}`, "", "MAX_TOKENS", "", 5},
		{"parts that aren't text", `{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}},{"text":"x"}]},"finishReason":"STOP"}]}`, "x", "STOP", "", 0},
		{"two candidates", `{"candidates":[{"content":{"parts":[{"text":"a"}]}},{"content":{"parts":[{"text":"b"}]}}]}`, "a", "", "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, c := newUpstream(t, "200 "+tt.body)
			resp, err := c.Generate(context.Background(), testKey, upstream.Prompt{Model: "m", Pieces: []payload.Piece{{Text: "Hi"}}})
			require.NoError(t, err)
			assert.Equal(t, tt.text, resp.Text)
			assert.Equal(t, tt.finish, resp.FinishReason)
			assert.Equal(t, tt.blocks, resp.BlockReason)
			assert.Equal(t, tt.prompt, resp.PromptTokens)
		})
	}
}

// A success that says nothing is no answer: no candidate, and no reason for that. One
// that was produced all the same, or isn't whole, may have been billed for that.
func TestGenerateSilentAnswers(t *testing.T) {
	for body, reason := range map[string]string{
		``: upstream.ReasonNoAnswer, "\r\n": upstream.ReasonNoAnswer, `{}`: upstream.ReasonNoAnswer, `{"candidates":[]}`: upstream.ReasonNoAnswer,
		`{"candidates":[{}]}`: upstream.ReasonNoAnswer, `{"promptFeedback":{"safetyRatings":[]}}`: upstream.ReasonNoAnswer,
		`{"candidates":[],"usageMetadata":{"promptTokenCount":5}}`:                          upstream.ReasonNoAnswer,
		`{"candidates":[],"usageMetadata":{"promptTokenCount":5,"thoughtsTokenCount":900}}`: upstream.ReasonBadResponse,
		`{"candidates":[],"usageMetadata":{"promptTokenCount":5,"totalTokenCount":50}}`:     upstream.ReasonBadResponse,
		`{"candidates":[],"usageMetadata":{"candidates_token_count":50}}`:                   upstream.ReasonBadResponse,
		`{"candidates":[`: upstream.ReasonBadResponse,
	} {
		_, c := newUpstream(t, "200 "+body)
		_, err := c.Generate(context.Background(), testKey, prompt())
		e := asError(t, err)
		class := upstream.ClassServer
		if reason == upstream.ReasonBadResponse {
			class = upstream.ClassBroken
		}
		assert.Equal(t, class, e.Class, body)
		assert.Equal(t, reason, e.Reason, body)
		assert.Equal(t, http.StatusBadGateway, e.HTTPStatus)
		assert.Contains(t, e.Message, "with success but without")
		assert.False(t, e.SentAt.IsZero(), "it was sent, and counts")
	}
}

// An answer that says nothing and whose end is that of the connection may have been
// cut: it isn't known to be whole.
func TestGenerateSilentUntilTheConnectionEnds(t *testing.T) {
	const silence = `{"usageMetadata":{"promptTokenCount":3}}`
	for raw, class := range map[string]upstream.Class{
		"HTTP/1.1 200 OK\r\n\r\n":           upstream.ClassBroken,
		"HTTP/1.0 200 OK\r\n\r\n":           upstream.ClassBroken,
		"HTTP/1.1 200 OK\r\n\r\n" + silence: upstream.ClassBroken,
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzipped(silence): upstream.ClassBroken,

		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n":                                                              upstream.ClassServer,
		"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n":                                                              upstream.ClassServer,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n":                                            upstream.ClassServer,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n" + chunk(gzipped(silence)): upstream.ClassServer,
	} {
		c := memory(t, func(r *http.Request) (*http.Response, error) { return overWire(t, r, raw) })
		_, err := c.Generate(context.Background(), testKey, prompt())
		e := asError(t, err)
		assert.Equal(t, class.String(), e.Class.String(), "%q", raw)
		assert.Equal(t, http.StatusBadGateway, e.HTTPStatus)
		assert.False(t, e.SentAt.IsZero(), "it was sent, and counts")
	}
}

// overWire has a real transport read an answer.
func overWire(t *testing.T, r *http.Request, raw string) (*http.Response, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		sent, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, sent.Body)
		_, _ = io.WriteString(conn, raw)
	}()
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	r = r.Clone(r.Context())
	r.URL.Host = l.Addr().String()
	return tr.RoundTrip(r)
}

func gzipped(text string) string {
	var b strings.Builder
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.String()
}

func chunk(text string) string { return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(text), text) }

// An upstream that packs its answers unasked is understood like any other.
func TestPackedAnswers(t *testing.T) {
	for _, status := range []int{200, 429} {
		text := map[int]string{200: strings.TrimPrefix(okAnswer, "200 "), 429: `{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier","quotaValue":"20"}]}]}}`}[status]
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, err := io.WriteString(w, text)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		c := memory(t, func(r *http.Request) (*http.Response, error) {
			resp := reply(r, status, packed.String())
			resp.Header.Set("Content-Encoding", "gzip")
			return resp, nil
		})
		resp, err := c.Generate(context.Background(), testKey, prompt())
		if status == 200 {
			require.NoError(t, err)
			assert.Equal(t, "Bonjour", resp.Text)
			continue
		}
		e := asError(t, err)
		assert.Equal(t, upstream.ClassDay, e.Class)
		require.Len(t, e.Violations, 1)
		assert.EqualValues(t, 20, e.Violations[0].Value)
	}
}

func TestGenerateBadAnswers(t *testing.T) {
	tests := []struct {
		name, answer string
		class        upstream.Class
		reason       string
		status       int
	}{
		{"the SDK panics on it", `200 {"candidates":[null]}`, upstream.ClassBroken, upstream.ReasonBadResponse, 502},
		{"the SDK panics on it", `200 {"candidates":{}}`, upstream.ClassBroken, upstream.ReasonBadResponse, 502},
		{"overflowing count", `200 {"candidates":[],"usageMetadata":{"promptTokenCount":99999999999}}`, upstream.ClassBroken, upstream.ReasonBadResponse, 502},
		{"captive portal", `200 <html>` + testKey + `</html>`, upstream.ClassBroken, upstream.ReasonBadResponse, 502},
		{"an error after all", `200 {"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"no"}}`, upstream.ClassBare429, "", 429},
		{"redirect", `307 `, upstream.ClassServer, upstream.ReasonRedirect, 502},
		{"server error without a body", `503 `, upstream.ClassServer, "", 503},
		{"HTTP status disagrees with the body's code", `429 {"error":{"code":500,"message":"x"}}`, upstream.ClassBare429, "", 429},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u, c := newUpstream(t, tt.answer)
			_, err := c.Generate(context.Background(), testKey, upstream.Prompt{Model: "m", Pieces: []payload.Piece{{Text: "Hi"}}})
			e := asError(t, err)
			assert.Equal(t, tt.class.String(), e.Class.String())
			assert.Equal(t, tt.reason, e.Reason)
			assert.Equal(t, tt.status, e.HTTPStatus)
			assertNoKey(t, e)
			_, sent := sentAt(err)
			assert.True(t, sent, "it was answered, so it was sent")
			u.only(t)
		})
	}
}

func TestGenerateClassifiesAnswers(t *testing.T) {
	// The SDK's own error keeps neither HTTP status nor body; ours must, through every call, and without a retry.
	raw := body(t, "429_day")
	calls := map[string]func(*Client) error{
		"generate": func(c *Client) error {
			_, err := c.Generate(context.Background(), testKey, fullRequest())
			return err
		},
		"count": func(c *Client) error {
			_, err := c.CountPrompt(context.Background(), testKey, fullRequest())
			return err
		},
		"models": func(c *Client) error {
			_, err := c.ListModels(context.Background(), testKey)
			return err
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			u, c := newUpstream(t, "429 "+string(raw))
			e := asError(t, call(c))
			assert.Equal(t, upstream.ClassDay.String(), e.Class.String())
			assert.JSONEq(t, string(raw), string(e.Body))
			assert.Len(t, e.Violations, 1)
			assert.False(t, e.SentAt.IsZero())
			u.only(t)
		})
	}
}

func TestInvalidRequestsAreNotSent(t *testing.T) {
	nan := float32(math.NaN())
	ok := upstream.Prompt{Model: "m", Pieces: []payload.Piece{{Text: "Hi"}}}
	tests := []struct {
		name   string
		key    string
		change func(*upstream.Prompt)
		class  upstream.Class
		reason string
	}{
		{"no model", testKey, func(r *upstream.Prompt) { r.Model = "" }, upstream.ClassModelUnknown, upstream.ReasonModelName},
		{"another route", testKey, func(r *upstream.Prompt) { r.Model = "x/../../files/y" }, upstream.ClassModelUnknown, upstream.ReasonModelName},
		{"an escaped slash", testKey, func(r *upstream.Prompt) { r.Model = "x%2fy" }, upstream.ClassModelUnknown, upstream.ReasonModelName},
		{"a query", testKey, func(r *upstream.Prompt) { r.Model = "x?key=1" }, upstream.ClassModelUnknown, upstream.ReasonModelName},
		{"another method", testKey, func(r *upstream.Prompt) { r.Model = "x:embedContent" }, upstream.ClassModelUnknown, upstream.ReasonModelName},
		{"only dots", testKey, func(r *upstream.Prompt) { r.Model = "." }, upstream.ClassModelUnknown, upstream.ReasonModelName},
		{"not a number", testKey, func(r *upstream.Prompt) { r.Temperature = &nan }, upstream.ClassCaller, upstream.ReasonInvalidRequest},
		{"no key", "", func(*upstream.Prompt) {}, upstream.ClassKeyInvalid, upstream.ReasonKeyMalformed},
		{"key with a line break", "AQ.abc\r\nX-Evil: 1", func(*upstream.Prompt) {}, upstream.ClassKeyInvalid, upstream.ReasonKeyMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u, c := newUpstream(t, okAnswer)
			r := ok
			tt.change(&r)
			_, err := c.Generate(context.Background(), tt.key, r)
			e := asError(t, err)
			assert.Equal(t, tt.class.String(), e.Class.String())
			assert.Equal(t, tt.reason, e.Reason)
			_, sent := sentAt(err)
			assert.False(t, sent)
			assert.Empty(t, u.seen)
			if tt.reason != upstream.ReasonInvalidRequest { // CountTokens has no temperature
				_, err = c.CountPrompt(context.Background(), tt.key, r)
				assert.Equal(t, tt.class.String(), asError(t, err).Class.String())
				assert.Empty(t, u.seen)
			}
		})
	}
}

func TestCountTokens(t *testing.T) {
	u, c := newUpstream(t, `200 {"totalTokens":4321,"promptTokensDetails":[]}`)
	n, err := c.CountPrompt(context.Background(), testKey, fullRequest())
	require.NoError(t, err)
	assert.EqualValues(t, 4321, n)
	s := u.only(t)
	assert.Equal(t, "POST /v1beta/models/gemini-2.5-flash:countTokens", s.method+" "+s.uri)
	assertOneCredential(t, s, testKey)
	assertJSON(t, `{"generateContentRequest":{"model":"models/gemini-2.5-flash","contents":`+wantContents+`,"systemInstruction":`+wantSystem+`}}`, s.body)
}

func TestCountTokensWithoutCount(t *testing.T) {
	// A count of zero would reserve nothing for a request of unknown size.
	for _, answer := range []string{`200 {}`, `200 {"totalTokens":0}`, `200 {"totalTokens":-1}`, `200 `, `200 {"totalTokens":"x"}`} {
		_, c := newUpstream(t, answer)
		_, err := c.CountPrompt(context.Background(), testKey, fullRequest())
		assert.Equal(t, upstream.ReasonBadResponse, asError(t, err).Reason, answer)
	}
}

func TestListModels(t *testing.T) {
	u, c := newUpstream(t,
		`200 {"models":[{"name":"models/gemini-2.5-pro","inputTokenLimit":1048576,"supportedGenerationMethods":["generateContent","countTokens"]}],"nextPageToken":"a b"}`,
		`200 {"models":[{"name":"models/gemini-embedding-001","supportedGenerationMethods":["embedContent"]}]}`)
	models, err := c.ListModels(context.Background(), testKey)
	require.NoError(t, err)
	assert.Equal(t, []upstream.Model{
		{Name: "gemini-2.5-pro", Methods: []string{"generateContent", "countTokens"}, InputTokenLimit: 1048576},
		{Name: "gemini-embedding-001", Methods: []string{"embedContent"}},
	}, models)
	require.Len(t, u.seen, 2)
	assert.Equal(t, "/v1beta/models?pageSize=1000", u.seen[0].uri)
	assert.Equal(t, "/v1beta/models?pageSize=1000&pageToken=a+b", u.seen[1].uri)
	for _, s := range u.seen {
		assertOneCredential(t, s, testKey)
	}
}

func TestListModelsEnds(t *testing.T) {
	u, c := newUpstream(t, `200 {"models":[],"nextPageToken":"again"}`)
	_, err := c.ListModels(context.Background(), testKey)
	require.NoError(t, err)
	assert.Len(t, u.seen, maxModelPages, "an upstream whose pages have no end must not hold us")
}

// TestJoin: paths are joined to the base URL as net/url does it, and are absolute.
func TestJoin(t *testing.T) {
	for _, base := range []string{
		"http://127.0.0.1:8090", "http://127.0.0.1:8090/", "https://proxy.example/gemini", "https://proxy.example/gemini/", "https://proxy.example/a%2Fb/c",
	} {
		c, err := New(Config{BaseURL: base})
		require.NoError(t, err)
		for _, path := range []string{
			"v1beta/models", "v1beta/models/gemini-2.5-pro:generateContent", "v1beta/openai/chat/completions", "v1beta/models/../../x", "../x", "a//b", "/a",
			"a/./b", "a/", "", ".", "..", "a/..", "a b", "a%2Fb", "a?b=c", "a#b", "v1beta/models/é", "a/.b", "a..b",
		} {
			got := c.base.Join(path)
			assert.Equal(t, c.base.URL().JoinPath(path).String(), got.String(), "%s and %s", base, path)
			assert.True(t, strings.HasPrefix(got.Path, "/"), "%s and %s", base, path)
		}
	}
}

// Counts come in any notation that JSON has for whole numbers; an answer that was
// served isn't lost for it.
func TestGenerateCountsInAnyNotation(t *testing.T) {
	for text, want := range map[string]int64{"4": 4, "4.0": 4, "1e3": 1000, "null": 0} {
		_, c := newUpstream(t, `200 {"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":`+text+`}}`)
		resp, err := c.Generate(context.Background(), testKey, prompt())
		require.NoError(t, err, text)
		assert.Equal(t, want, resp.PromptTokens, text)
	}
	_, c := newUpstream(t, `200 null`)
	_, err := c.Generate(context.Background(), testKey, prompt())
	assert.Equal(t, http.StatusBadGateway, asError(t, err).HTTPStatus)
}
