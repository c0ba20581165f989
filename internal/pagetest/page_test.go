package pagetest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/history"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// TestPage drives the page in front of the whole of Fluxgate, over memory and
// over the emulator. The pictures are those of memory, whose past is longer.
func TestPage(t *testing.T) {
	needsBrowser(t)
	t.Parallel()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		c := newClock(noon)
		store := storage.NewMemory(c.now)
		w := newWorld(t, c, func() storage.Store { return store })
		w.live(t.Context(), t)
		images := ""
		if *update {
			images = "../../../.github/images"
		}
		w.drive(t, "PAGE_IMAGES="+images, "PAGE_PICTURES="+*pictures)
	})
	t.Run("emulator", func(t *testing.T) {
		t.Parallel()
		c := newClock(noon)
		remember(t, c, c.emulated(t))
		w := newWorld(t, c, func() storage.Store { return c.emulated(t) })
		w.liveNow(t.Context(), t)
		w.drive(t)
	})
}

// remember gives a database without a past a day that is over.
func remember(t *testing.T, c *clock, store storage.Store) {
	t.Helper()
	now := scheduler.At(c.now())
	used := map[string]*scheduler.Project{}
	for i, project := range projects {
		day := scheduler.DayCount{Day: scheduler.DayOf(now) - 1, Requests: 20 + number(60, project), Tokens: 300_000 * int64(i+1)}
		used[project] = &scheduler.Project{Calendars: []*scheduler.Calendar{{Model: chain[0], Days: []scheduler.DayCount{day}}}}
	}
	require.NoError(t, history.NewKeeper(store).Archive(t.Context(), now, used))
}

// drive has the page used, and sees what came of it.
func (w *world) drive(t *testing.T, env ...string) {
	t.Helper()
	run(t, "page", append(env, "PAGE_URL="+w.url, "PAGE_OTHER="+w.other, "PAGE_CONTROL="+w.control(t), "PAGE_CALLER_TOKEN="+caller, "PAGE_ADMIN_TOKEN="+root)...)

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
	for _, what := range []string{"key 2 disabled", "key 2 enabled", "key 6 disabled", "key 6 enabled", "key 7 reset", "flash_only"} {
		assert.Contains(t, strings.Join(done, "\n"), what)
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
		w.clock.forward(r.Context(), time.Duration(ms)*time.Millisecond)
	})
	// Every project's minute of a model is taken.
	mux.HandleFunc("POST /busy", func(rw http.ResponseWriter, r *http.Request) {
		if err := w.busy(r.Context(), r.FormValue("model")); err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}
