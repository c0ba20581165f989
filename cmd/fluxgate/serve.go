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
	"golang.org/x/term"

	"fluxgate.dev/fluxgate/internal/app"
	"fluxgate.dev/fluxgate/internal/build"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/devserver"
	"fluxgate.dev/fluxgate/internal/dotenv"
	"fluxgate.dev/fluxgate/internal/wait"
)

// drainTimeout is how long requests under way may take once a stop was asked
// for. Cloud Run kills after 10 s.
const drainTimeout = 9 * time.Second

func newServeCommand() *cobra.Command {
	var host, port, store, mode, env string
	var demo bool
	var front frontOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve Fluxgate on this machine",
		Long: `Serve serves what the function serves, on PORT (8080).

State is kept in Firestore where FIRESTORE_EMULATOR_HOST names an emulator; else
serve starts the emulator if it is installed (gcloud components install
cloud-firestore-emulator); else it keeps it in memory. It says which.

With no key configured it answers from a simulated Gemini with 8 keys, OpenAI and
Anthropic, if it runs on a terminal or is told --demo; else it says what is missing
and answers 503. Keys are read from GEMINI_KEY_1, GEMINI_KEY_2, … in the environment
or in .env; .env.example lists every setting.

With --wait it serves a second address, one port higher, for programs that can't
wait: there a request waits for its turn (see fluxgate wait).`,
		Example: `  fluxgate serve
  fluxgate serve --port 9000 --store memory
  fluxgate serve --wait
  GEMINI_KEY_1=… GEMINI_PROJECT_1=team-a fluxgate serve`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := dotenv.Load(env); err != nil {
				return usageError{err}
			}
			environ := os.Environ()
			if cmd.Flags().Changed("demo") {
				environ = append(environ, "FLUXGATE_DEMO="+strconv.FormatBool(demo))
			}
			for name, value := range map[string]string{"PORT": port, "FLUXGATE_STORE": store, "GEMINI_MODE": mode} {
				if value != "" {
					environ = append(environ, name+"="+value)
				}
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			context.AfterFunc(ctx, stop) // a second signal kills
			return serve(ctx, environ, host, front)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&host, "host", "127.0.0.1", "address to listen on; 0.0.0.0 lets other machines in, who need tokens (FLUXGATE_TOKENS)")
	flags.StringVar(&port, "port", "", "port to listen on (PORT, default 8080; 0: any free one)")
	flags.StringVar(&store, "store", "", "where state is kept: auto, memory or firestore (FLUXGATE_STORE, default auto)")
	flags.StringVar(&mode, "mode", "", "both, pro_only, flash_only or flash_lite_only (GEMINI_MODE, default both)")
	flags.BoolVar(&demo, "demo", false, "answer from a simulated Gemini, OpenAI and Anthropic when no key is configured (FLUXGATE_DEMO; default: on a terminal)")
	flags.BoolVar(&front.wait, "wait", false, "serve another address too, for programs of this machine that can't wait")
	flags.StringVar(&front.port, "wait-port", "", "its `port` (default: one above --port; 0: any free one)")
	flags.DurationVar(&front.longest, "longest", wait.DefaultLongest, "longest `time` that a request waits there")
	flags.StringVar(&env, "env-file", ".env", "file with further settings; it need not exist")
	return cmd
}

// serve runs until ctx ends, then finishes what is under way.
func serve(ctx context.Context, environ []string, host string, front frontOptions) (err error) {
	cfg, err := config.Load(ctx, environ)
	if err != nil {
		return usageError{err}
	}
	// Before anything is started: a port that is taken ends it here.
	listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(cfg.Port)))
	if err != nil {
		return fmt.Errorf("port %d can't be had (PORT names another): %w", cfg.Port, err)
	}
	defer func() { _ = listener.Close() }() // the server has closed it unless there was none
	waiting, err := front.listen(listener.Addr())
	if err != nil {
		return err
	}
	if cfg.Demo == config.DemoAuto {
		cfg.Demo = config.DemoOff
		if term.IsTerminal(int(os.Stdout.Fd())) {
			cfg.Demo = config.DemoOn
		}
	}
	options := app.Options{Logger: app.NewLogger(os.Stderr, cfg), Listener: listener.Addr()}
	if cfg.Log {
		options.Report = os.Stdout
	}
	options.Local = devserver.New(options.Report)
	if cfg.Log {
		fmt.Println("fluxgate", build.Of())
	}
	a, err := app.Start(ctx, cfg, options)
	if errors.Is(err, app.ErrNoKeys) {
		return serveNothing(ctx, listener, err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close(context.WithoutCancel(ctx))) }()

	srv := newServer(a, options.Logger)
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(listener) }()
	token := ""
	if len(cfg.Tokens)+len(cfg.AdminTokens) > 0 || cfg.TokensSecret+cfg.AdminTokensSecret != "" {
		token = " -H 'X-Fluxgate-Token: …'"
	}
	// In one write, so that whoever waits for the first line has both.
	fmt.Printf("serving on http://%[1]s (stop with Ctrl-C), for instance:\n"+
		"  curl -i%[2]s http://%[1]s/generate -d '{\"prompt\":\"Hello\"}'\n", listener.Addr(), token)
	stopWaiting, err := front.serve(ctx, waiting, listener.Addr())
	if err != nil {
		return err
	}

	select {
	case err := <-failed:
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	signal.Reset(os.Interrupt, syscall.SIGTERM) // before it is said, so that whoever reads it may send a second one, which kills
	fmt.Println("stopping: finishing what is under way")
	stopWaiting() // who waits there would wait for this server
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		_ = srv.Close() // so that what it could not wait for ends as an error, not as if it were complete
	}
	return nil
}

// serveNothing answers 503 until ctx ends, since no key is configured: whoever starts it
// and looks at its health has to see that, and not a server that comes and goes. It
// returns the reason.
func serveNothing(ctx context.Context, listener net.Listener, reason error) error {
	fmt.Fprintf(os.Stderr, "fluxgate: %v\nfluxgate: answering 503 on http://%s until it is stopped\n", reason, listener.Addr())
	srv := &http.Server{Handler: app.WithoutKeys(), ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = srv.Close() })()
	if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return errors.Join(reason, err)
	}
	return reason
}
