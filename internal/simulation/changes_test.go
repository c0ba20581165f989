package simulation

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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

// The models of a changing world: one is redirected to its heir, one is shut down.
const (
	redirected = "gemini-2.5-pro"
	heir       = "gemini-3.8-flash"
	ending     = "gemini-2.5-flash-lite"
)

// rush is how long on each day there is more demand than there is quota, from an hour after
// the change of the day.
const rush = 15 * time.Minute

// A changing is a world in which something changes every day at noon, and whose models are
// all asked for beyond their quota later on.
type changing struct {
	t      *testing.T
	sim    *geminisim.Server
	app    *app.App
	rnd    *rand.Rand
	begin  time.Time
	limits map[string]int64 // requests per minute, by project and model
	shared bool             // the redirected model draws on its heir's quota
	over   bool             // the ending one has ended
	n      atomic.Int64     // requests so far

	mu   sync.Mutex
	said map[string]int // upstream's 429s on this day, by what they named
}

// TestWeekOfChanges: a week in which limits rise and fall, a model is redirected, to the
// quota of its heir or to its own, and one is shut down, in any order, through the real
// handler. From the day after each change on 95% of all quotas is used, and no limit of a
// quota costs more than one 429 of upstream's a day, the day of the change included, but for
// one in all that says whose quota the redirected model draws on: what counted two models on
// two calendars that draw on one quota would be refused all the time.
func TestWeekOfChanges(t *testing.T) {
	race.Skip(t) // TestDay asks the same handler by as many goroutines
	t.Parallel()
	seeds := 4
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newChanging(t, uint64(seed))
				changes := []func() string{w.rise, w.rise, w.fall, w.fall, w.redirect, w.shutDown}
				w.rnd.Shuffle(len(changes), func(i, j int) { changes[i], changes[j] = changes[j], changes[i] })
				if testing.Short() { // the first of the week; the run without -short has all of them, in four orders
					changes = changes[:1]
				}
				var all string
				second := 0
				for day := range len(changes) + 1 {
					w.until(time.Duration(day)*24*time.Hour + 12*time.Hour)
					change := "nothing"
					if day > 0 {
						change = changes[day-1]()
						all += change + "; "
					}
					w.until(time.Duration(day)*24*time.Hour + 13*time.Hour)
					served := w.demand()
					used := float64(served) / float64(w.quota()*int64(rush/time.Minute))
					t.Logf("day %d: %s; %.1f%% of the quota; %v", day, change, 100*used, w.said)
					for what, n := range w.said {
						if n == 2 && strings.Contains(all, "redirected") {
							second++ // which of the two the redirected one draws on
							continue
						}
						assert.LessOrEqual(t, n, 1, "day %d, after %s: 429s of %s", day, all, what)
					}
					assert.LessOrEqual(t, used, 1+1/rush.Minutes(), "day %d: what is there", day)

					// Of what is changed at noon all is found in the course of the first day.
					w.until(time.Duration(day)*24*time.Hour + 15*time.Hour)
					clear(w.said)
					served = w.demand()
					used = float64(served) / float64(w.quota()*int64(rush/time.Minute))
					assert.GreaterOrEqual(t, used, 0.95, "day %d, after %s: %d", day, all, served)
					clear(w.said)
				}
				assert.LessOrEqual(t, second, 1)
			})
		})
	}
}

func newChanging(t *testing.T, seed uint64) *changing {
	const start = 6
	w := &changing{t: t, rnd: rand.New(rand.NewPCG(7, seed)), begin: time.Now(), limits: make(map[string]int64), said: make(map[string]int)}
	all := make(map[string]geminisim.Limits)
	for _, model := range []string{redirected, heir, ending} {
		all[model] = geminisim.Limits{RPM: start, TPM: -1, RPD: -1}
		for _, project := range []string{"p1", "p2"} {
			w.limits[project+" "+model] = start
		}
	}
	w.sim = geminisim.New(geminisim.Config{
		Keys: []geminisim.Key{{Value: "k1", Project: "p1"}, {Value: "k2", Project: "p2"}}, Limits: all, Latency: latency,
	})
	cfg, err := config.Load(t.Context(), []string{
		"FLUXGATE_STORE=memory", "GOOGLE_GEMINI_BASE_URL=https://gemini.test", "FLUXGATE_POLICY=off",
		"FLUXGATE_CHAIN=" + redirected + "," + heir + "," + ending,
		`FLUXGATE_LIMITS={"pro":{"rpd":-1},"flash":{"rpd":-1},"flash_lite":{"rpd":-1}}`, // requests per minute are to be found
		"GEMINI_KEY_1=k1", "GEMINI_PROJECT_1=p1", "GEMINI_KEY_2=k2", "GEMINI_PROJECT_2=p2",
	})
	require.NoError(t, err)
	w.app, err = app.Start(t.Context(), cfg, app.Options{
		Store: storage.NewMemory(time.Now), Logger: slog.New(slog.DiscardHandler), Transport: transport(w.send),
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, w.app.Close(context.Background())) })
	return w
}

