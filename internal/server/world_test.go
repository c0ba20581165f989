package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admin"
	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/batchlines"
	"fluxgate.dev/fluxgate/internal/bodies"
	"fluxgate.dev/fluxgate/internal/budget"
	"fluxgate.dev/fluxgate/internal/callers"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/effective"
	"fluxgate.dev/fluxgate/internal/events"
	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/journal"
	"fluxgate.dev/fluxgate/internal/jobs"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/internal/resources"
	"fluxgate.dev/fluxgate/internal/secrets"
	"fluxgate.dev/fluxgate/internal/server"
	"fluxgate.dev/fluxgate/internal/shadow"
	"fluxgate.dev/fluxgate/internal/telemetry"
	"fluxgate.dev/fluxgate/internal/testbuffer"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/internal/upstream/gemini"
	"fluxgate.dev/fluxgate/internal/usage"
	"fluxgate.dev/fluxgate/internal/usage/price"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

const (
	pro   = "gemini-2.5-pro"
	flash = "gemini-2.5-flash"
)

// A setup says what a world is made of. The zero one is a single key of a
// project "alpha" with the built-in limits.
type setup struct {
	keys []geminisim.Key
	env  []string                // further settings, NAME=value
	sim  func(*geminisim.Config) // what the simulator does otherwise than Fluxgate believes
	// wrap puts a transport between the server and the simulator.
	wrap  func(http.RoundTripper) http.RoundTripper
	store storage.Store // default: memory
	// telemetry records what happens. Default: nothing does.
	telemetry *telemetry.Recorder
	bodies    *bodies.Budget // default: no bound
}

// A world is a server over a simulated Gemini, without a socket.
type world struct {
	*served
	t     testing.TB
	sim   *geminisim.Server
	store storage.Store
	sent  *capture
	logs  *logBuffer
	cfg   *config.Config
	// telemetry is that of all instances.
	telemetry *telemetry.Recorder
	// open says that instances without tokens ask where a request comes from.
	open   bool
	bodies *bodies.Budget
	// turns are instances through which the pieces of uploads go by turns.
	turns []*served
}

// key is the n-th key of a world, of a project.
func key(n int, project string) geminisim.Key {
	return geminisim.Key{Value: fmt.Sprintf("secret-key-value-%d", n), Project: project}
}

// projects makes one key for each project.
func projects(names ...string) []geminisim.Key {
	list := make([]geminisim.Key, len(names))
	for i, name := range names {
		list[i] = key(i+1, name)
	}
	return list
}

func newWorld(t testing.TB, s setup) *world {
	t.Helper()
	if s.keys == nil {
		s.keys = projects("alpha")
	}
	env := append([]string{"FLUXGATE_LOG_LEVEL=debug"}, s.env...)
	for i, k := range s.keys {
		env = append(env, fmt.Sprintf("GEMINI_KEY_%d=%s", i+1, k.Value))
		if k.Project != "" {
			env = append(env, fmt.Sprintf("GEMINI_PROJECT_%d=%s", i+1, k.Project))
		}
	}
	cfg, err := config.Load(t.Context(), env)
	require.NoError(t, err)
	simulated := geminisim.Config{Keys: s.keys, Limits: map[string]geminisim.Limits{}}
	policy := effective.Rules(cfg, storage.Control{}, nil).Policy
	for _, model := range policy.Chain(scheduler.Both) {
		l := policy.Limits(model)
		simulated.Limits[model] = geminisim.Limits{RPM: l.RPM, TPM: l.TPM, RPD: l.RPD}
	}
	if s.sim != nil {
		s.sim(&simulated)
	}
	w := &world{t: t, cfg: cfg, sim: geminisim.New(simulated), store: s.store, logs: new(logBuffer), telemetry: s.telemetry, bodies: s.bodies}
	transport := w.sim.Transport()
	if s.wrap != nil {
		transport = s.wrap(transport)
	}
	w.sent = &capture{next: transport}
	if w.store == nil {
		w.store = storage.NewMemory(nil)
	}
	w.served = w.instance()
	return w
}

