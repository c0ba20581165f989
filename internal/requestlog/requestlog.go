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

// New returns a logger whose lines carry attributes, names and values in turn.
// What they all carry is put together when the first one is written: where only
// warnings are, most requests write none.
func New(log *slog.Logger, attributes []any) *slog.Logger {
	return slog.New(&lazy{Handler: log.Handler(), attributes: attributes})
}

type lazy struct {
	slog.Handler // without the attributes
	attributes   []any
	once         sync.Once
	whole        slog.Handler // with them; see with
}

func (h *lazy) with() slog.Handler {
	h.once.Do(func() { h.whole = slog.New(h.Handler).With(h.attributes...).Handler() })
	return h.whole
}

// Handle implements slog.Handler.
func (h *lazy) Handle(ctx context.Context, r slog.Record) error { return h.with().Handle(ctx, r) }

// WithAttrs implements slog.Handler.
func (h *lazy) WithAttrs(attrs []slog.Attr) slog.Handler { return h.with().WithAttrs(attrs) }

// WithGroup implements slog.Handler.
func (h *lazy) WithGroup(name string) slog.Handler { return h.with().WithGroup(name) }
