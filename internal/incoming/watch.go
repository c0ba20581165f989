package incoming

import (
	"context"
	"errors"
	"time"

	"fluxgate.dev/fluxgate/internal/upstream"
)

var errStalled = errors.New("upstream fell silent")

// A Watch ends a call when upstream falls silent.
type Watch struct {
	ctx    context.Context
	idle   time.Duration
	cancel context.CancelCauseFunc
	timer  *time.Timer // nil: not yet
}

// NewWatch returns a watch over a call, which is to be made with its Context. It begins when something is
// heard. The caller has to stop it.
func NewWatch(ctx context.Context, idle time.Duration) *Watch {
	w := &Watch{idle: idle}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	return w
}

// Context returns the context of the call.
func (w *Watch) Context() context.Context { return w.ctx }

// Heard grants upstream its idle time anew, and what is given beside it.
func (w *Watch) Heard(more time.Duration) {
	if w.timer == nil {
		w.timer = time.AfterFunc(w.idle+more, func() { w.cancel(errStalled) })
		return
	}
	w.timer.Reset(w.idle + more)
}

// Stop ends the watch, and the call.
func (w *Watch) Stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.cancel(nil)
}

// Failure classifies what ended the call. Silence is a timeout: the request may
// have been served.
func (w *Watch) Failure(err error) *upstream.Error {
	e := upstream.TransportError(w.ctx, err)
	if errors.Is(context.Cause(w.ctx), errStalled) {
		e.Class, e.Reason, e.Message = upstream.ClassTimeout, "", errStalled.Error()
	}
	return e
}
