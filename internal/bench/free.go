package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/journal"
	"fluxgate.dev/fluxgate/internal/geminisim/quota"
	"fluxgate.dev/fluxgate/storage"
)

// FreeOptions say what [Free] measures. All but Share are required.
type FreeOptions struct {
	Launch Launcher
	// Emulator is the host:port of a Firestore emulator.
	Emulator string
	// Instances are as many processes, each with so many requests at a time.
	Instances, Concurrency int
	// Share is how much of a processor each has, by a control group; 0: all that there is.
	Share float64
	// Requests are sent, of so many callers at a time, half of which book. What the day of
	// the pool, 10,800, has no room for isn't waited for.
	Requests, Callers int
	// Latency is how long the simulated Gemini takes for an answer.
	Latency time.Duration
	// Progress is told once a minute how many are answered, and how often Gemini refused;
	// nil: nobody is.
	Progress func(answered, refused int64)
}

// A FreeReport is what [Free] found.
type FreeReport struct {
	Options  FreeOptions
	Took     time.Duration
	Answered int64
	Left     int64           // requests that were told to come another day, and didn't
	Told     int64           // times that a caller was told to wait
	Failed   int64           // answers of 503, after which the caller came back a second later
	Upstream journal.Stats   // of the simulator: its refusals are what must not be
	Started  []time.Duration // from the start of each instance to its first answer
	Added    []time.Duration // what an answer took longer than the simulator
	Queued   []time.Duration // waits for an instance, as Cloud Run's queue has them
	Store    storage.Stats   // of all instances
}

// dailyLimits are those of the three models that a project of the free tier has, a day
// of eight of which is 10,800 requests.
func dailyLimits() map[string]geminisim.Limits {
	limits := map[string]geminisim.Limits{}
	for _, name := range []string{"gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite"} {
		limits[name] = quota.DefaultLimits()[name]
	}
	return limits
}

// Free runs many small instances of the function over one emulator, at the full rate of
// a pool of the free tier: what the free profile of the deployment is.
func Free(ctx context.Context, o FreeOptions) (_ *FreeReport, err error) {
	cfg := geminisim.Config{Limits: dailyLimits(), Latency: o.Latency, RequestLog: -1}
	for i := range projects {
		cfg.Keys = append(cfg.Keys, geminisim.Key{Value: keyValue(i + 1)})
	}
	sim := geminisim.New(cfg)
	gemini, err := serveInside(sim)
	if err != nil {
		return nil, err
	}
	defer func() { _ = gemini.Close() }()
	launch := o.Launch
	if o.Share > 0 {
		var end func() error
		if launch, end, err = throttled(o.Launch, o.Share); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, end()) }()
	}
	group := &processGroup{launch: launch}
	defer func() { err = errors.Join(group.stop(), err) }()
	r := &FreeReport{Options: o}
	places := o.Instances * o.Concurrency
	f := &freeRun{options: o, report: r, idle: make(chan *child, places), client: newClient(2 * places)}
	if err := f.start(ctx, group, "http://"+gemini.Addr); err != nil {
		return nil, err
	}
	begin := time.Now()
	end := f.tellProgress(sim)
	err = f.ask(ctx)
	end()
	if err != nil {
		return nil, err
	}
	r.Took, r.Upstream = time.Since(begin), sim.Stats()
	return r, f.count(ctx, group)
}

// A freeRun is one run of Free under way.
type freeRun struct {
	options FreeOptions
	client  *http.Client
	idle    chan *child // instances with room for a request, as often as there is
	left    atomic.Int64
	asked   atomic.Int64 // numbers the requests

	mu     sync.Mutex
	report *FreeReport
}

// tellProgress tells it until end is called.
func (f *freeRun) tellProgress(sim *geminisim.Server) (end func()) {
	if f.options.Progress == nil {
		return func() {}
	}
	done := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() {
		tick := time.NewTicker(time.Minute)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				f.mu.Lock()
				answered := f.report.Answered + int64(len(f.report.Started))
				f.mu.Unlock()
				f.options.Progress(answered, sim.Stats().Refused)
			case <-done:
				return
			}
		}
	})
	return func() { close(done); telling.Wait() }
}

