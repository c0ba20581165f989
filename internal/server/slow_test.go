package server_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
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

// Who sends a byte of the body now and then is cut off, and told why.
func TestSlowBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{"FLUXGATE_MAX_BODY=1MiB"}})
		p := make(pipe)
		srv := &http.Server{Handler: w.Server}
		go func() { _ = srv.Serve(p) }()
		defer func() { _ = srv.Close() }()
		here, there := net.Pipe()
		p <- there
		start := time.Now()
		written := make(chan struct{})
		go func() {
			defer close(written)
			_, _ = io.WriteString(here, "POST /generate HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
			for {
				if _, err := here.Write([]byte(" ")); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		resp, err := http.ReadResponse(bufio.NewReader(here), nil)
		require.NoError(t, err)
		assert.Equal(t, http.StatusRequestTimeout, resp.StatusCode)
		assert.Equal(t, 32*time.Second, time.Since(start), "30 s, and two for a mebibyte")
		require.NoError(t, here.Close())
		<-written
		w.untouched()
	})
}
