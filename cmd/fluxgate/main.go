package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"fluxgate.dev/fluxgate/internal/build"
)

func main() { os.Exit(end(newCommand().ExecuteContext(context.Background()), os.Stderr)) }

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "fluxgate",
		Short: "Knows which Google Cloud project and Gemini model can take the next request",
		Long: `Fluxgate stands between an application and the Gemini API. It knows how much
quota every project and model has left at this instant, and either sends a
request now or answers 429 with the exact time to come back.

` + exitHelp,
		Version:       build.Of().String(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newInitCommand(), newCheckCommand(), newServeCommand(), newSimulatorCommand(), newWaitCommand(), newBatchCommand(), newBenchCommand(), newCostCommand(), newVersionCommand())
	root.AddCommand(newStatusCommand(), newUsageCommand(), newPlanCommand(), newModeCommand(), newPreferCommand(), newChainCommand(), newLimitsCommand(),
		newEnableCommand(), newDisableCommand(), newResetCommand(), newValidateCommand(), newRefreshPolicyCommand())
	markUsage(root)
	return root
}
