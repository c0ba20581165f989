package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"text/tabwriter"
	"time"
)

// What a cold start may cost.
const (
	healthTarget   = 50 * time.Millisecond  // from the start of the process to the first 200 of /health
	firstTarget    = 250 * time.Millisecond // what the first answer of /generate takes longer than a later one
	residentTarget = 60e6                   // bytes at idle
)

// ColdStartOptions say what [ColdStart] measures. All but Emulator are required.
type ColdStartOptions struct {
	Launch Launcher
	Runs   int
	// Program is the file whose size is told.
	Program string
	// Emulator is the host:port of a Firestore emulator; empty: memory.
	Emulator string
	// Store says in words where state is kept, and why there.
	Store string
}

// A ColdStartReport is what [ColdStart] found, one figure of each run.
type ColdStartReport struct {
	Options ColdStartOptions
	Health  []time.Duration // from the start of the process to the first 200 of /health
	Answer  []time.Duration // and to the first answer of /generate, which is asked for after that
	First   []time.Duration // how long that first answer took
	Warm    []time.Duration // how long a later one takes, the median of some
	Added   []time.Duration // the difference
	Fresh   []int64         // resident bytes after /health
	Idle    []int64         // resident bytes after all of it
	Program int64           // bytes of the program
}

// Requests after the first, so far apart that no document is written more often
// than Fluxgate allows itself.
const (
	warmRequests = 5
	warmPause    = 250 * time.Millisecond
)

// ColdStart starts the function, as it is deployed, again and again.
func ColdStart(ctx context.Context, o ColdStartOptions) (_ *ColdStartReport, err error) {
	info, err := os.Stat(o.Program)
	if err != nil {
		return nil, fmt.Errorf("size of the program: %w", err)
	}
	a := &processGroup{launch: o.Launch}
	defer func() { err = errors.Join(err, a.stop()) }()
	simulator, err := a.add(ctx, "simulator", Process{Role: Simulator})
	if err != nil {
		return nil, err
	}
	// K_SERVICE has it log and guard itself as on Cloud Run.
	part := Process{Role: Function, Upstream: simulator.url, Settings: []string{"K_SERVICE=bench"}}
	if o.Emulator != "" {
		part.Settings = append(part.Settings, "FLUXGATE_STORE=firestore", "FIRESTORE_EMULATOR_HOST="+o.Emulator)
	}
	r := &ColdStartReport{Options: o, Program: info.Size()}
	// One more than counts: it brings the program and the documents where they
	// are in a deployment, into the page cache and into being.
	for run := range 1 + o.Runs {
		if err := r.run(ctx, o.Launch, part, run > 0); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// run measures one process, from its start to its end.
func (r *ColdStartReport) run(ctx context.Context, launch Launcher, part Process, counts bool) (err error) {
	cmd := launch(part)
	begin := time.Now()
	c, err := start(ctx, "function", cmd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	client := newClient(1)
	defer client.CloseIdleConnections()
	if err := awaitHealth(ctx, client, c.url); err != nil {
		return err
	}
	health := time.Since(begin)
	fresh, err := c.usage(ctx)
	if err != nil {
		return err
	}
	// What it takes to ask for its usage isn't the function's.
	pause := time.Since(begin) - health
	target := &target{url: c.url + "/generate", key: callerToken, body: generateBody, client: client}
	first, err := target.load(ctx, 1, 1)
	if err != nil {
		return fmt.Errorf("first request: %w", err)
	}
	answer := time.Since(begin) - pause
	var warm []time.Duration
	for range warmRequests {
		if err := sleep(ctx, warmPause); err != nil {
			return err
		}
		took, err := target.load(ctx, 1, 1)
		if err != nil {
			return fmt.Errorf("later request: %w", err)
		}
		warm = append(warm, took)
	}
	idle, err := c.usage(ctx)
	if err != nil || !counts {
		return err
	}
	later := quantile(warm, 0.5)
	r.Health, r.Answer = append(r.Health, health), append(r.Answer, answer)
	r.First, r.Warm, r.Added = append(r.First, first), append(r.Warm, later), append(r.Added, first-later)
	r.Fresh, r.Idle = append(r.Fresh, fresh.ResidentBytes), append(r.Idle, idle.ResidentBytes)
	return nil
}

// awaitHealth asks for /health until it is answered with 200.
func awaitHealth(ctx context.Context, client *http.Client, url string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/health", nil)
	if err != nil {
		return err
	}
	for {
		resp, err := client.Do(req)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(resp.Status)
		}
		if sleep(ctx, time.Millisecond/2) != nil {
			return fmt.Errorf("the function doesn't become healthy: %w", err)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// Print writes the report as a table.
func (r *ColdStartReport) Print(w io.Writer) error {
	fmt.Fprintf(w, "%d starts of the function, %s, simulator without latency, %d keys.\n\n", r.Options.Runs, r.Options.Store, projects)
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tmedian\tmin..max\ttarget\t")
	row := func(name string, figures []float64, unit string, target float64) {
		f, wanted := rangeOf(figures), ""
		if target > 0 {
			wanted = fmt.Sprintf("under %.0f %s, missed", target, unit)
			if f.Median < target {
				wanted = fmt.Sprintf("under %.0f %s, met", target, unit)
			}
		}
		fmt.Fprintf(t, "%s\t%.1f %s\t%.1f..%.1f\t%s\t\n", name, f.Median, unit, f.Min, f.Max, wanted)
	}
	row("process start to first 200 of /health", millis(r.Health), "ms", healthTarget.Seconds()*1e3)
	row("process start to first answer of /generate", millis(r.Answer), "ms", 0)
	row("first /generate", millis(r.First), "ms", 0)
	row("later /generate", millis(r.Warm), "ms", 0)
	row("first /generate, above a later one", millis(r.Added), "ms", firstTarget.Seconds()*1e3)
	row("resident memory after /health", megabytes(r.Fresh), "MB", 0)
	row("resident memory at idle, after "+fmt.Sprint(1+warmRequests)+" answers", megabytes(r.Idle), "MB", residentTarget/1e6)
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	_, err := fmt.Fprintf(w, "\nThe program has %.1f MB: it is this command; the function's own is without the commands.\n",
		float64(r.Program)/1e6)
	return err
}

func millis(list []time.Duration) []float64 {
	figures := make([]float64, len(list))
	for i, d := range list {
		figures[i] = d.Seconds() * 1e3
	}
	return figures
}

func megabytes(list []int64) []float64 {
	figures := make([]float64, len(list))
	for i, n := range list {
		figures[i] = float64(n) / 1e6
	}
	return figures
}
