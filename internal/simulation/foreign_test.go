package simulation

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/anthropicsim"
	"fluxgate.dev/fluxgate/internal/app"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/dispatch/weights"
	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/internal/simquota"
	"fluxgate.dev/fluxgate/storage"
)

// A foreign is the whole of Fluxgate over one simulated provider.
type foreign struct {
	regime
	world  uint64 // others of one regime ask for something else
	t      *testing.T
	app    *app.App
	ledger *simquota.Ledger
	way    *delayed // nil: all arrive at once
	log    func() []openaisim.Request

	again atomic.Int64 // who came back for a kept slot and had to wait again
	kept  atomic.Int64
	waits atomic.Int64
	worst atomic.Int64 // times that one request had to wait

	account *account

	begin   time.Time
	unknown atomic.Int64 // refusals before the first answer
	mu      sync.Mutex
	strays  []string
}

func newForeign(t *testing.T, r regime) *foreign {
	f := &foreign{regime: r, t: t, account: newAccount()}
	if f.latency == 0 {
		f.latency = latency
	}
	if f.least == 0 {
		f.least = 0.95
	}
	f.organisations, f.possible, f.models = cmp.Or(f.organisations, 4), cmp.Or(f.possible, 1), cmp.Or(f.models, 1)
	env := append([]string{"FLUXGATE_STORE=memory", "FLUXGATE_POLICY=off"}, r.env...)
	if r.provider == "groq" || r.provider == "azure" || r.provider == "cerebras" {
		if !strings.Contains(strings.Join(env, " "), "FLUXGATE_PROVIDERS=") {
			env = append(env, fmt.Sprintf(`FLUXGATE_PROVIDERS=[{"name":%q,"base_url":"https://provider.test/v1","models":["m*"]}]`, r.provider))
		}
	}
	limits := map[string][]simquota.Limit{"": r.limits}
	var models []string
	for i := range f.models {
		models = append(models, modelOf(i))
	}
	var keys []openaisim.Key
	for i := range f.organisations {
		key := openaisim.Key{Value: fmt.Sprintf("sk-of-organisation-%d", i+1), Project: org(i)}
		keys = append(keys, key)
		name := strings.ToUpper(r.provider)
		env = append(env, fmt.Sprintf("%s_KEY_%d=%s", name, i+1, key.Value), fmt.Sprintf("%s_PROJECT_%d=%s", name, i+1, key.Project))
	}
	var trip http.RoundTripper
	if r.provider == "anthropic" {
		var own []anthropicsim.Key
		for _, k := range keys {
			own = append(own, anthropicsim.Key{Value: k.Value, Project: k.Project})
		}
		sim := anthropicsim.New(anthropicsim.Config{Keys: own, Models: models, Limits: limits, Latency: f.latency})
		trip, f.ledger, f.log = sim.Transport(), sim.Ledger(), sim.Requests
	} else {
		sim := openaisim.New(openaisim.Config{Keys: keys, Models: models, Limits: limits, Latency: f.latency, Counting: r.counting, Dialect: r.dialect})
		trip, f.ledger, f.log = sim.Transport(), sim.Ledger(), sim.Requests
	}
	if r.late > 0 {
		d := &delayed{next: trip, most: r.late, rnd: rand.New(rand.NewPCG(3, f.world)), near: r.near, dial: dial}
		trip, f.way = d, d
	}
	cfg, err := config.Load(t.Context(), env)
	require.NoError(t, err)
	f.app, err = app.Start(t.Context(), cfg, app.Options{Store: storage.NewMemory(time.Now), Logger: slog.New(f.account), Transport: trip})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, f.app.Close(context.Background())) })
	return f
}

// A delayed sends what was written on its way for a while, of which nobody here knows how long it is, unless its connections are
// made in that time and say what has arrived.
type delayed struct {
	next http.RoundTripper
	near bool
	mu   sync.Mutex
	sent int
	most time.Duration
	dial time.Duration // to and fro; a connection takes two
	rnd  *rand.Rand
}

