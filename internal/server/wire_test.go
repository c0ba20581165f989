package server_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// These tests go over a real connection, through functions-framework as in
// production: it wraps the handler and swallows its panics.

var (
	behind    atomic.Pointer[http.Handler] // what the framework serves at present
	framework = sync.OnceValues(func() (string, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
		if err := l.Close(); err != nil {
			return "", err
		}
		err = funcframework.RegisterHTTPFunctionContext(context.Background(), "/", func(w http.ResponseWriter, r *http.Request) {
			(*behind.Load()).ServeHTTP(w, r)
		})
		if err != nil {
			return "", err
		}
		go func() { _ = funcframework.StartHostPort("127.0.0.1", port) }() // until the tests are over
		return "127.0.0.1:" + port, nil
	})
)

// serve puts a world behind the framework, and returns its address.
func (w *world) serve() string {
	w.t.Helper()
	var h http.Handler = w.Server
	behind.Store(&h)
	addr, err := framework()
	require.NoError(w.t, err)
	require.Eventually(w.t, func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, 10*time.Second, 5*time.Millisecond)
	return addr
}

// post sends a request over a connection of its own.
func post(ctx context.Context, t testing.TB, addr, path, body string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+path, strings.NewReader(body))
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// Upstream sends a piece only when the client has got the one before: anything
// that held one back would stop it here.
func TestPiecesAreFlushed(t *testing.T) {
	for name, pieces := range map[string][]string{
		streamPath: {event("one"), event("two"), "data: ", "{}\r\n\r\n"},
		strings.TrimSuffix(streamPath, "?alt=sse"): {`[{"candidates":[{"index":0}]}`, ",\r\n", `{"candidates":[]}`, "]"},
	} {
		got := make(chan struct{})
		_, s := stubbed(func(h heard) *http.Response {
			return stream(h, func(w io.Writer) error {
				for _, piece := range pieces {
					if _, err := io.WriteString(w, piece); err != nil {
						return err
					}
					select {
					case <-got:
					case <-h.r.Context().Done():
						return h.r.Context().Err()
					}
				}
				return nil
			})
		})
		s.env = []string{"FLUXGATE_IDLE_TIMEOUT=10s"}
		w := newWorld(t, s)
		resp := post(t.Context(), t, w.serve(), name, hello)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		for _, piece := range pieces {
			buf := make([]byte, len(piece))
			_, err := io.ReadFull(resp.Body, buf)
			require.NoError(t, err, piece)
			require.Equal(t, piece, string(buf))
			got <- struct{}{}
		}
		rest, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		assert.Empty(t, rest)
	}
}

// What breaks after the first byte must not look whole, neither to a client that
// counts on the framing nor, with a short answer, to one that gets a length.
func TestBrokenAnswersAreSeenToBe(t *testing.T) {
	for name, path := range map[string]string{
		"stream": streamPath, "unary": "/v1beta/models/gemini-2.5-pro:generateContent", "OpenAI": "/openai/v1/chat/completions",
	} {
		t.Run(name, func(t *testing.T) {
			up, s := stubbed(func(h heard) *http.Response {
				return stream(h, func(w io.Writer) error {
					_, _ = io.WriteString(w, event("one"))
					return errors.New("connection reset by peer")
				})
			})
			s.keys = projects("alpha", "beta")
			w := newWorld(t, s)
			body := hello
			if name == "OpenAI" {
				body = chat
			}
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
			resp, err := client.Post("http://"+w.serve()+path, "application/json", strings.NewReader(body))
			if err == nil { // or it broke before its header was out
				_, err = io.ReadAll(resp.Body)
				_ = resp.Body.Close()
			}
			require.Error(t, err)
			require.NotErrorIs(t, err, context.DeadlineExceeded, "broken, not just silent")
			assert.Len(t, up.requests(path[strings.LastIndexAny(path, "/:"):strings.IndexByte(path+"?", '?')]), 1)
			assert.EqualValues(t, 1, w.used("alpha", pro)+w.used("beta", pro))
		})
	}
}

// A client that hangs up takes its request along, and what it has used is kept
// all the same.
func TestClientHangsUp(t *testing.T) {
	for _, early := range []bool{false, true} {
		ended := make(chan struct{})
		arrived := make(chan struct{})
		_, s := stubbed(func(h heard) *http.Response {
			close(arrived)
			return stream(h, func(w io.Writer) error {
				defer close(ended)
				if !early {
					_, _ = io.WriteString(w, event("one"))
				}
				<-h.r.Context().Done()
				return h.r.Context().Err()
			})
		})
		w := newWorld(t, s)
		ctx, hangUp := context.WithCancel(t.Context())
		addr := w.serve()
		if early {
			go func() { <-arrived; hangUp() }()
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+streamPath, strings.NewReader(hello))
			require.NoError(t, err)
			_, err = http.DefaultClient.Do(r)
			require.ErrorIs(t, err, context.Canceled)
		} else {
			resp := post(ctx, t, addr, streamPath, hello)
			_, err := io.ReadFull(resp.Body, make([]byte, len(event("one"))))
			require.NoError(t, err)
			hangUp()
		}
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Fatal("upstream goes on for nobody")
		}
		want := int64(7) // what the answer said
		if early {
			want = int64(len(hello)) // what was reserved
		}
		require.Eventually(t, func() bool {
			state := w.status().Projects
			return len(state) == 1 && state[0].Models[0].TPM.Used == want
		}, 10*time.Second, 5*time.Millisecond)
		assert.EqualValues(t, 1, w.used("alpha", pro))
	}
}

