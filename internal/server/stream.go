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

	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/exchange"
	"fluxgate.dev/fluxgate/internal/incoming"
	"fluxgate.dev/fluxgate/internal/passing"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// pieces are the buffers that answers pass through.
var pieces = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// copy passes the answer on as it comes. Nothing is written before it is seen
// that it begins as an answer, so one that breaks at once, or says nothing, can still
// be had elsewhere.
func (x *relay) copy(watch *incoming.Watch, resp *http.Response, to dispatch.Target, end *answers.Tail) *upstream.Error {
	buf := pieces.Get().(*[32 << 10]byte)
	defer pieces.Put(buf)
	in := incoming.New(watch, resp)
	var held, heldText []byte
	for {
		text, piece, err := in.Next(buf[:])
		if len(held) > 0 {
			heldText, held = append(heldText, text...), append(held, piece...)
			text, piece = heldText, held
		}
		if !x.answered && x.metered && !in.Unknown {
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
		x.noting.See(watch.Context(), to, text)
		x.results.See(watch.Context(), text)
		if len(piece) > 0 {
			held = nil
			x.begin(resp, to)
			if err := x.pass(piece); err != nil {
				return upstream.TransportError(watch.Context(), fmt.Errorf("answer the caller: %w", errors.Join(context.Canceled, err)))
			}
		}
		switch {
		case err == io.EOF:
			x.begin(resp, to)
			return nil
		case err != nil:
			return watch.Failure(err)
		}
	}
}

// open looks at the beginning of an answer, which may be all of it. It reports whether
// to wait for more of it, or that it is none.
func (x *relay) open(text []byte, all bool, to dispatch.Target, in *incoming.Answer) (wait bool, _ *upstream.Error) {
	opening := answers.OpeningOf(text)
	if opening == answers.Spoiled {
		return false, to.Classify(http.StatusOK, answers.FirstError(text, io.LimitReader(in, exchange.MaxErrorBody)))
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
	if !in.Whole || answers.Produced(text) || x.noting != nil && !x.writes { // such as an operation, which may have begun
		return false, to.Classify(http.StatusOK, nil)
	}
	return false, upstream.NoAnswer()
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
	if to.Key.Provider != upstream.Gemini {
		passing.Headers(h, resp.Header, passing.OtherResponseHeaders)
	}
	if !x.metered || !x.stream { // else the caller could be back before it is kept how a model's stream ended
		passing.Length(h, resp.ContentLength)
	}
	if passing.IsFile(x.r) {
		passing.Headers(h, resp.Header, passing.FileResponseHeaders)
		h.Set(passing.PolicyHeader, passing.FileSandbox)
	} else {
		passing.SettleType(h)
	}
	x.s.tellQuotas(x.w, x.r)
	values := []string{strconv.Itoa(to.Key.Index), to.Model, "0.000"}
	h[exchange.KeyHeader] = values[0:1:1]
	if to.Model != "" {
		if to.Waited != 0 {
			values[2] = strconv.FormatFloat(to.Waited.Seconds(), 'f', 3, 64)
		}
		h[modelHeader], h[waitHeader] = values[1:2:2], values[2:3:3]
	}
	x.w.WriteHeader(resp.StatusCode)
}

// maxHeld is how much of an answer is held back at most until it is seen how it
// begins.
const maxHeld = 4 << 10
