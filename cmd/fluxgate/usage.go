package main

import (
	"github.com/spf13/cobra"

	"fluxgate.dev/fluxgate/internal/remote"
	"fluxgate.dev/fluxgate/internal/terminal"
)

func newUsageCommand() *cobra.Command {
	var (
		o      operator
		window string
		by     []string
	)
	cmd := o.command(&cobra.Command{
		Use:   "usage",
		Short: "Show what was used, by whom and for what, and what it costs",
		Long: `Usage shows answered, refused and failed requests, tokens (input, cached among them, output and thought), dollars at
list price, and at p95 how long answered requests had waited and answers took: of the last hour, 24 hours or 30 days, by any of
day, project, model and caller. You see your own; with an administrator's token everybody's. GET /usage?format=csv has it for a
spreadsheet.`,
		Example: `  fluxgate usage
  fluxgate usage --window 30d --by day,caller
  fluxgate usage --json | jq '.rows[] | select(.dollars > 1)'`,
		Args: cobra.NoArgs,
	}, func(cmd *cobra.Command, client *remote.Client, _ []string) error {
		answer, err := client.Usage(cmd.Context(), window, by)
		if err != nil {
			return err
		}
		return show(&o, cmd, answer, terminal.Usage)
	})
	cmd.Flags().StringVar(&window, "window", "24h", "how far back: 1h, 24h or 30d")
	cmd.Flags().StringSliceVar(&by, "by", []string{"model"}, "what to tell apart: any of day, project, model and caller")
	return cmd
}