// start starts the instances, one after another. The first requests to them are among
// those that there are to be.
func (f *freeRun) start(ctx context.Context, group *processGroup, gemini string) error {
	limits := map[string]map[string]int64{}
	for name, l := range dailyLimits() {
		limits[name] = map[string]int64{"rpm": l.RPM, "tpm": l.TPM, "rpd": l.RPD}
	}
	text, err := json.Marshal(limits)
	if err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	const chain = "gemini-2.5-pro,gemini-2.5-flash,gemini-2.5-flash-lite"
	part := Process{Role: Function, Upstream: gemini, Settings: []string{
		"K_SERVICE=bench", "GEMINI_LOG=false", "FLUXGATE_LOG_LEVEL=error", "FLUXGATE_STORE=firestore", "FIRESTORE_EMULATOR_HOST=" + f.options.Emulator,
		"FLUXGATE_LIMITS=" + string(text), "FLUXGATE_CHAIN=" + chain, "GOMEMLIMIT=172MiB",
	}}
	f.left.Store(int64(f.options.Requests - f.options.Instances))
	for i := range f.options.Instances {
		begin := time.Now()
		c, err := group.add(ctx, "instance "+strconv.Itoa(i+1), part)
		if err != nil {
			return err
		}
		if err := f.first(ctx, c); err != nil {
			return err
		}
		f.report.Started = append(f.report.Started, time.Since(begin)-f.options.Latency)
		for range f.options.Concurrency {
			f.idle <- c
		}
	}
	return nil
}

