package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"fluxgate.dev/fluxgate/internal/bench"
)

// launcher has this program run the parties, with an environment of nothing
// but what they need: whoever measures may have settings of his own.
func launcher() (bench.Launcher, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return func(p bench.Process) *exec.Cmd {
		cmd := exec.Command(self, "bench", "party", string(p.Role), "--upstream", p.Upstream, "--profile", p.Profile)
		// What Go's runtime is told stays: it is the same for all.
		cmd.Env = slices.DeleteFunc(os.Environ(), func(entry string) bool {
			name, _, _ := strings.Cut(entry, "=")
			return !slices.Contains([]string{"PATH", "HOME", "GOMAXPROCS", "GOGC", "GOMEMLIMIT", "GODEBUG"}, name)
		})
		if p.Role == bench.Fluxgate || p.Role == bench.Function {
			cmd.Env = append(cmd.Env, bench.FluxgateSettings(p.Upstream)...)
		}
		cmd.Env = append(cmd.Env, p.Settings...)
		return cmd
	}, nil
}

func positive(flags map[string]int64) error {
	for name, value := range flags {
		if value < 1 {
			return usageError{fmt.Errorf("--%s %d: want a positive number", name, value)}
		}
	}
	return nil
}

func benchContext(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal kills
	return ctx, stop
}

// measure runs a benchmark, prints what it found, and fails where the benchmark says
// that it isn't what it is to be.
func measure[R interface{ Print(io.Writer) error }](cmd *cobra.Command, launch *bench.Launcher, run func(context.Context) (R, error)) error {
	ctx, stop := benchContext(cmd)
	defer stop()
	var err error
	if *launch, err = launcher(); err != nil {
		return err
	}
	report, err := run(ctx)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	if err := report.Print(cmd.OutOrStdout()); err != nil {
		return err
	}
	if r, ok := any(report).(interface{ Check() error }); ok {
		return r.Check()
	}
	return nil
}
