package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/passing"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/payload/coding"
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
// that it begins as an answer, so one that breaks at once, or says nothing, can still
// be had elsewhere.
func (x *relay) copy(watch *watch, resp *http.Response, to dispatch.Target, end *answers.Tail) *upstream.Error {
	buf := pieces.Get().(*[32 << 10]byte)
	defer pieces.Put(buf)
	in := newIncoming(watch, resp)
	var held, heldText []byte
	for {
		text, piece, err := in.next(buf[:])
		if len(held) > 0 {
			heldText, held = append(heldText, text...), append(held, piece...)
			text, piece = heldText, held
		}
		if !x.answered && x.metered && !in.unknown {
			wait, failure := x.open(text, err == io.EOF, to, in)
			if failure != nil {
				return failure
			}
			if wait {
				heldText, held = append(heldText[:0], text...), append(held[:0], piece...)
				text, piece = nil, nil
			}
		}
		_, _ = end.Write(text)
		if x.seen != nil {
			x.seen(watch.ctx, to, text)
		}
		if len(piece) > 0 {
			held = nil
			x.begin(resp, to)
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

// open looks at the beginning of an answer, which may be all of it. It reports whether
// to wait for more of it, or that it is none.
func (x *relay) open(text []byte, all bool, to dispatch.Target, in *incoming) (wait bool, _ *upstream.Error) {
	opening := answers.OpeningOf(text)
	if opening == answers.Spoiled {
		return false, to.Classify(http.StatusOK, answers.FirstError(text, io.LimitReader(in, maxErrorBody)))
	}
	silent := len(bytes.TrimSpace(text)) == 0 || x.generates && answers.Silent(text)
	switch {
	case !all:
		return (silent || opening == answers.Undecided) && len(text) <= maxHeld, nil
	case !silent || !answers.Whole(text):
		return false, nil
	}
	if object := answers.LastError(text); object != nil {
		return false, to.Classify(http.StatusOK, object)
	}
	if !in.whole || answers.Produced(text) {
		return false, to.Classify(http.StatusOK, nil)
	}
	return false, upstream.NoAnswer()
}

// An incoming answer is read as it comes, and as what is in it where it is packed. The
// caller gets the one, and we learn from the other.
type incoming struct {
	watch   *watch
	whole   bool // it is known to be, once it has ended
	body    io.Reader
	plain   io.Reader // nil: it isn't packed, or what is in it has ended
	unknown bool      // what is in it can't be read, or not to its end; its bytes pass all the same
	ended   bool      // what is in it has
	came    []byte    // with plain, what was read of the body for the piece
	err     error     // with plain, what ended the body
}

func newIncoming(watch *watch, resp *http.Response) *incoming {
	in := &incoming{watch: watch, whole: upstream.KnownWhole(resp), body: resp.Body}
	plain, err := coding.Unpack(noted{in}, encodingOf(resp))
	in.unknown = err != nil
	if _, same := plain.(noted); err == nil && !same {
		in.plain = plain
	}
	return in
}

// next reads a piece of the answer, with what is in it. Both are valid until the next
// call.
func (in *incoming) next(buf []byte) (text, piece []byte, err error) {
	if in.plain == nil {
		n, err := noted{in}.read(buf)
		if in.unknown || in.ended {
			return nil, buf[:n], err
		}
		return buf[:n], buf[:n], err
	}
	in.came = in.came[:0]
	n, err := in.plain.Read(buf)
	if err == nil {
		return buf[:n], in.came, nil
	}
	in.plain, in.ended, in.unknown = nil, true, err != io.EOF
	return buf[:n], in.came, in.err // nil: something follows, or the end itself
}

// Read implements io.Reader: it reads what is in the answer.
func (in *incoming) Read(p []byte) (int, error) {
	text, _, err := in.next(p)
	return len(text), err
}

// noted is the body of an answer, of which is kept what came.
type noted struct{ in *incoming }

// Read implements io.Reader.
func (n noted) Read(p []byte) (int, error) {
	size, err := n.read(p)
	n.in.came = append(n.in.came, p[:size]...)
	if err != nil {
		n.in.err = err
	}
	return size, err
}

func (n noted) read(p []byte) (int, error) {
	size, err := n.in.body.Read(p)
	if size > 0 {
		n.in.watch.heard(0)
	}
	return size, err
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
	passing.Headers(h, resp.Header, passing.ResponseHeaders)
	passing.Length(h, resp.ContentLength)
	if passing.IsFile(x.r) {
		h.Set(passing.PolicyHeader, passing.FileSandbox)
	} else {
		passing.SettleType(h)
	}
	x.s.tellQuotas(x.w, x.r)
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
