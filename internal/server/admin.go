package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/effective"
	"fluxgate.dev/fluxgate/internal/events"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// requireAdmin lets nobody but administrators through. Where callers aren't told
// apart everybody is one.
func (s *Server) requireAdmin(r *http.Request) error {
	if s.isAdmin(r) {
		return nil
	}
	return &problem{code: forbidden, public: "Only an administrator may do this: send a token of FLUXGATE_ADMIN_TOKENS."}
}

func (s *Server) isAdmin(r *http.Request) bool { return s.callers == nil || arrivalOf(r).caller.Admin }

// A configRequest is the body of POST /config: gemini-flux's fields, and chain
// and limits. One request may hold several.
type configRequest struct {
	Mode       *string         `json:"mode"`
	DisableKey *int            `json:"disable_key"`
	EnableKey  *int            `json:"enable_key"`
	Chain      json.RawMessage `json:"chain"`  // a list of models; null or none: as configured
	Limits     json.RawMessage `json:"limits"` // as FLUXGATE_LIMITS; null or none: as configured
}

// A configResponse says what holds after a change.
type configResponse struct {
	Status string                    `json:"status"`
	Mode   scheduler.Mode            `json:"mode"`
	Chain  []string                  `json:"model_chain"`
	Limits map[string]storage.Limits `json:"limits"` // set at run time
}

// configure serves POST /config.
func (s *Server) configure(w http.ResponseWriter, r *http.Request) error {
	if err := s.requireAdmin(r); err != nil {
		return err
	}
	body, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	var in configRequest
	if err := decodeBody(body, &in); err != nil {
		return err
	}
	// All of it is checked before any of it is done.
	change, err := s.understand(r.Context(), &in)
	if err != nil {
		return err
	}
	control, err := s.carryOut(r, change)
	if err != nil {
		return err
	}
	mode := s.modeUnder(control)
	if control.Limits == nil {
		control.Limits = map[string]storage.Limits{}
	}
	writeJSON(w, http.StatusOK, configResponse{"ok", mode, s.gate.Rules().Policy.Chain(mode), control.Limits})
	return nil
}

// A reconfiguration is what a configRequest asks for, checked.
type reconfiguration struct {
	marks []mark
	steps []func(*storage.Control) // to make in the control document
	said  []string                 // what is done, for the log
	limit bool                     // limits may have shrunk
}

type mark struct {
	key      keys.Key
	disabled bool
}

// understand checks what a request says.
func (s *Server) understand(ctx context.Context, in *configRequest) (*reconfiguration, error) {
	if in.Mode == nil && in.DisableKey == nil && in.EnableKey == nil && in.Chain == nil && in.Limits == nil {
		return nil, invalid("body", "say what to change: mode, disable_key, enable_key, chain or limits.")
	}
	if in.DisableKey != nil && in.EnableKey != nil && *in.DisableKey == *in.EnableKey {
		return nil, invalid("disable_key", "the same key can't be enabled too.")
	}
	out := new(reconfiguration)
	if err := out.chain(in.Chain); err != nil {
		return nil, err
	}
	if err := out.limits(in.Limits); err != nil {
		return nil, err
	}
	if in.Mode != nil {
		mode := *in.Mode
		if mode == "" || !validMode(mode) {
			return nil, invalid("mode", modeWanted)
		}
		out.step("mode "+mode, func(c *storage.Control) { c.Mode = mode })
	}
	if err := s.leavesModels(ctx, in, out); err != nil {
		return nil, err
	}
	p, err := s.readKeys(ctx)
	if err != nil {
		return nil, err
	}
	for _, x := range []struct {
		index    *int
		disabled bool
		said     string
	}{{in.DisableKey, true, "disabled"}, {in.EnableKey, false, "enabled"}} {
		if x.index == nil {
			continue
		}
		key, ok := p.byIndex(*x.index)
		if !ok {
			return nil, &problem{code: notFound, public: fmt.Sprintf("There is no key %d.", *x.index)}
		}
		out.marks = append(out.marks, mark{key, x.disabled})
		out.said = append(out.said, fmt.Sprintf("key %d %s", key.Index, x.said))
	}
	return out, nil
}

func (c *reconfiguration) step(said string, step func(*storage.Control)) {
	c.said = append(c.said, said)
	c.steps = append(c.steps, step)
}

