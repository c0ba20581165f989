package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A counted is a server whose handler counts its requests.
type counted struct {
	srv   *http.Server
	log   bytes.Buffer
	calls atomic.Int64
}

func (f *counted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.calls.Add(1)
	switch r.URL.Path {
	case "/panic":
		panic("on purpose")
	case "/abort":
		_, _ = io.WriteString(w, "the beginning")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case "/stream":
		for i := range 3 {
			fmt.Fprintf(w, "chunk %d\n", i)
			_ = http.NewResponseController(w).Flush()
			time.Sleep(time.Minute)
		}
	default:
		fmt.Fprint(w, r.Context().Value(http.LocalAddrContextKey))
	}
}

// newCounted is for one bubble of virtual time.
func newCounted() *counted {
	f := new(counted)
	f.srv = newServer(f, slog.New(slog.NewTextHandler(&f.log, nil)))
	return f
}

// A pipe is a listener in memory, for connections in virtual time.
type pipe chan net.Conn

func (p pipe) Accept() (net.Conn, error) {
	conn, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipe) Close() error   { return nil }
func (p pipe) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// connect returns the client's end of a connection to f.
func (f *counted) connect(t *testing.T) (conn net.Conn, answers *bufio.Reader) {
	t.Helper()
	p := make(pipe, 1)
	ended := make(chan struct{})
	go func() { defer close(ended); _ = f.srv.Serve(p) }()
	here, there := net.Pipe()
	p <- there
	t.Cleanup(func() {
		_ = here.Close()
		close(p)
		<-ended
		time.Sleep(time.Second) // net/http takes half of one to close a connection on which it has refused a request
	})
	return here, bufio.NewReader(here)
}

// trickle writes a text, one byte after each pause, until it can't.
func trickle(w io.Writer, text string, pause time.Duration) {
	for i := range len(text) {
		time.Sleep(pause)
		if _, err := io.WriteString(w, text[i:i+1]); err != nil {
			return
		}
	}
}

// assertNothingSaid checks what came on a connection that was cut in the middle
// of a header. Half of a request's first line is taken for the whole of a bad one.
func assertNothingSaid(t *testing.T, said []byte) {
	t.Helper()
	assert.True(t, len(said) == 0 || bytes.HasPrefix(said, []byte("HTTP/1.1 400 ")), "%s", said)
}

const head = "GET / HTTP/1.1\r\nHost: x\r\nX-Long: " // and never an end

// Who doesn't come to the end of a header is cut off, by each way of not coming
// to it, and never reaches the function.
func TestSlowHeader(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		pause time.Duration
		want  time.Duration
	}{
		"a byte now and then": {head + strings.Repeat("x", 1000), time.Second, headerTimeout},
		"a byte very rarely":  {head, 9 * time.Second, headerTimeout},
		"nothing at all":      {"", 0, headerTimeout},
		"all but the end":     {head, 0, headerTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			f := newCounted()
			synctest.Test(t, func(t *testing.T) {
				conn, answers := f.connect(t)
				start := time.Now()
				written := make(chan struct{})
				go func() { defer close(written); trickle(conn, c.text, c.pause) }()
				said, err := io.ReadAll(answers)
				assert.NoError(t, err, "the connection is closed")
				assert.Equal(t, c.want, time.Since(start))
				assert.Zero(t, f.calls.Load())
				assertNothingSaid(t, said)
				<-written
			})
		})
	}
}

// Slow within the bound is no offence.
func TestSlowHeaderInTime(t *testing.T) {
	f := newCounted()
	synctest.Test(t, func(t *testing.T) {
		conn, answers := f.connect(t)
		text := "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
		go trickle(conn, text, (headerTimeout-time.Second)/time.Duration(len(text)))
		resp, err := http.ReadResponse(answers, nil)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, resp.StatusCode)
	})
}

