package exchange

import (
	"net"
	"net/http"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/answers"
	"fluxgate.dev/fluxgate/internal/geminisim/models"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// An Exchange is one HTTP request and its answer.
type Exchange struct {
	W       http.ResponseWriter
	R       *http.Request
	Body    []byte
	Arrived time.Time
	Project string // whose request it is, once that is known

	Model     string // that was asked for; once it is known, the resolved one
	Streaming bool   // the answer comes in pieces
	Tokens    int64  // of input
	Cached    int64  // of Tokens, those of a cached content

	Breaks   *wire.Error // a stream ends with it on its way
	Status   int         // that was sent
	Answered bool        // nothing is left to be sent
	HungUp   bool        // the client did, before that
}

// Generate has a model answer a request in the API's own form: it is checked, charged and
// waited for, and what it counts is noted in its exchange.
type Generate func(req *wire.GenerateRequest, name, method string) (*models.Model, answers.Answer, *wire.Error)

// Embed has a model embed texts likewise.
type Embed func(name, method string, reqs []wire.EmbedRequest) ([]answers.Embedding, *wire.Error)

// SSE reports whether a stream is to be server-sent events.
func (x *Exchange) SSE() bool { return x.R.URL.Query().Get("alt") == "sse" }

// OwnBase returns the scheme and host by which the client reached this server.
func (x *Exchange) OwnBase() string {
	scheme := x.R.URL.Scheme // the in-memory transport knows it
	switch {
	case scheme != "":
	case x.R.TLS != nil:
		scheme = "https"
	default:
		scheme = "http"
	}
	return scheme + "://" + x.R.Host
}

// Pause waits, and tells whether the client was still there at the end.
func (x *Exchange) Pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-x.R.Context().Done():
		return false
	}
}

// WriteJSON sends a body of JSON, which is all of the answer.
func (x *Exchange) WriteJSON(code int, body []byte) {
	x.W.Header().Set("Content-Type", "application/json; charset=UTF-8")
	x.WriteHeader(code)
	_, err := x.W.Write(body)
	x.Sent(err)
}

// Sent notes that the last of the answer was written, or couldn't be.
func (x *Exchange) Sent(err error) {
	x.Answered = err == nil
	x.HungUp = x.HungUp || err != nil
}

// WriteHeader sends a status, and notes it.
func (x *Exchange) WriteHeader(code int) {
	if code != wire.StatusCancelled {
		x.Status = code
	}
	x.W.WriteHeader(code)
}

// Reset drops the connection so that the client sees a reset, not an end.
func (x *Exchange) Reset() {
	x.Answered = true // it was the server that hung up
	conn, _, err := http.NewResponseController(x.W).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the in-memory transport, or HTTP/2
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // close with RST
	}
	_ = conn.Close()
}

// BreakOff ends a stream without a word.
func (x *Exchange) BreakOff() {
	if x.Breaks.Drop == wire.ResetConnection {
		x.Reset()
		return
	}
	<-x.R.Context().Done()
	x.HungUp = true
}
