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
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
	"github.com/spf13/cobra"

	"fluxgate.dev/fluxgate/internal/app"
	"fluxgate.dev/fluxgate/internal/config"
)

// drainTimeout is how long requests under way may take once a stop was asked
// for. Cloud Run kills after 10 s.
const drainTimeout = 9 * time.Second

func newServeCommand() *cobra.Command {
	var host, port, store, mode, env string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve Fluxgate on this machine",
		Long: `Serve runs the function under functions-framework on PORT (8080).

State is kept in Firestore where FIRESTORE_EMULATOR_HOST names an emulator; else
serve starts the emulator if it is installed (gcloud components install
cloud-firestore-emulator); else it keeps it in memory. It says which.

With no key configured it answers from a simulated Gemini with 8 keys. Keys are
read from GEMINI_KEY_1, GEMINI_KEY_2, … in the environment or in .env; .env.example
lists every setting.`,
		Example: `  fluxgate serve
  fluxgate serve --port 9000 --store memory
  GEMINI_KEY_1=… GEMINI_PROJECT_1=team-a fluxgate serve`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := config.LoadDotEnv(env); err != nil {
				return err
			}
			environ := os.Environ()
			for name, value := range map[string]string{"PORT": port, "FLUXGATE_STORE": store, "GEMINI_MODE": mode} {
				if value != "" {
					environ = append(environ, name+"="+value)
				}
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			context.AfterFunc(ctx, stop) // a second signal kills
			return serve(ctx, environ, host)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&host, "host", "127.0.0.1", "address to listen on; 0.0.0.0 lets other machines in, who need tokens (FLUXGATE_TOKENS)")
	flags.StringVar(&port, "port", "", "port to listen on (PORT, default 8080; 0: any free one)")
	flags.StringVar(&store, "store", "", "where state is kept: auto, memory or firestore (FLUXGATE_STORE, default auto)")
	flags.StringVar(&mode, "mode", "", "both, pro_only, flash_only or flash_lite_only (GEMINI_MODE, default both)")
	flags.StringVar(&env, "env-file", ".env", "file with further settings; it need not exist")
	return cmd
}

// serve runs until ctx ends, then finishes what is under way.
func serve(ctx context.Context, environ []string, host string) (err error) {
	cfg, err := config.Load(ctx, environ)
	if err != nil {
		return err
	}
	address, err := freeAddress(host, cfg.Port)
	if err != nil {
		return err
	}
	options := app.Options{Logger: app.NewLogger(os.Stderr, cfg), Local: true}
	if cfg.Log {
		options.Report = os.Stdout
	}
	a, err := app.Start(ctx, cfg, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close(context.WithoutCancel(ctx))) }()

	gate := &drain{next: a}
	// With a target the framework serves this one function, on every path.
	if err := os.Setenv("FUNCTION_TARGET", "Fluxgate"); err != nil {
		return err
	}
	if err := funcframework.RegisterHTTPFunctionContext(ctx, "/", gate.ServeHTTP); err != nil {
		return fmt.Errorf("register function: %w", err)
	}
	hostname, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	if strings.Contains(hostname, ":") {
		hostname = "[" + hostname + "]" // the framework joins the two as they are
	}
	go func() { failed <- funcframework.StartHostPort(hostname, port) }()
	fmt.Printf("serving on http://%s (stop with Ctrl-C), for instance:\n", address)
	fmt.Printf("  curl -i http://%s/generate -d '{\"prompt\":\"Hello\"}'\n", address)

	select {
	case err := <-failed:
		return fmt.Errorf("serve on %s: %w", address, err)
	case <-ctx.Done():
	}
	fmt.Println("stopping: finishing what is under way")
	gate.stop(drainTimeout)
	return nil
}

// freeAddress returns the address to listen on, after making sure that it is
// free: the framework reports a port that is taken too late and too tersely.
func freeAddress(host string, port int) (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return "", fmt.Errorf("port %d can't be had: %w", port, err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// A drain lets requests through until it is stopped, and then waits for those
// under way. The framework has no graceful stop of its own.
type drain struct {
	next http.Handler

	mu      sync.Mutex
	stopped bool
	active  sync.WaitGroup
}

// ServeHTTP implements http.Handler.
func (d *drain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	if d.stopped {
		d.mu.Unlock()
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, `{"error":{"code":503,"message":"The server is stopping.","status":"UNAVAILABLE"}}`)
		return
	}
	d.active.Add(1)
	d.mu.Unlock()
	defer d.active.Done()
	d.next.ServeHTTP(w, r)
}

// stop refuses new requests and waits for those under way, up to a limit.
func (d *drain) stop(limit time.Duration) {
	d.mu.Lock()
	d.stopped = true
	d.mu.Unlock()
	done := make(chan struct{})
	go func() { d.active.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(limit):
	}
}
