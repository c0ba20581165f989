package bench

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"fluxgate.dev/fluxgate/internal/bodies"
	"fluxgate.dev/fluxgate/internal/heap"
	"fluxgate.dev/fluxgate/internal/remote"
)

// MemoryOptions say what [Memory] measures. All but Measured are required.
type MemoryOptions struct {
	Launch Launcher
	// Limit is the memory of the container, in bytes, that Fluxgate is told to live in.
	Limit int64
	// BodyBytes is how large each body is, and Counts how many there are at once, one
	// count after another.
	BodyBytes int64
	Counts    []int
	// Measured, if not nil, is told of each row as soon as there is one: all of them take minutes.
	Measured func(MemoryRow)
}

// mostOfBodies is how much of the peak the bodies in flight may be the reason for, in
// bodies.
const mostOfBodies = 1.5

// A MemoryReport is what [Memory] found.
type MemoryReport struct {
	Options   MemoryOptions
	IdleBytes int64 // resident memory of a Fluxgate that has answered once
	Rows      []MemoryRow
}

// A MemoryRow is what became of some bodies sent at once on a route.
type MemoryRow struct {
	Route string
	Count int
	// InFlight is how many of them that were answered were on their way at a time, at most;
	// no more than the budget has room for, who is on its way may not be in yet.
	InFlight int
	// Refused is how often one was refused with 503. It comes again, until it is
	// served.
	Refused   int64
	PeakBytes int64 // resident memory of the process at its peak
	Took      time.Duration
}

// A memoryRoute is a way for a large body.
type memoryRoute struct {
	name, path string
	header     http.Header
	stream     bool // an upload: passed on as it comes, and not held
	hostile    bool // small on the wire and large where it is taken apart: sent in the first number only
	copied     bool // held twice, and charged so
	status     int  // of the answer; 0: 200
	head, tail string
	fill       string // of which there is as much in between as makes the body as large as it is to be
}

// memoryRoutes send one image, in base64 where the route wants that, or what is worse.
var memoryRoutes = []memoryRoute{
	{
		name: "native", path: "/v1beta/models/" + model + ":generateContent", fill: "iVBORw0K",
		head: `{"contents":[{"parts":[{"text":"Number %d."},{"inlineData":{"mimeType":"image/png","data":"`, tail: `"}}]}]}`,
	},
	{
		name: "OpenAI", path: "/v1beta/openai/chat/completions", fill: "iVBORw0K",
		head: `{"model":"auto","messages":[{"role":"user","content":[{"type":"text","text":"Number %d."},` +
			`{"type":"image_url","image_url":{"url":"data:image/png;base64,`, tail: `"}}]}]}`,
	},
	{
		name: "/generate", path: "/generate", fill: "iVBORw0K",
		head: `{"prompt":"Number %d.","images":["`, tail: `"]}`,
	},
	{
		name: "upload", path: "/upload/v1beta/files", fill: "\x89PNG\r\n\x1a\n", stream: true,
		head:   "%d",
		header: http.Header{"X-Goog-Upload-Command": {"upload, finalize"}, "X-Goog-Upload-Offset": {"0"}},
	},
	{
		name: "OpenAI, empty messages", path: "/v1beta/openai/chat/completions", fill: "{},", hostile: true,
		head: `{"model":"auto","messages":[{"content":"Number %d."},`, tail: `{}]}`,
	},
	{
		name: "/generate, empty images", path: "/generate", fill: `"",`, hostile: true, status: http.StatusBadRequest,
		head: `{"prompt":"Number %d.","images":[`, tail: `""]}`,
	},
	{
		name: "native, not the standard's JSON", path: "/v1beta/models/" + model + ":generateContent", fill: `{},`, hostile: true, copied: true,
		head: `{'contents':[{'parts':[{'text':'Number %d.'}]}],'tools':[`, tail: `{},]}`,
	},
}

// Memory sends large bodies at once, on each route and in each number to a Fluxgate of
// its own, and reads the most memory that the process ever had. Upstream answers a
// second after a body has come, so that they are all in flight together.
func Memory(ctx context.Context, o MemoryOptions) (*MemoryReport, error) {
	r := &MemoryReport{Options: o}
	idle, err := r.measure(ctx, memoryRoutes[0], 1, 1<<10)
	if err != nil {
		return nil, err
	}
	r.IdleBytes = idle.PeakBytes
	for _, route := range memoryRoutes {
		for _, n := range o.Counts {
			if route.hostile && n != o.Counts[0] {
				break
			}
			row, err := r.measure(ctx, route, n, o.BodyBytes)
			if err != nil {
				return nil, fmt.Errorf("%d bodies, %s: %w", n, route.name, err)
			}
			r.Rows = append(r.Rows, *row)
			if o.Measured != nil {
				o.Measured(*row)
			}
		}
	}
	return r, nil
}