// instance returns a further server over the same store and the same Gemini, as
// another instance of the function is.
func (w *world) instance() *served { return w.instanceOver(w.store) }

// openInstance is an instance that lets in this machine only, as serve does without
// tokens.
func (w *world) openInstance() *served {
	w.open = true
	defer func() { w.open = false }()
	return w.instance()
}

// askHost asks with another Host among the headers, which are names and values in turn.
func askHost(t testing.TB, h http.Handler, path string, header ...string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	r.Host = r.Header.Get("Host")
	r.Header.Del("Host")
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return answer{rec, t}
}

func (w *world) instanceOver(store storage.Store) *served {
	w.t.Helper()
	limits := make(map[string]scheduler.Override)
	for name, l := range w.cfg.Callers {
		limits[name] = scheduler.Override(l.Limits)
	}
	ctl, err := admission.New(w.t.Context(), admission.Options{
		Store:   w.telemetry.Store(store),
		Rules:   func(c storage.Control) *scheduler.Rules { return effective.Rules(w.cfg, c, nil) },
		Mode:    func(c storage.Control) scheduler.Mode { return effective.Mode(w.cfg, c) },
		Callers: limits,
	})
	require.NoError(w.t, err)
	client, err := gemini.New(gemini.Config{Transport: w.sent})
	require.NoError(w.t, err)
	logger := slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	pool := keys.NewPool(keys.FromEnv(w.cfg.Keys), keys.Options{Logger: logger})
	var authenticator *callers.Authenticator
	if w.cfg.HasTokens() || w.open {
		authenticator, err = callers.New(w.cfg, nil, secrets.Options{Logger: logger})
		require.NoError(w.t, err)
	}
	var watched *shadow.Counter
	if w.cfg.Shadow {
		watched = shadow.NewCounter(ctl.Now().Time())
	}
	providers := upstream.Providers{gemini.Name: client}
	log := events.NewLog(ctl)
	audit := events.NewAudit(log, func() time.Time { return ctl.Now().Time() }, logger)
	mayBeSpent := make(map[string]budget.Limits)
	for name, l := range w.cfg.Callers {
		mayBeSpent[name] = budget.Limits(l.Budget)
	}
	budgets := budget.New(budget.Options{Records: ctl, Now: ctl.Now, Budgets: mayBeSpent, Prices: price.Table(w.cfg.Prices)})
	used := usage.New(usage.Options{Records: ctl, Now: func() time.Time { return ctl.Now().Time() }, Prices: price.Table(w.cfg.Prices), Budgets: budgets})
	kept := resources.Options{
		Records: ctl, Now: func() time.Time { return ctl.Now().Time() }, Logger: logger, Shared: w.cfg.Resources == config.ResourcesShared,
	}
	owned := resources.Of(authenticator != nil && !authenticator.Open(), kept)
	dispatcher := dispatch.New(dispatch.Options{
		Admission: ctl, Keys: pool, Providers: providers, Count: w.cfg.Count, Resend: w.cfg.Resend, Audit: audit, Logger: logger, Telemetry: w.telemetry, Shadow: watched, Usage: used, Budgets: budgets,
		Resources: owned,
	})
	operators := admin.New(admin.Options{
		Config: w.cfg, Admission: ctl, Dispatcher: dispatcher, Keys: pool, Providers: providers, Events: log, Audit: audit, Logger: logger, Shadow: watched, Usage: used, Budgets: budgets,
	})
	return &served{server.New(server.Options{
		Config: w.cfg, Admission: ctl, Dispatcher: dispatcher, Admin: operators, Callers: authenticator, Logger: logger, Telemetry: w.telemetry,
		Bodies: w.bodies, Files: batchlines.New(owned, kept), Jobs: jobs.New(jobs.Options{Records: ctl, Now: func() time.Time { return ctl.Now().Time() }, Logger: logger, Usage: used, Budgets: budgets, Telemetry: w.telemetry}),
	}), operators}
}

// A served is a server, with what is done to it without HTTP.
type served struct {
	*server.Server
	*admin.Admin
}

