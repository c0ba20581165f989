package clients

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/app"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/storage"
)

// The models by what happens to requests for them. Beside roomy, the chain has
// none; the last three are what gemini-cli asks for when it is told no model.
const (
	auto      = "auto"
	roomy     = "gemini-2.5-flash"
	busy      = "gemini-2.5-flash-lite"
	spent     = "gemini-2.5-pro"
	embedding = "gemini-embedding-001"
	video     = "veo-3.0-generate-001"
	picture   = "gemini-2.5-flash-image"
	cliSmall  = "gemini-3.5-flash-lite"
	cliMedium = "gemini-3.8-flash"
	cliLarge  = "gemini-3.1-pro-preview"
)

const (
	projects = 2
	token    = "clients-token-7f3a"
	// window is how long a request counts: Fluxgate's 60 s and its skew.
	window = 60*time.Second + 500*time.Millisecond
	// shortWait is what is left of it when a pool has been made busy.
	shortWait = 2 * time.Second
)

var plenty = geminisim.Limits{RPM: 1000, TPM: 10_000_000, RPD: 100_000}

func limits() map[string]geminisim.Limits {
	return map[string]geminisim.Limits{
		roomy: plenty, embedding: plenty, video: plenty, picture: plenty, cliSmall: plenty, cliMedium: plenty, cliLarge: plenty,
		busy:  {RPM: 1, TPM: 10_000_000, RPD: 1000},
		spent: {RPM: 10, TPM: 10_000_000, RPD: 1},
	}
}

// A clock is the time of a whole world. It starts at noon in California, so that
// no day ends however far it is put forward.
type clock struct {
	began time.Time
	ahead atomic.Int64
}

func (c *clock) now() time.Time {
	noon := time.Date(2026, time.June, 10, 19, 0, 0, 0, time.UTC)
	return noon.Add(time.Since(c.began) + time.Duration(c.ahead.Load()))
}

