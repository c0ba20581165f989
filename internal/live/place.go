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

// keepPlace extends the session's place while it goes on, and has what its turns use counted
// as they do. Without a place the session ends: others may have been sent for it.
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
		case <-x.turned:
			x.count(ctx, to.Place)
			continue
		case <-timer.C:
			x.count(ctx, to.Place) // what couldn't be
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

// count has counted what turns have used and isn't yet. Once that has begun it is done, even if
// the session ends meanwhile: half of it would be counted again.
func (x *session) count(ctx context.Context, place *lasting.Place) {
	tokens := x.due.Swap(0)
	if tokens == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), extendTimeout)
	defer cancel()
	if err := place.Use(ctx, tokens); err != nil {
		x.due.Add(tokens)
		x.log.Warn("tokens of a session not counted yet", "error", err)
	}
}

func (x *session) extend(ctx context.Context, place *lasting.Place) error {
	ctx, cancel := context.WithTimeout(ctx, extendTimeout)
	defer cancel()
	return place.Extend(ctx)
}
