package app

import (
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/devserver"
	"fluxgate.dev/fluxgate/storage"
)

func TestLeadsToItself(t *testing.T) {
	for _, tt := range []struct {
		base, listener string
		want           bool
	}{
		{"http://127.0.0.1:8080", "127.0.0.1:8080", true},
		{"http://localhost:8080", "127.0.0.1:8080", true},
		{"http://LocalHost.:8080/", "127.0.0.1:8080", true},
		{"http://localhost:8080", "[::1]:8080", true},
		{"http://[::1]:8080", "[::1]:8080", true},
		{"http://[::ffff:127.0.0.1]:8080", "127.0.0.1:8080", true},
		{"http://127.0.0.1:8080", "[::ffff:127.0.0.1]:8080", true},
		{"http://127.0.0.2:8080", "0.0.0.0:8080", true},
		{"http://127.0.0.1:8080", "[::]:8080", true},
		{"http://[::1]:8080", "[::]:8080", true},
		{"http://localhost", "127.0.0.1:80", true},
		{"http://gemini.localhost:8080", "127.0.0.1:8080", true},
		{"", "127.0.0.1:8080", false},
		{"http://localhost:8081", "127.0.0.1:8080", false},
		{"http://localhost", "127.0.0.1:8080", false},
		{"http://127.0.0.2:8080", "127.0.0.1:8080", false}, // somebody else may listen there
		{"http://[::1]:8080", "127.0.0.1:8080", false},
		{"http://localhost:8080", "192.0.2.1:8080", false}, // nor are we there
		{"https://localhost:8080", "127.0.0.1:8080", false},
		{"https://generativelanguage.googleapis.com", "127.0.0.1:443", false},
	} {
		addr, err := net.ResolveTCPAddr("tcp", tt.listener)
		require.NoError(t, err)
		assert.Equal(t, tt.want, checkSelf("GOOGLE_GEMINI_BASE_URL", tt.base, addr) != nil, "%s at %s", tt.base, tt.listener)
	}
	assert.NoError(t, checkSelf("GOOGLE_GEMINI_BASE_URL", "http://localhost:8080", nil))
}

// README has clients export the variable that serve reads too.
func TestStartRefusesItself(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	for _, path := range []string{"", "/", "/v1beta"} {
		cfg := load(t, "GEMINI_KEY_1=a", "GOOGLE_GEMINI_BASE_URL=http://localhost:"+port+path)
		_, err = Start(t.Context(), cfg, Options{Logger: discard, Store: storage.NewMemory(nil), Listener: listener.Addr()})
		require.ErrorContains(t, err, "GOOGLE_GEMINI_BASE_URL is this server's own address (127.0.0.1:"+port+")")
		require.ErrorContains(t, err, "GOOGLE_GEMINI_BASE_URL= fluxgate serve", "and what to do")
	}
	cfg := load(t, `FLUXGATE_PROVIDERS=[{"name":"home","base_url":"http://localhost:`+port+`/openai/v1"}]`, "HOME_KEY_1=a")
	_, err = Start(t.Context(), cfg, Options{Logger: discard, Store: storage.NewMemory(nil), Listener: listener.Addr()})
	require.ErrorContains(t, err, "FLUXGATE_PROVIDERS: home: its base_url is this server's own address (127.0.0.1:"+port+")")
	// Without a key a simulator answers, and nothing stands behind.
	cfg = load(t, "GOOGLE_GEMINI_BASE_URL=http://localhost:"+port)
	a, err := Start(t.Context(), cfg, Options{Logger: discard, Store: storage.NewMemory(nil), Listener: listener.Addr(), Local: devserver.New(nil)})
	require.NoError(t, err)
	require.NoError(t, a.Close(t.Context()))
}

// A function knows where it listens by the request that starts it.
func TestFunctionRefusesItself(t *testing.T) {
	own := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}
	t.Setenv("GEMINI_KEY_1", "a")
	t.Setenv("FLUXGATE_STORE", "memory")
	t.Setenv("GOOGLE_GEMINI_BASE_URL", "http://localhost:8080")
	l := new(Lazy)
	_, err := l.get(context.WithValue(t.Context(), http.LocalAddrContextKey, own))
	require.ErrorContains(t, err, "GOOGLE_GEMINI_BASE_URL is this server's own address (127.0.0.1:8080)")
	assert.Nil(t, l.ready.Load())
}
