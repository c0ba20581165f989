package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
	"github.com/spf13/cobra"

	"fluxgate.dev/fluxgate/internal/app"
	"fluxgate.dev/fluxgate/internal/bench"
	"fluxgate.dev/fluxgate/internal/emulator"
)

func newBenchColdStartCommand() *cobra.Command {
	var o bench.ColdStartOptions
	var memory bool
	cmd := &cobra.Command{
		Use:   "coldstart",
		Short: "Time from the start of the function to its first answers",
		Long: `Coldstart starts the function again and again, as a platform does that has had
no instance of it, and prints how long it takes from the start of the process to
the first 200 of /health and to the first answer of /generate, and how long a
later /generate takes. State is kept in the Firestore emulator if it is
installed, else in memory. It also prints how much memory the process takes when
it has nothing to do.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err := positive(map[string]int64{"runs": int64(o.Runs)}); err != nil {
				return err
			}
			ctx, stop := benchContext(cmd)
			defer stop()
			if o.Launch, err = launcher(); err != nil {
				return err
			}
			if o.Program, err = os.Executable(); err != nil {
				return fmt.Errorf("find this program: %w", err)
			}
			switch {
			case memory:
				o.Store = "state in memory, as asked for"
			case emulator.Missing() != nil:
				o.Store = "state in memory, because the Firestore emulator isn't installed"
			default:
				fmt.Fprintln(cmd.ErrOrStderr(), "starting the Firestore emulator")
				e, err := emulator.Start(ctx, emulator.Options{})
				if err != nil {
					return fmt.Errorf("bench: %w", err)
				}
				defer func() { err = errors.Join(err, e.Stop()) }()
				o.Emulator, o.Store = e.Host, "state in the Firestore emulator"
			}
			report, err := bench.ColdStart(ctx, o)
			if err != nil {
				return fmt.Errorf("bench: %w", err)
			}
			return report.Print(cmd.OutOrStdout())
		},
	}
	cmd.Flags().IntVar(&o.Runs, "runs", 20, "`number` of starts")
	cmd.Flags().BoolVar(&memory, "memory", false, "keep state in memory, emulator or not")
	return cmd
}

// freePort returns a loopback port that nobody listens on. It is for
// functions-framework, which can't be handed a listener.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// serveFunction serves the function as the program does that a platform builds
// around it, on a free loopback port, until ctx ends.
func serveFunction(ctx context.Context) error {
	if err := os.Setenv("FUNCTION_TARGET", "Fluxgate"); err != nil {
		return err
	}
	if err := funcframework.RegisterHTTPFunctionContext(ctx, "/", new(app.Lazy).ServeHTTP); err != nil {
		return fmt.Errorf("register function: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- funcframework.StartHostPort("127.0.0.1", strconv.Itoa(port)) }()
	fmt.Printf("serving on http://127.0.0.1:%d\n", port)
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
		return nil
	}
}
