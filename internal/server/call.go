package server

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/scheduler"
)

// bookHeader asks for a booking at the first refusal.
const bookHeader = "X-Fluxgate-Book"

// newCall returns the call of a request: what it is decided by, whose it is, and
// what it is recognised by.
func (s *Server) newCall(ctx context.Context, r *http.Request, route string, body []byte) (*dispatch.Call, error) {
	snapshot, err := s.admission.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	within, err := deadline(r, s.admission.Now())
	if err != nil {
		return nil, err
	}
	caller := callerOf(r)
	return &dispatch.Call{
		Snapshot: snapshot, Caller: caller, Hash: dispatch.Hash(caller, route, body), Ticket: s.ticket(ctx, r, caller),
		Book: strings.EqualFold(r.Header.Get(bookHeader), "true"), Retry: true, SitsOut: patienceOf(r).Once, Within: within,
	}, nil
}

// deadlineHeader says until when a caller can wait for its turn: in seconds from now, or
// as an instant of RFC 3339.
const deadlineHeader = "X-Fluxgate-Deadline"

// deadline returns how long the caller can wait from now on; nil: it doesn't say. The
// X-Server-Timeout of Google's SDKs is none: it bounds one try, and no caller waits for
// its turn within a try unless somebody waits on its behalf, who says so with this header.
func deadline(r *http.Request, now scheduler.Instant) (*time.Duration, error) {
	text := r.Header.Get(deadlineHeader)
	if text == "" {
		return nil, nil
	}
	var left time.Duration
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		left = at.Sub(now.Time())
	} else {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || !(seconds >= 0 && seconds <= maxDeadline.Seconds()) {
			return nil, apierror.Invalid(deadlineHeader, "want seconds from now, or an instant like 2026-11-28T12:00:00Z")
		}
		left = payload.Seconds(seconds)
	}
	left = max(0, left)
	return &left, nil
}

// maxDeadline is longer than anybody waits.
const maxDeadline = 366 * 24 * time.Hour

// ticket returns the verified ticket of a request. One that can't be verified
// counts as none: signing keys are lost with a store, and the caller must not be
// locked out for it.
func (s *Server) ticket(ctx context.Context, r *http.Request, caller string) *admission.Ticket {
	text := r.Header.Get(apierror.TicketHeader)
	if text == "" {
		return nil
	}
	t, err := s.admission.ParseTicket(text, caller)
	if err != nil {
		s.logger(ctx).Warn("ticket ignored", "error", err)
		return nil
	}
	return t
}

// logCall logs a call that is to be dispatched.
func (s *Server) logCall(ctx context.Context, c *dispatch.Call, bytes int) {
	s.logger(ctx).Info("request", "tokens", c.Demand.Tokens, "exact", c.Exact, "bytes", bytes, "ticket", c.Ticket != nil)
}
