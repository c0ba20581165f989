package chain

import (
	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/dispatch/candidates"
	"fluxgate.dev/fluxgate/internal/dispatch/pool"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// maxClaude is the highest temperature that Anthropic takes.
// https://docs.claude.com/en/api/messages
const maxClaude = 1

// Prompt returns where a prompt of POST /generate may go, of the keys that there are: for a
// model, by the name that it is counted by, or for the chain.
func (c *Chain) Prompt(s *admission.Snapshot, p *dispatch.Pool, in *dispatch.Prompt) (*Way, error) {
	return c.way(s, p, in.Model, in.Mode, func(provider string) string {
		switch {
		case provider == upstream.Gemini:
		case in.HasMedia():
			return "images and files"
		case in.Temperature != nil && *in.Temperature > maxClaude && c.speaks(provider, config.FormatAnthropic):
			return "a temperature above 1"
		}
		return ""
	})
}

// Any returns where a request may go of which nothing but its model is known.
func (c *Chain) Any(s *admission.Snapshot, p *dispatch.Pool, model string, mode scheduler.Mode) (*Way, error) {
	return c.way(s, p, model, mode, func(string) string { return "" })
}

func (c *Chain) way(s *admission.Snapshot, p *dispatch.Pool, model string, mode scheduler.Mode, why func(provider string) string) (*Way, error) {
	model = c.others.Counted(model, p.HasKeys)
	models := []string{model}
	var err error
	switch {
	case model == "" || model == candidates.Auto:
		if models, err = c.Models(s, mode); err == nil && models == nil {
			models, err = candidates.Chain(s, mode)
		}
	case pool.ProviderOf(model) == upstream.Gemini:
		models[0] = Name(model)
		if !payload.ValidModel(models[0]) {
			err = payload.ErrModel
		}
	case !config.ProviderModel(model) || c.cfg.CheckChain(models) != nil:
		err = payload.ErrModel
	}
	if err != nil {
		return nil, err
	}
	if way := (&Way{models, p.Of(upstream.Gemini)}); way.ofGemini() && len(way.Pool.Keys) > 0 {
		return way, nil
	}
	return c.among(models, p, why)
}
