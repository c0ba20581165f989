package events

import (
	"context"
	"log/slog"
	"time"

	"fluxgate.dev/fluxgate/internal/requestlog"
)

// An Audit says what was changed in the log of the request that changed it, and
// keeps it as events.
type Audit struct {
	log    *Log
	now    func() time.Time
	logger *slog.Logger
}

// NewAudit returns an audit that keeps events in a log, at the times that now
// tells. The logger is for what no request changed.
func NewAudit(log *Log, now func() time.Time, logger *slog.Logger) *Audit {
	return &Audit{log, now, logger}
}

// Record notes changes. That an event can't be kept is no reason to call a change
// that was made a failure.
func (a *Audit) Record(ctx context.Context, who string, what ...string) {
	if len(what) == 0 {
		return
	}
	logger := requestlog.From(ctx, a.logger)
	list := make([]Event, len(what))
	for i, text := range what {
		logger.Info("changed", "who", who, "what", text)
		list[i] = Event{At: a.now(), Who: who, What: text}
	}
	if err := a.log.Add(ctx, list...); err != nil {
		logger.Warn("event not kept", "error", err)
	}
}