func (c *clock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

// A world is Fluxgate on one loopback port, with the memory store, and on
// another the Gemini that it is in front of.
type world struct {
	sim     *geminisim.Server
	clock   *clock
	front   http.Handler
	url     string
	answers answers
	armed   atomic.Pointer[string] // the next POST finds the pool busy for this model; nil: none
	filling sync.Mutex
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{clock: &clock{began: time.Now()}}
	// The SDK for JavaScript knows a file by an https URL only, as the real ones are.
	cfg := geminisim.Config{Limits: limits(), Now: w.clock.now, FileURIBase: "https://generativelanguage.googleapis.com"}
	env := []string{
		"FLUXGATE_TOKENS=clients:" + token, "FLUXGATE_CHAIN=" + roomy, "FLUXGATE_LIMITS=" + limitsJSON(t),
	}
	for i := range projects {
		key := geminisim.Key{Value: fmt.Sprintf("clients-key-%d", i+1), Project: fmt.Sprintf("project-%d", i+1)}
		cfg.Keys = append(cfg.Keys, key)
		env = append(env, fmt.Sprintf("GEMINI_KEY_%d=%s", i+1, key.Value), fmt.Sprintf("GEMINI_PROJECT_%d=%s", i+1, key.Project))
	}
	w.sim = geminisim.New(cfg)
	upstream := httptest.NewServer(w.sim)
	t.Cleanup(upstream.Close)
	w.front = w.fluxgate(t, append(env, "GOOGLE_GEMINI_BASE_URL="+upstream.URL))
	front := httptest.NewServer(w.answers.record(w.busyWhenArmed(t)))
	t.Cleanup(front.Close)
	w.url = front.URL
	w.fill(t.Context(), t, spent, int(limits()[spent].RPD))
	return w
}

func (w *world) fluxgate(t *testing.T, env []string) http.Handler {
	t.Helper()
	cfg, err := config.Load(t.Context(), env)
	require.NoError(t, err)
	a, err := app.Start(t.Context(), cfg, app.Options{
		Logger: slog.New(slog.DiscardHandler), Store: storage.NewMemory(w.clock.now),
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		assert.NoError(t, a.Close(ctx))
	})
	return a
}

func limitsJSON(t *testing.T) string {
	t.Helper()
	byModel := map[string]map[string]int64{}
	for name, l := range limits() {
		byModel[name] = map[string]int64{"rpm": l.RPM, "tpm": l.TPM, "rpd": l.RPD}
	}
	byModel["live"] = map[string]int64{"rpm": 2} // sessions at a time
	text, err := json.Marshal(byModel)
	require.NoError(t, err)
	return string(text)
}

// fill has n requests of every project answered, past the record of answers.
func (w *world) fill(ctx context.Context, t assert.TestingT, model string, n int) {
	for i := range n * projects {
		path, body := filler(model, fmt.Sprintf("Filler %d of %s", i, w.clock.now()))
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Goog-Api-Key", token)
		rec := httptest.NewRecorder()
		w.front.ServeHTTP(rec, r)
		assert.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
	}
}

// filler is a request for a model with that text.
func filler(model, text string) (path, body string) {
	switch provider, _, _ := strings.Cut(model, "/"); provider {
	case "openai":
		return "/openai/v1/chat/completions", fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%q}]}`, model, text)
	case "anthropic":
		return "/anthropic/v1/messages", fmt.Sprintf(`{"model":%q,"max_tokens":16,"messages":[{"role":"user","content":%q}]}`, model, text)
	}
	return "/v1beta/models/" + model + ":generateContent", fmt.Sprintf(`{"contents":[{"parts":[{"text":%q}]}]}`, text)
}

// arm has the next request find the pool busy for a model. What makes it so happens when that
// request arrives, so that the wait is short however long its client takes to
// start.
func (w *world) arm(model string) { w.armed.Store(&model) }

// busyWhenArmed is the front that arm makes busy.
func (w *world) busyWhenArmed(t *testing.T) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.filling.Lock() // others that come at the same time find it full too
		var model *string
		if r.Method == http.MethodPost {
			model = w.armed.Swap(nil)
		}
		if model != nil {
			w.clock.forward(window + time.Second) // whoever came before is forgotten
			began := w.clock.now()
			w.fill(r.Context(), t, *model, max(1, int(limits()[*model].RPM))) // another provider's: 1
			// Less than so much is left of it for nobody, however long the filling took.
			w.clock.forward(began.Add(window - shortWait).Sub(w.clock.now()))
		}
		w.filling.Unlock()
		w.front.ServeHTTP(rw, r)
	})
}

// requireCalm asserts that Gemini never had to refuse anything: every 429 was
// Fluxgate's own.
func (w *world) requireCalm(t *testing.T) {
	t.Helper()
	s := w.sim.Stats()
	require.Positive(t, s.Accepted)
	require.Zero(t, s.RefusedRPM+s.RefusedTPM+s.RefusedRPD, "upstream 429s: %+v", s)
}

// environment is what every suite is told of the world.
func (w *world) environment(t *testing.T) []string {
	return []string{
		"FLUXGATE_URL=" + w.url, "FLUXGATE_TOKEN=" + token, "CLIENTS_CONTROL_URL=" + w.control(t),
		"CLIENTS_MODEL_AUTO=" + auto, "CLIENTS_MODEL_ROOMY=" + roomy, "CLIENTS_MODEL_BUSY=" + busy,
		"CLIENTS_MODEL_SPENT=" + spent, "CLIENTS_MODEL_EMBEDDING=" + embedding,
		"CLIENTS_MODEL_LIVE=" + live, "CLIENTS_MODEL_VIDEO=" + video, "CLIENTS_MODEL_PICTURE=" + picture,
	}
}

// control is how a suite in another process has the pool made busy, and sees
// what Fluxgate answered.
func (w *world) control(t *testing.T) string {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /busy", func(_ http.ResponseWriter, r *http.Request) { w.arm(r.URL.Query().Get("model")) })
	mux.HandleFunc("GET /answers", func(rw http.ResponseWriter, _ *http.Request) {
		assert.NoError(t, json.NewEncoder(rw).Encode(w.answers.list()))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// An answer is one that a client got from Fluxgate.
type answer struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Status int    `json:"status"`
}

// answers are in the order in which they began.
type answers struct {
	mu  sync.Mutex
	all []answer
}

func (a *answers) list() []answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]answer{}, a.all...) // never null in JSON
}

// record enters what h answers before its first byte is sent, so that a client
// that has any of it finds it in the list.
func (a *answers) record(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &observed{ResponseWriter: w, answers: a, entry: answer{Method: r.Method, Path: r.URL.Path, Status: http.StatusOK}}
		h.ServeHTTP(seen, r)
		seen.enter()
	})
}

// An observed response enters its answer in the list when it begins.
type observed struct {
	http.ResponseWriter
	answers *answers
	entry   answer
	entered bool
}

func (o *observed) enter() {
	if o.entered {
		return
	}
	o.entered = true
	o.answers.mu.Lock()
	defer o.answers.mu.Unlock()
	o.answers.all = append(o.answers.all, o.entry)
}

func (o *observed) WriteHeader(status int) {
	o.entry.Status = status
	o.enter()
	o.ResponseWriter.WriteHeader(status)
}

func (o *observed) Write(p []byte) (int, error) {
	o.enter()
	return o.ResponseWriter.Write(p)
}

// Flush and Unwrap are there for those who look for a Flusher in either way.
func (o *observed) Flush() { _ = http.NewResponseController(o.ResponseWriter).Flush() }

func (o *observed) Unwrap() http.ResponseWriter { return o.ResponseWriter }

// routes returns which of the API's methods were answered with success.
func (a *answers) routes() []string {
	var out []string
	for _, entry := range a.list() {
		if entry.Status != http.StatusOK {
			continue
		}
		name := entry.Path
		if _, method, ok := strings.Cut(name, ":"); ok {
			name = method
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}