// measure sends n bodies at once to a new Fluxgate.
func (r *MemoryReport) measure(ctx context.Context, route memoryRoute, n int, size int64) (_ *MemoryRow, err error) {
	upstream, err := serveInside(sink{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, upstream.Close()) }()
	a := &processGroup{launch: r.Options.Launch}
	defer func() { err = errors.Join(err, a.stop()) }()
	fluxgate, err := a.add(ctx, "fluxgate", Process{Role: Fluxgate, Upstream: "http://" + upstream.Addr, Settings: []string{
		"GEMINI_LOG=false", "FLUXGATE_POLICY=off", "GEMINI_PROJECT_1=bench", fmt.Sprintf("GOMEMLIMIT=%d", r.Options.Limit*9/10),
	}})
	if err != nil {
		return nil, err
	}
	c := &memoryClient{route: route, url: fluxgate.url + route.path, client: newClient(n),
		fill: bytes.Repeat([]byte(route.fill), int(size)/len(route.fill))}
	defer c.client.CloseIdleConnections()
	begin := time.Now()
	g, inner := errgroup.WithContext(ctx)
	for i := range n {
		g.Go(func() error { return c.untilServed(inner, i) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	took := time.Since(begin)
	used, err := fluxgate.usage(ctx)
	if err != nil {
		return nil, err
	}
	return &MemoryRow{Route: route.name, Count: n, InFlight: c.inFlight(r.room(route)), Refused: c.refused.Load(), PeakBytes: used.PeakBytes, Took: took}, nil
}

// room returns how many bodies the budget has room for on a route.
func (r *MemoryReport) room(route memoryRoute) int {
	each := int64(bodies.Each)
	switch {
	case route.copied:
		each += 2 * r.Options.BodyBytes
	case !route.stream:
		each += r.Options.BodyBytes
	}
	return int(bodies.Default(r.Options.Limit*9/10) / each)
}

// A memoryClient sends large bodies of one kind.
type memoryClient struct {
	route   memoryRoute
	url     string
	client  *http.Client
	fill    []byte // shared by all bodies
	refused atomic.Int64

	mu     sync.Mutex
	served []period
}

// A period is when a body was on its way.
type period struct{ from, to time.Time }

// inFlight returns how many of the bodies that were answered were on their way at a time,
// at most.
func (c *memoryClient) inFlight(room int) (most int) {
	for _, at := range c.served {
		n := 0
		for _, p := range c.served {
			if !p.from.After(at.from) && p.to.After(at.from) {
				n++
			}
		}
		most = max(most, n)
	}
	return min(most, room)
}

// refusedPause is how long one that was refused waits before it comes again. Retry-After
// says longer; this is to be over soon.
const refusedPause = 500 * time.Millisecond

// untilServed sends a body until it is served.
func (c *memoryClient) untilServed(ctx context.Context, n int) error {
	for {
		from := time.Now()
		served, err := c.sendOnce(ctx, n)
		if err != nil {
			return err
		}
		if served {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.served = append(c.served, period{from, time.Now()})
			return nil
		}
		c.refused.Add(1)
		if err := sleep(ctx, refusedPause); err != nil {
			return err
		}
	}
}

// sendOnce sends a body once, and reports whether it was served; not: it was refused.
func (c *memoryClient) sendOnce(ctx context.Context, n int) (served bool, err error) {
	url := c.url
	if c.route.stream {
		if url, err = c.startUpload(ctx); err != nil {
			return false, err
		}
	}
	head := strings.Replace(c.route.head, "%d", fmt.Sprint(n), 1)
	body := io.MultiReader(strings.NewReader(head), bytes.NewReader(c.fill), strings.NewReader(c.route.tail))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return false, fmt.Errorf("make request: %w", err)
	}
	req.ContentLength = int64(len(head) + len(c.fill) + len(c.route.tail))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Goog-Api-Key", callerToken)
	for name, values := range c.route.header {
		req.Header[name] = values
	}
	resp, err := c.client.Do(req)
	if err != nil {
		// Who is refused before its body was read may find the connection closed before it
		// has read why.
		if ctx.Err() == nil && !remote.Unreachable(err) {
			return false, nil
		}
		return false, fmt.Errorf("send body: %w", err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // whatever there is of it
	switch resp.StatusCode {
	case cmp.Or(c.route.status, http.StatusOK):
		return true, nil
	case http.StatusServiceUnavailable:
		return false, nil
	}
	return false, fmt.Errorf("answered %s: %s", resp.Status, text)
}

// uploadURL is the header in which the start of an upload is answered with where it goes on.
const uploadURL = "X-Goog-Upload-Url"

// startUpload starts an upload, and returns the URL that it goes on at.
func (c *memoryClient) startUpload(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, strings.NewReader(`{"file":{}}`))
	if err != nil {
		return "", fmt.Errorf("make request: %w", err)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "X-Goog-Api-Key": callerToken, "X-Goog-Upload-Protocol": "resumable", "X-Goog-Upload-Command": "start",
	} {
		req.Header.Set(name, value)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return "", fmt.Errorf("start upload: %w", err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // whatever there is of it
	if to := resp.Header.Get(uploadURL); resp.StatusCode == http.StatusOK && to != "" {
		return to, nil
	}
	return "", fmt.Errorf("start upload: answered %s: %s", resp.Status, text)
}

// allowed is the most resident memory that a row may have had: no more than the
// limit, and what an idle Fluxgate has beside one and a half times the bodies, or beside
// what isn't collected with fewer of them.
func (r *MemoryReport) allowed(row MemoryRow) int64 {
	held := int64(row.InFlight) * r.Options.BodyBytes
	route := memoryRoutes[slices.IndexFunc(memoryRoutes, func(route memoryRoute) bool { return route.name == row.Route })]
	switch {
	case route.stream:
		held = 0
	case route.copied:
		held *= 2
	}
	// Buffers of connections are not what is looked for: 256 KiB for each time that a body came,
	// for who is refused comes on another connection.
	more := (int64(row.Count) + int64(row.Refused)) * 256 << 10
	return min(r.Options.Limit, r.IdleBytes+max(heap.Floor, int64(mostOfBodies*float64(held)))+more)
}

// Check returns an error if any row took more memory than it may.
func (r *MemoryReport) Check() error {
	var problems []error
	for _, row := range r.Rows {
		if most := r.allowed(row); row.PeakBytes > most {
			problems = append(problems, fmt.Errorf("%d bodies on %s took %.0f MiB of resident memory, want at most %.0f MiB",
				row.Count, row.Route, mebibytes(row.PeakBytes), mebibytes(most)))
		}
	}
	return errors.Join(problems...)
}

// Print writes the report as a table.
func (r *MemoryReport) Print(w io.Writer) error {
	fmt.Fprintf(w, "Bodies of %.0f MiB at once, in %.0f MiB of memory (GOMEMLIMIT is nine tenths of it), %d processors; a process each.\n"+
		"Resident memory of one that has answered a small request: %.1f MiB.\n\n",
		mebibytes(r.Options.BodyBytes), mebibytes(r.Options.Limit), runtime.GOMAXPROCS(0), mebibytes(r.IdleBytes))
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "route\tat once\tin flight\tretries\tpeak MiB\tat most\ttook\t")
	for _, row := range r.Rows {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%.0f\t%.0f\t%.1f s\t\n", row.Route, row.Count, row.InFlight, row.Refused,
			mebibytes(row.PeakBytes), mebibytes(r.allowed(row)), row.Took.Seconds())
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	fmt.Fprintf(w, "\nIn flight: the most at a time of those that were answered, as far as there is room for them. Retries: sent again after 503.\n"+
		"At most: the limit, or what an idle one has and %.1f times the bodies in flight (an upload isn't held, what isn't\n"+
		"the standard's JSON is held twice), or the %d MiB to which a heap may grow in any case, and 256 KiB for each time\n"+
		"that one was sent.\n", mostOfBodies, heap.Floor>>20)
	return nil
}

// A sink is a Gemini that reads bodies without keeping them, and answers what fits the
// route once it has had them for a while.
type sink struct{}

// sinkPause is how long the sink has a body before it answers.
const sinkPause = time.Second

// ServeHTTP implements http.Handler.
func (sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	path := r.URL.Path
	switch {
	case r.Method == http.MethodGet:
		io.WriteString(w, `{"models":[]}`)
		return
	case strings.HasSuffix(path, ":countTokens"):
		_, _ = io.Copy(io.Discard, r.Body)
		io.WriteString(w, `{"totalTokens":1000}`)
		return
	case r.Header.Get("X-Goog-Upload-Command") == "start":
		w.Header().Set(uploadURL, "http://"+r.Host+path+"?upload_id=1&upload_protocol=resumable")
		return
	}
	if _, err := io.Copy(io.Discard, r.Body); err == nil {
		time.Sleep(sinkPause)
	}
	switch {
	case strings.HasPrefix(path, "/upload/"):
		io.WriteString(w, `{"file":{"name":"files/1"}}`)
	case strings.Contains(path, "/openai/"):
		io.WriteString(w, `{"choices":[{"message":{"content":"Yes."},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000}}`)
	default:
		io.WriteString(w, `{"candidates":[{"content":{"parts":[{"text":"Yes."}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1000}}`)
	}
}