// send counts the 429s that upstream says, by project and what they name.
func (w *changing) send(r *http.Request) (*http.Response, error) {
	resp, err := w.sim.Transport().RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusTooManyRequests {
		return resp, err
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(text))
	var said struct {
		Error struct {
			Details []struct {
				Violations []struct {
					ID         string            `json:"quotaId"`
					Dimensions map[string]string `json:"quotaDimensions"`
				} `json:"violations"`
			} `json:"details"`
		} `json:"error"`
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range said.Error.Details {
		for _, v := range d.Violations {
			w.said[r.Header.Get("X-Goog-Api-Key")+" "+v.Dimensions["model"]+" "+v.ID]++
		}
	}
	return resp, nil
}

func (w *changing) until(d time.Duration) { time.Sleep(d - time.Since(w.begin)) }

// quota is how many requests a minute upstream takes of all models together.
func (w *changing) quota() (n int64) {
	for name, limit := range w.limits {
		if w.shared && strings.HasSuffix(name, redirected) || w.over && strings.HasSuffix(name, ending) {
			continue
		}
		n += limit
	}
	return n
}

func (w *changing) rise() string { return w.change(9, 16) }
func (w *changing) fall() string { return w.change(3, 8) }

// change sets a limit that is still there to one between two.
func (w *changing) change(from, to int64) string {
	project, model := []string{"p1", "p2"}[w.rnd.IntN(2)], []string{redirected, heir}[w.rnd.IntN(2)]
	if w.shared {
		model = heir
	}
	limit := from + w.rnd.Int64N(to-from+1)
	w.limits[project+" "+model] = limit
	w.sim.SetLimits(project, model, geminisim.Limits{RPM: limit, TPM: -1, RPD: -1})
	return fmt.Sprintf("%s on %s has %d", model, project, limit)
}

func (w *changing) redirect() string {
	w.shared = w.rnd.IntN(2) > 0
	w.sim.Redirect(redirected, heir, w.shared)
	return fmt.Sprintf("%s is redirected, shared %v", redirected, w.shared)
}

func (w *changing) shutDown() string {
	w.over = true
	wording := []models.Wording{models.NotFound, models.Deprecated}[w.rnd.IntN(2)]
	w.sim.ShutDown("", ending, wording)
	return ending + " is shut down"
}

// demand has more callers than there is quota ask for every model, and returns how many
// were served.
func (w *changing) demand() (served int) {
	const callers = 3 * 36
	end := time.Now().Add(rush)
	done := make(chan int)
	for i := range callers {
		model := []string{redirected, heir, ending}[i%3]
		go func() {
			// Not all at once: what is on its way when a limit has changed can't be called back.
			time.Sleep(time.Duration(i) * 170 * time.Millisecond)
			n := 0
			defer func() { done <- n }()
			for {
				body := fmt.Sprintf(`{"contents":[{"parts":[{"text":"%d"}]}]}`, w.n.Add(1))
				for code := http.StatusTooManyRequests; code == http.StatusTooManyRequests; {
					a := httptest.NewRecorder()
					w.app.ServeHTTP(a, httptest.NewRequest(http.MethodPost, "http://localhost/v1beta/models/"+model+":generateContent", strings.NewReader(body)))
					code = a.Code
					ms, _ := strconv.Atoi(a.Header().Get("X-Fluxgate-Retry-Ms"))
					switch wait := time.Duration(ms) * time.Millisecond; {
					case code == http.StatusOK:
						n++
					case code != http.StatusTooManyRequests || ms == 0 || time.Now().Add(wait).After(end):
						return
					default:
						time.Sleep(wait)
					}
				}
				if time.Now().After(end) {
					return
				}
			}
		}()
	}
	for range callers {
		served += <-done
	}
	return served
}
