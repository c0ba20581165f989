package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"fluxgate.dev/fluxgate/internal/bench"
)

func newBenchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure what Fluxgate costs on this machine",
		Long: `Bench measures Fluxgate beside something that is known, in one run: every party
is a process of its own on a free loopback port, in front of the same simulated
Gemini, and rounds alternate. No key is needed and nothing leaves the machine.
Ratios can be relied on; absolute figures are those of the machine.`,
	}
	cmd.AddCommand(newBenchOverheadCommand(), newBenchStreamCommand(), newBenchMemoryCommand(), newBenchColdStartCommand(), newBenchFreeCommand(), newBenchPartyCommand())
	return cmd
}

func newBenchOverheadCommand() *cobra.Command {
	var o bench.OverheadOptions
	cmd := &cobra.Command{
		Use:   "overhead",
		Short: "CPU per request beside a bare reverse proxy",
		Long: `Overhead prints requests per second and the CPU that a request takes in Fluxgate
and in httputil.ReverseProxy with nothing added to it, for small prompts. CPU is
what the operating system accounts to the process, so that of the simulator and
of the client doesn't count. Fluxgate keeps its state in memory and runs with
GEMINI_LOG=false, and once with its log.

--profile writes profiles of CPU and of allocations of every party, to be read
with go tool pprof, and prints by which parts of the work the parties differ.`,
		Example: `  fluxgate bench overhead
  fluxgate bench overhead --profile profiles && go tool pprof -top profiles/fluxgate-native.cpu.pprof`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := positive(map[string]int64{
				"connections": int64(o.Connections), "rounds": int64(o.Rounds), "requests": int64(o.Requests),
			}); err != nil {
				return err
			}
			if o.Profiles != "" {
				if err := os.MkdirAll(o.Profiles, 0o755); err != nil {
					return fmt.Errorf("bench: %w", err)
				}
			}
			return measure(cmd, &o.Launch, func(ctx context.Context) (*bench.OverheadReport, error) { return bench.Overhead(ctx, o) })
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.IntVar(&o.Connections, "connections", 64, "`number` of connections, each with one request at a time")
	flags.IntVar(&o.Rounds, "rounds", 15, "`number` of rounds, after one to get warm")
	flags.IntVar(&o.Requests, "requests", 2000, "`number` of requests of each party in a round")
	flags.StringVar(&o.Profiles, "profile", "", "`directory` for profiles of all parties")
	return cmd
}

func newBenchStreamCommand() *cobra.Command {
	var o bench.StreamOptions
	var megabytes int64
	cmd := &cobra.Command{
		Use:   "stream",
		Short: "Memory and delay of streams beside a direct connection",
		Long: `Stream has one long answer pass through Fluxgate and prints the most resident
memory that the process ever had. Then it prints, for streams that are paced like
an answer is, the time to the first byte and the delay of each chunk, through
Fluxgate and directly, and the same of messages in sessions of the Live API. It fails if the memory isn't under 64 MiB.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := positive(map[string]int64{
				"megabytes": megabytes, "chunk": int64(o.ChunkBytes), "rounds": int64(o.Rounds), "chunks": int64(o.Chunks),
				"interval": int64(o.Interval),
			}); err != nil {
				return err
			}
			o.Bytes = megabytes * 1_000_000
			return measure(cmd, &o.Launch, func(ctx context.Context) (*bench.StreamReport, error) { return bench.Stream(ctx, o) })
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.Int64Var(&megabytes, "megabytes", 200, "`length` of the long stream in MB")
	flags.IntVar(&o.ChunkBytes, "chunk", 4096, "`bytes` of text in each of its chunks")
	flags.IntVar(&o.Rounds, "rounds", 20, "`number` of paced streams of each kind")
	flags.IntVar(&o.Chunks, "chunks", 100, "`number` of chunks of each of them")
	flags.DurationVar(&o.Interval, "interval", 5*time.Millisecond, "`time` between two chunks")
	return cmd
}

// newBenchPartyCommand is the other end of launcher.
func newBenchPartyCommand() *cobra.Command {
	var upstream, profile string
	cmd := &cobra.Command{
		Use: "party ROLE", Short: "Run one party of a benchmark", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var serve func(context.Context) error
			switch role := bench.Role(args[0]); role {
			case bench.Simulator:
				serve = func(ctx context.Context) error { return bench.ServeSimulator(ctx, os.Stdout) }
			case bench.Proxy:
				serve = func(ctx context.Context) error { return bench.ServeProxy(ctx, os.Stdout, upstream) }
			case bench.Fluxgate:
				// As a user runs it, but for the settings.
				serve = func(ctx context.Context) error {
					c := newServeCommand()
					c.SetArgs([]string{"--env-file", os.DevNull})
					return c.ExecuteContext(ctx)
				}
			case bench.Function:
				serve = serveFunction
			default:
				return usageError{fmt.Errorf("role %q: there is none of that name: want those that bench itself starts", role)}
			}
			return bench.RunProcess(cmd.Context(), bench.ProcessOptions{Profile: profile, In: os.Stdin, Out: os.Stdout, Serve: serve})
		},
	}
	cmd.Flags().StringVar(&upstream, "upstream", "", "base `URL` of the simulator")
	cmd.Flags().StringVar(&profile, "profile", "", "`prefix` of the files for its profiles")
	return cmd
}
