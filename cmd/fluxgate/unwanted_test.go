package main

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// refusing serves a handler that reads nothing of a body, and returns its address.
func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := newServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "no room", http.StatusServiceUnavailable)
	}), slog.New(slog.DiscardHandler))
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	return l.Addr().String()
}

// A client that writes all of a large body before it reads, as Python's do, finds the answer
// that its body isn't wanted, and not a connection that was reset. Case E.
func TestRefusalOfALargeBodyIsRead(t *testing.T) {
	if testing.Short() {
		t.Skip("waits in real time, which -short leaves out")
	}
	t.Parallel()
	const size = 30 << 20
	conn, err := net.Dial("tcp", refusing(t))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 31457280\r\n\r\n")
	require.NoError(t, err)
	piece := strings.Repeat("x", 1<<20)
	time.Sleep(time.Second) // it has been refused long since
	for range size / len(piece) {
		_, err := io.WriteString(conn, piece)
		require.NoError(t, err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	assert.Equal(t, "5", resp.Header.Get("Retry-After"))
	assert.Equal(t, "no room\n", string(text))
	assert.True(t, resp.Close, "what follows isn't read as a request")
}

// Who is refused has its answer at once, and its connection for half a minute at most,
// whether it goes on with its body slowly or not at all.
func TestUnwantedBodiesAreNotReadForLong(t *testing.T) {
	for name, c := range map[string]struct {
		expects string
		pause   time.Duration // between two bytes; 0: none is sent
		want    time.Duration
	}{
		"slowly":                      {"", time.Second, unwantedTime},
		"not at all":                  {"", 0, unwantedTime},
		"it waits to be told to send": {"Expect: 100-continue\r\n", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := make(pipe, 1)
				served := make(chan struct{})
				srv := newServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					http.Error(w, "no room", http.StatusServiceUnavailable)
				}), slog.New(slog.DiscardHandler))
				go func() { defer close(served); _ = srv.Serve(p) }()
				conn, there := net.Pipe()
				p <- there
				start := time.Now()
				written := make(chan struct{})
				go func() {
					defer close(written)
					_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\n"+c.expects+"Content-Length: 31457280\r\n\r\n")
					for c.pause > 0 {
						time.Sleep(c.pause)
						if _, err := io.WriteString(conn, "x"); err != nil {
							return
						}
					}
				}()
				answers := bufio.NewReader(conn)
				resp, err := http.ReadResponse(answers, nil)
				require.NoError(t, err)
				assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
				assert.Zero(t, time.Since(start), "the answer doesn't wait for the body")
				_, err = io.ReadAll(answers)
				assert.True(t, err == nil || errors.Is(err, io.ErrClosedPipe), err)
				assert.InDelta(t, c.want, time.Since(start), float64(time.Second))
				require.NoError(t, conn.Close())
				<-written
				close(p)
				<-served
				time.Sleep(time.Second) // net/http takes half of one to close a connection
			})
		})
	}
}
