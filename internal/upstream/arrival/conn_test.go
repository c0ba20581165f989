package arrival

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestKernelTells: what the other side doesn't take any more is not acknowledged, and is once it is taken.
func TestKernelTells(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the kernel isn't asked here")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	conn, err := Counted(new(net.Dialer).DialContext)(t.Context(), "tcp", listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	other, err := listener.Accept()
	require.NoError(t, err)
	defer other.Close()
	c, _ := connOf(conn)
	require.NotNil(t, c)
	n, ok := c.Unacknowledged()
	require.True(t, ok)
	require.Zero(t, n)

	wrote := int64(0)
	for {
		require.NoError(t, conn.SetWriteDeadline(time.Now().Add(200*time.Millisecond)))
		n, err := conn.Write(make([]byte, 1<<20))
		wrote += int64(n)
		if err != nil && wrote > 0 { // there is no room on either side, or this machine had something else to do
			if n, ok := c.Unacknowledged(); ok && n > 0 {
				break
			}
		}
	}
	assert.Equal(t, wrote, c.Written())
	n, ok = c.Unacknowledged()
	assert.True(t, ok)
	assert.Positive(t, n)
	assert.Less(t, n, wrote)

	buffer, read := make([]byte, 1<<20), int64(0)
	for read < wrote {
		n, err := other.Read(buffer)
		require.NoError(t, err)
		read += int64(n)
	}
	assert.Eventually(t, func() bool { n, ok := c.Unacknowledged(); return ok && n == 0 }, 10*time.Second, time.Millisecond)
}

// TestConnectionsOfRequests: what a network connection carries is known beneath its encryption too, in HTTP/1.1 and HTTP/2.
func TestConnectionsOfRequests(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the kernel isn't asked here")
	}
	for proto, two := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			assert.Equal(t, proto, r.Proto)
			_, err := io.Copy(io.Discard, r.Body)
			assert.NoError(t, err)
		}))
		server.EnableHTTP2 = two
		server.StartTLS()
		defer server.Close()
		network := server.Client().Transport.(*http.Transport)
		network.DialContext = Counted(new(net.Dialer).DialContext)
		p, carried := new(Path), int64(0)
		for i := range 2 {
			trace := new(httptrace.ClientTrace)
			s := p.Send(t.Context(), trace, time.Now, true)
			wrote := make(chan struct{})
			body := strings.Repeat("x", 3_000*(1+100*i))
			trace.WroteRequest = func(httptrace.WroteRequestInfo) { s.Wrote(); close(wrote) }
			got := trace.GotConn
			trace.GotConn = func(info httptrace.GotConnInfo) {
				if !info.Reused { // on a machine that stands still net/http may dial another
					carried = 0
				}
				got(info)
			}
			r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodPost, server.URL, strings.NewReader(body))
			require.NoError(t, err)
			resp, err := network.RoundTrip(r)
			require.NoError(t, err)
			resp.Body.Close()
			<-wrote
			// HTTP/1.1 says that a request was written before its last bytes are.
			assert.Eventually(t, func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.conn != nil && s.end > carried+int64(len(body)) && (two || s.end == s.conn.Written())
			}, 10*time.Second, time.Millisecond, "%s, request %d", proto, i)
			carried += int64(len(body))
			s.Ended(true)
			p.mu.Lock()
			if i == 0 {
				assert.Len(t, p.trips, 1, "one connection was made")
			}
			p.mu.Unlock()
		}
	}
}
