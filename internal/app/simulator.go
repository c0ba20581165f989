package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
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

// SimulatedKey returns the value of the simulator's n-th key.
func SimulatedKey(n int) string { return fmt.Sprintf("simulated-key-%d", n) }

// SimulatorConfig returns a simulator with n keys whose limits are those that
// cfg has Fluxgate believe in.
func SimulatorConfig(cfg *config.Config, n int) geminisim.Config {
	sim := geminisim.Config{Limits: make(map[string]geminisim.Limits), Latency: 300 * time.Millisecond, Jitter: 200 * time.Millisecond}
	for i := range n {
		sim.Keys = append(sim.Keys, geminisim.Key{Value: SimulatedKey(i + 1)})
	}
	p := effective.Rules(cfg, storage.Control{}).Policy
	for _, model := range p.Chain(scheduler.Both) {
		l := p.Limits(model)
		sim.Limits[model] = geminisim.Limits{RPM: l.RPM, TPM: l.TPM, RPD: l.RPD}
	}
	return sim
}

// startSimulator serves a simulated Gemini on a free loopback port and returns
// the configuration that uses it.
func (a *App) startSimulator(cfg *config.Config, r *report) (*config.Config, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start simulator: %w", err)
	}
	srv := &http.Server{Handler: geminisim.New(SimulatorConfig(cfg, simulatedKeys)), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(listener) }() // ends with Close, always with an error
	a.onClose(func(context.Context) error {
		if err := srv.Close(); err != nil && !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("stop simulator: %w", err)
		}
		return nil
	})
	next := *cfg
	next.BaseURL = "http://" + listener.Addr().String()
	for i := range simulatedKeys {
		next.Keys = append(next.Keys, config.KeyEntry{Index: i + 1, Value: config.NewSecret(SimulatedKey(i + 1))})
	}
	r.line("")
	r.line("*** NO KEY IS CONFIGURED: answers come from a SIMULATED Gemini with %d keys on %s.", simulatedKeys, next.BaseURL)
	r.line("*** Set GEMINI_KEY_1, GEMINI_KEY_2, … here or in .env to talk to the real one.")
	r.line("")
	return &next, nil
}
