package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"fluxgate.dev/fluxgate/internal/build"
)

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version, the commit and Go's version", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "fluxgate", build.Of())
			return err
		},
	}
}
