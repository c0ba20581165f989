package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/internal/gemini"
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
func (w *watch) failure(err error) *gemini.Error {
	e := gemini.TransportError(w.ctx, err)
	if errors.Is(context.Cause(w.ctx), errStalled) {
		e.Class, e.Reason, e.Message = gemini.ClassTimeout, "", errStalled.Error()
	}
	return e
}

// pieces are the buffers that answers pass through.
var pieces = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// copy passes the answer on as it comes. Nothing is written before it is seen
// that it begins as an answer, so one that breaks at once can still be had
// elsewhere.
func (x *relay) copy(watch *watch, resp *http.Response, to slot, end *tail) *gemini.Error {
	buf := pieces.Get().(*[32 << 10]byte)
	defer pieces.Put(buf)
	var held []byte
	for {
		n, err := resp.Body.Read(buf[:])
		piece := buf[:n]
		if n > 0 {
			watch.heard(0)
		}
		if !x.answered && x.usage != nil {
			if len(held) > 0 {
				held = append(held, piece...)
				piece = held
			}
			switch found := beginning(piece); {
			case found == spoiled:
				return x.refused(piece, resp.Body, to)
			case found == undecided && err != io.EOF && len(piece) <= maxHeld:
				held, piece = append(held[:0], piece...), nil
			}
		}
		if len(piece) > 0 {
			x.begin(resp, to)
			_, _ = end.Write(piece)
			if err := x.pass(piece); err != nil {
				return gemini.TransportError(watch.ctx, fmt.Errorf("answer the caller: %w", errors.Join(context.Canceled, err)))
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
func (x *relay) begin(resp *http.Response, to slot) {
	if x.answered {
		return
	}
	x.answered = true
	h := x.w.Header()
	passHeaders(h, resp.Header, responseHeaders)
	h.Set(keyHeader, strconv.Itoa(to.key.Index))
	if to.model != "" {
		h.Set(modelHeader, to.model)
		h.Set(waitHeader, strconv.FormatFloat(to.waited.Seconds(), 'f', 3, 64))
	}
	x.w.WriteHeader(resp.StatusCode)
}

// refused reads the error that an answer of 200 turned out to be.
func (x *relay) refused(held []byte, rest io.Reader, to slot) *gemini.Error {
	object := bytes.Clone(held[bytes.IndexByte(held, '{'):]) // what is held is to be used again
	var whole json.RawMessage
	dec := json.NewDecoder(io.MultiReader(bytes.NewReader(object), io.LimitReader(rest, maxErrorBody)))
	if dec.Decode(&whole) == nil {
		object = whole
	}
	return gemini.Classify(http.StatusOK, object, to.key.Value.Reveal())
}

// maxHeld is how much of an answer is held back at most until it is seen how it
// begins.
const maxHeld = 4 << 10

// How an answer begins.
type opening int

const (
	undecided opening = iota // more is needed to say
	sound
	spoiled // with an error
)

// sseFields are the fields of server-sent events that may stand before the data,
// and what begins a comment.
var sseFields = [][]byte{[]byte("event:"), []byte("id:"), []byte("retry:"), []byte(":")}

// beginning says how an answer begins, be it an object, a list or a stream of
// events.
func beginning(text []byte) opening {
	for {
		text = bytes.TrimLeft(text, " \t\r\n[")
		if rest, ok := bytes.CutPrefix(text, []byte("data:")); ok {
			text = rest
			continue
		}
		if len(text) == 0 || len(text) < len("data:") && bytes.HasPrefix([]byte("data:"), text) {
			return undecided
		}
		if text[0] == '{' {
			return member(bytes.TrimLeft(text[1:], " \t\r\n"))
		}
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		if !sseLine(line) {
			return sound
		}
		if !whole {
			return undecided
		}
		text = rest
	}
}

func sseLine(line []byte) bool {
	for _, field := range sseFields {
		if bytes.HasPrefix(line, field) || bytes.HasPrefix(field, line) {
			return true
		}
	}
	return false
}

// member says whether the first member of an object is an error.
func member(text []byte) opening {
	const name = `"error"`
	if len(text) < len(name) {
		if bytes.HasPrefix([]byte(name), text) {
			return undecided
		}
		return sound
	}
	value, ok := bytes.CutPrefix(text, []byte(name))
	if !ok {
		return sound
	}
	value = bytes.TrimLeft(value, " \t\r\n:")
	switch {
	case len(value) == 0:
		return undecided
	case value[0] == 'n': // null
		return sound
	}
	return spoiled
}

// lastError returns the error that an answer ends with, or nil if it ends well:
// a stream that began may still end so.
func lastError(end []byte) []byte {
	const space = " \t\r\n"
	i := bytes.LastIndex(end, []byte(`"error"`))
	if i < 0 {
		return nil
	}
	before, ok := bytes.CutSuffix(bytes.TrimRight(end[:i], space), []byte("{"))
	if !ok || member(end[i:]) != spoiled {
		return nil
	}
	var object json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(end[len(before):]))
	if dec.Decode(&object) != nil {
		return nil
	}
	// It is an error of the stream's own only if it is an event by itself.
	rest := bytes.Trim(end[int64(len(before))+dec.InputOffset():], space)
	before = bytes.TrimRight(before, space)
	switch {
	case bytes.HasSuffix(before, []byte("data:")):
		if len(rest) > 0 && !bytes.Equal(rest, []byte("data: [DONE]")) {
			return nil
		}
	case bytes.HasSuffix(before, []byte(",")), bytes.HasSuffix(before, []byte("[")):
		if !bytes.Equal(rest, []byte("]")) && len(rest) > 0 {
			return nil
		}
	default:
		return nil
	}
	return object
}

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
