package wait

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
)

// signalled is what a shell adds to the number of the signal that ended a command.
const signalled = 128

// placeholder is the API key of a command that has none: client libraries insist on one, and it goes no further.
const placeholder = "fluxgate-wait"

// A StartError says why a command couldn't be started.
type StartError struct{ error }

// Unwrap returns what stood in the way.
func (e *StartError) Unwrap() error { return e.error }

// Run runs a command that is to use the proxy, which it serves on the listener as long as the command runs, and returns
// its exit code. Signals that this process gets go to the command; those of a terminal's keys it has already. What the
// command leaves behind when it ends is not waited for. An error means that it couldn't be started (*StartError), or that
// the proxy failed.
func (p *Proxy) Run(ctx context.Context, listener net.Listener, command []string) (exit int, err error) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, passed...)
	defer signal.Stop(signals)
	serving, stop := context.WithCancel(ctx)
	defer stop()
	abort := make(chan struct{})
	close(abort) // who would be answered has ended
	served := make(chan error, 1)
	go func() { served <- p.Serve(serving, listener, abort) }()

	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = Environment(os.Environ(), "http://"+listener.Addr().String())
	if err := cmd.Start(); err != nil {
		stop()
		return 0, errors.Join(&StartError{fmt.Errorf("start the command: %w", err)}, <-served)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			if forwards(s) {
				_ = cmd.Process.Signal(s) // it may have ended
			}
		case err = <-served:
			_ = cmd.Process.Kill()
			<-ended
			return 0, err
		case err = <-ended:
			stop()
			return exitCode(cmd.ProcessState, err), <-served
		}
	}
}

// exitCode is what a shell would make of a command's end.
func exitCode(state *os.ProcessState, err error) int {
	if number, ok := endedBy(state); ok {
		return signalled + number
	}
	if state != nil && state.ExitCode() >= 0 {
		return state.ExitCode()
	}
	if err != nil {
		return 1
	}
	return 0
}

// Environment returns the environment of a command that is to use the proxy at an address: with the base URLs that client
// libraries read, a placeholder for each API key that is missing, and no proxy on the way.
func Environment(environ []string, address string) []string {
	out := append([]string{}, environ...)
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return value(environ, name) != "" })
	}
	for _, pair := range [][2]string{
		{"GOOGLE_GEMINI_BASE_URL", ""},       // Google's SDKs for Go, Python and JavaScript, gemini-cli
		{"GEMINI_API_BASE", ""},              // LiteLLM
		{"OPENAI_BASE_URL", "/openai/v1"},    // OpenAI's SDKs
		{"OPENAI_API_BASE", "/openai/v1"},    // what used them before: LangChain, LiteLLM, aider
		{"ANTHROPIC_BASE_URL", "/anthropic"}, // Anthropic's SDKs, Claude Code
	} {
		out = append(out, pair[0]+"="+address+pair[1])
	}
	if !has("GEMINI_API_KEY", "GOOGLE_API_KEY") {
		out = append(out, "GEMINI_API_KEY="+placeholder)
	}
	if !has("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN") { // of which Anthropic's SDKs send what there is
		out = append(out, "ANTHROPIC_API_KEY="+placeholder)
	}
	for _, name := range []string{"GOOGLE_GENERATIVE_AI_API_KEY", "OPENAI_API_KEY"} {
		if !has(name) {
			out = append(out, name+"="+placeholder)
		}
	}
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		if has("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy") {
			out = append(out, name+"="+strings.TrimPrefix(value(environ, name)+",127.0.0.1,localhost", ","))
		}
	}
	return out
}

// value returns the last value of a variable.
func value(environ []string, name string) (last string) {
	for _, pair := range environ {
		if v, ok := strings.CutPrefix(pair, name+"="); ok {
			last = v
		}
	}
	return last
}
