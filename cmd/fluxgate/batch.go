package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"fluxgate.dev/fluxgate/internal/batch"
)

const batchLong = `Send many prompts through a Fluxgate and write what comes back.

INPUT is one or more files, or - for standard input:

  .jsonl .ndjson        one request per line: {"prompt": "…"}, optionally with id, system, model, mode, max_tokens and
                        temperature, which win over the flags
  .txt .text .md        text, cut into chunks of --chunk-tokens at paragraphs, or else at sentences, lines or words
  .srt .vtt .ass        subtitles, cut into chunks of --chunk-tokens between cues, numbers and times kept

Tokens are estimated: four ASCII characters each. All inputs together may have up to 1 GiB, which is held in memory, and a
million requests.

When Fluxgate answers 429, the request waits exactly as long as the answer says and then goes again, with the ticket it
was given. --concurrency is the number of requests in flight and counts those that wait, so that no request is overtaken
again and again. Other failures of the server are tried five times in a row. 400, 404 and 413 fail the one request, 401
and 403 stop the job.

The output has one line of JSON per request, in input order, and grows while the job runs:

  {"index":0,"id":"…","sha256":"…","response":"…","key_used":…,"model_used":"…","tokens_used":…,
   "finish_reason":"STOP","waits":…,"waited_seconds":…,"elapsed_seconds":…}
  {"index":1,"id":"…","sha256":"…","error":"…","status":400,…}

An answer that is empty is asked for again. A chunk whose answer is empty again, or cut, is sent in two halves, and these
likewise. What is still cut has its finish_reason, such as MAX_TOKENS, is counted as truncated, and makes the exit code 5.

With an OUTPUT that ends in .srt, .vtt or .ass, one input of that kind becomes subtitles again: the texts are replaced,
numbers, times and everything else stay. An answer with other cues is asked for again, then in halves. The lines of JSON are
in OUTPUT.results.jsonl. What has no answer at the end stays as it was.

Until all requests are answered, OUTPUT.journal keeps what has been. After Ctrl-C, a crash or failures, run the same
command again: what is finished is not sent again, what failed is. The one exception is an answer that arrived in the
instant before a crash and never reached the disk. --output - can't be resumed.

The job ends with a summary line on standard error: requests=… failed=… truncated=… waits=… tokens=… elapsed=…
The exit code is 0 only when every request has been answered in full, 5 when some haven't; see fluxgate --help for others.

` + connectionHelp

const batchExample = `  fluxgate batch prompts.jsonl
  fluxgate batch film.srt --instructions "Translate these subtitles to Spanish." --output film.es.srt
  fluxgate batch book.txt --instructions @style.txt --chunk-tokens 20000 --concurrency 64 --mode flash_only
  generate-prompts | fluxgate batch - --format jsonl --output - | jq -r .response`

// newBatchCommand is `fluxgate batch`: flags and signals around batch.Run.
func newBatchCommand() *cobra.Command {
	var (
		o            batch.Options
		format       string
		progress     string
		connection   connection
		instructions string
		temperature  float64
		maxWait      time.Duration
	)
	cmd := &cobra.Command{
		Use:     "batch INPUT...",
		Short:   "Send a file of prompts, obey every 429, write the answers in order, resume after a stop",
		Long:    batchLong,
		Example: batchExample,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			// From here on an error isn't about how the command was written.
			cmd.SilenceUsage = true
			o.Inputs = args
			o.Format = batch.Format(format)
			o.Progress = batch.ProgressMode(progress)
			access, err := connection.access()
			if err != nil {
				return err
			}
			o.URL, o.Token, o.Identity = access.URL, access.Token, access.Identity
			if cmd.Flags().Changed("temperature") {
				o.Temperature = &temperature
			}
			if cmd.Flags().Changed("max-wait") {
				o.MaxWait = &maxWait
			}
			if err := positive(map[string]int64{"concurrency": int64(o.Concurrency), "chunk-tokens": int64(o.ChunkTokens)}); err != nil {
				return err
			}
			if o.Instructions, err = batch.LoadInstructions(instructions); err != nil {
				return usageError{err}
			}
			o.Stdin, o.Stdout, o.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			return runBatch(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	connection.register(cmd)
	flags.IntVarP(&o.Concurrency, "concurrency", "c", batch.DefaultConcurrency,
		"`requests` in flight, those that wait included")
	flags.DurationVar(&o.Timeout, "timeout", batch.DefaultTimeout, "longest `time` for one HTTP exchange, waits apart")

	flags.StringVar(&format, "format", string(batch.FormatAuto),
		"`format` of the inputs: auto (by extension; standard input by its first lines), jsonl, text, srt, vtt, ass")
	flags.IntVar(&o.ChunkTokens, "chunk-tokens", batch.DefaultChunkTokens,
		"largest chunk in estimated `tokens`, instructions not counted")
	flags.StringVar(&instructions, "instructions", "", "`text` put before every chunk, or @FILE (@@ for a text that begins with @)")

	flags.StringVar(&o.System, "system", "", "system instruction `text` for every request")
	flags.StringVar(&o.Mode, "mode", "", "`mode`: both, pro_only, flash_only or flash_lite_only (default: the server's)")
	flags.StringVar(&o.Model, "model", "", "`model` for every request (default: the server's chain)")
	flags.IntVar(&o.MaxTokens, "max-tokens", 0, "longest answer in `tokens` (default: as long as the model gives)")
	flags.Float64Var(&temperature, "temperature", 0, "sampling `temperature` (default: the server's)")
	flags.DurationVar(&maxWait, "max-wait", 0,
		"longest `wait` for a better model before the next one of the chain is used; 0s takes whichever is free now\n"+
			"(default: wait until the better one's day is spent)")

	flags.StringVarP(&o.Output, "output", "o", "",
		"`file` for the results, - for standard output (default: the first INPUT with .results.jsonl appended)")
	flags.BoolVar(&o.Restart, "restart", false, "discard the results of an earlier run and begin again")
	flags.StringVar(&progress, "progress", string(batch.ProgressAuto),
		"`how` to show progress: auto (a bar on a terminal, else plain), plain (a line every 10 s), none")
	flags.BoolVarP(&o.Quiet, "quiet", "q", false, "show nothing but errors and the summary")
	return cmd
}

// runBatch runs a job until it ends or the first SIGINT or SIGTERM; a second one kills the process.
func runBatch(ctx context.Context, o batch.Options) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	summary, err := batch.Run(ctx, o)
	if err == nil && summary.Truncated > 0 && summary.Failed == 0 {
		return fmt.Errorf("batch: %w: %d of %d answers are cut; their lines in the output say why. Try a larger --max-tokens, or smaller --chunk-tokens", errPartial, summary.Truncated, summary.Total)
	}
	if err == nil && summary.Failed > 0 {
		return fmt.Errorf("batch: %w: %d of %d requests failed; their lines in the output say why. Run the same command again to send them again", errPartial, summary.Failed, summary.Total)
	}
	return explain(err)
}
