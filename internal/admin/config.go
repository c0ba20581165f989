package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/catalog"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/dispatch/candidates"
	"fluxgate.dev/fluxgate/internal/effective"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/internal/nearest"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// A configRequest is the body of POST /config: gemini-flux's fields, and chain
// and limits. One request may hold several.
type configRequest struct {
	Mode       json.RawMessage `json:"mode"`   // null: as configured
	Prefer     json.RawMessage `json:"prefer"` // free, paid or any; null: as configured
	DisableKey *int            `json:"disable_key"`
	EnableKey  *int            `json:"enable_key"`
	Chain      json.RawMessage `json:"chain"`  // a list of models and families; null or none: as configured
	Force      bool            `json:"force"`  // a chain is taken though Gemini doesn't list all of it
	Limits     json.RawMessage `json:"limits"` // as FLUXGATE_LIMITS; null or none: as configured
}

// A ConfigResult says what holds after a change.
type ConfigResult struct {
	Status string               `json:"status"`
	Mode   scheduler.Mode       `json:"mode"`
	Prefer config.Prefer        `json:"prefer"`
	Chain  []string             `json:"model_chain"`
	Limits config.LimitsByModel `json:"limits"` // set at run time; of one project as PROJECT/MODEL
	// Unlisted are the models of the chain that was set at run time which aren't among those
	// that Gemini lists for text, as far as its list was read.
	Unlisted []string `json:"unlisted,omitempty"`
}

// Configure makes the changes that the body of POST /config asks for, in the name
// of who.
func (a *Admin) Configure(ctx context.Context, who string, body []byte) (*ConfigResult, error) {
	var in configRequest
	if err := payload.Decode(body, &in); err != nil {
		return nil, err
	}
	// All of it is checked before any of it is done.
	change, err := a.understand(ctx, &in)
	if err != nil {
		return nil, err
	}
	snapshot, err := a.carryOut(ctx, who, change)
	if err != nil {
		return nil, err
	}
	whole, _ := effective.Whole(a.cfg, snapshot.Control)
	limits := make(config.LimitsByModel, len(snapshot.Control.Limits))
	for name, l := range snapshot.Control.Limits {
		limits[name] = config.Limits(l)
	}
	return &ConfigResult{"ok", snapshot.Mode, effective.Prefer(a.cfg, snapshot.Control), snapshot.Mode.Filter(whole), limits, unlisted(snapshot.Control)}, nil
}

func unlisted(c storage.Control) (names []string) {
	for _, model := range c.Chain {
		if _, listed := c.Windows[model]; !listed && len(c.Windows) > 0 {
			names = append(names, model)
		}
	}
	return names
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
func (a *Admin) understand(ctx context.Context, in *configRequest) (*reconfiguration, error) {
	if in.Mode == nil && in.Prefer == nil && in.DisableKey == nil && in.EnableKey == nil && in.Chain == nil && in.Limits == nil {
		return nil, apierror.Invalid("body", "say what to change: mode, prefer, disable_key, enable_key, chain or limits.")
	}
	if in.DisableKey != nil && in.EnableKey != nil && *in.DisableKey == *in.EnableKey {
		return nil, apierror.Invalid("disable_key", "the same key can't be enabled too.")
	}
	snapshot, err := a.admission.FreshSnapshot(ctx)
	if err != nil {
		return nil, err
	}
	out := new(reconfiguration)
	if err := a.understandChain(ctx, out, in, snapshot.Control); err != nil {
		return nil, err
	}
	if err := out.limits(in.Limits); err != nil {
		return nil, err
	}
	if err := out.mode(in.Mode); err != nil {
		return nil, err
	}
	if err := out.prefer(in.Prefer); err != nil {
		return nil, err
	}
	if err := a.leavesModels(snapshot.Control, in, out); err != nil {
		return nil, err
	}
	p, err := a.dispatch.Pool(ctx)
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
		key, ok := p.ByIndex(*x.index)
		if !ok {
			return nil, apierror.New(apierror.NotFound, fmt.Sprintf("There is no key %d. See /status for those that there are.", *x.index))
		}
		out.marks = append(out.marks, mark{key, x.disabled})
		out.said = append(out.said, fmt.Sprintf("key %d%s %s", key.Index, key.Whose(), x.said))
	}
	return out, nil
}

func (c *reconfiguration) step(said string, step func(*storage.Control)) {
	c.said = append(c.said, said)
	c.steps = append(c.steps, step)
}

func (c *reconfiguration) mode(raw json.RawMessage) error {
	switch {
	case raw == nil:
		return nil
	case bytes.Equal(raw, []byte("null")):
		c.step("mode as configured", func(c *storage.Control) { c.Mode = "" })
		return nil
	}
	var mode string
	if json.Unmarshal(raw, &mode) != nil {
		return apierror.Invalid("mode", "want the name of a mode, or null for the configured one.")
	}
	if _, err := scheduler.ParseMode(mode); err != nil || mode == "" {
		return candidates.ModeError(mode)
	}
	c.step("mode "+mode, func(c *storage.Control) { c.Mode = mode })
	return nil
}

func (c *reconfiguration) prefer(raw json.RawMessage) error {
	switch {
	case raw == nil:
		return nil
	case bytes.Equal(raw, []byte("null")):
		c.step("prefer as configured", func(c *storage.Control) { c.Prefer = "" })
		return nil
	}
	var prefer string
	if json.Unmarshal(raw, &prefer) != nil || !slices.Contains(preferences, prefer) {
		return apierror.Invalid("prefer", "want "+strings.Join(preferences, ", ")+", or null for the configured one.")
	}
	c.step("prefer "+prefer, func(c *storage.Control) { c.Prefer = prefer })
	return nil
}

