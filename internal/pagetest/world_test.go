package pagetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
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

const (
	caller = "page-caller-token-7f3a"
	root   = "page-admin-token-91bc"
)

// The pool: the last key shares a project with the first, Gemini takes two for
// invalid, and one of the projects has one request a day.
const (
	invalidKey = 3
	leakedKey  = 4
	spentKey   = 5
)

var projects = []string{"team-atlas", "team-borealis", "team-cirrus", "team-delta", "team-echo", "subtitles", "tenant-golf", "team-atlas"}

// A clock is the time of a whole world. It starts at noon in California, so that
// no day ends unless it is put forward so far.
type clock struct {
	began time.Time
	ahead atomic.Int64
}

func (c *clock) now() time.Time {
	noon := time.Date(2026, time.June, 10, 19, 0, 0, 0, time.UTC)
	return noon.Add(time.Since(c.began) + time.Duration(c.ahead.Load()))
}

func (c *clock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

// A world is the whole of Fluxgate on one loopback port, with the memory store,
// and on another the Gemini that it is in front of.
type world struct {
	sim   *geminisim.Server
	clock *clock
	front http.Handler
	url   string
	sent  int // so that no two requests are the same
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{clock: &clock{began: time.Now()}}
	limits := map[string]geminisim.Limits{}
	for rank, l := range limitsOf {
		limits[chain[rank]] = geminisim.Limits{RPM: l[0], TPM: l[1], RPD: l[2]}
	}
	cfg := geminisim.Config{Limits: limits, Now: w.clock.now}
	env := []string{
		"FLUXGATE_TOKENS=subtitles:" + caller, "FLUXGATE_ADMIN_TOKENS=root:" + root, "FLUXGATE_CHAIN=" + strings.Join(chain, ","),
	}
	for i, project := range projects {
		key := geminisim.Key{Value: fmt.Sprintf("page-key-%d", i+1), Project: project}
		switch i + 1 {
		case invalidKey:
			key.State = geminisim.KeyInvalid
		case leakedKey:
			key.State = geminisim.KeyLeaked
		}
		cfg.Keys = append(cfg.Keys, key)
		env = append(env, fmt.Sprintf("GEMINI_KEY_%d=%s", i+1, key.Value), fmt.Sprintf("GEMINI_PROJECT_%d=%s", i+1, project))
	}
	w.sim = geminisim.New(cfg)
	for rank, model := range chain {
		w.sim.SetLimits(projects[spentKey-1], model, geminisim.Limits{RPM: limitsOf[rank][0], TPM: limitsOf[rank][1], RPD: 1})
	}
	upstream := httptest.NewServer(w.sim)
	t.Cleanup(upstream.Close)
	w.front = w.fluxgate(t, append(env, "GOOGLE_GEMINI_BASE_URL="+upstream.URL))
	front := httptest.NewServer(w.front)
	t.Cleanup(front.Close)
	w.url = front.URL
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

// post sends one request past the network.
func (w *world) post(ctx context.Context, path, token, body string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(body))
	if header != nil {
		r.Header = header
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Fluxgate-Token", token)
	rec := httptest.NewRecorder()
	w.front.ServeHTTP(rec, r)
	return rec
}

// send has a prompt of about so many tokens answered, or refused. Those of a
// simulated Gemini are four characters.
func (w *world) send(ctx context.Context, model string, tokens int, header http.Header) int {
	w.sent++
	text := fmt.Sprintf("Request %d. ", w.sent) + strings.Repeat("abc ", tokens)
	body := fmt.Sprintf(`{"contents":[{"parts":[{"text":%q}]}]}`, text)
	return w.post(ctx, "/v1beta/models/"+model+":generateContent", caller, body, header).Code
}

// live has the pool live through some days and the minutes before now, so that
// there is something to be seen.
func (w *world) live(ctx context.Context, t *testing.T) {
	t.Helper()
	for date := range 6 {
		for round := range 1 + int(number(4, "round", date)) {
			for rank, model := range chain {
				for i := range 2 + int(number(9, date, round, rank)) {
					w.send(ctx, model, 1_000+int(number(4_000, date, round, rank, i)), nil)
				}
			}
			w.clock.forward(window)
		}
		w.clock.forward(24*time.Hour - 4*window)
	}
	require.Equal(t, http.StatusOK, w.post(ctx, "/validate", root, `{}`, nil).Code)
	// The first is the one that its project has a day, the second finds that out.
	for range 2 {
		for _, model := range chain {
			w.sent++
			body := fmt.Sprintf(`{"prompt":"Request %d","preferred_key":%d,"model":%q,"retry":false}`, w.sent, spentKey, model)
			w.post(ctx, "/generate", caller, body, nil)
		}
	}
	for step := range 20 {
		for rank, model := range chain {
			for i := range int(number(int64(2+rank), "step", step, rank)) {
				w.send(ctx, model, 5_000+int(number(40_000, step, rank, i)), nil)
			}
		}
		w.clock.forward(5 * time.Second)
	}
	// Then there is no room for what is larger still, and some of that is booked.
	for i := 0; w.send(ctx, chain[0], 60_000+int(number(60_000, i)), nil) == http.StatusOK; i++ {
		require.Less(t, i, 100, "the pool doesn't get busy")
		w.clock.forward(time.Second)
	}
	for _, tokens := range []int{130_000, 180_000, 220_000, 125_000, 240_000, 150_000} {
		assert.Equal(t, http.StatusTooManyRequests, w.send(ctx, chain[0], tokens, http.Header{"X-Fluxgate-Book": {"true"}}))
	}
}

// control is how a suite in another process moves the world.
func (w *world) control(t *testing.T) string {
	mux := http.NewServeMux()
	// Time goes on by so many milliseconds.
	mux.HandleFunc("POST /forward", func(rw http.ResponseWriter, r *http.Request) {
		ms, err := strconv.ParseInt(r.FormValue("ms"), 10, 64)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		w.clock.forward(time.Duration(ms) * time.Millisecond)
	})
	// Every project's minute of a model is taken.
	mux.HandleFunc("POST /busy", func(_ http.ResponseWriter, r *http.Request) {
		for range 100 {
			if w.send(r.Context(), r.FormValue("model"), 100, nil) == http.StatusTooManyRequests {
				return
			}
		}
		assert.Fail(t, "the pool doesn't get busy")
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// TestPage drives the page in front of the whole of Fluxgate.
func TestPage(t *testing.T) {
	w := newWorld(t)
	w.live(t.Context(), t)
	images := ""
	if *update {
		images = "../../../.github/images"
	}
	run(t, "page", "PAGE_URL="+w.url, "PAGE_CONTROL="+w.control(t), "PAGE_CALLER_TOKEN="+caller, "PAGE_ADMIN_TOKEN="+root, "PAGE_IMAGES="+images, "PAGE_PICTURES="+*pictures)

	// What the page did is what the pool is now.
	rec := w.post(t.Context(), "/config", root, `{"mode":"both"}`, nil)
	require.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
	var state struct {
		Events []struct{ Who, What string }
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/status", nil)
	r.Header.Set("X-Fluxgate-Token", root)
	rec = httptest.NewRecorder()
	w.front.ServeHTTP(rec, r)
	require.NoError(t, json.NewDecoder(bytes.NewReader(rec.Body.Bytes())).Decode(&state))
	var done []string
	for _, e := range state.Events {
		if e.Who == "root" {
			done = append(done, e.What)
		}
	}
	for _, what := range []string{"key 2 disabled", "key 2 enabled", "key 7 reset", "flash_only"} {
		assert.Contains(t, strings.Join(done, "\n"), what)
	}
}
