package batch

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/batch/subtitles"
	"fluxgate.dev/fluxgate/internal/remote"
)

const (
	// DefaultConcurrency is the number of requests in flight, waiting ones included.
	DefaultConcurrency = 32
	// DefaultChunkTokens is the size of a chunk in estimated tokens (see estimateTokens).
	DefaultChunkTokens = 10_000
	// DefaultTimeout bounds one HTTP exchange. Long generations take minutes; waits after a refusal aren't part of it.
	DefaultTimeout = 10 * time.Minute

	// maxInputBytes bounds the inputs of one job, all files together.
	maxInputBytes = 1 << 30
	// maxRequests bounds the requests of one job.
	maxRequests = 1_000_000

	maxConcurrency = 10_000
	maxChunkTokens = 10_000_000

	// A day's quota is back within the longest Pacific day: the server takes no max_wait beyond it.
	longestDay = 25 * time.Hour
)

// Modes are the values of Options.Mode besides the empty one.
var Modes = []string{"both", "pro_only", "flash_only", "flash_lite_only"}

// Format names how an input is read.
type Format string

// The formats of inputs.
const (
	// FormatAuto decides by the file's extension, and for standard input by its first lines.
	FormatAuto Format = "auto"
	// FormatJSONL is one request per line: {"prompt": …} with optional id, system, model, mode, max_tokens, temperature.
	FormatJSONL Format = "jsonl"
	// FormatText is cut into chunks at paragraphs.
	FormatText Format = "text"
	// FormatSRT, FormatVTT and FormatASS (and SSA) are cut into chunks between cues.
	FormatSRT = Format(subtitles.SRT)
	FormatVTT = Format(subtitles.VTT)
	FormatASS = Format(subtitles.ASS)
)

// formats are the values of Options.Format.
var formats = []Format{FormatAuto, FormatJSONL, FormatText, FormatSRT, FormatVTT, FormatASS}

// Options says what to send and where to. The zero value of a field means its default.
type Options struct {
	// Inputs are file names; "-" is standard input, at most once. At least one is required.
	Inputs []string
	// Format is how the inputs are read. Default: auto.
	Format Format
	// ChunkTokens is the largest chunk of text and subtitles, in estimated tokens, Instructions not counted. Default: 10,000.
	ChunkTokens int
	// Instructions are put before every chunk, with a blank line between. An error when no input is cut into chunks.
	Instructions string

	// URL is Fluxgate's base address, without /generate. Default: http://127.0.0.1:8080.
	URL string
	// Token is sent as X-Fluxgate-Token. Default: none.
	Token remote.Token
	// Identity is who Cloud Run's IAM is told that this is. Default: none.
	Identity *remote.Identity
	// Client does the HTTP exchanges. Default: one with a connection for every request in flight.
	Client *http.Client
	// Concurrency is the number of requests in flight, waiting ones included. Default: 32.
	Concurrency int
	// Timeout bounds one HTTP exchange. Default: 10 minutes.
	Timeout time.Duration

	// Mode, Model, System, MaxTokens and Temperature go into every request that doesn't set its own. Default: the server's,
	// but as long an answer as the model gives.
	Mode        string
	Model       string
	System      string
	MaxTokens   int
	Temperature *float64
	// MaxWait goes into every request as max_wait, in seconds: how long to wait for a better model of the chain before the
	// next one is used. Default: not sent, the server decides by its chain alone.
	MaxWait *time.Duration

	// Output receives the results as JSONL. "-" is standard output and can't be resumed. Default: the first input's name
	// with ".results.jsonl" appended, or "-" when that is standard input.
	//
	// With the extension of a subtitle format it receives subtitles, with the cues of the one input, which must be of that
	// format; the results are then in a file of that name with ".results.jsonl" appended.
	Output string
	// Restart discards the results and the journal of an earlier run, and replaces an output that is in the way.
	Restart bool

	// Progress is how progress is shown on Stderr. Default: auto.
	Progress ProgressMode
	// Quiet drops progress and notes; the summary line stays.
	Quiet bool

	// Stdin, Stdout and Stderr default to the process's own.
	Stdin          io.Reader
	Stdout, Stderr io.Writer

	// subtitles says that Output receives subtitles.
	subtitles bool
}

// results is the file of the results.
func (o *Options) results() string {
	if o.subtitles {
		return o.Output + resultsExtension
	}
	return o.Output
}

const resultsExtension = ".results.jsonl"

// Summary says what one Run did. Its figures leave out what earlier runs of the same job finished, except Resumed.
type Summary struct {
	// Requests were settled in this run, successfully or not.
	Requests int
	// Failed are those of Requests that have no answer.
	Failed int
	// Truncated are the answers of the job, those of earlier runs included, that are cut.
	Truncated int
	// Resumed were finished by earlier runs and not sent.
	Resumed int
	// Total is the number of requests of the job.
	Total int
	// Waits is the number of refusals that were obeyed: 429, and 503 with a wait.
	Waits int
	// Waited is the time requests spent in those waits, summed over requests (many wait at the same time).
	Waited time.Duration
	// Tokens is the sum of tokens_used over the answers.
	Tokens int64
	// Elapsed is the time from the first request to the last result.
	Elapsed time.Duration
}

