package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/devserver"
	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/quota"
)

func newSimulatorCommand() *cobra.Command {
	var (
		port, keys      int
		limits, window  string
		latency, jitter time.Duration
		oversize        bool
	)
	windows := map[string]quota.Window{
		"sliding": quota.SlidingLog, "minute": quota.FixedMinute, "bucket": quota.TokenBucket,
	}
	cmd := &cobra.Command{
		Use:   "simulator",
		Short: "Serve a simulated Gemini that enforces RPM, TPM and RPD",
		Long: `Simulator serves a Gemini that enforces requests per minute, input tokens per
minute and requests per day, per project and model, with the error bodies of the
real one. Its keys are simulated-key-1, simulated-key-2, …, each a project of its
own. When it stops it prints what it accepted and refused.`,
		Example: `  fluxgate simulator --port 8090
  GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:8090 GEMINI_KEY_1=simulated-key-1 fluxgate serve`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			kind, ok := windows[window]
			switch {
			case !ok:
				return usageError{fmt.Errorf("--window %q: want sliding, minute or bucket", window)}
			case keys < 1 || keys > config.MaxKeys:
				return usageError{fmt.Errorf("--keys %d: want 1 to %d", keys, config.MaxKeys)}
			case latency < 0 || jitter < 0:
				return usageError{errors.New("--latency and --jitter: want no negative time")}
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			context.AfterFunc(ctx, stop) // a second signal kills
			// Commands of the same shell may have a token to send; here are no callers.
			environ := append(os.Environ(), "FLUXGATE_TOKEN=")
			if limits != "" {
				environ = append(environ, "FLUXGATE_LIMITS="+limits)
			}
			cfg, err := config.Load(ctx, environ)
			if err != nil {
				return usageError{err}
			}
			sim := devserver.SimulatorConfig(cfg, keys)
			sim.Latency, sim.Jitter, sim.Window, sim.RejectOversize = latency, jitter, kind, oversize
			return simulate(ctx, geminisim.New(sim), port)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.IntVar(&port, "port", 8090, "port on 127.0.0.1 (0: any free one)")
	flags.IntVar(&keys, "keys", 8, "number of keys, each its own project")
	flags.StringVar(&limits, "limits", "", "limits as in FLUXGATE_LIMITS, which is the default")
	flags.StringVar(&window, "window", "sliding", "how minutes are measured: sliding, minute or bucket")
	flags.DurationVar(&latency, "latency", 300*time.Millisecond, "time to answer")
	flags.DurationVar(&jitter, "jitter", 200*time.Millisecond, "most that is added to it at random")
	flags.BoolVar(&oversize, "reject-oversize", false, "refuse single requests larger than TPM (default: let through an empty minute)")
	return cmd
}

// simulate serves until ctx ends, and then says what happened.
func simulate(ctx context.Context, sim *geminisim.Server, port int) error {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("simulator: %w", err)
	}
	srv := &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
		defer cancel()
		_ = srv.Shutdown(grace) // what it could not wait for ends with the process
	}()
	fmt.Printf("simulated Gemini on http://%s (stop with Ctrl-C)\n", listener.Addr())
	if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("simulator: %w", err)
	}
	<-stopped
	s := sim.Stats()
	fmt.Printf("accepted=%d refused_rpm=%d refused_tpm=%d refused_rpd=%d other_errors=%d counted=%d\n",
		s.Accepted, s.RefusedRPM, s.RefusedTPM, s.RefusedRPD, s.OtherErrors, s.Counted)
	return nil
}