// An answer is what a caller got.
type answer struct {
	*httptest.ResponseRecorder
	t testing.TB
}

// Header returns the header as a client of net/http reads it, however its names are
// spelled on the wire.
func (a answer) Header() http.Header {
	read := make(http.Header)
	for name, values := range a.ResponseRecorder.Header() {
		for _, v := range values {
			read.Add(name, v)
		}
	}
	return read
}

func (w *world) do(method, path, body string, header ...string) answer {
	w.t.Helper()
	return ask(w.t, w.Server, method, path, body, header...)
}

// ask sends a request; header is names and values in turn.
func ask(t testing.TB, h http.Handler, method, path, body string, header ...string) answer {
	t.Helper()
	return askContext(t.Context(), t, h, method, path, body, header...)
}

func askContext(ctx context.Context, t testing.TB, h http.Handler, method, path, body string, header ...string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return answer{rec, t}
}

// generate sends a prompt, with further members of the body as JSON.
func (w *world) generate(prompt, members string, header ...string) answer {
	w.t.Helper()
	return w.do("POST", "/generate", body(prompt, members), header...)
}

func body(prompt, members string) string {
	text, _ := json.Marshal(prompt)
	if members != "" {
		members = "," + members
	}
	return `{"prompt":` + string(text) + members + `}`
}

// reply is the answer of /generate.
type reply struct {
	Response     string  `json:"response"`
	KeyUsed      int     `json:"key_used"`
	ModelUsed    string  `json:"model_used"`
	TokensUsed   int64   `json:"tokens_used"`
	WaitApplied  float64 `json:"wait_applied"`
	Retried      bool    `json:"retried"`
	FinishReason string  `json:"finish_reason"`
}

// ok requires a 200 and returns it decoded.
func (a answer) ok() reply {
	a.t.Helper()
	require.Equal(a.t, http.StatusOK, a.Code, a.Body.String())
	var out reply
	a.decode(&out)
	return out
}

func (a answer) decode(v any) {
	a.t.Helper()
	require.Equal(a.t, "application/json; charset=utf-8", a.Header().Get("Content-Type"))
	require.NoError(a.t, json.Unmarshal(a.Body.Bytes(), v), a.Body.String())
}

// failure is Google's error shape.
type failure struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Status  string `json:"status"`
	Details []struct {
		Type       string `json:"@type"`
		RetryDelay string `json:"retryDelay"`
		Violations []struct {
			Metric     string            `json:"quotaMetric"`
			ID         string            `json:"quotaId"`
			Dimensions map[string]string `json:"quotaDimensions"`
			Value      string            `json:"quotaValue"`
		} `json:"violations"`
	} `json:"details"`
}

// failed requires an error of a status and returns it decoded.
func (a answer) failed(status int) failure {
	a.t.Helper()
	require.Equal(a.t, status, a.Code, a.Body.String())
	var out struct {
		Error failure `json:"error"`
	}
	a.decode(&out)
	require.Equal(a.t, status, out.Error.Code, "the body repeats the status")
	return out.Error
}

// wait requires a 429 and returns how long it says to wait.
func (a answer) wait() time.Duration {
	a.t.Helper()
	require.Equal(a.t, http.StatusTooManyRequests, a.Code, a.Body.String())
	seconds, err := strconv.Atoi(a.Header().Get("Retry-After"))
	require.NoError(a.t, err)
	return time.Duration(seconds) * time.Second
}

func (a answer) ticket() string { return a.Header().Get("X-Fluxgate-Ticket") }

func (a answer) booked() bool {
	a.t.Helper()
	booked, err := strconv.ParseBool(a.Header().Get("X-Fluxgate-Booked"))
	require.NoError(a.t, err)
	return booked
}

// calendar returns what the store keeps of a model on a project.
func (w *world) calendar(project, model string) *scheduler.Calendar {
	w.t.Helper()
	states, err := w.store.View(context.Background(), []string{project})
	require.NoError(w.t, err)
	return states[0].Calendar(model)
}

