package live

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/coder/websocket"

	"fluxgate.dev/fluxgate/internal/admission/patience"
	"fluxgate.dev/fluxgate/internal/bodies"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// passUp passes the caller's messages on until one side ends.
func (x *session) passUp(ctx context.Context, to dispatch.Target, up *side) {
	buf := make([]byte, piece)
	for {
		kind, r, err := x.conn.Reader(ctx)
		var text []byte
		var held bodies.Charge
		if err == nil {
			text, held, err = x.readMessage(r, buf)
		}
		if err == nil {
			err = x.allow(ctx, to, text, &held)
		}
		var no *notAllowed
		switch {
		case errors.As(err, &no):
			x.end(no.ending)
		case err != nil:
			x.end(*x.endingOfSetup(err))
		default:
			err = x.write(ctx, up, kind, text) // how Gemini has ended is read there
		}
		held.Release()
		if err != nil {
			return
		}
	}
}

// readMessage reads a message whole. One that fits into the session's own buffer takes
// nothing more.
func (x *session) readMessage(r io.Reader, buf []byte) ([]byte, bodies.Charge, error) {
	r = progress{x, r}
	n, err := io.ReadFull(r, buf)
	switch {
	case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF):
		return buf[:n], bodies.Charge{}, nil
	case err != nil:
		return nil, bodies.Charge{}, err
	}
	return x.l.bodies.Read(io.MultiReader(bytes.NewReader(buf), r), bodies.Options{Length: -1, Most: x.l.most})
}

// progress notes what comes of a message.
type progress struct {
	x *session
	r io.Reader
}

// Read implements io.Reader.
func (p progress) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if n > 0 {
		p.x.heard()
	}
	return n, err
}

// A notAllowed is how a session ends whose caller says what it may not.
type notAllowed struct{ ending }

// Error implements error.
func (n *notAllowed) Error() string { return n.reason }

// allow says why a message may not pass: it is none, it would begin another session in this
// one, or it mentions what isn't the caller's, or is of another project.
func (x *session) allow(ctx context.Context, to dispatch.Target, text []byte, held *bodies.Charge) error {
	body, err := payload.Read(text, held.Grow)
	if err != nil {
		if errors.Is(err, bodies.ErrFull) || errors.Is(err, bodies.ErrNever) {
			return err
		}
		return &notAllowed{ending{websocket.StatusInvalidFramePayloadData, invalid}}
	}
	if body.JSON == nil && !object(text) {
		return &notAllowed{ending{websocket.StatusInvalidFramePayloadData, invalid}}
	}
	// What can't be read here at all may be one too, to another reader.
	if body.JSON == nil || setsUp(body.JSON) {
		return &notAllowed{ending{websocket.StatusPolicyViolation, "INVALID_ARGUMENT: A session has one setup, its first message."}}
	}
	if len(body.References.Resources) == 0 {
		return nil
	}
	// Each message by itself waits for the store, for as long as a request does.
	p, err := x.l.dispatcher.PoolFor(patience.With(ctx), x.in.Who, body.References.Resources)
	switch {
	case err != nil:
		return &notAllowed{endingOf(err)}
	case !p.Has(to.Key.Project):
		return &notAllowed{ending{websocket.StatusPolicyViolation, "INVALID_ARGUMENT: A message mentions a file of another project than the session's. Name it in the setup."}}
	}
	return nil
}

// object reports whether a text may be an object to some parser: it has a beginning,
// where there may be comments or a byte order mark, and an end.
func object(text []byte) bool {
	start := bytes.TrimLeft(text, " \t\r\n\v\f\xef\xbb\xbf")
	return len(start) > 0 && bytes.IndexByte([]byte("{/#"), start[0]) >= 0 && bytes.IndexByte(start, '}') > 0
}

// write writes a message to a side, which has the idle time to take it.
func (x *session) write(ctx context.Context, conn *side, kind websocket.MessageType, text []byte) error {
	ctx, cancel := context.WithTimeout(ctx, x.l.idle)
	defer cancel()
	err := conn.Write(ctx, kind, text)
	if err == nil {
		x.heard()
	}
	return err
}

