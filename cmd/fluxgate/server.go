package main

import (
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"
)

// Bounds of what a client may do before a request has come far enough to be
// anybody's. Bodies have a bound of their own, in internal/server, and answers
// none: a stream may take as long as its request may.
const (
	headerTimeout = 10 * time.Second // from a connection, or the first byte of its next request, to the end of the header
	idleTimeout   = 2 * time.Minute  // between two requests of a connection
	maxHeader     = 64 << 10         // bytes
)

// newServer returns a server of next within these bounds.
func newServer(next http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           readUnwanted(answerPanics(next, log)),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
	}
}

// answerPanics returns a handler that answers a panic of next as the function
// does, where functions-framework recovers it: with 500 and the header
// X-Google-Status. http.ErrAbortHandler goes on to net/http, which cuts the
// connection.
func answerPanics(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch p := recover(); p {
			case nil:
			case http.ErrAbortHandler:
				panic(p)
			default:
				log.Error("panic", "value", p, "stack", string(debug.Stack()))
				w.Header().Set("X-Google-Status", "crash")
				http.Error(w, "A panic occurred during this request. The log has more of it.", http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}
