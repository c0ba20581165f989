package devserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/emulator"
	"fluxgate.dev/fluxgate/internal/geminisim"
)

// A Local starts what an app asks it for, and keeps it until Close. It is for
// one app and one goroutine.
type Local struct {
	report io.Writer      // nil: none
	stops  []func() error // in order of start
}

// New returns a Local that says in the report, if there is one, what it starts.
func New(report io.Writer) *Local { return &Local{report: report} }

func (l *Local) line(format string, args ...any) {
	if l.report != nil {
		fmt.Fprintf(l.report, format+"\n", args...)
	}
}

// Providers serves a simulated Gemini, OpenAI and Anthropic, each on a free loopback port, and returns
// the configuration that uses them, with the simulators' keys.
func (l *Local) Providers(cfg *config.Config) (*config.Config, error) {
	url, err := l.serve(geminisim.New(SimulatorConfig(cfg, simulatedKeys)))
	if err != nil {
		return nil, err
	}
	next := withSimulatedKeys(cfg, url)
	l.line("")
	l.line("*** NO KEY IS CONFIGURED: answers come from a SIMULATED Gemini with %d keys on %s.", simulatedKeys, next.BaseURL)
	if err := l.others(next); err != nil {
		return nil, err
	}
	l.line("*** Set GEMINI_KEY_1, GEMINI_KEY_2, … here or in .env to talk to the real one.")
	l.line("")
	return next, nil
}

// others serves the simulated OpenAI and Anthropic, and has a configuration use them.
func (l *Local) others(cfg *config.Config) error {
	openai, anthropic := simulatedOthers(cfg)
	at, err := l.serve(openai)
	if err != nil {
		return err
	}
	cfg.OpenAIBaseURL = at + "/v1"
	if cfg.AnthropicBaseURL, err = l.serve(anthropic); err != nil {
		return err
	}
	l.line("*** OpenAI and Anthropic are SIMULATED too, with %d keys each, on %s and %s.", simulatedOrganisations, cfg.OpenAIBaseURL, cfg.AnthropicBaseURL)
	return nil
}

// serve serves a simulator on a free loopback port until Close, and returns its address.
func (l *Local) serve(simulator http.Handler) (url string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("start simulator: %w", err)
	}
	srv := &http.Server{Handler: simulator, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(listener) }() // ends with Close, always with an error
	l.stops = append(l.stops, func() error {
		if err := srv.Close(); err != nil && !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("stop simulator: %w", err)
		}
		return nil
	})
	return "http://" + listener.Addr().String(), nil
}

// MissingForFirestore returns nil if Firestore can start an emulator here, else
// an error that says what is missing and how to get it.
func (l *Local) MissingForFirestore() error { return emulator.Missing() }

// emulatorVariable is where Google's client looks for an emulator.
const emulatorVariable = "FIRESTORE_EMULATOR_HOST"

// Firestore starts the Firestore emulator and returns its address. Until Close
// FIRESTORE_EMULATOR_HOST has it too: Google's client reads that and nothing else.
func (l *Local) Firestore(ctx context.Context) (host string, err error) {
	l.line("store: starting the Firestore emulator")
	e, err := emulator.Start(ctx, emulator.Options{})
	if err != nil {
		return "", err
	}
	l.stops = append(l.stops, e.Stop)
	if err := os.Setenv(emulatorVariable, e.Host); err != nil {
		return "", err
	}
	l.stops = append(l.stops, func() error { return os.Unsetenv(emulatorVariable) })
	return e.Host, nil
}

// Close stops what was started, last first. A further call does nothing.
func (l *Local) Close() error {
	var problems []error
	for i := len(l.stops) - 1; i >= 0; i-- {
		problems = append(problems, l.stops[i]())
	}
	l.stops = nil
	return errors.Join(problems...)
}
