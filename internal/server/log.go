package server

import (
	"context"
	"log/slog"
	"sync"
)

// A requestLog is the handler of a request's logger. What all lines of the
// request carry is put together when the first one is written: where only
// warnings are, most requests write none.
type requestLog struct {
	slog.Handler // without it
	with         func() slog.Handler
}

// loggerOf returns the logger of a request, whose lines carry what is said about
// it.
func (s *Server) loggerOf(about []any) *slog.Logger {
	return slog.New(&requestLog{Handler: s.log.Handler(), with: sync.OnceValue(func() slog.Handler {
		return s.log.With(about...).Handler()
	})})
}

// Handle implements slog.Handler.
func (h *requestLog) Handle(ctx context.Context, r slog.Record) error { return h.with().Handle(ctx, r) }

// WithAttrs implements slog.Handler.
func (h *requestLog) WithAttrs(attrs []slog.Attr) slog.Handler { return h.with().WithAttrs(attrs) }

// WithGroup implements slog.Handler.
func (h *requestLog) WithGroup(name string) slog.Handler { return h.with().WithGroup(name) }

// logger returns the logger of a request.
func (s *Server) logger(ctx context.Context) *slog.Logger {
	if a := arrivalIn(ctx); a.log != nil {
		return a.log
	}
	return s.log
}

// withLogger has what is done for a request from now on logged elsewhere.
func withLogger(ctx context.Context, log *slog.Logger) context.Context {
	a := arrivalIn(ctx)
	a.log = log
	return withArrival(ctx, a)
}
