package server

import (
	"fmt"
	"net/http"

	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// health serves GET /health: the process is up. It asks nothing of the store,
// so a platform's probes cost nothing.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	return nil
}

// A configRequest is the body of POST /config, with gemini-flux's fields. One
// request may hold several.
type configRequest struct {
	Mode       *string `json:"mode"`
	DisableKey *int    `json:"disable_key"`
	EnableKey  *int    `json:"enable_key"`
}

// configure serves POST /config.
func (s *Server) configure(w http.ResponseWriter, r *http.Request) error {
	if s.callers != nil && !arrivalOf(r).caller.Admin {
		return &problem{code: forbidden, public: "Only an administrator may change this: send a token of FLUXGATE_ADMIN_TOKENS."}
	}
	body, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	var in configRequest
	if err := decodeBody(body, &in); err != nil {
		return err
	}
	if err := s.check(&in); err != nil {
		return err
	}
	p, err := s.readKeys(r.Context())
	if err != nil {
		return err
	}
	// All of it is checked before any of it is done.
	var marks []mark
	for _, change := range []struct {
		index    *int
		disabled bool
	}{{in.DisableKey, true}, {in.EnableKey, false}} {
		if change.index == nil {
			continue
		}
		key, ok := p.byIndex(*change.index)
		if !ok {
			return &problem{code: notFound, public: fmt.Sprintf("There is no key %d.", *change.index)}
		}
		marks = append(marks, mark{key, change.disabled})
	}
	if err := s.carryOut(r, in.Mode, marks); err != nil {
		return err
	}
	mode, err := s.mode(r.Context())
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"status": "ok", "mode": mode})
	return nil
}

// check checks what a request says, keys apart.
func (s *Server) check(in *configRequest) error {
	switch {
	case in.Mode == nil && in.DisableKey == nil && in.EnableKey == nil:
		return invalid("body", "say what to change: mode, disable_key or enable_key.")
	case in.Mode != nil && (*in.Mode == "" || !validMode(*in.Mode)):
		return invalid("mode", modeWanted)
	case in.Mode != nil && len(s.gate.Rules().Policy.Chain(scheduler.Mode(*in.Mode))) == 0:
		return invalid("mode", "it leaves no model of the chain.")
	case in.DisableKey != nil && in.EnableKey != nil && *in.DisableKey == *in.EnableKey:
		return invalid("disable_key", "the same key can't be enabled too.")
	}
	return nil
}

type mark struct {
	key      keys.Key
	disabled bool
}

// carryOut makes the changes. The project documents go first: the control
// document's new epoch then has every instance read them.
func (s *Server) carryOut(r *http.Request, mode *string, marks []mark) error {
	for _, m := range marks {
		change := scheduler.SetMark{Key: m.key.Fingerprint, Disabled: &m.disabled}
		if !m.disabled {
			// As in gemini-flux, enabling a key also forgives it.
			change.Invalid = new(string)
		}
		if _, err := s.gate.Apply(r.Context(), m.key.Project, change); err != nil {
			return err
		}
		s.logger(r.Context()).Info("config", "key", m.key.Index, "disabled", m.disabled)
	}
	_, err := s.gate.UpdateControl(r.Context(), func(c *storage.Control) error {
		if mode != nil {
			c.Mode = *mode
		}
		return nil
	})
	if err == nil && mode != nil {
		s.logger(r.Context()).Info("config", "mode", *mode)
	}
	return err
}

// release serves DELETE /tickets/{ticket}.
func (s *Server) release(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	t, err := s.gate.ParseTicket(r.PathValue("ticket"), callerOf(r))
	if err != nil {
		return err
	}
	p, err := s.readKeys(ctx)
	if err != nil {
		return err
	}
	released, err := s.gate.Release(ctx, t, p.projects)
	if err == nil && !released {
		// It may be a booking that another instance has made since we last looked.
		if err = s.gate.Store().Refresh(ctx, p.ids(), true); err == nil {
			released, err = s.gate.Release(ctx, t, p.projects)
		}
	}
	switch {
	case err != nil:
		return err
	case !released:
		return &problem{code: notFound, public: "The ticket stands for nothing any more."}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
