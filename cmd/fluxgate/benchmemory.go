package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"fluxgate.dev/fluxgate/internal/bench"
	"fluxgate.dev/fluxgate/internal/heap"
)

func newBenchMemoryCommand() *cobra.Command {
	o := bench.MemoryOptions{}
	var megabytes, limit int64
	cmd := &cobra.Command{
		Use:   "memory",
		Short: "Resident memory with many large bodies at once",
		Long: `Memory sends large bodies at once, on the native route, the OpenAI-compatible one,
/generate and as uploads, and prints the most resident memory that the process ever
had, a new process for each row. Who is refused with 503 comes again until it is
served. It fails if that was more than the limit, or than what an idle instance has
and one and a half times the bodies in flight, or the ` + fmt.Sprint(heap.Floor>>20) + ` MiB to which a heap may grow
in any case. It takes minutes, and says on standard error what it has measured so far.`,
		Example: `  fluxgate bench memory
  fluxgate bench memory --limit 1024 --counts 1,80`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			numbers := map[string]int64{"megabytes": megabytes, "limit": limit, "counts": int64(len(o.Counts))}
			if len(o.Counts) > 0 {
				numbers["counts"] = int64(slices.Min(o.Counts))
			}
			if err := positive(numbers); err != nil {
				return err
			}
			o.BodyBytes, o.Limit = megabytes<<20, limit<<20
			o.Measured = func(row bench.MemoryRow) {
				fmt.Fprintf(cmd.ErrOrStderr(), "%d at once, %s: %d MiB in %.0f s\n", row.Count, row.Route, row.PeakBytes>>20, row.Took.Seconds())
			}
			return measure(cmd, &o.Launch, func(ctx context.Context) (*bench.MemoryReport, error) { return bench.Memory(ctx, o) })
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.Int64Var(&megabytes, "megabytes", 30, "`size` of a body in MiB")
	flags.Int64Var(&limit, "limit", 512, "`memory` of the container in MiB")
	flags.IntSliceVar(&o.Counts, "counts", []int{1, 4, 16, 80}, "`numbers` of bodies at once")
	return cmd
}