// passDown passes Gemini's messages on until one side ends, beginning with one that has come.
func (x *session) passDown(ctx context.Context, to dispatch.Target, up *side, kind websocket.MessageType, r io.Reader) {
	buf := make([]byte, piece)
	for {
		err := x.pass(ctx, to, kind, r, buf)
		if err == nil {
			kind, r, err = up.Reader(ctx)
		}
		if err == nil {
			continue
		}
		var side *callerError
		if errors.As(err, &side) {
			x.end(ending{websocket.StatusGoingAway, fmt.Sprintf("The caller has taken nothing for %s, or has left.", x.l.idle)})
			return
		}
		select {
		case <-x.ended: // by somebody else, who has closed it
		default:
			x.late = x.lateOf(to, err)
			x.end(endingAsUpstream(to, err))
		}
		return
	}
}

// lateOf is what Gemini said at the end of a session that it ended for a reason; nil: none, or
// the end that it had told before. That comes as 1011, "Deadline expired before operation could
// complete.", or 1008, "The operation was aborted" (captured), and is no failure.
func (x *session) lateOf(to dispatch.Target, err error) *upstream.Error {
	if x.leaving.Load() {
		return nil
	}
	switch websocket.CloseStatus(err) {
	case -1, websocket.StatusNormalClosure, websocket.StatusGoingAway, websocket.StatusNoStatusRcvd:
		return nil
	}
	return failureOf(to, err)
}

// A callerError says that the caller's side has failed.
type callerError struct{ error }

// Unwrap returns the cause.
func (e *callerError) Unwrap() error { return e.error }

// pass passes a message of Gemini's on, in pieces. One that is no larger than a piece is read
// before: it may say what was used.
func (x *session) pass(ctx context.Context, to dispatch.Target, kind websocket.MessageType, r io.Reader, buf []byte) error {
	r = progress{x, r}
	n, err := io.ReadFull(r, buf)
	switch {
	case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF):
		x.note(ctx, to, buf[:n])
		if err := x.write(ctx, x.conn, kind, buf[:n]); err != nil {
			return &callerError{err}
		}
		return nil
	case err != nil:
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := x.conn.Writer(ctx, kind)
	if err != nil {
		return &callerError{err}
	}
	for {
		// Who takes nothing is found by the idle time: nothing more comes then either.
		if _, err := w.Write(buf[:n]); err != nil {
			return &callerError{err}
		}
		x.heard()
		if n, err = r.Read(buf); n == 0 && err == io.EOF {
			break
		}
		if err != nil && err != io.EOF {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return &callerError{err}
	}
	return nil
}

// noted are the members of messages that note reads, of which most have none.
var noted = [][]byte{[]byte(`"usageMetadata"`), []byte(`"sessionResumptionUpdate"`), []byte(`"goAway"`)}

// note reads what a message of Gemini's says beside what is said: what a turn used, by what
// handle the session may be resumed, and that it will end.
func (x *session) note(ctx context.Context, to dispatch.Target, text []byte) {
	if !slices.ContainsFunc(noted, func(name []byte) bool { return bytes.Contains(text, name) }) {
		return
	}
	var m struct {
		UsageMetadata struct {
			PromptTokenCount, CachedContentTokenCount, ToolUsePromptTokenCount, ResponseTokenCount, ThoughtsTokenCount int64
		}
		SessionResumptionUpdate struct{ NewHandle string }
		GoAway                  *struct{}
	}
	if json.Unmarshal(text, &m) != nil {
		return
	}
	// Each turn is billed for all that was said before, so they are summed up.
	u := m.UsageMetadata
	if tokens := max(0, u.PromptTokenCount) + max(0, u.ToolUsePromptTokenCount); tokens > 0 {
		x.tokens += tokens
		x.due.Add(tokens)
		select {
		case x.turned <- struct{}{}:
		default: // it is known already
		}
	}
	x.used.Output += max(0, u.ResponseTokenCount)
	x.used.Thoughts += max(0, u.ThoughtsTokenCount)
	x.used.Cached += max(0, u.CachedContentTokenCount)
	x.used.Tools += max(0, u.ToolUsePromptTokenCount)
	if m.GoAway != nil {
		x.leaving.Store(true)
	}
	if handle := m.SessionResumptionUpdate.NewHandle; handle != "" {
		x.noteHandle(ctx, to, handle)
	}
}
