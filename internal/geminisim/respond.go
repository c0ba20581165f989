package geminisim

import (
	"net"
	"net/http"

	"fluxgate.dev/fluxgate/internal/geminisim/journal"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// fail ends a request with an error.
func (c *call) fail(e *wire.Error) {
	if c.op.logged() && !c.recorded {
		c.s.journal.Record(c.entry(e.Code, e.LogReason()), journal.Hits{})
		c.logRequest(e.Code, e.LogReason())
	}
	switch e.Drop {
	case wire.ResetConnection:
		c.reset()
	case wire.Hang:
		<-c.r.Context().Done()
		c.fail(wire.Cancelled())
	default:
		if e.Code == wire.StatusCancelled {
			c.hungUp = true
		}
		body := e.Body(c.errorsInArray())
		if c.op == opCreateInteraction || c.op == opGetInteraction || c.op == opDeleteInteraction || c.op == opCancelInteraction {
			body = wire.Encode(map[string]any{"error": interactionError(e)})
		}
		c.writeJSON(e.Code, body)
	}
}

// reset drops the connection so that the client sees a reset, not an end.
func (c *call) reset() {
	c.answered = true // it was the server that hung up
	conn, _, err := http.NewResponseController(c.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the in-memory transport, or HTTP/2
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // close with RST
	}
	_ = conn.Close()
}

// errorsInArray tells whether errors come as [{"error":…}].
func (c *call) errorsInArray() bool {
	return c.openai || c.op == opStream && !c.sse()
}

func (c *call) sse() bool { return c.r.URL.Query().Get("alt") == "sse" }

func (c *call) writeJSON(code int, body []byte) {
	c.w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	c.writeHeader(code)
	_, err := c.w.Write(body)
	c.sent(err)
}

// sent notes that the last of the answer was written, or couldn't be.
func (c *call) sent(err error) {
	c.answered = err == nil
	c.hungUp = c.hungUp || err != nil
}

func (c *call) writeHeader(code int) {
	if code != wire.StatusCancelled {
		c.status = code
	}
	c.w.WriteHeader(code)
}
