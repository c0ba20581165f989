package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"fluxgate.dev/fluxgate/internal/app"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/devserver"
	"fluxgate.dev/fluxgate/internal/dotenv"
)

func newCheckCommand() *cobra.Command {
	var env string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Tell what serve would run with, and what is wrong with it",
		Long: `Check tells every setting and where it is from (default, environment or .env), the upstream, the callers, whether the
store answers, how each key does, tried with a free request, and the limits in force. It serves nothing. What it finds of
keys is kept in the store, as that of validate is. Keys and tokens are never shown; nor is any value while one is wrong,
for it may be a key in the wrong place.

The exit code is 0 if all is well, 2 if a setting is wrong or no key is configured, 4 if the store can't be had, 5 if some keys
don't work, 1 if none does.`,
		Example: `  fluxgate check
  fluxgate check --env-file prod.env`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			before := os.Environ()
			if _, err := dotenv.Load(env); err != nil {
				return usageError{err}
			}
			return check(ctx, cmd.OutOrStdout(), before, os.Environ())
		},
	}
	cmd.Flags().StringVar(&env, "env-file", ".env", "file with further settings; it need not exist")
	return cmd
}

// check is fluxgate check: before is the environment without the .env file, environ with it.
func check(ctx context.Context, out io.Writer, before, environ []string) error {
	cfg, wrong := config.Load(ctx, environ)
	fmt.Fprintln(out, "settings:")
	for _, s := range config.Settings(before, environ) {
		if wrong != nil && s.From != config.FromDefault {
			s.Value = "(not shown while a setting is wrong)"
		}
		fmt.Fprintf(out, "  %-29s %s (%s)\n", s.Name, cmp.Or(s.Value, "-"), s.From)
	}
	if wrong != nil {
		return usageError{wrong}
	}
	err := app.Check(ctx, cfg, app.Options{Logger: app.NewLogger(os.Stderr, cfg), Report: out, Local: devserver.New(out)})
	if errors.Is(err, app.ErrNoKeys) && !errors.Is(err, app.ErrStore) {
		return usageError{err}
	}
	return err
}
