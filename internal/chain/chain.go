package chain

import (
	"fmt"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/dispatch/candidates"
	"fluxgate.dev/fluxgate/internal/dispatch/pool"
	"fluxgate.dev/fluxgate/internal/effective"
	"fluxgate.dev/fluxgate/internal/providers"
	"fluxgate.dev/fluxgate/scheduler"
)

// A Chain knows the chain of models across providers. It is safe for use by any number of
// goroutines.
type Chain struct {
	cfg       *config.Config
	admission *admission.Controller
	dispatch  *dispatch.Dispatcher
	others    providers.List // beside Gemini
}

// New returns the chain of a configuration.
func New(cfg *config.Config, a *admission.Controller, d *dispatch.Dispatcher) *Chain {
	return &Chain{cfg: cfg, admission: a, dispatch: d, others: cfg.AllProviders()}
}

// A Way is where a request may go.
type Way struct {
	Models []string       // in order, by the names they are counted by
	Pool   *dispatch.Pool // of those that have them
}

// Models returns the models of the chain that a mode lets through, where it goes across
// providers; "" is the mode in force. It fails where there is none; nil: it is Gemini's alone.
func (c *Chain) Models(s *admission.Snapshot, mode scheduler.Mode) ([]string, error) {
	all, _ := effective.Across(c.cfg, s.Control)
	if all == nil {
		return nil, nil
	}
	if mode == "" {
		mode = s.Mode
	}
	if all = mode.Filter(all); len(all) == 0 {
		return nil, candidates.None(mode)
	}
	return all, nil
}

// among returns the way of a request to those of the models whose provider has keys and takes
// it: why says what of it a provider doesn't; "": nothing.
func (c *Chain) among(models []string, p *dispatch.Pool, why func(provider string) string) (*Way, error) {
	var able, keyless, unable []string // providers, and what is told of the others
	w := new(Way)
	for _, model := range models {
		provider := pool.ProviderOf(model)
		what := why(provider)
		switch {
		case !p.HasKeys(provider):
			keyless = append(keyless, model)
			continue
		case what != "":
			unable = append(unable, fmt.Sprintf("%s (%s)", model, what))
			continue
		case !slices.Contains(able, provider):
			able = append(able, provider)
		}
		w.Models = append(w.Models, model)
	}
	switch {
	case len(w.Models) > 0:
		w.Pool = p.Among(able)
		return w, nil
	case len(unable) > 0:
		return nil, apierror.New(apierror.InvalidArgument, "No model of the chain takes this request, for what stands behind each: "+strings.Join(unable, ", ")+".")
	}
	return nil, apierror.New(apierror.NoUsableKey, "No key is configured for a provider of the chain: "+strings.Join(keyless, ", ")+".")
}

// ofGemini reports whether a way leads to Gemini alone.
func (w *Way) ofGemini() bool { return len(scheduler.OfGemini(w.Models)) == len(w.Models) }

// speaks reports whether a provider's own format is that one.
func (c *Chain) speaks(provider, format string) bool {
	return slices.ContainsFunc(c.others, func(p config.Provider) bool { return p.Name == provider && p.Format == format })
}

// Name is what a provider calls its model.
func Name(model string) string {
	if _, name, ok := strings.Cut(model, "/"); ok {
		return name
	}
	return model
}
