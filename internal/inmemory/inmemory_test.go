package inmemory_test

import (
	"io"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/inmemory"
)

func newRequest(t *testing.T) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://anywhere.test/x", nil)
	require.NoError(t, err)
	return req
}

// TestCloseEndsAWaitingServer: closing the body also ends a server that isn't
// writing, and a handler that panics with ErrAbortHandler breaks its stream.
func TestCloseEndsAWaitingServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		trip := func(then func(r *http.Request)) *http.Response {
			handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, "first")
				assert.NoError(t, http.NewResponseController(w).Flush())
				then(r)
			})
			resp, err := inmemory.Transport(handler).RoundTrip(newRequest(t))
			require.NoError(t, err)
			_, err = io.ReadFull(resp.Body, make([]byte, 5))
			require.NoError(t, err)
			return resp
		}
		resp := trip(func(r *http.Request) { <-r.Context().Done(); close(ended) })
		require.NoError(t, resp.Body.Close())
		<-ended // or the bubble reports a deadlock

		resp = trip(func(*http.Request) { panic(http.ErrAbortHandler) })
		_, err := io.ReadAll(resp.Body)
		require.ErrorIs(t, err, syscall.ECONNRESET)
		require.NoError(t, resp.Body.Close())
	})
}
