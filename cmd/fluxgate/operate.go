package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"fluxgate.dev/fluxgate/internal/batch"
	"fluxgate.dev/fluxgate/internal/remote"
	"fluxgate.dev/fluxgate/internal/terminal"
)

// An operator is what the commands for a running Fluxgate have in common.
type operator struct {
	connection
	timeout time.Duration
	json    bool
}

// command makes a command that asks one Fluxgate.
func (o *operator) command(cmd *cobra.Command, run func(cmd *cobra.Command, client *remote.Client, args []string) error) *cobra.Command {
	cmd.Long += "\n\n" + connectionHelp
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		access, err := o.access()
		if err != nil {
			return err
		}
		client, err := remote.NewClient(access, http.DefaultClient, o.timeout)
		if err != nil {
			return usageError{err}
		}
		return explain(run(cmd, client, args))
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&o.json, "json", false, "print the server's JSON as it came")
	o.register(cmd)
	flags.DurationVar(&o.timeout, "timeout", remote.DefaultTimeout, "longest `time` for one answer")
	return cmd
}

// show prints an answer: its JSON, or what draw makes of it.
func show[T any](o *operator, cmd *cobra.Command, answer remote.Answer[T], draw func(*T, terminal.Style) string) error {
	_, err := io.WriteString(cmd.OutOrStdout(), picture(o, answer, draw, terminal.StyleOf(os.Stdout)))
	return err
}

func picture[T any](o *operator, answer remote.Answer[T], draw func(*T, terminal.Style) string, style terminal.Style) string {
	if o.json {
		return string(bytes.TrimRight(answer.Raw, "\n")) + "\n"
	}
	return draw(&answer.Body, style)
}

// explain adds what can be done about an error.
func explain(err error) error {
	var refusal *remote.Error
	var stopped *batch.StoppedError
	switch {
	case errors.As(err, &refusal):
		switch {
		case refusal.Code == http.StatusUnauthorized:
			err = fmt.Errorf("%w (set FLUXGATE_TOKEN or --token-file; behind Cloud Run's IAM, --identity)", err)
		case refusal.Code == http.StatusForbidden && refusal.Status == "":
			// Not in Fluxgate's words: the request hasn't reached it.
			err = fmt.Errorf("%w (if Cloud Run's IAM guards it, --identity with an account that may invoke it)", err)
		case refusal.RetryAfter > 0:
			err = fmt.Errorf("%w (try again in %s)", err, refusal.RetryAfter.Round(time.Millisecond))
		}
	case remote.Unreachable(err), errors.As(err, &stopped) && stopped.Status == 0:
		err = fmt.Errorf("%w (is it running? --url or FLUXGATE_URL says where; `fluxgate serve` starts one here)", err)
	}
	return err
}

func newStatusCommand() *cobra.Command {
	var (
		o            operator
		options      terminal.StatusOptions
		watch, all   bool
		every        time.Duration
		events, days int
	)
	cmd := o.command(&cobra.Command{
		Use:   "status",
		Short: "Show the keys, the quota and the bookings of a running Fluxgate",
		Long: `Status shows which keys are healthy and why others aren't; per project and model what is used of the requests and tokens
per minute and of the day's requests, where each limit comes from, and when a request of 1,000 to 1,000,000 tokens could
start; the mode, the chain, Firestore operations beside the free day, and upstream errors. With an administrator's token it
shows callers, and the last refusals, failures and events too. Tables are cut to the width of the terminal, and whole where there is none.`,
		Example: `  fluxgate status
  fluxgate status --watch
  fluxgate status --url https://fluxgate-….run.app --identity --events 20
  fluxgate status --json | jq '.keys[] | select(.status != "healthy")'`,
		Args: cobra.NoArgs,
	}, func(cmd *cobra.Command, client *remote.Client, _ []string) error {
		switch {
		case every < time.Second:
			return usageError{fmt.Errorf("--every %v: want at least 1s, which is how often the server reads anew", every)}
		case events < 0 || days < 0:
			return usageError{errors.New("--events and --history: want no negative number")}
		}
		options = terminal.StatusOptions{URL: client.URL(), Events: events, Days: days, All: all}
		draw := func(s *remote.Status, style terminal.Style) string { return terminal.Status(s, options, style) }
		if watch {
			return watchStatus(cmd.Context(), &o, client, draw, every)
		}
		answer, err := client.Status(cmd.Context())
		if err != nil {
			return err
		}
		return show(&o, cmd, answer, draw)
	})
	flags := cmd.Flags()
	flags.BoolVarP(&watch, "watch", "w", false, "show it again and again, until Ctrl-C; with --json a line each time")
	flags.BoolVarP(&all, "all", "a", false, "show the models that are not in use, too")
	flags.DurationVar(&every, "every", 5*time.Second, "`pause` between two looks of --watch")
	flags.IntVar(&events, "events", 5, "`number` of events, and of refusals and failures, to show")
	flags.IntVar(&days, "history", 0, "`number` of days before today to show")
	return cmd
}