// first sends the first request to an instance until it is answered: the address is said
// before it listens, and a start that fails is tried again by the next request.
func (f *freeRun) first(ctx context.Context, c *child) error {
	ctx, cancel := context.WithTimeout(ctx, firstTimeout)
	defer cancel()
	for {
		told, err := f.send(ctx, c, f.body(), false, "")
		if told == nil && err == nil {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}

// firstTimeout bounds the start of one instance.
const firstTimeout = 2 * time.Minute

// ask has all callers ask until as many requests are sent as there are to be.
func (f *freeRun) ask(ctx context.Context) error {
	callers, ctx := errgroup.WithContext(ctx)
	for i := range f.options.Callers {
		callers.Go(func() error {
			for f.left.Add(-1) >= 0 {
				if err := f.request(ctx, i%2 == 0); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return callers.Wait()
}

// longest is the longest wait that is sat out: longer ones are for the next day, and no booking
// is as far ahead.
const longest = time.Hour

// request sends one request until it is answered, coming back when it is told to, but not
// another day.
func (f *freeRun) request(ctx context.Context, book bool) error {
	ticket, body := "", f.body()
	for {
		begin := time.Now()
		var c *child
		select {
		case c = <-f.idle:
		case <-ctx.Done():
			return ctx.Err()
		}
		queued := time.Since(begin)
		begin = time.Now()
		told, err := f.send(ctx, c, body, book, ticket)
		took := time.Since(begin)
		f.idle <- c
		if err != nil {
			return err
		}
		f.mu.Lock()
		f.report.Queued = append(f.report.Queued, queued)
		if told == nil {
			f.report.Answered++
			f.report.Added = append(f.report.Added, took-f.options.Latency)
		} else if told.failed {
			f.report.Failed++
		} else {
			f.report.Told++
		}
		another := told != nil && told.wait > longest // day
		if another {
			f.report.Left++
		}
		f.mu.Unlock()
		if told == nil || another {
			return nil
		}
		ticket = told.ticket
		select {
		case <-time.After(told.wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// A told is what a caller is told that has to wait.
type told struct {
	wait   time.Duration
	ticket string
	failed bool // by 503, and not told anything
}

// body returns the body of a request unlike any other, or those of two callers were one. It
// takes whichever model is free, or the pool went at the rate of its best.
func (f *freeRun) body() []byte {
	return fmt.Appendf(nil, `{"prompt":"How are you, %d?","max_tokens":100,"max_wait":0}`, f.asked.Add(1))
}

// send sends a request once. The result is nil if it was answered.
func (f *freeRun) send(ctx context.Context, c *child, body []byte, book bool, ticket string) (*told, error) {
	req, err := request(ctx, c.url+"/generate", callerToken, body)
	if err != nil {
		return nil, err
	}
	if book {
		req.Header.Set("X-Fluxgate-Book", "true")
	}
	if ticket != "" {
		req.Header.Set("X-Fluxgate-Ticket", ticket)
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", c.name, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return nil, fmt.Errorf("ask %s: %w", c.name, err)
	case resp.StatusCode == http.StatusOK:
		return nil, nil
	case resp.StatusCode == http.StatusServiceUnavailable:
		return &told{wait: time.Second, ticket: ticket, failed: true}, nil
	case resp.StatusCode != http.StatusTooManyRequests:
		return nil, fmt.Errorf("%s answers %d: %s\n%s", c.name, resp.StatusCode, text, c.stderr)
	}
	ms, err := strconv.ParseInt(resp.Header.Get("X-Fluxgate-Retry-Ms"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%s tells no wait: %s", c.name, text)
	}
	return &told{wait: time.Duration(ms) * time.Millisecond, ticket: resp.Header.Get("X-Fluxgate-Ticket")}, nil
}

// count adds up what the instances say of their store.
func (f *freeRun) count(ctx context.Context, group *processGroup) error {
	for _, c := range group.children {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/status", nil)
		if err != nil {
			return err
		}
		req.Header.Set("X-Fluxgate-Token", callerToken)
		resp, err := f.client.Do(req)
		if err != nil {
			return fmt.Errorf("ask %s for its status: %w", c.name, err)
		}
		var status struct{ Store storage.Stats }
		err = json.NewDecoder(resp.Body).Decode(&status)
		_ = resp.Body.Close()
		if err != nil {
			return fmt.Errorf("status of %s: %w", c.name, err)
		}
		s := &f.report.Store
		s.Reads += status.Store.Reads
		s.Writes += status.Store.Writes
		s.Conflicts += status.Store.Conflicts
		s.Control += status.Store.Control
	}
	return nil
}

// Print writes the report.
func (r *FreeReport) Print(w io.Writer) error {
	o := r.Options
	share := "all that there is of the processor"
	if o.Share > 0 {
		share = fmt.Sprintf("%.0f%% of a processor", 100*o.Share)
	}
	fmt.Fprintf(w, "Instances: %d, with %s and requests at a time: %d each, over one Firestore emulator; %d callers, half of them\nwith bookings; Gemini takes %s.\n\n",
		o.Instances, share, o.Concurrency, o.Callers, o.Latency)
	each := func(n int64) string {
		return fmt.Sprintf("%.3f", float64(n)/float64(max(1, r.Answered+int64(len(r.Started)))))
	}
	ms := func(d time.Duration) string { return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond)) }
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "answered\t%d in %s, %.1f a minute\n", r.Answered, r.Took.Round(time.Second), float64(r.Answered)/r.Took.Minutes())
	fmt.Fprintf(t, "left for another day\t%d\n", r.Left)
	fmt.Fprintf(t, "429s of Gemini\t%d\n", r.Upstream.Refused)
	fmt.Fprintf(t, "waits told\t%d\n", r.Told)
	fmt.Fprintf(t, "answers of 503\t%d\n", r.Failed)
	fmt.Fprintf(t, "from start to first answer\tp50 %s, most %s\n", ms(quantile(r.Started, 0.5)), ms(quantile(r.Started, 1)))
	fmt.Fprintf(t, "added to an answer\tp50 %s, p99 %s\n", ms(quantile(r.Added, 0.5)), ms(quantile(r.Added, 0.99)))
	fmt.Fprintf(t, "waits for an instance\tp50 %s, p99 %s\n", ms(quantile(r.Queued, 0.5)), ms(quantile(r.Queued, 0.99)))
	fmt.Fprintf(t, "writes an admission\t%s, %d of them lost a race\n", each(r.Store.Writes), r.Store.Conflicts)
	fmt.Fprintf(t, "reads an admission\t%s, and %s of the control document and records, written or read\n", each(r.Store.Reads), each(r.Store.Control))
	return t.Flush()
}

// Check fails if Gemini refused anything.
func (r *FreeReport) Check() error {
	if r.Upstream.Refused > 0 {
		return fmt.Errorf("the simulated Gemini refused %d requests", r.Upstream.Refused)
	}
	return nil
}
