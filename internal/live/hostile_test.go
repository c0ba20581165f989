package live_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/config"
)

// A raw connection writes frames as no library would.
type raw struct {
	net.Conn
	in *bufio.Reader
	t  *testing.T
}

func (w *world) raw(i *instance) *raw {
	w.t.Helper()
	conn, err := net.Dial("tcp", i.Listener.Addr().String())
	require.NoError(w.t, err)
	w.t.Cleanup(func() { conn.Close() })
	require.NoError(w.t, conn.SetDeadline(time.Now().Add(soon)))
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n"+
		"Sec-WebSocket-Extensions: permessage-deflate\r\nX-Goog-Api-Key: %s\r\n\r\n", path, "dGhlIHNhbXBsZSBub25jZQ==", aliceToken)
	require.NoError(w.t, err)
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	require.NoError(w.t, err)
	require.Equal(w.t, http.StatusSwitchingProtocols, resp.StatusCode)
	require.Empty(w.t, resp.Header.Get("Sec-Websocket-Extensions"), "compression isn't negotiated")
	return &raw{conn, in, w.t}
}

// The bits and codes of RFC 6455, section 5.2, and RFC 7692.
const (
	final, compressed = 0x80, 0x40
	going, text, ping = 0, 1, 9
)

// frame writes one, and reports whether it could.
func (r *raw) frame(head byte, payload []byte) bool {
	b := []byte{head}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	_, err := r.Write(append(append(b, 0, 0, 0, 0), payload...)) // masked with zeros
	return err == nil
}

// end reads until the server closes, and returns the code that it gives, 0 if none.
func (r *raw) end() uint16 {
	r.t.Helper()
	for {
		var head [2]byte
		if _, err := io.ReadFull(r.in, head[:]); err != nil {
			return 0
		}
		n := int(head[1] & 0x7f)
		if n == 126 {
			var long [2]byte
			_, err := io.ReadFull(r.in, long[:])
			require.NoError(r.t, err)
			n = int(binary.BigEndian.Uint16(long[:]))
		}
		payload := make([]byte, n)
		if _, err := io.ReadFull(r.in, payload); err != nil {
			return 0
		}
		if head[0]&0xf == 8 {
			r.Close() // as a client does then
			if n < 2 {
				return 0
			}
			return binary.BigEndian.Uint16(payload)
		}
	}
}

func (r *raw) setUp() {
	r.t.Helper()
	require.True(r.t, r.frame(final|text, []byte(setupOf(model))))
	var head [2]byte
	_, err := io.ReadFull(r.in, head[:])
	require.NoError(r.t, err)
	_, err = r.in.Discard(int(head[1] & 0x7f))
	require.NoError(r.t, err)
}

// Frames that no client sends end their session and cost nothing that lasts.
func TestHostileFrames(t *testing.T) {
	if testing.Short() {
		t.Skip("waits in real time, which -short leaves out")
	}
	w := newWorld(t, "FLUXGATE_MAX_BODY=1MiB", "FLUXGATE_BODY_BUDGET=8MiB")
	i := w.instance()
	w.env = append(w.env, "FLUXGATE_LIVE_IDLE_TIMEOUT=1s") // for those who only wait for it; an answer to a large message takes longer on a busy machine
	hasty := w.instance()
	var bomb bytes.Buffer
	deflate, err := flate.NewWriter(&bomb, flate.BestCompression)
	require.NoError(t, err)
	_, err = deflate.Write([]byte(`{"clientContent":{"turns":[{"parts":[{"text":"` + strings.Repeat("x", 64<<20) + `"}]}]}}`))
	require.NoError(t, err)
	require.NoError(t, deflate.Flush())
	garbage := make([]byte, 100)
	_, _ = rand.Read(garbage)
	for name, c := range map[string]struct {
		do   func(r *raw)
		code uint16
	}{
		"a compressed bomb": {func(r *raw) { r.frame(final|compressed|text, bomb.Bytes()) }, 1002},
		"a setup in a bomb": {func(r *raw) { r.frame(final|compressed|text, []byte(setupOf(model))) }, 1002},
		"fragments without end": {func(r *raw) {
			r.frame(text, []byte(`{"realtimeInput":{"text":"`))
			for r.frame(going, bytes.Repeat([]byte("x"), 1<<10)) {
			}
		}, 1009},
		"fragments without content": {func(r *raw) {
			r.frame(text, []byte(`{`))
			for end := time.Now().Add(9 * time.Second); time.Now().Before(end) && r.frame(going, nil); {
			}
		}, 1001},
		"pings without end": {func(r *raw) {
			for end := time.Now().Add(9 * time.Second); time.Now().Before(end) && r.frame(final|ping, []byte("x")); {
			}
		}, 1001},
		"a fragment of nothing":    {func(r *raw) { r.frame(final|going, []byte("x")) }, 1002},
		"a reserved code":          {func(r *raw) { r.frame(final|3, []byte("x")) }, 1002},
		"a ping that is too long":  {func(r *raw) { r.frame(final|ping, make([]byte, 126)) }, 1002},
		"no JSON":                  {func(r *raw) { r.frame(final|text, garbage) }, 1007},
		"a second setup":           {func(r *raw) { r.frame(final|text, []byte(`{"s\u0065tup":{"model":"models/`+model+`"}}`)) }, 1008},
		"one with a comment in it": {func(r *raw) { r.frame(final|text, []byte(`{"s\u0065tup"/**/:{"model":"models/`+model+`"}}`)) }, 1008},
		"one in UTF-16": {func(r *raw) {
			r.frame(final|2, []byte(strings.Join(strings.Split(`{"setup":{"model":"models/`+model+`"}}`, ""), "\x00")+"\x00"))
		}, 1008},
		"another's file": {func(r *raw) {
			r.frame(final|text, []byte(`{"clientContent":{"turns":[{"parts":[{"fileData":{"fileUri":"https://x/v1beta/files/of-bob"}}]}]}}`))
		}, 1008},
		"hangs up": {func(r *raw) { r.Close() }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			at := i
			if c.code == 1001 {
				at = hasty
			}
			r := w.raw(at)
			if name != "a setup in a bomb" {
				r.setUp()
			}
			done := make(chan uint16)
			go func() { done <- r.end() }()
			c.do(r)
			if got := <-done; got != 0 || c.code == 0 { // a reset may overtake the close
				assert.Equal(t, c.code, got)
			}
			eventually(t, "it is over at Gemini", func() bool { return w.openAt() == 0 })
		})
	}
	assert.NotContains(t, w.logs.String(), "panic")
	// Nothing is held of all that: sessions are opened as before, and a message passes that is
	// as large as one may be.
	c := w.open(i)
	answer, _ := c.turn(strings.Repeat("y", 900<<10))
	assert.Len(t, answer, 900<<10)
}

