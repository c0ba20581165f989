package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"fluxgate.dev/fluxgate/internal/gate"
	"fluxgate.dev/fluxgate/internal/gemini"
	"fluxgate.dev/fluxgate/internal/telemetry"
	"fluxgate.dev/fluxgate/storage"
)

// What is logged of a request is measured too, in the words of package
// telemetry, which knows no gate and no upstream.

// metrics serves GET /metrics: Prometheus text of this instance, to who may read
// /status.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) error {
	h := s.telemetry.Metrics()
	if h == nil {
		return &problem{code: notFound, public: "This server keeps no metrics: OTEL_SDK_DISABLED says so."}
	}
	h.ServeHTTP(w, r)
	return nil
}

// decision is how an admission ended, and what the gate answered.
func (d *dispatcher) decision(grant *gate.Grant, wait *gate.Wait, err error) telemetry.Decision {
	out := telemetry.Decision{Tokens: d.demand.Tokens, Untold: d.failed != nil && grant == nil}
	switch {
	case grant != nil:
		out.Project, out.Model, out.Booked, out.Waited = grant.Project, grant.Model, grant.Booked, grant.Waited
	case wait != nil:
		out.Project, out.Model, out.Booked, out.Cause = wait.Project, wait.Model, wait.Booked, string(wait.Cause)
		out.Wait = wait.Start.Sub(d.s.gate.Now())
	case errors.Is(err, gate.ErrTooLarge):
		out.Cause = "too_large"
	case errors.Is(err, gate.ErrNoProject):
		out.Cause = "no_usable_key"
	default:
		out.Failed, out.Cause = true, failureOf(err)
	}
	return out
}

// refused is the refusal of a caller by its own limits.
func (o *ownLimit) refused(wait time.Duration) telemetry.Decision {
	return telemetry.Decision{Cause: o.cause(), Wait: wait, Tokens: -1}
}

// cause names what stands in the way, apart from the causes of projects.
func (o *ownLimit) cause() string { return "own_" + string(o.offer.Cause) }

// answered is what became of a send.
func answered(info sent, failure *gemini.Error) telemetry.Answer {
	out := telemetry.Answer{Tokens: info.promptTokens, Model: info.modelVersion, Status: http.StatusOK}
	switch {
	case failure != nil:
		out.Tokens, out.Class, out.Status = -1, failure.Class.String(), failure.HTTPStatus
	case info.late != nil:
		out.Class, out.Status = info.late.Class.String(), info.late.HTTPStatus
	}
	return out
}

// failureOf classifies what went wrong on our side; "": nothing.
func failureOf(err error) string {
	var upstream *gemini.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &upstream):
		return upstream.Class.String()
	case errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrClosed):
		return "store_unavailable"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return "internal"
}

// unwrapped returns the writer of the connection. http.MaxBytesReader has it
// close the connection, by a method that no other writer can have.
func unwrapped(w http.ResponseWriter) http.ResponseWriter {
	for {
		inner, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = inner.Unwrap()
	}
}