// used returns how many requests of today count on a model of a project.
func (w *world) used(project, model string) int64 {
	w.t.Helper()
	rules := effective.Rules(w.cfg, storage.Control{}, nil)
	return w.calendar(project, model).Used(rules, scheduler.DayOf(w.store.Now()))
}

// untouched requires that nothing was sent upstream and nothing was charged.
func (w *world) untouched() {
	w.t.Helper()
	require.Empty(w.t, w.sim.Log(), "something was sent upstream")
	for _, k := range w.cfg.Keys {
		states, err := w.store.View(context.Background(), []string{k.Project})
		require.NoError(w.t, err)
		require.Nil(w.t, states[0], "something was kept for project %s", k.Project)
	}
}

// asked returns the models, projects or keys of the requests that reached Gemini.
func (w *world) asked(of func(journal.Entry) string) []string {
	list := []string{}
	for _, e := range w.sim.Log() {
		list = append(list, of(e))
	}
	return list
}

func modelOf(e journal.Entry) string   { return e.Model }
func projectOf(e journal.Entry) string { return e.Project }
func keyOf(e journal.Entry) string     { return e.Key }

// status returns /status decoded.
func (w *world) status() status {
	w.t.Helper()
	a := w.do("GET", "/status?idle=true", "")
	require.Equal(w.t, http.StatusOK, a.Code, a.Body.String())
	var out status
	a.decode(&out)
	return out
}

type status struct {
	Keys []struct {
		Index  int    `json:"key_index"`
		Status string `json:"status"`
		Reason string `json:"reason"`
		Models map[string]struct {
			Used      int64 `json:"used_today"`
			Remaining int64 `json:"remaining_today"`
		} `json:"models"`
	} `json:"keys"`
	Mode     string   `json:"mode"`
	Chain    []string `json:"model_chain"`
	Projects []struct {
		Project string `json:"project"`
		Models  []struct {
			Model         string `json:"model"`
			RPM, TPM, RPD struct {
				Limit  int64  `json:"limit"`
				Used   int64  `json:"used"`
				Source string `json:"source"`
			}
			Block *struct {
				Until time.Time `json:"until"`
				Cause string    `json:"cause"`
			} `json:"block"`
		} `json:"models"`
	} `json:"projects"`
}

// A capture is a transport that keeps what was sent to generateContent and, in
// paths, every path that was asked for.
type capture struct {
	next http.RoundTripper
	mu   sync.Mutex
	body []byte // of the last generateContent
	path []string
}

func (c *capture) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.path = append(c.path, r.URL.Path)
	c.mu.Unlock()
	var body bytes.Buffer
	if r.Body != nil && r.ContentLength <= 1<<20 {
		// Nothing is read that upstream doesn't read, and what is large isn't kept.
		r.Body = teeBody{io.TeeReader(r.Body, &body), r.Body}
	}
	resp, err := c.next.RoundTrip(r)
	if strings.HasSuffix(r.URL.Path, ":generateContent") {
		c.mu.Lock()
		c.body = body.Bytes()
		c.mu.Unlock()
	}
	return resp, err
}

type teeBody struct {
	io.Reader
	io.Closer
}

// last decodes the last body that was sent to generateContent.
func (c *capture) last(t testing.TB, v any) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	require.NoError(t, json.Unmarshal(c.body, v))
}

func (c *capture) paths() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.path...)
}

// A logBuffer collects the log of a world.
type logBuffer struct{ testbuffer.Buffer }

// number returns a number that the last line with that message has.
func (l *logBuffer) number(t testing.TB, message, name string) int64 {
	t.Helper()
	text := l.String()
	at := strings.LastIndex(text, "msg="+message+" ")
	require.GreaterOrEqual(t, at, 0)
	line, _, _ := strings.Cut(text[at:], "\n")
	_, rest, ok := strings.Cut(line, " "+name+"=")
	require.True(t, ok, line)
	value, _, _ := strings.Cut(rest, " ")
	n, err := strconv.ParseInt(value, 10, 64)
	require.NoError(t, err)
	return n
}