// A connection that has been good once has no privileges.
func TestSlowHeaderOfTheNextRequest(t *testing.T) {
	good := "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, c := range map[string]struct {
		wait time.Duration // before the next request
		text string
		want time.Duration // from the end of the first one
	}{
		"it trickles":             {time.Minute, head + strings.Repeat("x", 1000), time.Minute + 4*time.Second + headerTimeout},
		"it has hardly begun":     {time.Minute, "GET", idleTimeout},
		"it never begins":         {time.Hour, head, idleTimeout},
		"it begins straight away": {0, head + strings.Repeat("x", 1000), 4*time.Second + headerTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			f := newCounted()
			synctest.Test(t, func(t *testing.T) {
				conn, answers := f.connect(t)
				for range 2 {
					_, err := io.WriteString(conn, good)
					require.NoError(t, err)
					resp, err := http.ReadResponse(answers, nil)
					require.NoError(t, err)
					_, err = io.Copy(io.Discard, resp.Body)
					require.NoError(t, err)
				}
				start := time.Now()
				written := make(chan struct{})
				go func() {
					defer close(written)
					time.Sleep(c.wait)
					trickle(conn, c.text, time.Second)
				}()
				said, err := io.ReadAll(answers)
				assert.NoError(t, err, "the connection is closed")
				assertNothingSaid(t, said)
				assert.Equal(t, c.want, time.Since(start))
				assert.EqualValues(t, 2, f.calls.Load())
				<-written
			})
		})
	}
}

// A header has a size, and who exceeds it is told.
func TestHugeHeader(t *testing.T) {
	for size, want := range map[int]int{maxHeader / 2: http.StatusOK, 2 * maxHeader: http.StatusRequestHeaderFieldsTooLarge} {
		f := newCounted()
		synctest.Test(t, func(t *testing.T) {
			conn, answers := f.connect(t)
			go func() { _, _ = io.WriteString(conn, head+strings.Repeat("x", size)+"\r\n\r\n") }()
			resp, err := http.ReadResponse(answers, nil)
			require.NoError(t, err)
			assert.Equal(t, want, resp.StatusCode)
			assert.Equal(t, want == http.StatusOK, f.calls.Load() == 1)
		})
	}
}

// An answer may take its time: none of the bounds is for it.
func TestLongStream(t *testing.T) {
	f := newCounted()
	synctest.Test(t, func(t *testing.T) {
		conn, answers := f.connect(t)
		start := time.Now()
		_, err := io.WriteString(conn, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		resp, err := http.ReadResponse(answers, nil)
		require.NoError(t, err)
		lines := bufio.NewScanner(resp.Body)
		for i := range 3 {
			require.True(t, lines.Scan())
			assert.Equal(t, fmt.Sprintf("chunk %d", i), lines.Text())
			assert.Equal(t, time.Duration(i)*time.Minute, time.Since(start), "as it comes")
		}
		assert.False(t, lines.Scan())
		assert.NoError(t, lines.Err())
	})
}

// The handler sees by which address a request came, on every path, and a panic
// of its is answered as functions-framework answers the function's.
func TestServer(t *testing.T) {
	f := newCounted()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- f.srv.Serve(l) }()
	stop := sync.OnceFunc(func() {
		assert.NoError(t, f.srv.Shutdown(context.Background()))
		assert.ErrorIs(t, <-ended, http.ErrServerClosed)
	})
	t.Cleanup(stop)
	get := func(path string) (*http.Response, string, error) {
		resp, err := http.Get("http://" + l.Addr().String() + path)
		require.NoError(t, err)
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		return resp, string(text), err
	}
	resp, body, err := get("/any/path")
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Equal(t, l.Addr().String(), body)
	resp, body, err = get("/panic")
	require.NoError(t, err)
	assert.Equal(t, http.StatusInternalServerError, resp.StatusCode)
	assert.Equal(t, "crash", resp.Header.Get("X-Google-Status"), "the framework's word for it")
	assert.NotContains(t, body, "on purpose", "the cause is for the log")
	_, body, err = get("/abort")
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF, "an answer that was given up must not look whole")
	assert.Equal(t, "the beginning", body)

	stop()
	logged := f.log.String()
	assert.Equal(t, 1, strings.Count(logged, "level=ERROR msg=panic"), "giving up is no panic: %s", logged)
	assert.Contains(t, logged, `value="on purpose"`)
	assert.Contains(t, logged, "server_test.go", "where it happened")
}
