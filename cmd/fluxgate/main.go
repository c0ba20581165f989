package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	if err := newCommand().ExecuteContext(context.Background()); err != nil {
		var exit exitError
		if errors.As(err, &exit) {
			os.Exit(int(exit))
		}
		if !errors.Is(err, context.Canceled) {
			fmt.Fprintln(os.Stderr, "fluxgate:", err)
		}
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "fluxgate",
		Short: "Knows which Google Cloud project and Gemini model can take the next request",
		Long: `Fluxgate stands between an application and the Gemini API. It knows how much
quota every project and model has left at this instant, and either sends a
request now or answers 429 with the exact time to come back.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newServeCommand(), newSimulatorCommand(), newWaitCommand(), newBatchCommand(), newBenchCommand(), newCostCommand(), newVersionCommand())
	root.AddCommand(newStatusCommand(), newPlanCommand(), newModeCommand(), newChainCommand(), newLimitsCommand(),
		newEnableCommand(), newDisableCommand(), newResetCommand(), newValidateCommand(), newRefreshPolicyCommand())
	return root
}