// Who sends more than one message may have is told so.
func TestTooLarge(t *testing.T) {
	w := newWorld(t, "FLUXGATE_MAX_BODY=64KiB", "FLUXGATE_BODY_BUDGET=8MiB")
	i := w.instance()
	large := `{"realtimeInput":{"text":"` + strings.Repeat("x", 64<<10) + `"}}`
	c := w.open(i)
	_ = c.Write(t.Context(), websocket.MessageText, []byte(large)) // it may be closed before all is sent
	assert.Equal(t, websocket.StatusMessageTooBig, c.closed().Code)
	c = w.connect(i, strings.Replace(setupOf(model), "}}", `,"x":"`+strings.Repeat("x", 64<<10)+`"}}`, 1))
	assert.Equal(t, websocket.StatusMessageTooBig, c.closed().Code)
	// Of Gemini's any size passes.
	c = w.open(i)
	c.say(`{"clientContent":{"turns":[{"parts":[{"text":"stream 3 chunks of 1000000 bytes"}]}],"turnComplete":true}}`)
	for range 3 {
		assert.Greater(t, len(c.hear()), 1_000_000)
	}
}

// Who reads slowly slows Gemini down and costs no memory, and in the end its session.
func TestSlowReader(t *testing.T) {
	if testing.Short() {
		t.Skip("waits in real time, which -short leaves out")
	}
	w := newWorld(t, "FLUXGATE_LIVE_IDLE_TIMEOUT=2s")
	i := w.instance()
	c := w.open(i)
	var before, during runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	c.say(`{"clientContent":{"turns":[{"parts":[{"text":"stream 4000 chunks of 65536 bytes"}]}],"turnComplete":true}}`)
	time.Sleep(time.Second) // it would be 260 MB
	runtime.GC()
	runtime.ReadMemStats(&during)
	assert.Less(t, int64(during.HeapAlloc)-int64(before.HeapAlloc), int64(8<<20))
	eventually(t, "the session is given up", func() bool { return w.openAt() == 0 })
	eventually(t, "and settled", func() bool { return strings.Contains(w.logs.String(), `msg="session over"`) })
}

// A page of another site reaches no server that asks for no token, whatever the page knows.
func TestForeignPage(t *testing.T) {
	w := newWorld(t)
	w.env = append(w.env[:len(w.env)-1:len(w.env)-1], "FLUXGATE_TOKENS=")
	cfg, err := config.Load(t.Context(), w.env)
	require.NoError(t, err)
	require.False(t, cfg.HasTokens())
	i := w.instance()
	for name, header := range map[string][]string{
		"a foreign page":   {"Origin", "https://evil.example"},
		"a page of a file": {"Origin", "null"},
	} {
		_, resp, err := w.dial(i, header...)
		require.Error(t, err, name)
		assert.Equal(t, http.StatusForbidden, resp.StatusCode, name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	_, resp, err := websocket.Dial(ctx, i.URL+path, &websocket.DialOptions{Host: "evil.example"})
	require.Error(t, err)
	assert.Equal(t, http.StatusForbidden, resp.StatusCode, "a name that leads here")
	c, _, err := w.dial(i)
	require.NoError(t, err)
	c.say(setupOf(model))
	assert.Contains(t, c.hear(), "setupComplete")
}
