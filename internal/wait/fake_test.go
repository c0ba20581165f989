package wait

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/remote"
)

// A function is a Fluxgate in memory: it answers by its script, which is given the request and how often the same body
// came before.
type function struct {
	script func(w http.ResponseWriter, r *http.Request, before int)

	mu    sync.Mutex
	calls []call
	times map[string]int
}

// A call is one request as the function saw it.
type call struct {
	at     time.Time
	method string
	url    string
	header http.Header
	body   string
}

func (f *function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	f.calls = append(f.calls, call{time.Now(), r.Method, r.URL.String(), r.Header.Clone(), string(data)})
	if f.times == nil {
		f.times = map[string]int{}
	}
	before := f.times[string(data)]
	if r.Method == http.MethodPost {
		f.times[string(data)]++
	}
	f.mu.Unlock()
	if r.Method == http.MethodDelete {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	f.script(w, r, before)
}

// made returns the calls of a method.
func (f *function) made(method string) (out []call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if c.method == method {
			out = append(out, c)
		}
	}
	return out
}

// direct is a transport that calls a handler, with an answer that streams.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	pipe := &streaming{header: http.Header{}, begun: make(chan struct{})}
	pipe.r, pipe.w = io.Pipe()
	go func() {
		defer func() {
			if p := recover(); p != nil {
				pipe.WriteHeader(http.StatusOK)
				_ = pipe.w.CloseWithError(io.ErrUnexpectedEOF)
				return
			}
			pipe.WriteHeader(http.StatusOK)
			_ = pipe.w.Close()
		}()
		d.ServeHTTP(pipe, in)
	}()
	select {
	case <-pipe.begun:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: pipe.status, Header: pipe.sent, Body: pipe.r, Request: r, ProtoMajor: 1}, nil
}

type streaming struct {
	header, sent http.Header
	status       int
	begun        chan struct{}
	r            *io.PipeReader
	w            *io.PipeWriter
}

func (s *streaming) Header() http.Header { return s.header }

func (s *streaming) WriteHeader(status int) {
	if s.status == 0 {
		s.status, s.sent = status, s.header.Clone()
		close(s.begun)
	}
}

func (s *streaming) Write(p []byte) (int, error) {
	s.WriteHeader(http.StatusOK)
	return s.w.Write(p)
}

func (s *streaming) Flush() {}

const (
	base    = "https://function.test"
	token   = "the-proxys-own-token"
	realKey = "AIza-a-real-key-of-the-application"
)

// newProxy returns a proxy before a function.
func newProxy(t *testing.T, f *function, change func(o *Options)) *Proxy {
	t.Helper()
	o := Options{Access: remote.Access{URL: base, Token: token}, Transport: direct{f}}
	if change != nil {
		change(&o)
	}
	p, err := New(o)
	require.NoError(t, err)
	return p
}

// ask sends a request as a client's library does.
func ask(ctx context.Context, p *Proxy, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1:8081"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Goog-Api-Key", realKey)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w
}

const path = "/v1beta/models/gemini-2.5-pro:generateContent"

// refuse answers with a wait of Fluxgate's.
func refuse(w http.ResponseWriter, wait time.Duration, ticket string, booked bool) {
	h := w.Header()
	h.Set("X-Fluxgate-Retry-Ms", fmt.Sprint(wait.Milliseconds()))
	h.Set("Retry-After-Ms", fmt.Sprint(min(wait, 59_900*time.Millisecond).Milliseconds()))
	h.Set("X-Fluxgate-Booked", fmt.Sprint(booked))
	h.Set("X-Fluxgate-Ticket", ticket)
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = io.WriteString(w, `{"error":{"code":429,"message":"busy","status":"RESOURCE_EXHAUSTED","details":[`+
		`{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"PerMinute","quotaDimensions":{"model":"gemini-2.5-pro"}}]}]}}`)
}