// preferences are those that may be set.
var preferences = []string{string(config.PreferFree), string(config.PreferPaid), string(config.PreferAny)}

// understandChain checks a chain. A build from before knows Gemini's models alone, and takes the
// name of a family for a model's.
func (a *Admin) understandChain(ctx context.Context, c *reconfiguration, in *configRequest, control storage.Control) error {
	if in.Chain == nil {
		return nil
	}
	var names []string
	if err := json.Unmarshal(in.Chain, &names); err != nil {
		return apierror.Invalid("chain", "want a list of model names, or null for the configured one.")
	}
	for i := range names {
		if names[i] == "" || strings.Contains(names[i], ",") {
			return apierror.Invalid("chain", "want a list of model names.")
		}
	}
	var list config.ModelList
	err := list.EnvDecode(strings.Join(names, ","))
	if err == nil {
		err = a.cfg.CheckChain(list)
	}
	if err != nil {
		return &apierror.Problem{Code: apierror.InvalidArgument, Public: "chain: " + err.Error(), Cause: err}
	}
	said, geminis, across := "chain as configured", []string(list), []string(nil)
	if len(list) > 0 {
		if list = effective.Models(list, control); len(list) == 0 {
			return apierror.Invalid("chain", "no model is of these families.")
		}
		if geminis = scheduler.OfGemini(list); len(geminis) < len(list) {
			across = list
		}
		if !in.Force {
			if err := a.checkListed(ctx, geminis, across, control); err != nil {
				return err
			}
		}
		said = "chain " + strings.Join(list, " > ")
	}
	c.limit = true
	c.step(said, func(control *storage.Control) { control.Chain, control.Across = geminis, across })
	return nil
}

// checkListed refuses models that their providers don't list.
func (a *Admin) checkListed(ctx context.Context, geminis, across []string, control storage.Control) error {
	const force = ` To take it all the same, send "force": true.`
	if names := unlisted(storage.Control{Chain: geminis, Windows: control.Windows}); len(names) > 0 {
		return apierror.Invalid("chain", notListed(names, control)+force)
	}
	if names := a.Unlisted(ctx, across); len(names) > 0 {
		return apierror.Invalid("chain", strings.Join(names, ", ")+": the provider doesn't list it."+force)
	}
	return nil
}

// Unlisted returns those of a chain's models of other providers than Gemini that these say they
// don't have. Of a provider that can't be asked nothing is known.
func (a *Admin) Unlisted(ctx context.Context, chain []string) []string {
	p, err := a.dispatch.Pool(ctx)
	if err != nil {
		return nil
	}
	return catalog.Unlisted(ctx, a.dispatch, p, chain)
}

func (c *reconfiguration) limits(raw json.RawMessage) error {
	if raw == nil {
		return nil
	}
	var decoded config.LimitsByModel
	if !bytes.Equal(raw, []byte("null")) {
		if err := decoded.EnvDecode(string(raw)); err != nil {
			return &apierror.Problem{Code: apierror.InvalidArgument, Public: "limits: " + err.Error(), Cause: err}
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

// notListed says which models Gemini doesn't list, and which may be meant.
func notListed(names []string, c storage.Control) string {
	listed := slices.Sorted(maps.Keys(c.Windows))
	said := make([]string, len(names))
	for i, name := range names {
		if said[i] = strconv.Quote(name); nearest.Word(name, listed) != "" {
			said[i] += " (did you mean " + nearest.Word(name, listed) + "?)"
		}
	}
	return "Gemini lists no " + strings.Join(said, ", ") + "."
}

// leavesModels refuses a change after which every request would fail.
func (a *Admin) leavesModels(control storage.Control, in *configRequest, out *reconfiguration) error {
	for _, step := range out.steps {
		step(&control)
	}
	if whole, _ := effective.Whole(a.cfg, control); len(effective.Mode(a.cfg, control).Filter(whole)) > 0 {
		return nil
	}
	if in.Mode != nil {
		return apierror.Invalid("mode", "it leaves no model of the chain.")
	}
	if in.Chain != nil {
		return apierror.Invalid("chain", "it leaves no model that the mode lets through.")
	}
	return nil // it was so before
}

// carryOut makes the changes. The project documents go first: the control
// document's new epoch then has every instance read them.
func (a *Admin) carryOut(ctx context.Context, who string, change *reconfiguration) (*admission.Snapshot, error) {
	for _, m := range change.marks {
		set := scheduler.SetMark{Key: m.key.Fingerprint, Disabled: &m.disabled}
		if !m.disabled {
			// As in gemini-flux, enabling a key also forgives it.
			set.Invalid = new(string)
		}
		if _, err := a.admission.Apply(ctx, m.key.Project, set); err != nil {
			return nil, err
		}
	}
	snapshot, err := a.admission.UpdateControl(ctx, func(c *storage.Control) error {
		for _, step := range change.steps {
			step(c)
		}
		if change.limit {
			c.LimitsAt = a.admission.Now().Time()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	a.audit.Record(ctx, who, change.said...)
	if change.limit {
		return snapshot, a.review(ctx)
	}
	return snapshot, nil
}
