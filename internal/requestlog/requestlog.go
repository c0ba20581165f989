package requestlog

import (
	"context"
	"log/slog"
	"sync"
)

type key struct{}

// With returns a context in which the request's lines go to a logger.
func With(ctx context.Context, log *slog.Logger) context.Context {
	return context.WithValue(ctx, key{}, log)
}

// From returns the logger of the request whose context it is, or another where
// there is none.
func From(ctx context.Context, otherwise *slog.Logger) *slog.Logger {
	if log, ok := ctx.Value(key{}).(*slog.Logger); ok {
		return log
	}
	return otherwise
}

// New returns a logger whose lines carry attributes: the request's ID, what is given, and
// the name of the caller, if there is one. What they all carry is put together when the
// first one is written: where only warnings are, most requests write none.
func New(log *slog.Logger, id string, others []any, caller string) *slog.Logger {
	h := &lazy{Handler: log.Handler(), id: id, others: others, caller: caller}
	h.logger = *slog.New(h)
	return &h.logger
}

type lazy struct {
	slog.Handler // without the attributes
	id, caller   string
	others       []any // names and values in turn
	once         sync.Once
	whole        slog.Handler // with them; see with
	logger       slog.Logger
}

func (h *lazy) with() slog.Handler {
	h.once.Do(func() {
		log := slog.New(h.Handler).With("id", h.id).With(h.others...)
		if h.caller != "" {
			log = log.With("caller", h.caller)
		}
		h.whole = log.Handler()
	})
	return h.whole
}

// Handle implements slog.Handler.
func (h *lazy) Handle(ctx context.Context, r slog.Record) error { return h.with().Handle(ctx, r) }

// WithAttrs implements slog.Handler.
func (h *lazy) WithAttrs(attrs []slog.Attr) slog.Handler { return h.with().WithAttrs(attrs) }

// WithGroup implements slog.Handler.
func (h *lazy) WithGroup(name string) slog.Handler { return h.with().WithGroup(name) }
