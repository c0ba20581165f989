package server

import (
	"context"
	"fmt"
	"net/http"

	"fluxgate.dev/fluxgate/internal/validation"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// health serves GET /health: the process is up. It asks nothing of the store,
// so a platform's probes cost nothing.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	return nil
}

// Validator returns what checks the keys.
func (s *Server) Validator() *validation.Validator {
	return &validation.Validator{
		Gate: s.gate, Keys: s.keys, Upstream: s.upstream, Mode: scheduler.Mode(s.cfg.Mode), Logger: s.log,
	}
}

// validate serves POST /validate: every key is checked with a free request.
func (s *Server) validate(w http.ResponseWriter, r *http.Request) error {
	if err := s.requireAdmin(r); err != nil {
		return err
	}
	ctx := r.Context()
	// A key may have been rotated.
	if _, err := s.keys.Reload(ctx, "keys are to be validated"); err != nil {
		return &problem{unavailable, "The keys can't be read. Please retry.", err}
	}
	report, err := s.Validator().Run(ctx)
	if err != nil {
		return err
	}
	if !report.Running {
		s.happened(ctx, callerOf(r), "keys validated: "+report.Summary())
	}
	writeJSON(w, http.StatusOK, report)
	return nil
}

// A resetRequest is the body of POST /reset.
type resetRequest struct {
	Key *int `json:"key"`
}

// reset serves POST /reset: it forgets what upstream's refusals taught about the
// project of a key, and that the key is invalid.
func (s *Server) reset(w http.ResponseWriter, r *http.Request) error {
	if err := s.requireAdmin(r); err != nil {
		return err
	}
	body, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	var in resetRequest
	if err := decodeBody(body, &in); err != nil {
		return err
	}
	if in.Key == nil {
		return invalid("key", "say which key to reset.")
	}
	ctx := r.Context()
	p, err := s.readKeys(ctx)
	if err != nil {
		return err
	}
	key, ok := p.byIndex(*in.Key)
	if !ok {
		return &problem{code: notFound, public: fmt.Sprintf("There is no key %d.", *in.Key)}
	}
	for _, change := range []scheduler.Change{scheduler.Reset{}, scheduler.SetMark{Key: key.Fingerprint, Invalid: new(string)}} {
		if _, err := s.gate.Apply(ctx, key.Project, change); err != nil {
			return err
		}
	}
	// Good news has to reach every instance.
	if _, err := s.gate.UpdateControl(ctx, func(*storage.Control) error { return nil }); err != nil {
		return err
	}
	s.happened(ctx, callerOf(r), fmt.Sprintf("key %d reset: blocks and learned limits of %s forgotten", key.Index, key.Project))
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	return nil
}

// archive keeps the days that are over, if this instance hasn't done so today.
// It never fails what it is done beside.
func (s *Server) archive(ctx context.Context) {
	now := s.gate.Now()
	if !s.history.Due(now) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	err := func() error {
		p, err := s.readKeys(ctx)
		if err != nil {
			return err
		}
		states, err := s.gate.Store().View(ctx, p.ids())
		if err != nil {
			return err
		}
		projects := make(map[string]*scheduler.Project, len(states))
		for i, id := range p.ids() {
			projects[id] = states[i]
		}
		return s.history.Archive(ctx, now, projects)
	}()
	if err != nil {
		s.history.Retry()
		s.logger(ctx).Warn("history not kept yet", "error", err)
	}
}
