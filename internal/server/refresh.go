package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/internal/callers"
	"fluxgate.dev/fluxgate/internal/events"
	"fluxgate.dev/fluxgate/internal/gemini"
	"fluxgate.dev/fluxgate/internal/policy"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// newKeeper returns the keeper of what Gemini says about its models. The request
// that it sends is admitted like any other.
func (s *Server) newKeeper() *policy.Keeper {
	return policy.New(policy.Options{
		Store: s.gate.Store(), Ask: s.askPolicy, List: s.listPolicy, Chain: s.chainSet, Logger: s.log,
		Now: func() time.Time { return s.gate.Now().Time() },
	})
}

// chainSet returns the chain that somebody has set, if anybody has.
func (s *Server) chainSet(ctx context.Context) []string {
	control, err := s.gate.Control(ctx)
	if err == nil && len(control.Chain) > 0 {
		return control.Chain
	}
	return s.cfg.Chain
}

var errNoRoom = errors.New("no project has room for the question now")

// askPolicy sends the question for the limits, on whatever model is free now. It
// takes the last of the chain first: their days are the longest.
func (s *Server) askPolicy(ctx context.Context, r gemini.Request) (*gemini.Response, error) {
	ctx = withLogger(ctx, s.logger(ctx).With("for", "policy"))
	p, err := s.readKeys(ctx)
	if err != nil {
		return nil, err
	}
	chain := slices.Clone(s.gate.Rules().Policy.Chain(scheduler.Both))
	slices.Reverse(chain)
	var now time.Duration
	var answer *gemini.Response
	c := &call{
		caller: callers.Caller{Name: events.Fluxgate}, models: chain, maxWait: &now,
		demand: scheduler.Demand{Tokens: policy.TokenBound(r), Requests: 1}, exact: true,
		send: func(ctx context.Context, to slot) (sent, *gemini.Error) {
			request := r
			request.Model = to.model
			var err error
			if answer, err = s.upstream.Generate(ctx, to.key.Value.Reveal(), request); err != nil {
				return sent{}, asUpstream(ctx, err)
			}
			return sent{promptTokens: answer.PromptTokens, at: answer.SentAt, modelVersion: answer.ModelVersion}, nil
		},
	}
	_, wait, err := s.dispatch(ctx, p, c)
	switch {
	case err != nil:
		return nil, err
	case wait != nil:
		d := dispatcher{s: s, call: c, log: s.logger(ctx)}
		d.forget(ctx, wait)
		return nil, errNoRoom
	}
	return answer, nil
}

// listPolicy lists the models, with any key.
func (s *Server) listPolicy(ctx context.Context) ([]gemini.Model, error) {
	p, err := s.readKeys(ctx)
	if err != nil {
		return nil, err
	}
	var models []gemini.Model
	err = s.withAnyKey(ctx, p, true, func(ctx context.Context, to slot) *gemini.Error {
		var err error
		if models, err = s.upstream.ListModels(ctx, to.key.Value.Reveal()); err != nil {
			return asUpstream(ctx, err)
		}
		return nil
	})
	return models, err
}

// RefreshPolicy asks Gemini for its models and limits if that is due, or in any
// case with force, and has every instance go by what is believed of the answer.
// Ran is false when another call is at it, or nothing was due. It may take a
// minute.
func (s *Server) RefreshPolicy(ctx context.Context, force bool) (known policy.Reported, ran bool, err error) {
	known, ran, err = s.keeper.Refresh(ctx, force)
	if err != nil {
		return known, ran, err
	}
	// What the caller's hanging up must not interrupt.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	control, err := s.gate.FreshControl(ctx)
	if err != nil {
		return known, ran, err
	}
	limits := make(map[string]storage.Limits)
	for model, l := range known.Overrides(s.gate.Now().Time()) {
		limits[model] = storage.Limits(l)
	}
	if sameLimits(control.Reported, limits) && slices.Equal(control.Discovered, known.Chain) && maps.Equal(control.Windows, known.Windows) {
		return known, ran, nil
	}
	_, err = s.gate.UpdateControl(ctx, func(c *storage.Control) error {
		c.Reported, c.ReportedAt = limits, known.At
		c.Discovered, c.Windows = known.Chain, known.Windows
		return nil
	})
	if err != nil {
		return known, ran, err
	}
	s.happened(ctx, events.Fluxgate, fmt.Sprintf("policy refreshed: %d models listed in the chain, limits of %d taken from Gemini's answer, %d numbers refused",
		len(known.Chain), len(limits), len(known.Refused)))
	return known, ran, s.review(ctx)
}

func sameLimits(a, b map[string]storage.Limits) bool {
	same := func(x, y *int64) bool { return x == nil && y == nil || x != nil && y != nil && *x == *y }
	return maps.EqualFunc(a, b, func(x, y storage.Limits) bool {
		return same(x.RPM, y.RPM) && same(x.TPM, y.TPM) && same(x.RPD, y.RPD)
	})
}

// A policyResponse says what is known from Gemini.
type policyResponse struct {
	policy.Reported
	Running bool `json:"running"` // another instance is asking at this moment
}

// refreshPolicy serves POST /refresh-policy.
func (s *Server) refreshPolicy(w http.ResponseWriter, r *http.Request) error {
	if err := s.requireAdmin(r); err != nil {
		return err
	}
	known, ran, err := s.RefreshPolicy(r.Context(), true)
	if err != nil {
		return err
	}
	// Empty is not the same as not known.
	if known.Models == nil {
		known.Models = map[string]policy.Limits{}
	}
	if known.Refused == nil {
		known.Refused = []policy.Refusal{}
	}
	writeJSON(w, http.StatusOK, policyResponse{known, !ran})
	return nil
}
