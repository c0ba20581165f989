package server

import (
	"context"
	"math"
	"net/http"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/upstream"
)

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
	body, held, err := s.received.Body(w, r)
	defer held.Release()
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
	way, err := s.chain.Prompt(c.Snapshot, p, in)
	if err != nil {
		return err
	}
	c.Models, p = way.Models, way.Pool
	var reply *upstream.Reply
	if err := s.dispatch.Prepare(ctx, p, c, in, &reply); err != nil {
		return err
	}
	s.tellQuotas(w, r)
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
	s.tellQuotas(w, r)
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
