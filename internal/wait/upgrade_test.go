package wait

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const socket = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"

// Sessions of the Live API pass both ways, also where the function says first that they are to wait; and like any request
// they go out with the proxy's credential and without the client's, and end where what is under way is broken off.
func TestWebSocketsPass(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var seen []http.Header
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Clone())
		assert.Equal(t, socket+"?alt=ws", r.URL.String())
		if len(seen) == 1 {
			refuse(w, 50*time.Millisecond, "ticket-1", false)
			return
		}
		there, err := websocket.Accept(w, r, nil)
		if !assert.NoError(t, err) {
			return
		}
		defer there.CloseNow()
		for {
			kind, message, err := there.Read(ctx)
			if err != nil {
				return
			}
			if string(message) == "bye" {
				_ = there.Close(websocket.StatusGoingAway, "that's all")
				return
			}
			assert.NoError(t, there.Write(ctx, kind, append([]byte("heard: "), message...)))
		}
	}))
	defer upstream.Close()
	p := newProxy(t, nil, func(o *Options) { o.Access.URL, o.Transport = upstream.URL, nil })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	serving, stop := context.WithCancel(ctx)
	defer stop()
	abort, served := make(chan struct{}), make(chan error, 1)
	go func() { served <- p.Serve(serving, listener, abort) }()

	dial := func(header ...string) (*websocket.Conn, *http.Response, error) {
		h := http.Header{"X-Goog-Api-Key": {realKey}}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return websocket.Dial(ctx, "ws://"+listener.Addr().String()+socket+"?alt=ws&key="+realKey, &websocket.DialOptions{HTTPHeader: h})
	}
	say := func(here *websocket.Conn, text string) {
		t.Helper()
		require.NoError(t, here.Write(ctx, websocket.MessageText, []byte(text)))
		_, message, err := here.Read(ctx)
		require.NoError(t, err)
		assert.Equal(t, "heard: "+text, string(message))
	}
	_, _, err = dial("Origin", "https://evil.example")
	assert.ErrorContains(t, err, "403")
	assert.Empty(t, seen, "web pages open none")

	here, _, err := dial()
	require.NoError(t, err)
	say(here, "one")
	say(here, strings.Repeat("a long one ", 2000))
	require.NoError(t, here.Write(ctx, websocket.MessageText, []byte("bye")))
	_, _, err = here.Read(ctx)
	var closed websocket.CloseError
	if assert.ErrorAs(t, err, &closed) {
		assert.Equal(t, websocket.CloseError{Code: websocket.StatusGoingAway, Reason: "that's all"}, closed)
	}
	require.Len(t, seen, 2)
	for _, h := range seen {
		assert.Equal(t, token, h.Get("X-Fluxgate-Token"))
		assert.Empty(t, h.Get("X-Goog-Api-Key"))
		assert.Empty(t, h.Get("X-Forwarded-For"))
	}

	last, _, err := dial()
	require.NoError(t, err)
	say(last, "still here")
	stop()
	say(last, "while it drains, too")
	close(abort)
	_, _, err = last.Read(ctx)
	assert.Error(t, err)
	require.NoError(t, <-served)
}
