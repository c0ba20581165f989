package pagetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/app"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
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

// noon is noon in California, so that no day ends unless a world's clock is put
// forward so far.
var noon = time.Date(2026, time.June, 10, 19, 0, 0, 0, time.UTC)

// A world is two instances of the whole of Fluxgate over one database, each on a
// loopback port, and on another port the Gemini that they are in front of.
type world struct {
	sim      *geminisim.Server
	clock    *clock
	front    http.Handler // the instance whose page is used
	url      string
	other    string        // the other instance
	promised time.Duration // how long what live booked goes on
	sent     int           // so that no two requests are the same
}

// newWorld has every instance use what open returns for it.
func newWorld(t *testing.T, c *clock, open func() storage.Store) *world {
	t.Helper()
	w := &world{clock: c}
	limits := map[string]geminisim.Limits{}
	for rank, l := range limitsOf {
		limits[chain[rank]] = geminisim.Limits{RPM: l[0], TPM: l[1], RPD: l[2]}
	}
	cfg := geminisim.Config{Limits: limits, Now: w.clock.now}
	env := []string{
		"FLUXGATE_TOKENS=subtitles:" + caller, "FLUXGATE_ADMIN_TOKENS=root:" + root, "FLUXGATE_CHAIN=" + strings.Join(chain, ","),
		// A holder may be as late as a slow machine makes it.
		"FLUXGATE_HOLD=30s",
	}
	for i, project := range projects {
		key := geminisim.Key{Value: fmt.Sprintf("page-key-%d", i+1), Project: project}
		switch i + 1 {
		case invalidKey:
			key.State = credentials.Invalid
		case leakedKey:
			key.State = credentials.Leaked
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
	env = append(env, "GOOGLE_GEMINI_BASE_URL="+upstream.URL)
	w.front, w.url = fluxgate(t, env, open())
	_, w.other = fluxgate(t, env, open())
	return w
}

// fluxgate starts an instance, and says where it is served.
func fluxgate(t *testing.T, env []string, store storage.Store) (http.Handler, string) {
	t.Helper()
	cfg, err := config.Load(t.Context(), env)
	require.NoError(t, err)
	a, err := app.Start(t.Context(), cfg, app.Options{Logger: slog.New(slog.DiscardHandler), Store: store})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		assert.NoError(t, a.Close(ctx))
	})
	served := httptest.NewServer(a)
	t.Cleanup(served.Close)
	return a, served.URL
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
func (w *world) send(ctx context.Context, model string, tokens int, header http.Header) *httptest.ResponseRecorder {
	w.sent++
	text := fmt.Sprintf("Request %d. ", w.sent) + strings.Repeat("abc ", tokens)
	body := fmt.Sprintf(`{"contents":[{"parts":[{"text":%q}]}]}`, text)
	return w.post(ctx, "/v1beta/models/"+model+":generateContent", caller, body, header)
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
			w.clock.forward(ctx, window)
		}
		w.clock.forward(ctx, 24*time.Hour-4*window)
	}
	w.find(ctx, t)
	for step := range 20 {
		for rank, model := range chain {
			for i := range int(number(int64(2+rank), "step", step, rank)) {
				w.send(ctx, model, 5_000+int(number(40_000, step, rank, i)), nil)
			}
		}
		w.clock.forward(ctx, 5*time.Second)
	}
	// Then there is no room for what is larger still, and some of that is booked.
	for i := 0; w.send(ctx, chain[0], 60_000+int(number(60_000, i)), nil).Code == http.StatusOK; i++ {
		require.Less(t, i, 100, "the pool doesn't get busy")
		w.clock.forward(ctx, time.Second)
	}
	for _, tokens := range []int{130_000, 180_000, 220_000, 125_000, 240_000, 150_000} {
		assert.Equal(t, http.StatusTooManyRequests, w.send(ctx, chain[0], tokens, http.Header{"X-Fluxgate-Book": {"true"}}).Code)
	}
	w.promised = 12 * time.Minute
}

// find has the pool find out what is wrong with its keys.
func (w *world) find(ctx context.Context, t *testing.T) {
	t.Helper()
	require.Equal(t, http.StatusOK, w.post(ctx, "/validate", root, `{}`, nil).Code)
	// The first is the one that its project has a day, the second finds that out.
	for range 2 {
		for _, model := range chain {
			w.sent++
			body := fmt.Sprintf(`{"prompt":"Request %d","preferred_key":%d,"model":%q,"retry":false}`, w.sent, spentKey, model)
			w.post(ctx, "/generate", caller, body, nil)
		}
	}
}

// liveNow is live without a past: there is a minute that has just been taken.
func (w *world) liveNow(ctx context.Context, t *testing.T) {
	t.Helper()
	w.find(ctx, t)
	for rank, model := range chain[1:] {
		for i := range 6 {
			w.send(ctx, model, 5_000+int(number(40_000, rank, i)), nil)
		}
	}
	require.NoError(t, w.busy(ctx, chain[0]))
}

// longBusy is how long a model stays busy at least, so that there is time to see
// a booking before it is due.
const longBusy = 25 * time.Second

// busy has every project's minute of a model taken, once nothing is booked. What
// is taken already and will be for long is left as it is. When there is room is
// asked of a plan: the wait that a refusal tells is longer where others were told
// to come before, and a request that is to be booked doesn't stand behind them.
func (w *world) busy(ctx context.Context, model string) error {
	w.clock.forward(ctx, w.promised)
	w.promised = 0
	for range 100 {
		rec := w.post(ctx, "/plan", caller, fmt.Sprintf(`{"tokens":10,"model":%q}`, model), nil)
		var plan struct {
			Best *struct {
				WaitMS int64 `json:"wait_ms"`
			}
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &plan); err != nil || plan.Best == nil {
			return fmt.Errorf("status %d says not when: %s", rec.Code, rec.Body)
		}
		switch wait := time.Duration(plan.Best.WaitMS) * time.Millisecond; {
		case wait == 0:
			w.send(ctx, model, 1, nil)
		case wait < longBusy:
			w.clock.forward(ctx, wait)
		default:
			return nil
		}
	}
	return errors.New("the pool doesn't get busy")
}
