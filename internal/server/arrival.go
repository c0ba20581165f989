package server

import (
	"context"
	"log/slog"
	"net/http"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/callers"
	"fluxgate.dev/fluxgate/internal/live"
	"fluxgate.dev/fluxgate/internal/requestlog"
)

// An arrival is what is known of a request before its handler runs.
type arrival struct {
	format   apierror.Format
	patience apierror.Patience // of the route's clients
	caller   callers.Caller
	token    *live.Token // the ephemeral one of a session; nil: none
}

type arrivalKey struct{}

func withArrival(ctx context.Context, a arrival) context.Context {
	return context.WithValue(ctx, arrivalKey{}, &a)
}

// arrivalOf returns what is known of a request that has its handler.
func arrivalOf(r *http.Request) *arrival { return r.Context().Value(arrivalKey{}).(*arrival) }

// formatOf returns the format in which the route's clients expect errors.
func formatOf(r *http.Request) apierror.Format { return arrivalOf(r).format }

// patienceOf returns how the route's clients take a wait.
func patienceOf(r *http.Request) apierror.Patience { return arrivalOf(r).patience }

// callerOf returns the public name of the caller; empty where callers aren't
// told apart.
func callerOf(r *http.Request) string { return arrivalOf(r).caller.Name }

// logger returns the logger of a request.
func (s *Server) logger(ctx context.Context) *slog.Logger { return requestlog.From(ctx, s.log) }