// become has what is sent from now on take as long, and connections as long to be made.
func (d *delayed) become(most, dial time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.most, d.dial = most, dial
}

// A line is a connection as one request sees it: some bytes, of which none is acknowledged until all are.
type line struct {
	net.Conn
	arrived atomic.Bool
}

func (l *line) Written() int64 { return 100 }

func (l *line) Unacknowledged() (int64, bool) {
	if l.arrived.Load() {
		return 0, true
	}
	return 100, true
}

// RoundTrip implements http.RoundTripper.
func (d *delayed) RoundTrip(r *http.Request) (*http.Response, error) {
	written := new(bytes.Buffer)
	if r.Body != nil {
		if _, err := written.ReadFrom(r.Body); err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(written)
	}
	d.mu.Lock()
	most := d.most.Milliseconds()
	way := time.Duration([]int64{0, most, d.rnd.Int64N(most + 1)}[d.rnd.IntN(3)]) * time.Millisecond
	dials, takes := d.sent%100 == 0 || d.dial > dial && d.sent%10 == 0, d.dial
	d.sent++
	d.mu.Unlock()
	trace := httptrace.ContextClientTrace(r.Context())
	if d.near {
		dialled := &line{}
		if trace.GetConn("provider.test:443"); dials {
			trace.ConnectStart("tcp", "")
			time.Sleep(takes)
			trace.ConnectDone("tcp", "", nil)
			trace.TLSHandshakeStart()
			time.Sleep(takes)
			trace.TLSHandshakeDone(tls.ConnectionState{}, nil)
		}
		trace.GotConn(httptrace.GotConnInfo{Conn: dialled})
		defer time.AfterFunc(way, func() { dialled.arrived.Store(true) }).Stop()
	}
	trace.WroteRequest(httptrace.WroteRequestInfo{})
	trace.WroteRequest = nil // it has been written, wherever it is
	time.Sleep(way)
	return d.next.RoundTrip(r)
}

// dial is how long a connection takes back and forth while it is made, where that is measured: every hundredth request dials, and
// every tenth while it takes longer.
const dial = 20 * time.Millisecond

func org(i int) string { return fmt.Sprintf("org-%d", i+1) }

// modelOf returns the name of the i-th.
func modelOf(i int) string {
	if i == 0 {
		return "m"
	}
	return fmt.Sprintf("m%d", i+1)
}

// run has the crowd ask, and judges what the provider saw.
func (f *foreign) run(d time.Duration) {
	f.begin = time.Now()
	end := f.begin.Add(d)
	var all sync.WaitGroup
	// Before the first answer nobody can know what its limits are.
	time.AfterFunc(f.latency+time.Millisecond, func() { f.unknown.Store(int64(f.ledger.Total().Refused)) })
	f.unleash(&all, end)
	all.Wait()
	used := 0.0
	for i := range f.organisations {
		sum := int64(0)
		for j := range f.models {
			sum += f.ledger.Used(org(i), modelOf(j))[f.bound.Dimension]
		}
		used += float64(sum) / float64(f.bound.Amount) * float64(f.bound.Per) / float64(d) / float64(f.organisations*f.models)
	}
	if f.knowable {
		var asked []size
		for _, x := range f.log() {
			if x.Status == http.StatusOK {
				asked = append(asked, size{x.Input, x.Output})
			}
		}
		f.possible = knowing(asked, f, d)
		f.t.Log(f.account.say(f, d))
	}
	total := f.ledger.Total()
	total.Refused -= int(f.unknown.Load())
	f.t.Logf("%d answered, %d refused; %.1f%% of the bound, %.1f%% of what can be had; %d waits, %d slots kept, %d of them not free in time, a request waited %d times at most",
		total.Accepted, total.Refused, 100*used, 100*used/f.possible, f.waits.Load(), f.kept.Load(), f.again.Load(), f.worst.Load())
	for _, x := range f.log() {
		if x.Status != http.StatusOK {
			f.t.Logf("%s answered %d after %v", x.Project, x.Status, x.At.Sub(f.begin))
		}
	}
	if assert.Empty(f.t, f.strays); f.guessed {
		unforeseen := float64(100-weights.Quantile) / 100
		assert.LessOrEqual(f.t, float64(total.Refused), unforeseen*float64(total.Accepted))
		assert.LessOrEqual(f.t, float64(f.again.Load()), unforeseen*float64(total.Accepted))
	} else {
		assert.Zero(f.t, total.Refused)
		// Who was the first to be told may find that what was estimated was a little more.
		assert.LessOrEqual(f.t, f.again.Load(), int64(total.Accepted)/100)
	}
	if !*wholeHour {
		f.least -= 0.05 // until the limits are known it is used little
	}
	assert.GreaterOrEqual(f.t, used, f.least*f.possible)
}

