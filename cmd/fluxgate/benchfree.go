package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"fluxgate.dev/fluxgate/internal/bench"
	"fluxgate.dev/fluxgate/internal/emulator"
)

func newBenchFreeCommand() *cobra.Command {
	var o bench.FreeOptions
	cmd := &cobra.Command{
		Use:   "free",
		Short: "The free profile of the deployment, by processes",
		Long: `Free runs the function in ten processes with a twelfth of a processor each and one
request at a time, over one Firestore emulator, at the full rate of a pool of eight
projects of the free tier, half of the callers with bookings. It prints how often
Gemini refused, which is to be never, what was added to an answer, and how many
documents an admission read and wrote. With nothing set it takes 70 minutes for the day
of such a pool, whose largest part is of the slowest model; what the day has no room for
in the end is left, and counted. It must not run over midnight in California, when another
day begins. It takes root on Linux, for control groups, or --share 0.`,
		Example: `  fluxgate bench free
  fluxgate bench free --requests 600     # two and a half minutes
  fluxgate bench free --instances 1 --concurrency 80 --share 1   # the profile batch`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := positive(map[string]int64{
				"instances": int64(o.Instances), "concurrency": int64(o.Concurrency), "requests": int64(o.Requests), "callers": int64(o.Callers), "latency": int64(o.Latency),
			}); err != nil {
				return err
			}
			if !(o.Share >= 0 && o.Share <= 1) {
				return usageError{fmt.Errorf("--share %v: want 0 to 1", o.Share)}
			}
			return measure(cmd, &o.Launch, func(ctx context.Context) (_ *bench.FreeReport, err error) {
				fmt.Fprintln(cmd.ErrOrStderr(), "starting the Firestore emulator")
				e, err := emulator.Start(ctx, emulator.Options{})
				if err != nil {
					return nil, err
				}
				defer func() { err = errors.Join(err, e.Stop()) }()
				o.Emulator = e.Host
				o.Progress = func(answered, refused int64) {
					fmt.Fprintf(cmd.ErrOrStderr(), "%d of %d answered, %d refused by Gemini\n", answered, o.Requests, refused)
				}
				return bench.Free(ctx, o)
			})
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.IntVar(&o.Instances, "instances", 10, "`number` of instances")
	flags.IntVar(&o.Concurrency, "concurrency", 1, "`number` of requests that each takes at a time")
	flags.Float64Var(&o.Share, "share", 0.08, "`part` of a processor that each has; 0: all that there is")
	flags.IntVar(&o.Requests, "requests", 10_800, "`number` of requests")
	flags.IntVar(&o.Callers, "callers", 40, "`number` of callers, each with one request at a time")
	flags.DurationVar(&o.Latency, "latency", time.Second, "`time` that Gemini takes")
	return cmd
}
