package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Ten thousand connections that say nothing, half of a header, or nothing more, keep
// nobody out, take little memory, and are closed when their time is over.
func TestTenThousandIdleConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("ten thousand connections take seconds")
	}
	const many = 10_000
	f := newCounted()
	synctest.Test(t, func(t *testing.T) {
		p := make(pipe, 1)
		served := make(chan struct{})
		go func() { defer close(served); _ = f.srv.Serve(p) }()
		dial := func() net.Conn {
			here, there := net.Pipe()
			p <- there
			return here
		}
		ask := func(conn net.Conn) {
			_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			require.NoError(t, err)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, resp.Body)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, resp.StatusCode)
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		idle := make([]net.Conn, many)
		for i := range idle {
			idle[i] = dial()
			switch i % 3 {
			case 0: // says nothing
			case 1:
				_, err := io.WriteString(idle[i], head)
				require.NoError(t, err)
			case 2:
				ask(idle[i])
			}
		}
		synctest.Wait()
		runtime.GC()
		runtime.ReadMemStats(&after)
		taken := after.HeapAlloc + after.StackInuse - before.HeapAlloc - before.StackInuse
		assert.Less(t, taken, uint64(many*48<<10), "bytes")

		start := time.Now()
		another := dial()
		ask(another)
		assert.Zero(t, time.Since(start), "somebody else is served at once")

		var closed sync.WaitGroup
		for i, conn := range idle {
			closed.Go(func() {
				_, err := io.Copy(io.Discard, conn)
				assert.NoError(t, err, "it is closed")
				want := headerTimeout
				if i%3 == 2 {
					want = idleTimeout
				}
				assert.Equal(t, want, time.Since(start))
			})
		}
		closed.Wait()
		assert.NoError(t, another.Close())
		close(p)
		<-served
		time.Sleep(time.Second) // net/http takes half of one to close a connection on which it has refused a request
	})
}
