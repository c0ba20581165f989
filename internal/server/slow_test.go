package server_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A pipe is a listener in memory, for connections in virtual time.
type pipe chan net.Conn

func (p pipe) Accept() (net.Conn, error) {
	conn, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipe) Close() error   { close(p); return nil }
func (p pipe) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// trickle sends a header, then a byte of its body every second. It returns the
// status of the answer and how long that took.
func trickle(t *testing.T, h http.Handler, header, length string) (status int, took time.Duration) {
	t.Helper()
	p := make(pipe)
	srv := &http.Server{Handler: h}
	go func() { _ = srv.Serve(p) }()
	defer func() { _ = srv.Close() }()
	here, there := net.Pipe()
	p <- there
	start := time.Now()
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(here, header+"\r\nHost: x\r\n"+length+"\r\n\r\n")
		piece := " "
		if strings.HasPrefix(length, "Transfer-Encoding") {
			piece = "1\r\n \r\n"
		}
		for {
			if _, err := io.WriteString(here, piece); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}()
	resp, err := http.ReadResponse(bufio.NewReader(here), nil)
	require.NoError(t, err)
	took = time.Since(start)
	require.NoError(t, here.Close())
	<-written
	time.Sleep(time.Second) // the server lingers before it closes a connection of which it didn't read all
	return resp.StatusCode, took
}

// Who sends a byte of the body now and then is cut off, and told why.
func TestSlowBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{"FLUXGATE_MAX_BODY=4MiB"}})
		for length, want := range map[string]time.Duration{
			"Content-Length: 1000":       30 * time.Second,
			"Content-Length: 1048576":    30 * time.Second, // more only for what has come
			"Transfer-Encoding: chunked": 30 * time.Second,
		} {
			status, took := trickle(t, w.Server, "POST /generate HTTP/1.1", length)
			assert.Equal(t, http.StatusRequestTimeout, status, length)
			assert.Equal(t, want, took, length)
		}
		w.untouched()
	})
}

// A body that nobody asked for doesn't hold the connection either.
func TestSlowBodyThatIsNotRead(t *testing.T) {
	for line, want := range map[string]int{
		"GET /health HTTP/1.1":      http.StatusOK,
		"POST /nowhere HTTP/1.1":    http.StatusNotFound,
		"GET /generate HTTP/1.1":    http.StatusMethodNotAllowed,
		"POST /v1/nothing HTTP/1.1": http.StatusNotFound,
	} {
		t.Run(line, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, setup{})
				status, took := trickle(t, w.Server, line, "Content-Length: 1000")
				assert.Equal(t, want, status)
				assert.Equal(t, 30*time.Second, took)
				w.untouched()
			})
		})
	}
}