// String is the line that ends a job.
func (s Summary) String() string {
	line := fmt.Sprintf("requests=%d failed=%d truncated=%d waits=%d tokens=%d elapsed=%s",
		s.Requests, s.Failed, s.Truncated, s.Waits, s.Tokens, s.Elapsed.Round(time.Millisecond))
	if s.Resumed > 0 {
		line += fmt.Sprintf(" resumed=%d", s.Resumed)
	}
	return line
}

// withDefaults returns the options with every default filled in, or all problems at once.
func (o Options) withDefaults() (Options, error) {
	o.setDefaults()
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }

	if len(o.Inputs) == 0 {
		problem("no input: name at least one file, or - for standard input")
	}
	stdins := 0
	for _, name := range o.Inputs {
		if name == "-" {
			stdins++
		}
	}
	if stdins > 1 {
		problem("standard input (-) is named %d times: want it once", stdins)
	}
	if o.subtitles && len(o.Inputs) > 1 {
		problem("output %s: subtitles are made of one file, not of %d: name one, and run it for each", o.Output, len(o.Inputs))
	}
	if !slices.Contains(formats, o.Format) {
		problem("format %q: want one of %v", o.Format, formats)
	}
	if !slices.Contains(progressModes, o.Progress) {
		problem("progress %q: want one of %v", o.Progress, progressModes)
	}
	if o.Mode != "" && !slices.Contains(Modes, o.Mode) {
		problem("mode %q: want one of %s", o.Mode, strings.Join(Modes, ", "))
	}
	if o.ChunkTokens < 1 || o.ChunkTokens > maxChunkTokens {
		problem("chunk tokens %d: want 1 to %d", o.ChunkTokens, maxChunkTokens)
	}
	if o.Concurrency < 1 || o.Concurrency > maxConcurrency {
		problem("concurrency %d: want 1 to %d", o.Concurrency, maxConcurrency)
	}
	if o.MaxTokens < 0 {
		problem("max tokens %d: want a positive number", o.MaxTokens)
	}
	if t := o.Temperature; t != nil && (math.IsNaN(*t) || math.IsInf(*t, 0) || *t < 0) {
		problem("temperature %v: want zero or more", *t)
	}
	if o.MaxWait != nil && (*o.MaxWait < 0 || *o.MaxWait > longestDay) {
		problem("max wait %v: want 0 to %v", *o.MaxWait, longestDay)
	}
	if o.Timeout < 0 {
		problem("timeout %v: want a positive duration", o.Timeout)
	}
	if err := o.access().Check(); err != nil {
		problems = append(problems, err)
	}
	return o, errors.Join(problems...)
}

func (o *Options) access() remote.Access {
	return remote.Access{URL: o.URL, Token: o.Token, Identity: o.Identity}
}

func (o *Options) setDefaults() {
	o.Format = cmp.Or(o.Format, FormatAuto)
	o.ChunkTokens = cmp.Or(o.ChunkTokens, DefaultChunkTokens)
	o.URL = strings.TrimRight(cmp.Or(o.URL, remote.DefaultURL), "/")
	o.Concurrency = cmp.Or(o.Concurrency, DefaultConcurrency)
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	o.Progress = cmp.Or(o.Progress, ProgressAuto)
	if o.Output == "" && len(o.Inputs) > 0 {
		o.Output = "-"
		if o.Inputs[0] != "-" {
			o.Output = filepath.Clean(o.Inputs[0]) + resultsExtension
		}
	}
	o.subtitles = formatOf(o.Output) != ""
	if o.Stdin == nil {
		o.Stdin = os.Stdin
	}
	if o.Stdout == nil {
		o.Stdout = os.Stdout
	}
	if o.Stderr == nil {
		o.Stderr = os.Stderr
	}
	if o.Client == nil {
		o.Client = newClient(o.Concurrency)
	}
	o.Client = remote.WithoutRedirects(o.Client)
}

// newClient has an idle connection for every worker; the default transport keeps two and dials for all others.
func newClient(concurrency int) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns = concurrency
	transport.MaxIdleConnsPerHost = concurrency
	return &http.Client{Transport: transport}
}

// LoadInstructions resolves the value of --instructions: text as it is, or @FILE for the contents of a file of at most
// 1 MiB. A text that begins with @ is written with two.
func LoadInstructions(value string) (string, error) {
	name, isFile := strings.CutPrefix(value, "@")
	if !isFile || strings.HasPrefix(name, "@") {
		return name, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("instructions: %w", err)
	}
	defer f.Close()
	const limit = 1 << 20
	text, err := readText(f, 0, limit)
	if errors.Is(err, errTooLarge) {
		err = fmt.Errorf("larger than %d bytes: make it shorter", limit)
	}
	if err != nil {
		return "", fmt.Errorf("instructions: %s: %w", name, err)
	}
	return strings.TrimSpace(text), nil
}
