package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/passing"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// send sends the session's call. What Gemini refuses to one that came with a token it refuses
// to that: it has seen no key, which others might lose by it.
func (x *session) send(ctx context.Context, to dispatch.Target) (dispatch.Sent, *upstream.Error) {
	sent, failure := x.open(ctx, to)
	for _, e := range []*upstream.Error{failure, sent.Late} {
		if x.in.Token != nil && e != nil && (e.Class == upstream.ClassKeyInvalid || e.Class == upstream.ClassDenied) {
			e.Class = upstream.ClassCaller
		}
	}
	return sent, failure
}

// open opens the session with a key, and when Gemini has answered the setup relays it to its
// end. Before that the caller has heard nothing, so it may be sent elsewhere.
func (x *session) open(ctx context.Context, to dispatch.Target) (dispatch.Sent, *upstream.Error) {
	up, failure := x.dial(ctx, to)
	if failure != nil {
		return dispatch.Sent{}, failure
	}
	defer up.CloseNow()
	up.SetReadLimit(-1) // its messages pass in pieces
	opening, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	var first io.Reader
	var kind websocket.MessageType
	err := x.writeSetup(opening, up, to.Model)
	at := time.Now()
	if err == nil {
		kind, first, err = up.Reader(opening)
	}
	if err != nil {
		return dispatch.Sent{}, x.unopened(ctx, opening, to, err, at)
	}
	x.answered = true
	if x.in.Token != nil && x.setup.handle == "" {
		if err := x.l.tokens.Begun(opening, x.in.Token.text); err != nil {
			x.log.Warn("use of a token not counted", "error", err) // Gemini has counted it
		}
	}
	x.relay(to, up, kind, first)
	x.count(ctx, to.Place)
	out := dispatch.Sent{PromptTokens: -1, Tokens: x.used, At: at, Late: x.late}
	if x.tokens > 0 {
		out.PromptTokens, out.Counted = x.tokens, true
	}
	return out, nil
}

// unopened is the failure of a session that Gemini didn't open.
func (x *session) unopened(ctx, opening context.Context, to dispatch.Target, err error, at time.Time) *upstream.Error {
	var closed websocket.CloseError
	switch {
	case ctx.Err() != nil:
		return &upstream.Error{Class: upstream.ClassCanceled, Message: "The caller hung up.", SentAt: at}
	case errors.As(err, &closed):
		e := endingAsUpstream(to, err)
		x.refused = &e
	case opening.Err() != nil:
		return &upstream.Error{Class: upstream.ClassTimeout, Message: fmt.Sprintf("Gemini didn't answer the setup within %s.", setupTimeout), SentAt: at}
	}
	failure := failureOf(to, err)
	failure.SentAt = at
	return failure
}

// writeSetup sends the setup, with the model's name in it.
func (x *session) writeSetup(ctx context.Context, up *side, model string) error {
	if x.pinned() {
		model = "" // the token has it
	}
	text := x.setup.named(model).Open()
	defer payload.Close(text)
	w, err := up.Writer(ctx, websocket.MessageText)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, text); err != nil {
		return err
	}
	return w.Close()
}

// dial opens a connection to Gemini. As long as no setup was sent nothing was served, so
// another project may be tried whatever went wrong on the way.
func (x *session) dial(ctx context.Context, to dispatch.Target) (*side, *upstream.Error) {
	ctx = to.Context(ctx)
	if x.in.Token != nil {
		ctx = upstream.WithKey(ctx, x.in.Token.text)
	}
	req, err := to.Provider().NewRequest(ctx, http.MethodGet, x.m.path(), http.NoBody)
	if err != nil {
		return nil, upstream.TransportError(ctx, err)
	}
	header := make(http.Header)
	passing.Headers(header, x.r.Header, passing.RequestHeaders)
	h := &handshake{to: to}
	// A connection may end with the context of its handshake, so that lasts as long as it.
	opening, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(x.ctx, cancel)
	left := context.AfterFunc(ctx, cancel)
	defer left()
	tooLong := time.AfterFunc(setupTimeout, cancel)
	conn, _, err := websocket.Dial(opening, req.URL.String(), &websocket.DialOptions{HTTPClient: &http.Client{Transport: h}, HTTPHeader: header})
	if !tooLong.Stop() && err == nil {
		conn.CloseNow()
		err = context.DeadlineExceeded
	}
	if err == nil {
		return &side{conn, h.under}, nil
	}
	cancel()
	if h.failure != nil {
		return nil, h.failure
	}
	failure := upstream.TransportError(ctx, err)
	switch failure.Class {
	case upstream.ClassBroken, upstream.ClassTimeout, upstream.ClassCanceled:
		if ctx.Err() == nil {
			failure.Class, failure.Reason = upstream.ClassServer, upstream.ReasonConnection
		}
	}
	failure.SentAt = time.Time{}
	return nil, failure
}

// A handshake carries the request for a connection, and keeps what Gemini answers that
// doesn't open one.
type handshake struct {
	to      dispatch.Target
	under   io.Closer // the connection that it opened
	failure *upstream.Error
}

// maxError bounds how much of a refusal is read, in bytes.
const maxError = 1 << 20

// RoundTrip implements http.RoundTripper.
func (h *handshake) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := h.to.Provider().Do(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		h.under = resp.Body
		return resp, nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxError))
	if err != nil {
		text = nil // classified by its status
	}
	h.failure = h.to.Classify(resp.StatusCode, text)
	h.failure.Header = upstream.ErrorHeader(resp.Header)
	return nil, h.failure
}

// relay passes messages both ways until the session is over, the first of Gemini's before the
// others, has its place extended, and tells the caller before it has lasted its time.
func (x *session) relay(to dispatch.Target, up *side, kind websocket.MessageType, first io.Reader) {
	x.heard()
	ctx, cancel := context.WithCancel(x.ctx)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() { x.passUp(ctx, to, up) })
	all.Go(func() { x.passDown(ctx, to, up, kind, first) })
	all.Go(func() { x.keepPlace(ctx, to) })
	all.Go(func() { x.giveNotice(ctx, kind) })
	<-x.ended
	x.close(up)
	cancel()
	all.Wait()
}
