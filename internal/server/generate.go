package server

import (
	"context"
	"math"
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// bookHeader asks for a booking at the first refusal.
const bookHeader = "X-Fluxgate-Book"

// A generateResponse is gemini-flux's answer, and why it is not whole if it isn't.
type generateResponse struct {
	Response     string  `json:"response"`
	KeyUsed      int     `json:"key_used"`
	ModelUsed    string  `json:"model_used"`
	TokensUsed   int64   `json:"tokens_used"`
	WaitApplied  float64 `json:"wait_applied"` // seconds since the first refusal, 0 without one
	Retried      bool    `json:"retried"`
	FinishReason string  `json:"finish_reason,omitempty"` // such as MAX_TOKENS or SAFETY; left out for STOP
}

// generate serves POST /generate.
func (s *Server) generate(w http.ResponseWriter, r *http.Request) error {
	body, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	in, err := dispatch.ReadPrompt(body)
	if err != nil {
		return err
	}
	limit := s.cfg.Timeout
	if t := in.Timeout(); t != nil {
		limit = min(limit, *t)
	}
	ctx, cancel := context.WithTimeout(r.Context(), limit)
	defer cancel()
	p, err := s.dispatch.Pool(ctx)
	if err != nil {
		return err
	}
	c, err := s.newCall(ctx, r, r.URL.Path, body)
	if err != nil {
		return err
	}
	var reply *upstream.Reply
	if err := s.dispatch.Prepare(ctx, p, c, in, &reply); err != nil {
		return err
	}
	s.logCall(ctx, c, len(body))
	out, wait, err := s.dispatch.Do(ctx, p, c)
	switch {
	case err != nil:
		return err
	case wait != nil:
		s.writeWait(w, r, wait)
		return nil
	}
	tokens := reply.PromptTokens
	if tokens == 0 {
		tokens = c.Demand.Tokens
	}
	apierror.WriteJSON(w, http.StatusOK, generateResponse{
		Response: reply.Text, KeyUsed: out.Key.Index, ModelUsed: out.Model, TokensUsed: tokens,
		WaitApplied: math.Round(out.Waited.Seconds()*100) / 100, Retried: out.Retried, FinishReason: notWhole(reply),
	})
	return nil
}

// notWhole says why an answer is empty or cut, if it is.
func notWhole(reply *upstream.Reply) string {
	switch {
	case reply.BlockReason != "":
		return reply.BlockReason
	case reply.FinishReason == "STOP":
		return ""
	}
	return reply.FinishReason
}

// newCall returns the call of a request: what it is decided by, whose it is, and
// what it is recognised by.
func (s *Server) newCall(ctx context.Context, r *http.Request, route string, body []byte) (*dispatch.Call, error) {
	snapshot, err := s.admission.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	caller := callerOf(r)
	return &dispatch.Call{
		Snapshot: snapshot, Caller: caller, Hash: dispatch.Hash(caller, route, body), Ticket: s.ticket(ctx, r, caller),
		Book: strings.EqualFold(r.Header.Get(bookHeader), "true"), Retry: true,
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

// logCall logs a call that is to be dispatched.
func (s *Server) logCall(ctx context.Context, c *dispatch.Call, bytes int) {
	s.logger(ctx).Info("request", "tokens", c.Demand.Tokens, "exact", c.Exact, "bytes", bytes, "ticket", c.Ticket != nil)
}
