package devserver

import (
	"fmt"
	"time"

	"fluxgate.dev/fluxgate/internal/anthropicsim"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/effective"
	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/internal/simquota"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// simulatedKeys is how many keys, each a project of its own, the simulator has
// when no key is configured.
const simulatedKeys = 8

// simulatedKey returns the value of the simulator's n-th key.
func simulatedKey(n int) string { return fmt.Sprintf("simulated-key-%d", n) }

// SimulatorConfig returns a simulator with n keys, simulated-key-1 and so on,
// whose limits are those that cfg has Fluxgate believe in.
func SimulatorConfig(cfg *config.Config, n int) geminisim.Config {
	sim := geminisim.Config{Limits: make(map[string]geminisim.Limits), Latency: 300 * time.Millisecond, Jitter: 200 * time.Millisecond}
	for i := range n {
		sim.Keys = append(sim.Keys, geminisim.Key{Value: simulatedKey(i + 1)})
	}
	p := effective.Rules(cfg, storage.Control{}, nil).Policy
	for _, model := range p.Chain(scheduler.Both) {
		l := p.Limits(model)
		sim.Limits[model] = geminisim.Limits{RPM: l.RPM, TPM: l.TPM, RPD: l.RPD}
	}
	return sim
}

// withSimulatedKeys returns a copy of cfg with the simulator's address and keys.
func withSimulatedKeys(cfg *config.Config, url string) *config.Config {
	next := *cfg
	next.BaseURL, next.Simulated = url, true
	for i := range simulatedKeys {
		next.Keys = append(next.Keys, config.KeyEntry{Index: i + 1, Value: config.NewSecret(simulatedKey(i + 1))})
	}
	return &next
}

// simulatedOrganisations is how many keys the simulated OpenAI and Anthropic have each, each an
// organisation's of its own.
const simulatedOrganisations = 2

// simulatedOthers returns a simulated OpenAI and Anthropic, whose keys a configuration gets, by the
// numbers that OPENAI_KEY_1 and ANTHROPIC_KEY_1 have. Their limits are small, so that waits are
// soon seen; their headers tell them.
func simulatedOthers(cfg *config.Config) (*openaisim.Server, *anthropicsim.Server) {
	limits := map[string][]simquota.Limit{"": {simquota.PerMinute(simquota.Requests, 20), simquota.PerMinute(simquota.Tokens, 200_000)}}
	openai := openaisim.Config{Limits: limits, Latency: 300 * time.Millisecond}
	anthropic := anthropicsim.Config{Latency: 300 * time.Millisecond, Limits: map[string][]simquota.Limit{"": {
		simquota.PerMinute(simquota.Requests, 20), simquota.PerMinute(simquota.InputTokens, 200_000), simquota.PerMinute(simquota.OutputTokens, 40_000),
	}}}
	key := func(provider string, first, n int) (value, project string) {
		value, project = fmt.Sprintf("simulated-%s-key-%d", provider, n), fmt.Sprintf("%s-org-%d", provider, n)
		cfg.Keys = append(cfg.Keys, config.KeyEntry{Index: first + n, Value: config.NewSecret(value), Project: project, Provider: provider})
		return value, project
	}
	for n := range simulatedOrganisations {
		value, project := key("openai", 100_000, n+1)
		openai.Keys = append(openai.Keys, openaisim.Key{Value: value, Project: project})
		value, project = key("anthropic", 200_000, n+1)
		anthropic.Keys = append(anthropic.Keys, anthropicsim.Key{Value: value, Project: project})
	}
	return openaisim.New(openai), anthropicsim.New(anthropic)
}
