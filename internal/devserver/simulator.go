package devserver

import (
	"fmt"
	"time"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/effective"
	"fluxgate.dev/fluxgate/internal/geminisim"
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
