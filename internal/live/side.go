package live

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// A side is a connection of a session: the caller's or the one to Gemini.
type side struct {
	*websocket.Conn
	under io.Closer // the connection that it is made of
}

// closeTimeout is how long a side has to take a close and to answer it. The library gives it
// five seconds for each, and the session would keep its place as long.
const closeTimeout = 2 * time.Second

// end tells the side how the session ends.
func (s *side) end(e ending) {
	defer time.AfterFunc(closeTimeout, func() { _ = s.under.Close() }).Stop()
	if e.code == 0 || s.Close(e.code, e.told()) != nil {
		_ = s.CloseNow() // whoever is there has heard it, or can't
	}
}

// A hijacker keeps the connection that is taken over by it.
type hijacker struct {
	http.ResponseWriter
	under net.Conn
}

// Hijack implements [http.Hijacker].
func (h *hijacker) Hijack() (conn net.Conn, rw *bufio.ReadWriter, err error) {
	h.under, rw, err = http.NewResponseController(h.ResponseWriter).Hijack()
	return h.under, rw, err
}