// watchStatus shows the status until the first SIGINT or SIGTERM; a second one kills the process.
func watchStatus(ctx context.Context, o *operator, client *remote.Client, draw func(*remote.Status, terminal.Style) string, every time.Duration) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	w := terminal.Watch{
		Every: every,
		Draw: func(ctx context.Context, style terminal.Style) (string, error) {
			answer, err := client.Status(ctx)
			if err != nil {
				return "", err
			}
			text := picture(o, answer, draw, style)
			if !o.json && style.Width == 0 {
				text += "\n" // between two in a file
			}
			return text, nil
		},
		Style:    func() terminal.Style { return terminal.StyleOf(os.Stdout) },
		Terminal: term.IsTerminal(int(os.Stdout.Fd())) && !o.json,
		Out:      os.Stdout, Err: os.Stderr,
	}
	return w.Run(ctx)
}

func newValidateCommand() *cobra.Command {
	var o operator
	return o.command(&cobra.Command{
		Use:   "validate",
		Short: "Have every key checked with its provider",
		Long: `Validate has every key checked by a free call to its provider, and shows how it was found. The results count for all instances.
It takes an administrator's token. The exit code is 0 if a key is healthy.`,
		Example: `  fluxgate validate
  fluxgate validate --json | jq -r '.keys[] | select(.status == "invalid") | .key_index'`,
		Args: cobra.NoArgs,
	}, func(cmd *cobra.Command, client *remote.Client, _ []string) error {
		answer, err := client.Validate(cmd.Context())
		if err != nil {
			return err
		}
		if err := show(&o, cmd, answer, terminal.Validation); err != nil {
			return err
		}
		for _, k := range answer.Body.Keys {
			if k.Status == remote.Healthy {
				return nil
			}
		}
		return errors.New("no key is healthy: the table says why of each, and fluxgate status until when")
	})
}

func newRefreshPolicyCommand() *cobra.Command {
	var o operator
	return o.command(&cobra.Command{
		Use:   "refresh-policy",
		Short: "Have Gemini asked for its limits now",
		Long: `Refresh-policy has Gemini asked for its limits, which otherwise happens once in 7 days, and shows what it reports. A
number may only lower a built-in limit; those that are too large to be believed are refused. It takes an administrator's
token. The exit code is 0 if Gemini has answered.`,
		Example: `  fluxgate refresh-policy`,
		Args:    cobra.NoArgs,
	}, func(cmd *cobra.Command, client *remote.Client, _ []string) error {
		answer, err := client.RefreshPolicy(cmd.Context())
		if err != nil {
			return err
		}
		if err := show(&o, cmd, answer, terminal.PolicyReport); err != nil {
			return err
		}
		if answer.Body.Error != "" {
			return fmt.Errorf("the limits stay as they were: %s", remote.Printable(answer.Body.Error))
		}
		return nil
	})
}
