package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/app"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/models"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/storage"
)

// TestModelsMove: four weeks through the real handler in which models come, are announced
// to go and go, in every wording. No request for auto fails, and the chain is soon what
// there is: upstream refuses a model that is gone once on each project, and then at most
// once a day where the list still has it.
func TestModelsMove(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		every := 20 * time.Minute // somebody asks
		if race.Enabled || testing.Short() {
			every = 2 * time.Hour // one after another, so there is as much to be seen, of the same events
		}
		sim := geminisim.New(geminisim.Config{
			Keys: []geminisim.Key{{Value: "k1", Project: "p1"}, {Value: "k2", Project: "p2"}}, Latency: latency,
		})
		var gone []time.Duration // when upstream said that a model is gone
		begin := time.Now()
		cfg, err := config.Load(t.Context(), []string{
			"FLUXGATE_STORE=memory", "GOOGLE_GEMINI_BASE_URL=https://gemini.test",
			"GEMINI_KEY_1=k1", "GEMINI_PROJECT_1=p1", "GEMINI_KEY_2=k2", "GEMINI_PROJECT_2=p2",
		})
		require.NoError(t, err)
		a, err := app.Start(t.Context(), cfg, app.Options{
			Store: storage.NewMemory(time.Now), Logger: slog.New(slog.DiscardHandler),
			Transport: transport(func(r *http.Request) (*http.Response, error) {
				resp, err := sim.Transport().RoundTrip(r)
				if err == nil && resp.StatusCode == http.StatusNotFound {
					gone = append(gone, time.Since(begin))
				}
				return resp, err
			}),
		})
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, a.Close(context.Background())) })
		ask := func(method, path, body string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			a.ServeHTTP(w, httptest.NewRequest(method, "http://localhost"+path, strings.NewReader(body)))
			return w
		}
		chain := func() []string {
			var out struct {
				Chain []string `json:"model_chain"`
			}
			require.NoError(t, json.Unmarshal(ask(http.MethodGet, "/status", "").Body.Bytes(), &out))
			return out.Chain
		}
		limits := geminisim.Limits{RPM: 5, TPM: 250_000, RPD: 200}
		for _, event := range []struct {
			day   int // on which it happens, at noon
			do    func()
			first string // of the chain on the day after
			never string // in the chain on the day after
			gone  int    // 404s until the next event
		}{
			{1, func() {}, "gemini-2.5-pro", "", 0},
			{3, func() { sim.RemoveModel("gemini-2.5-pro") }, "gemini-2.5-flash", "gemini-2.5-pro", 1},
			{8, func() {
				sim.AddModel("gemini-4-argon", limits)
				sim.SetModelStatus("gemini-2.5-flash", "LEGACY", begin.Add(11*day))
			}, "gemini-2.5-flash-lite", "gemini-2.5-flash", 0}, // the new one with the list of the day 14
			{11, func() { sim.ShutDown("", "gemini-2.5-flash", models.Deprecated) }, "gemini-2.5-flash-lite", "gemini-2.5-flash", 0},
			// Google still lists it, to nobody: what each project was told holds for a day.
			{14, func() { sim.ShutDown("", "gemini-4-argon", models.NotFound) }, "gemini-4-argon", "", 2 * 4},
			{18, func() { sim.RemoveModel("gemini-4-argon") }, "gemini-2.5-flash-lite", "gemini-4-argon", 1},
			{24, func() {}, "gemini-2.5-flash-lite", "", 0},
		} {
			until := func(d time.Duration) {
				for time.Since(begin) < d {
					// Once a week somebody has the list read, as a schedule does.
					if n := time.Since(begin) / every; n%(7*day/every) == 4 {
						ask(http.MethodPost, "/refresh-policy", "")
					}
					w := ask(http.MethodPost, "/v1beta/models/auto:generateContent", fmt.Sprintf(`{"contents":[{"parts":[{"text":"%v"}]}]}`, time.Since(begin)))
					assert.Equal(t, http.StatusOK, w.Code, "%v: %s", time.Since(begin), w.Body.String())
					time.Sleep(every)
				}
			}
			until(time.Duration(event.day)*day + 12*time.Hour)
			before := len(gone)
			event.do()
			until(time.Duration(event.day)*day + 36*time.Hour)
			if got := chain(); assert.NotEmpty(t, got) {
				assert.Equal(t, event.first, got[0], "day %d: %v", event.day, got)
				assert.NotContains(t, got, event.never)
			}
			until(time.Duration(event.day+3) * day)
			assert.LessOrEqual(t, len(gone)-before, event.gone, "day %d", event.day)
		}
		assert.Zero(t, sim.Stats().RefusedRPM+sim.Stats().RefusedTPM)
	})
}
