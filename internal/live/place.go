package live

import (
	"context"
	"errors"
	"time"

	"github.com/coder/websocket"

	"fluxgate.dev/fluxgate/internal/admission/lasting"
	"fluxgate.dev/fluxgate/internal/dispatch"
)

const (
	// extendEvery is how often a place is extended, which lasts three times as long.
	extendEvery = 40 * time.Second
	// extendTimeout bounds one attempt to extend a place, and extendAgain is the time until
	// the next after one that failed.
	extendTimeout = 10 * time.Second
	extendAgain   = 5 * time.Second
)

// keepPlace extends the session's place while it goes on. Without one the session ends:
// others may have been sent for it.
func (x *session) keepPlace(ctx context.Context, to dispatch.Target) {
	next := extendEvery
	if to.Place.Tried() {
		next = 0 // others wait to hear that Gemini has answered
	}
	timer := time.NewTimer(next)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-x.ended:
			return
		case <-timer.C:
		}
		next = extendEvery
		if err := x.extend(ctx, to.Place); err != nil {
			left := to.Place.Until().Sub(x.l.admission.Now())
			x.log.Warn("place of a session not extended", "error", err, "left", left)
			if next = extendAgain; errors.Is(err, lasting.ErrOver) || left < extendAgain+extendTimeout {
				x.end(ending{websocket.StatusInternalError, "UNAVAILABLE: The quota store can't be reached, so the session has lost its place. Connect again, and resume."})
				return
			}
		}
		timer.Reset(next)
	}
}

func (x *session) extend(ctx context.Context, place *lasting.Place) error {
	ctx, cancel := context.WithTimeout(ctx, extendTimeout)
	defer cancel()
	return place.Extend(ctx)
}
