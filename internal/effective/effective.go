// Package effective puts together the policy in force for a deployment: the model
// chain, the mode and the limits, from what is built in, what Gemini reports, what
// the operator configured and what an administrator set at run time, in rising
// order of trust. Limits learned from upstream's 429s are not among them: they
// belong to single projects, and beat all of these; see
// [scheduler.Calendar.EffectiveLimits].
package effective

import (
	"slices"
	"time"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// The origins of the model chain, in rising order of trust.
const (
	ChainDefault    = "default"    // built in
	ChainDiscovered = "discovered" // from the models that upstream lists
	ChainOperator   = "operator"   // FLUXGATE_CHAIN
	ChainRunTime    = "run_time"   // POST /config
)

// Chain returns the model chain in force, without regard to the mode, and where
// it comes from. An empty chain is the built-in one.
func Chain(cfg *config.Config, c storage.Control) (chain []string, from string) {
	switch {
	case len(c.Chain) > 0:
		return c.Chain, ChainRunTime
	case len(cfg.Chain) > 0:
		return cfg.Chain, ChainOperator
	case len(c.Discovered) > 0:
		return c.Discovered, ChainDiscovered
	}
	return scheduler.DefaultChain(), ChainDefault
}

// Mode returns the mode in force: set at run time, or configured.
func Mode(cfg *config.Config, c storage.Control) scheduler.Mode {
	if c.Mode != "" {
		return scheduler.Mode(c.Mode)
	}
	return scheduler.Mode(cfg.Mode)
}

// Rules returns the rules in force under a configuration and a control document.
// Limits that are built in, reported by Gemini, configured and set at run time
// each beat those before.
func Rules(cfg *config.Config, c storage.Control) *scheduler.Rules {
	chain, _ := Chain(cfg, c)
	configured := make(map[string]scheduler.Override, len(cfg.Limits))
	for name, l := range cfg.Limits {
		configured[name] = scheduler.Override(l)
	}
	return &scheduler.Rules{
		Policy: scheduler.NewLayeredPolicy(slices.Clone(chain),
			scheduler.Layer{From: scheduler.FromReported, Overrides: overrides(c.Reported)},
			scheduler.Layer{From: scheduler.FromOperator, Overrides: configured},
			scheduler.Layer{From: scheduler.FromRunTime, Overrides: overrides(c.Limits)}).WithWindows(c.Windows),
		Specs: map[string]scheduler.Spec{scheduler.OfFeature(scheduler.EachModel, payload.LiveFeature): sessions(configured[payload.LiveFeature], scheduler.Override(c.Limits[payload.LiveFeature]))},
		Skew:  cfg.Skew, Hold: cfg.Hold,
	}
}

const (
	// startSessions is how many sessions of a model a project begins with: three were
	// documented for every project until the tables were withdrawn, and captured then as
	// the most (discuss.ai.google.dev, 78114). Paying projects have dozens to thousands,
	// which is found out, by one session at a time, or named by an operator.
	startSessions = 3
	// sessionFor is how long a session counts unless it is extended: when its instance is
	// gone, its place is free again after that.
	sessionFor = 2 * time.Minute
)

// sessions returns what is limited of sessions, under overrides of rising trust: their RPM is
// how many a project may have of a model at a time, their RPD how many it may begin on a day.
func sessions(operator, runTime scheduler.Override) scheduler.Spec {
	s := scheduler.Spec{Window: sessionFor, AtATime: true, Start: true}
	s.EffectiveLimits = scheduler.EffectiveLimits{
		Limits:  scheduler.Limits{RPM: startSessions, TPM: scheduler.Unlimited, RPD: scheduler.Unlimited},
		RPMFrom: scheduler.FromDefault, TPMFrom: scheduler.FromDefault, RPDFrom: scheduler.FromDefault,
	}
	operator.TPM, runTime.TPM = nil, nil // tokens are limited of the model
	s.Override(operator, scheduler.FromOperator)
	s.Override(runTime, scheduler.FromRunTime)
	return s
}

func overrides(limits map[string]storage.Limits) map[string]scheduler.Override {
	out := make(map[string]scheduler.Override, len(limits))
	for name, l := range limits {
		out[name] = scheduler.Override(l)
	}
	return out
}
