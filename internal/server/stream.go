package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/upstream"
)

var errStalled = errors.New("upstream fell silent")

// A watch ends a call when upstream falls silent.
type watch struct {
	ctx    context.Context
	idle   time.Duration
	cancel context.CancelCauseFunc
	timer  *time.Timer // nil: not yet
}

func newWatch(ctx context.Context, idle time.Duration) *watch {
	w := &watch{idle: idle}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	return w
}

// heard grants upstream its idle time anew, and what is given beside it.
func (w *watch) heard(more time.Duration) {
	if w.timer == nil {
		w.timer = time.AfterFunc(w.idle+more, func() { w.cancel(errStalled) })
		return
	}
	w.timer.Reset(w.idle + more)
}

func (w *watch) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.cancel(nil)
}

// failure classifies what ended the call. Silence is a timeout: the request may
// have been served.
func (w *watch) failure(err error) *upstream.Error {
	e := upstream.TransportError(w.ctx, err)
	if errors.Is(context.Cause(w.ctx), errStalled) {
		e.Class, e.Reason, e.Message = upstream.ClassTimeout, "", errStalled.Error()
	}
	return e
}

// pieces are the buffers that answers pass through.
var pieces = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// copy passes the answer on as it comes. Nothing is written before it is seen
// that it begins as an answer, so one that breaks at once can still be had
// elsewhere.
func (x *relay) copy(watch *watch, resp *http.Response, to dispatch.Target, end *payload.Tail) *upstream.Error {
	buf := pieces.Get().(*[32 << 10]byte)
	defer pieces.Put(buf)
	var held []byte
	for {
		n, err := resp.Body.Read(buf[:])
		piece := buf[:n]
		if n > 0 {
			watch.heard(0)
		}
		if !x.answered && x.metered {
			if len(held) > 0 {
				held = append(held, piece...)
				piece = held
			}
			switch found := payload.OpeningOf(piece); {
			case found == payload.Spoiled:
				return to.Classify(http.StatusOK, payload.FirstError(piece, io.LimitReader(resp.Body, maxErrorBody)))
			case found == payload.Undecided && err != io.EOF && len(piece) <= maxHeld:
				held, piece = append(held[:0], piece...), nil
			}
		}
		if len(piece) > 0 {
			x.begin(resp, to)
			_, _ = end.Write(piece)
			if err := x.pass(piece); err != nil {
				return upstream.TransportError(watch.ctx, fmt.Errorf("answer the caller: %w", errors.Join(context.Canceled, err)))
			}
		}
		switch {
		case err == io.EOF:
			x.begin(resp, to)
			return nil
		case err != nil:
			return watch.failure(err)
		}
	}
}

// pass writes a piece of the answer.
func (x *relay) pass(piece []byte) error {
	if _, err := x.w.Write(piece); err != nil {
		return err
	}
	if !x.stream {
		return nil
	}
	if err := http.NewResponseController(x.w).Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// begin writes the header of the answer, once.
func (x *relay) begin(resp *http.Response, to dispatch.Target) {
	if x.answered {
		return
	}
	x.answered = true
	h := x.w.Header()
	passHeaders(h, resp.Header, responseHeaders)
	h.Set(keyHeader, strconv.Itoa(to.Key.Index))
	if to.Model != "" {
		h.Set(modelHeader, to.Model)
		h.Set(waitHeader, strconv.FormatFloat(to.Waited.Seconds(), 'f', 3, 64))
	}
	x.w.WriteHeader(resp.StatusCode)
}

// maxHeld is how much of an answer is held back at most until it is seen how it
// begins.
const maxHeld = 4 << 10

// abort cuts the connection, so that the caller sees that its answer isn't
// whole. A panic with http.ErrAbortHandler would not do where the connection can
// be had: functions-framework swallows it and ends the answer as if it were
// whole.
func abort(w http.ResponseWriter) {
	out := http.NewResponseController(w)
	if conn, _, err := out.Hijack(); err == nil {
		_ = conn.Close()
		return
	}
	// HTTP/2 can't be hijacked; a deadline that is over resets the stream.
	if out.SetWriteDeadline(time.Unix(1, 0)) != nil {
		panic(http.ErrAbortHandler)
	}
}
