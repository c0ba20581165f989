package server_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A stub stands between the server and the simulated Gemini: it remembers what
// goes upstream to the byte, and may answer in the simulator's stead.
type stub struct {
	// answer returns nil for what the simulator is to answer.
	answer func(h heard) *http.Response
	next   http.RoundTripper
	mu     sync.Mutex
	all    []heard
}

// heard is a request as it reached upstream.
type heard struct {
	method, url, path string // the path as it is escaped
	header            http.Header
	body              []byte
	r                 *http.Request
}

// stubbed returns a setup whose upstream is a stub.
func stubbed(answer func(h heard) *http.Response) (*stub, setup) {
	s := &stub{answer: answer}
	return s, setup{wrap: func(next http.RoundTripper) http.RoundTripper {
		s.next = next
		return s
	}}
}

// RoundTrip implements http.RoundTripper.
func (s *stub) RoundTrip(r *http.Request) (*http.Response, error) {
	h := heard{method: r.Method, url: r.URL.String(), path: r.URL.EscapedPath(), header: r.Header.Clone(), r: r}
	if r.Body != nil {
		var err error
		if h.body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(h.body))
	}
	s.mu.Lock()
	s.all = append(s.all, h)
	s.mu.Unlock()
	if refused := refusal(h); s.answer != nil && refused != nil {
		refused.Request = r
		return refused, nil
	}
	if s.answer != nil {
		if resp := s.answer(h); resp != nil {
			resp.Request = r
			return resp, nil
		}
	}
	return s.next.RoundTrip(r)
}

// refusal is Google's answer to what it never gets to read: a body that isn't said to
// be JSON, or any other number of credentials than one.
func refusal(h heard) *http.Response {
	kind := h.header.Get("Content-Type")
	credentials := len(h.header["X-Goog-Api-Key"]) + len(h.header["Authorization"])
	switch {
	case credentials == 0:
		return respond(http.StatusForbidden, `{"error":{"code":403,"message":"Method doesn't allow unregistered callers.","status":"PERMISSION_DENIED"}}`)
	case credentials > 1 || h.r.URL.Query().Has("key"):
		return respond(http.StatusBadRequest, `{"error":{"code":400,"message":"Multiple authentication credentials received. Please pass only one.","status":"INVALID_ARGUMENT"}}`)
	case strings.HasSuffix(h.path, "/openai/videos") && strings.HasPrefix(kind, "multipart/form-data; boundary="): // as its samples for curl have it
	case len(h.body) > 0 && !strings.HasPrefix(h.path, "/upload/") && kind != "application/json":
		return respond(http.StatusBadRequest, `{"error":{"code":400,"message":"Invalid JSON payload received. Unknown name \"{\": Cannot bind query parameter.","status":"INVALID_ARGUMENT"}}`)
	}
	return nil
}

// requests returns what was heard on paths with that ending.
func (s *stub) requests(ending string) []heard {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []heard
	for _, h := range s.all {
		if strings.HasSuffix(h.path, ending) {
			list = append(list, h)
		}
	}
	return list
}

// only returns the one request that was heard on a path with that ending.
func (s *stub) only(t testing.TB, ending string) heard {
	t.Helper()
	list := s.requests(ending)
	require.Len(t, list, 1)
	return list[0]
}

// respond makes an answer; header is names and values in turn.
func respond(status int, body string, header ...string) *http.Response {
	resp := &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)),
		Header: http.Header{"Content-Type": {"application/json; charset=UTF-8"}}, Body: io.NopCloser(strings.NewReader(body)),
	}
	for i := 0; i < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}

// stream makes an answer that write writes, piece by piece, on a goroutine of
// its own. What it returns ends the answer; nil ends it well. As with a real
// connection, the answer ends when the request's context does.
func stream(h heard, write func(w io.Writer) error, header ...string) *http.Response {
	out, in := io.Pipe()
	stop := context.AfterFunc(h.r.Context(), func() { _ = in.CloseWithError(h.r.Context().Err()) })
	go func() {
		defer stop()
		_ = in.CloseWithError(write(in))
	}()
	resp := respond(http.StatusOK, "", header...)
	resp.Header.Set("Content-Type", "text/event-stream")
	resp.ContentLength, resp.Body = -1, out
	return resp
}

// event is a server-sent event with a text, as Gemini sends it.
func event(text string) string {
	return `data: {"candidates": [{"content": {"parts": [{"text": "` + text + `"}],"role": "model"}}],"usageMetadata": {"promptTokenCount": 7}}` + "\r\n\r\n"
}

// isCall tells requests that generate or embed from counts and listings.
func isCall(h heard) bool {
	return h.method == http.MethodPost && !strings.HasSuffix(h.path, ":countTokens") && !strings.Contains(h.path, "/upload/")
}

const hello = `{"contents":[{"role":"user","parts":[{"text":"hello there"}]}]}`

const chat = `{"model":"gemini-2.5-pro","messages":[{"role":"user","content":"hello there"}]}`
