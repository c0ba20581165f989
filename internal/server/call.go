package server

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/deadline"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/dispatch/requesthash"
	"fluxgate.dev/fluxgate/scheduler"
)

const (
	bookHeader     = "X-Fluxgate-Book"     // asks for a booking at the first refusal
	punctualHeader = "X-Fluxgate-Punctual" // says that the client comes at the millisecond that it is told
)

// newCall returns the call of a request: what it is decided by, whose it is, and
// what it is recognised by.
func (s *Server) newCall(ctx context.Context, r *http.Request, route string, body []byte) (*dispatch.Call, error) {
	snapshot, err := s.admission.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	within, err := deadline.Within(r.Header, s.admission.Now)
	if err != nil {
		return nil, err
	}
	caller := callerOf(r)
	return &dispatch.Call{
		Snapshot: snapshot, Caller: caller, Hash: requesthash.Of(caller, route, body), Ticket: s.ticket(ctx, r, caller),
		Book: strings.EqualFold(r.Header.Get(bookHeader), "true"), Punctual: strings.EqualFold(r.Header.Get(punctualHeader), "true"), Retry: true, SitsOut: patienceOf(r).Once, Within: within,
		MaxWait: s.cfg.MaxWait, Try: deadline.Try(r.Header),
	}, nil
}

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

// takePlace takes the place of one request in its caller's own limits for what takes no slot,
// unless Fluxgate only watches. Where it isn't taken the caller has been told the wait, or
// there is an error. It is to be settled or given back.
func (s *Server) takePlace(w http.ResponseWriter, r *http.Request, body []byte) (place *admission.CallerLimit, taken bool, err error) {
	place = s.admission.CallerLimit(callerOf(r), scheduler.Demand{Requests: 1})
	if s.cfg.Shadow {
		return place, true, nil
	}
	wait, err := place.Take(r.Context(), requesthash.Of(callerOf(r), r.Method+" "+r.URL.EscapedPath(), body))
	if wait != nil {
		s.writeWait(w, r, wait)
	}
	return place, wait == nil && err == nil, err
}

// logCall logs a call that is to be dispatched.
func (s *Server) logCall(ctx context.Context, c *dispatch.Call, bytes int) {
	s.logger(ctx).LogAttrs(ctx, slog.LevelInfo, "request", slog.Int64("tokens", c.Demand.Tokens), slog.Bool("exact", c.Exact),
		slog.Int("bytes", bytes), slog.Bool("ticket", c.Ticket != nil))
}