// raw sends bytes as they are and returns the status of the answer, and its
// header.
func raw(t testing.TB, addr, request string) (int, http.Header) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.Copy(conn, bytes.NewReader([]byte(request)))
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode, resp.Header
}

// No way of writing a path leads elsewhere: whatever goes upstream goes to
// Gemini's host, and to one of the paths that are served here.
func TestNoPathLeadsElsewhere(t *testing.T) {
	up, s := stubbed(func(h heard) *http.Response { return respond(http.StatusOK, `{"totalTokens":1}`) })
	w := newWorld(t, s)
	addr := w.serve()
	for _, target := range []string{
		"/v1beta/models/../../v1beta/projects", "/v1beta/models/%2e%2e%2fsecrets:generateContent",
		"/v1beta/models/..%2f..%2fx:generateContent", "/v1beta/models/a%2fb:generateContent",
		"/v1beta/models/gemini-2.5-pro%3Fkey=x:generateContent", "/v1beta/models/gemini-2.5-pro%23:generateContent",
		"/v1beta/models/gemini-2.5-pro:generateContent%2f..%2f..%2ffiles", "/v1beta/models/gemini-2.5-pro:generateContent:x",
		"/v1beta/models/a:b:generateContent", "/v1beta/models/:generateContent", "/v1beta/models/%00:generateContent",
		"/v1beta/models/gemini-2.5-pro%0d%0aX-A:%20b:generateContent", "//evil.test/v1beta/models",
		"//evil.test/v1beta/models/gemini-2.5-pro:generateContent", "/\\evil.test/v1beta/models",
		"/v1beta//evil.test/", "/v1beta/tunedModels/x:generateContent", "/v1beta/projects/p/locations/l",
		"/v1beta/files/..%2fmodels", "/v1beta/files/a%2fb",
		"/v1beta/cachedContents/%2e%2e", "/upload/v1beta/../v1beta/files/x",
		"/upload/v1beta/files/x", "/v1beta/openai/../files", "/v1beta/openai/files",
		"/v1beta/openai/models/..%2f..%2ffiles", "/openai/v1/fine_tuning/jobs", "/v1beta/corpora", "/v1beta/operations", "/v1beta/models/..%2fx/operations/y", "/v1beta/models/gemini-2.5-pro/operations/..%2f..%2fx",
		"/v1beta/fileSearchStores/a%2fb/documents/c", "/v1beta/fileSearchStores/a/documents/..%2fb", "/v1beta/openai/batches/..%2f..%2fmodels", "/v1beta/openai/batches/batches/..%2fx",
		// Other spellings lead nowhere else either.
		"/v1beta/v1beta/models/../../projects", "//v1beta/models/..%2f..%2fx:generateContent", "//evil.test/models/gemini-2.5-pro:generateContent",
		"/evil.test//v1beta/models/gemini-2.5-pro:generateContent", "/upload/v1beta/models/gemini-2.5-pro:generateContent",
		"/upload/v1beta/cachedContents", "/upload/openai/chat/completions", "/v1beta/v1/openai/files",
		"/v1alpha/tunedModels/x:generateContent", "/v1alpha/corpora_tokens", "/v1alpha/v1beta/corpora", "/%76%31/models/a%2fb:generateContent",
		"/%2e%2e/models/gemini-2.5-pro:generateContent", "/v1beta/%2e/models/gemini-2.5-pro:generateContent", "/v1/responses", "/chat/../files/x",
	} {
		for _, method := range []string{"GET", "POST", "DELETE", "PATCH", "PUT"} {
			status, header := raw(t, addr, method+" "+target+" HTTP/1.1\r\nHost: x\r\nContent-Length: "+strconv.Itoa(len(hello))+"\r\nConnection: close\r\n\r\n"+hello)
			assert.GreaterOrEqual(t, status, 300, "%s %s", method, target)
			if to := header.Get("Location"); to != "" {
				assert.False(t, strings.Contains(to, "//") || strings.Contains(to, "\\"), "%s leads to %s", target, to)
			}
		}
	}
	assert.Empty(t, up.requests(""), "something went upstream")

	// In absolute form the host is the client's affair.
	status, _ := raw(t, addr, "POST http://evil.test/v1beta/models/gemini-2.5-pro:countTokens?key=a&url=http://evil.test HTTP/1.1\r\nHost: evil.test\r\nContent-Length: "+
		strconv.Itoa(len(hello))+"\r\nConnection: close\r\n\r\n"+hello)
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:countTokens", up.only(t, "").url)
	assert.Empty(t, up.only(t, "").r.Host)
}