func (c *reconfiguration) chain(raw json.RawMessage) error {
	if raw == nil {
		return nil
	}
	var names []string
	if err := json.Unmarshal(raw, &names); err != nil {
		return invalid("chain", "want a list of model names, or null for the configured one.")
	}
	for i := range names {
		if names[i] == "" || strings.Contains(names[i], ",") {
			return invalid("chain", "want a list of model names.")
		}
	}
	var list config.ModelList
	if err := list.EnvDecode(strings.Join(names, ",")); err != nil {
		return &problem{invalidArgument, "chain: " + err.Error(), err}
	}
	said := "chain as configured"
	if len(list) > 0 {
		said = "chain " + strings.Join(list, " > ")
	}
	c.limit = true
	c.step(said, func(control *storage.Control) { control.Chain = list })
	return nil
}

func (c *reconfiguration) limits(raw json.RawMessage) error {
	if raw == nil {
		return nil
	}
	var decoded config.LimitsByModel
	if !bytes.Equal(raw, []byte("null")) {
		if err := decoded.EnvDecode(string(raw)); err != nil {
			return &problem{invalidArgument, "limits: " + err.Error(), err}
		}
	}
	said := "limits as configured"
	limits := make(map[string]storage.Limits, len(decoded))
	for name, l := range decoded {
		limits[name] = storage.Limits(l)
	}
	if len(limits) > 0 {
		said = "limits " + decoded.String()
	}
	c.limit = true
	c.step(said, func(control *storage.Control) { control.Limits = limits })
	return nil
}

// leavesModels refuses a change after which every request would fail.
func (s *Server) leavesModels(ctx context.Context, in *configRequest, out *reconfiguration) error {
	control, err := s.gate.FreshControl(ctx)
	if err != nil {
		return err
	}
	for _, step := range out.steps {
		step(&control)
	}
	if len(effective.Rules(s.cfg, control).Policy.Chain(s.modeUnder(control))) > 0 {
		return nil
	}
	if in.Mode != nil {
		return invalid("mode", "it leaves no model of the chain.")
	}
	if in.Chain != nil {
		return invalid("chain", "it leaves no model that the mode lets through.")
	}
	return nil // it was so before
}

// carryOut makes the changes. The project documents go first: the control
// document's new epoch then has every instance read them.
func (s *Server) carryOut(r *http.Request, change *reconfiguration) (storage.Control, error) {
	ctx := r.Context()
	for _, m := range change.marks {
		set := scheduler.SetMark{Key: m.key.Fingerprint, Disabled: &m.disabled}
		if !m.disabled {
			// As in gemini-flux, enabling a key also forgives it.
			set.Invalid = new(string)
		}
		if _, err := s.gate.Apply(ctx, m.key.Project, set); err != nil {
			return storage.Control{}, err
		}
	}
	control, err := s.gate.UpdateControl(ctx, func(c *storage.Control) error {
		for _, step := range change.steps {
			step(c)
		}
		if change.limit {
			c.LimitsAt = s.gate.Now().Time()
		}
		return nil
	})
	if err != nil {
		return control, err
	}
	s.happened(ctx, callerOf(r), change.said...)
	if change.limit {
		return control, s.review(ctx)
	}
	return control, nil
}

// review moves the bookings that no longer fit under new limits.
func (s *Server) review(ctx context.Context) error {
	p, err := s.readKeys(ctx)
	if err != nil {
		return err
	}
	for _, id := range p.ids() {
		if _, err := s.gate.Apply(ctx, id, scheduler.Review{}); err != nil {
			return err
		}
	}
	return nil
}

// happened logs changes and keeps them as events. That an event can't be kept is
// no reason to call a change that was made a failure.
func (s *Server) happened(ctx context.Context, who string, what ...string) {
	if len(what) == 0 {
		return
	}
	list := make([]events.Event, len(what))
	for i, text := range what {
		s.logger(ctx).Info("changed", "who", who, "what", text)
		list[i] = events.Event{At: s.gate.Now().Time(), Who: who, What: text}
	}
	if err := s.events.Add(ctx, list...); err != nil {
		s.logger(ctx).Warn("event not kept", "error", err)
	}
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