// unleash has the crowd ask.
func (f *foreign) unleash(all *sync.WaitGroup, end time.Time) {
	for i := range askers {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 7+f.world))
			for n := 0; time.Now().Before(end); n++ {
				f.ask(f.body(rnd, i, n), !f.whole && (f.exact || i%2 == 0), end)
			}
		})
	}
}

// body is a request of any size, for an answer of any size.
func (f *foreign) body(rnd *rand.Rand, i, n int) string {
	text := fmt.Sprintf("%d/%d %s", i, n, strings.Repeat("wrd ", int(f.input/8+rnd.Int64N(f.input*7/8))))
	most := ""
	if f.most > 0 {
		most = fmt.Sprintf(`"max_tokens":%d,`, f.most)
	}
	name := modelOf(0)
	if f.models > 1 {
		name = modelOf(rnd.IntN(f.models))
	}
	return fmt.Sprintf(`{"model":"%s/%s",%s"messages":[{"role":"user","content":"%s write %d tokens"}]}`, f.provider, name, most, text, 1+rnd.Int64N(f.output))
}

// ask sends a request until it is answered, when it is told to: in whole seconds, or in
// milliseconds.
func (f *foreign) ask(body string, millis bool, end time.Time) {
	path := "/openai/v1/chat/completions"
	if f.provider == "anthropic" {
		path = "/anthropic/v1/messages"
	}
	f.account.comes(body)
	kept, due := false, time.Time{}
	for tries := int64(1); ; tries++ {
		w := httptest.NewRecorder()
		f.app.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "http://localhost"+path, strings.NewReader(body)))
		if w.Code == http.StatusOK {
			return
		}
		name, unit := "Retry-After", time.Second
		if millis {
			name, unit = "Retry-After-Ms", time.Millisecond
		}
		n, err := strconv.Atoi(w.Header().Get(name))
		if w.Code != http.StatusTooManyRequests || err != nil || n < 1 {
			f.mu.Lock()
			f.strays = append(f.strays, fmt.Sprintf("%v: answered %d, %s %q, %s", time.Now(), w.Code, name, w.Header().Get(name), w.Body))
			f.mu.Unlock()
			return
		}
		f.waits.Add(1)
		f.worst.Store(max(f.worst.Load(), tries))
		exact, err := strconv.Atoi(w.Header().Get("X-Fluxgate-Retry-Ms"))
		assert.NoError(f.t, err)
		told := time.Now().Add(time.Duration(exact) * time.Millisecond)
		// Of a wait of more than a minute who reads Retry-After-Ms is told 59.9 s: it comes early, and is told the same instant
		// again. Until there are two answers nobody knows how long one takes.
		if kept && (told.After(due) || !time.Now().Before(due)) && time.Since(f.begin) > 2*f.latency {
			f.again.Add(1)
		}
		due = told
		if kept = strings.Contains(w.Body.String(), "A slot is kept for you"); kept {
			f.kept.Add(1)
		}
		time.Sleep(time.Duration(n) * unit)
		if !time.Now().Before(end) {
			return
		}
	}
}
