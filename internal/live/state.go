package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"fluxgate.dev/fluxgate/internal/bodies"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/requestlog"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// A session is one of a caller's.
type session struct {
	l    *Relay
	r    *http.Request
	m    Method
	in   Incoming
	log  *slog.Logger
	ctx  context.Context // until the session is over
	stop context.CancelFunc

	conn  *side // the caller's
	setup *setup

	once  sync.Once
	ended chan struct{} // closed once it is to end
	how   ending        // then
	idle  *time.Timer
	until time.Time // it lasts at most

	refused  *ending         // how Gemini closed before it answered the setup
	answered bool            // Gemini has answered the setup
	late     *upstream.Error // what Gemini said at the end of a session that went on
	leaving  atomic.Bool     // Gemini has said that it will end the session
	tokens   int64           // of all prompts, as Gemini counts them
	due      atomic.Int64    // those of them that are still to be counted
	turned   chan struct{}   // has something when there are
	used     answers.Tokens  // of all answers, and which of the prompts'
}

func newSession(l *Relay, r *http.Request, m Method, in Incoming) *session {
	x := &session{l: l, r: r, m: m, in: in, log: requestlog.From(r.Context(), l.log), ended: make(chan struct{}), turned: make(chan struct{}, 1)}
	// A request's own context says nothing of a connection that was taken over, but when the
	// platform ends it.
	x.ctx, x.stop = context.WithCancel(context.WithoutCancel(r.Context()))
	return x
}

// pinned reports whether the session's token has the model.
func (x *session) pinned() bool { return x.in.Token != nil && x.in.Token.Model != "" }

// end has the session end, by the first that says how.
func (x *session) end(e ending) {
	x.once.Do(func() {
		x.how = e
		close(x.ended)
	})
}

// heard notes that something has come or gone.
func (x *session) heard() { x.idle.Reset(x.l.idle) }

// close tells both sides how the session ends. up is nil where there is no connection to
// Gemini. A side that has ended by itself isn't told.
func (x *session) close(up *side) {
	select {
	case <-x.ended:
	default:
		return
	}
	var both sync.WaitGroup
	for _, conn := range []*side{x.conn, up} {
		if conn != nil {
			both.Go(func() { conn.end(x.how) })
		}
	}
	both.Wait()
}

// endingOfSetup is the end of a session whose first message can't be read.
func (x *session) endingOfSetup(err error) *ending {
	var closed websocket.CloseError
	switch {
	case errors.Is(err, bodies.ErrFull), errors.Is(err, bodies.ErrNever):
		return &ending{websocket.StatusTryAgainLater, noRoom}
	case errors.Is(err, bodies.ErrTooLarge), errors.Is(err, websocket.ErrMessageTooBig):
		return &ending{websocket.StatusMessageTooBig, fmt.Sprintf("A message has at most %d bytes.", x.l.most)}
	case errors.As(err, &closed):
		return &ending{closed.Code, closed.Reason}
	case errors.Is(err, errSetup), errors.Is(err, payload.ErrTooDeep), errors.Is(err, payload.ErrManyResources):
		return &ending{websocket.StatusInvalidFramePayloadData, invalid + " The first message is the setup, in JSON of the standard."}
	}
	return &ending{} // the caller has left
}

// noRoom is told where a message has no room beside all others.
const noRoom = "UNAVAILABLE: There is no room for another message now. Please retry."

// endingOfError is the end of a session that wasn't served: as Gemini ended it, where it is
// Gemini's own word.
func (x *session) endingOfError(err error) *ending {
	e := endingOf(err)
	var failure *upstream.Error
	if x.refused != nil && errors.As(err, &failure) && failure.Wait == 0 && e.reason == failure.Message {
		e = *x.refused
	}
	x.log.Warn("no session", "error", err)
	return &e
}
