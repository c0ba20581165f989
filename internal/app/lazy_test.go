package app

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whoever hangs up during the start that its request caused doesn't spoil it for
// the others.
func TestStartOutlivesItsCaller(t *testing.T) {
	t.Setenv("FLUXGATE_STORE", "memory")
	t.Setenv("GEMINI_KEY_1", "a-key-of-the-lazy-test")
	l := new(Lazy)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/status", nil))
	started := l.ready.Load()
	require.NotNil(t, started)
	defer func() { require.NoError(t, started.Close(t.Context())) }()

	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			rec := httptest.NewRecorder()
			l.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "http://localhost/status", nil))
			assert.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
		})
	}
	wg.Wait()
	assert.Same(t, started, l.ready.Load(), "it starts once")
}
