package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/devserver"
	"fluxgate.dev/fluxgate/internal/effective"
	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
	"fluxgate.dev/fluxgate/internal/validation"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

func load(t *testing.T, env ...string) *config.Config {
	t.Helper()
	cfg, err := config.Load(t.Context(), env)
	require.NoError(t, err)
	return cfg
}

var discard = slog.New(slog.DiscardHandler)

// simulatedKey is the value of the simulator's n-th key.
func simulatedKey(n int) string { return fmt.Sprintf("simulated-key-%d", n) }

// withKeys is a configuration with the keys of a simulator that knows as many.
func withKeys(t *testing.T, n int, env ...string) (*config.Config, *geminisim.Server) {
	t.Helper()
	for i := range n {
		env = append(env, fmt.Sprintf("GEMINI_KEY_%d=%s", i+1, simulatedKey(i+1)), fmt.Sprintf("GEMINI_PROJECT_%d=team-%d", i+1, i+1))
	}
	cfg := load(t, env...)
	sim := devserver.SimulatorConfig(cfg, n)
	for i := range sim.Keys {
		sim.Keys[i].Project = fmt.Sprintf("team-%d", i+1)
	}
	return cfg, geminisim.New(sim)
}

func post(h http.Handler, path, body string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("POST", "http://localhost"+path, strings.NewReader(body)))
	return rec
}

// Projects of different tiers have different limits: the start tells them apart, they are
// what is planned by and told, and a project that is paid for is used first where that is said.
func TestTiers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, sim := withKeys(t, 3, "FLUXGATE_CHAIN=gemini-2.5-pro", "GEMINI_TIER_1=free", "GEMINI_TIER_2=1", "FLUXGATE_PREFER=paid",
			`FLUXGATE_LIMITS={"projects":{"team-2":{"pro":{"rpd":500}}}}`)
		sim.SetLimits("team-2", "gemini-2.5-pro", geminisim.Limits{RPM: 150, TPM: 2_000_000, RPD: 500})
		var out bytes.Buffer
		a, err := Start(t.Context(), cfg, Options{Logger: discard, Report: &out, Store: storage.NewMemory(nil), Transport: sim.Transport()})
		require.NoError(t, err)
		defer func() { assert.NoError(t, a.Close(t.Context())) }()
		assert.Contains(t, out.String(), "projects of paid tiers are used first (FLUXGATE_PREFER)\n")
		assert.Regexp(t, `limits of team-1 \(free tier\), and where they come from:\n  gemini-2.5-pro +5 requests/minute \(built in for the tier, as of 2025-11\)`, out.String())
		assert.Regexp(t, `limits of team-2 \(tier 1\), and where they come from:\n  gemini-2.5-pro +150 requests/minute \(built in for the tier, as of 2025-11\), 2000000 tokens/minute \(.*\), 500 requests/day \(FLUXGATE_LIMITS\)\n`, out.String())
		assert.Regexp(t, `limits of team-3, and where they come from:\n  gemini-2.5-pro +5 requests/minute \(built in\)`, out.String())

		for range 6 { // more than a free project takes
			rec := post(a, "/generate", `{"prompt":"hi"}`)
			require.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
		}
		for _, r := range sim.Log() {
			assert.Equal(t, "team-2", r.Project)
		}
		rec := httptest.NewRecorder()
		a.ServeHTTP(rec, httptest.NewRequest("GET", "http://localhost/status?idle=true", nil))
		var status struct {
			Projects []struct {
				Project, Tier string
				Models        []struct {
					RPM, RPD struct {
						Limit  int64
						Source string
					}
				}
			}
		}
		require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &status))
		require.Len(t, status.Projects, 3)
		assert.Equal(t, "1", status.Projects[1].Tier)
		assert.EqualValues(t, 150, status.Projects[1].Models[0].RPM.Limit)
		assert.Equal(t, "tier", status.Projects[1].Models[0].RPM.Source)
		assert.Equal(t, "operator", status.Projects[1].Models[0].RPD.Source)
		assert.EqualValues(t, 5, status.Projects[2].Models[0].RPM.Limit)

		// At run time too, and told so that it can be sent again.
		rec = post(a, "/config", `{"limits":{"projects":{"team-3":{"pro":{"rpm":1}}}}}`)
		require.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
		assert.Contains(t, rec.Body.String(), `"limits":{"team-3/pro":{"rpm":1}}`)
		rec = post(a, "/config", `{"limits":{"team-3/pro":{"rpm":2}}}`)
		require.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
		assert.EqualValues(t, 2, a.admission.Rules().Of("team-3").Policy.Limits("gemini-2.5-pro").RPM)
		assert.EqualValues(t, 150, a.admission.Rules().Of("team-2").Policy.Limits("gemini-2.5-pro").RPM)
	})
}

// A chain with a name that Gemini doesn't list is a slip until somebody insists; families are
// taken, and null goes back.
func TestChainAtRunTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, sim := withKeys(t, 1)
		store := storage.NewMemory(nil)
		_, err := store.UpdateControl(t.Context(), func(c *storage.Control) error {
			c.Discovered = []string{"gemini-3.8-flash", "gemini-2.5-pro", "gemini-2.5-flash"}
			c.Windows = map[string]int64{"gemini-3.8-flash": 1 << 20, "gemini-2.5-pro": 1 << 20, "gemini-2.5-flash": 1 << 20}
			return nil
		})
		require.NoError(t, err)
		a, err := Start(t.Context(), cfg, Options{Logger: discard, Store: store, Transport: sim.Transport()})
		require.NoError(t, err)
		defer func() { assert.NoError(t, a.Close(t.Context())) }()
		chain := func() []string {
			s, err := a.admission.Snapshot(t.Context())
			require.NoError(t, err)
			return s.Chain("")
		}
		rec := post(a, "/config", `{"chain":["gemini-2.5-pro","gemini-2.5-flush"]}`)
		assert.Equal(t, http.StatusBadRequest, rec.Code)
		assert.Contains(t, rec.Body.String(), `Gemini lists no \"gemini-2.5-flush\" (did you mean gemini-2.5-flash?). To take it all the same, send \"force\": true.`)
		assert.Equal(t, []string{"gemini-3.8-flash", "gemini-2.5-pro", "gemini-2.5-flash"}, chain(), "nothing has changed")
		rec = post(a, "/config", `{"chain":["gemini-2.5-pro","gemini-2.5-flush"],"force":true}`)
		assert.Equal(t, http.StatusOK, rec.Code)
		assert.Contains(t, rec.Body.String(), `"unlisted":["gemini-2.5-flush"]`)
		assert.Equal(t, []string{"gemini-2.5-pro", "gemini-2.5-flush"}, chain())
		rec = post(a, "/config", `{"chain":["pro","flash"]}`)
		assert.Equal(t, http.StatusOK, rec.Code)
		assert.Equal(t, []string{"gemini-2.5-pro", "gemini-3.8-flash", "gemini-2.5-flash"}, chain())
		rec = post(a, "/config", `{"chain":["gemma"]}`)
		assert.Contains(t, rec.Body.String(), "no model is of these families")
		require.Equal(t, http.StatusOK, post(a, "/config", `{"chain":null}`).Code)
		assert.Equal(t, []string{"gemini-3.8-flash", "gemini-2.5-pro", "gemini-2.5-flash"}, chain())
	})
}

// Who has spent a budget is told so as of any limit of its own, with the exact reset, sees what
// is left, and goes on when the period is over; nobody else is concerned.
func TestBudgetOfACaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, sim := withKeys(t, 1, "FLUXGATE_TOKENS=alice:0123456789abcdef,bob:fedcba9876543210", "FLUXGATE_ADMIN_TOKENS=root:00112233445566778899",
			`FLUXGATE_CALLERS={"alice":{"tokens_per_day":40,"dollars_per_month":5}}`)
		store := storage.NewMemory(nil)
		start := func() *App {
			a, err := Start(t.Context(), cfg, Options{Logger: discard, Store: store, Transport: sim.Transport()})
			require.NoError(t, err)
			return a
		}
		a := start()
		ask := func(method, path, token, body string) *httptest.ResponseRecorder {
			rec := httptest.NewRecorder()
			r := httptest.NewRequest(method, "http://localhost"+path, strings.NewReader(body))
			r.Header.Set("X-Fluxgate-Token", token)
			a.ServeHTTP(rec, r)
			return rec
		}
		const alice, bob = "0123456789abcdef", "fedcba9876543210"
		const path, body = "/v1beta/models/gemini-2.5-flash-lite:generateContent", `{"contents":[{"parts":[{"text":"hi"}]}]}`
		spend := func() *httptest.ResponseRecorder {
			for range 50 {
				rec := ask("POST", path, alice, body)
				if rec.Code != http.StatusOK {
					return rec
				}
				time.Sleep(time.Minute)
			}
			t.Fatal("she spends more than she has")
			return nil
		}
		rec := spend()
		require.Equal(t, http.StatusTooManyRequests, rec.Code, rec.Body.String())
		assert.Contains(t, rec.Body.String(), `"quotaId":"TokensPerDayPerCaller","quotaDimensions":{"caller":"alice"},"quotaValue":"40"`)
		assert.Contains(t, rec.Body.String(), "there is room again at 2000-01-01T08:00:00Z")
		midnight := time.Date(2000, 1, 1, 8, 0, 0, 0, time.UTC)
		assert.Equal(t, fmt.Sprint(math.Ceil(time.Until(midnight).Seconds())), rec.Header().Get("Retry-After"))
		assert.Empty(t, rec.Header().Get("X-Fluxgate-Ticket"), "nothing is kept")
		assert.Equal(t, http.StatusOK, ask("POST", path, bob, body).Code)

		usage := ask("GET", "/usage?by=caller", alice, "").Body.String()
		assert.Contains(t, usage, `"budgets":[{"name":"tokens_per_day","limit":40,"left":`)
		assert.Contains(t, usage, `{"name":"dollars_per_month","limit":5,"left":4.9`)
		assert.NotContains(t, ask("GET", "/usage", bob, "").Body.String(), "budgets")
		status := ask("GET", "/status", "00112233445566778899", "").Body.String()
		assert.Contains(t, status, `"caller":"alice"`)
		assert.Contains(t, status, `"budgets":[{"name":"tokens_per_day"`)
		assert.Contains(t, ask("GET", "/usage?by=caller", "00112233445566778899", "").Body.String(), `"own_budget":1`)

		// Another instance knows, and so does this one on the next day.
		require.NoError(t, a.Close(t.Context()))
		a = start()
		assert.Equal(t, http.StatusTooManyRequests, ask("POST", path, alice, body).Code)
		time.Sleep(time.Until(midnight))
		assert.Equal(t, http.StatusOK, ask("POST", path, alice, body).Code)
		rec = ask("POST", path, alice, fmt.Sprintf(`{"contents":[{"parts":[{"text":%q}]}]}`, strings.Repeat("many words ", 100)))
		assert.Equal(t, http.StatusBadRequest, rec.Code)
		assert.Contains(t, rec.Body.String(), "Your budget here (quota TokensPerDayPerCaller, limit: 40) is less than this request alone comes to, which is 1138 at least.")
		require.NoError(t, a.Close(t.Context()))
	})
}

// The report of a pool in which everything is found that can be.
func TestReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, sim := withKeys(t, 5, "FLUXGATE_CHAIN=gemini-2.5-pro")
		store := storage.NewMemory(nil)
		rules := effective.Rules(cfg, storage.Control{}, nil)
		disabled, wrong := true, "leaked"

		start := func() (*App, string) {
			var out bytes.Buffer
			a, err := Start(t.Context(), cfg, Options{Logger: discard, Report: &out, Store: store, Transport: sim.Transport()})
			require.NoError(t, err)
			return a, out.String()
		}
		a, first := start()
		assert.Contains(t, first, "keys: checking them with a free request each")
		assert.Contains(t, first, "keys: 5 healthy, 0 exhausted, 0 invalid, 0 disabled, 0 unknown (checked 2000-01-01T00:00:00Z)")
		assert.Contains(t, first, "mode: both\nchain: gemini-2.5-pro\n")
		assert.Regexp(t, `limits of each project, and where they come from:\n  gemini-2.5-pro +5 requests/minute \(built in\), 250000 tokens/minute \(built in\), 100 requests/day \(built in\)\n`, first)
		assert.Empty(t, sim.Log(), "checking is free")

		list, err := a.pool.Keys(t.Context())
		require.NoError(t, err)
		change := func(n int, c scheduler.Change) {
			_, err := store.Apply(t.Context(), rules, fmt.Sprintf("team-%d", n), c)
			require.NoError(t, err)
		}
		change(1, scheduler.SetMark{Key: list[0].Fingerprint, Disabled: &disabled})
		sim.SetKeyState(simulatedKey(2), credentials.Expired)
		change(3, scheduler.RecordRefusal{Model: "gemini-2.5-pro", Block: scheduler.Block{Cause: scheduler.ByDay}})
		// A key that had been invalid and works again is forgiven.
		change(4, scheduler.SetMark{Key: list[3].Fingerprint, Invalid: &wrong})

		// A start never waits for a check while the store has a fresh result; what
		// Fluxgate itself did meanwhile shows all the same.
		_, fresh := start()
		assert.Contains(t, fresh, "keys: 2 healthy, 1 exhausted, 1 invalid, 1 disabled, 0 unknown (checked 2000-01-01T00:00:00Z)")
		assert.Contains(t, fresh, "key 2   project team-2             healthy\n", "not checked again")
		assert.Contains(t, fresh, "key 4   project team-4             invalid (leaked)\n")

		time.Sleep(validation.Fresh)
		change(3, scheduler.RecordRefusal{Model: "gemini-2.5-pro", Block: scheduler.Block{Cause: scheduler.ByDay}})
		_, second := start()
		assert.Contains(t, second, "key 1   project team-1             disabled\n")
		assert.Contains(t, second, "key 2   project team-2             invalid (API_KEY_INVALID)\n")
		assert.Contains(t, second, "key 3   project team-3             exhausted (until 2000-01-02T08:00:00Z)\n")
		assert.Contains(t, second, "key 4   project team-4             healthy\n")
		assert.Contains(t, second, "keys: 2 healthy, 1 exhausted, 1 invalid, 1 disabled, 0 unknown")
		for i := range 5 {
			assert.NotContains(t, first+second, simulatedKey(i+1), "no key value in a report")
		}
		states, err := store.View(t.Context(), []string{"team-2", "team-4"})
		require.NoError(t, err)
		assert.Equal(t, "API_KEY_INVALID", states[0].Mark(list[1].Fingerprint).Invalid, "what was found is kept")
		assert.Empty(t, states[1].Mark(list[3].Fingerprint).Invalid)
	})
}

// A mode that was set at run time and leaves no model must not keep Fluxgate
// from starting: nobody could set another one then.
func TestStartsWithAnEmptyChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, sim := withKeys(t, 1, "FLUXGATE_CHAIN=gemini-2.5-pro", "GEMINI_MODE=flash_only")
		var out bytes.Buffer
		a, err := Start(t.Context(), cfg, Options{Logger: discard, Report: &out, Store: storage.NewMemory(nil), Transport: sim.Transport()})
		require.NoError(t, err)
		assert.Contains(t, out.String(), "keys: 1 healthy")
		assert.Contains(t, out.String(), "EMPTY")
		assert.Equal(t, http.StatusServiceUnavailable, post(a, "/generate", `{"prompt":"x"}`).Code)
		assert.Equal(t, http.StatusOK, post(a, "/config", `{"mode":"pro_only"}`).Code)
		assert.Equal(t, http.StatusOK, post(a, "/generate", `{"prompt":"x"}`).Code)
	})
}

// A key of which nothing can be found out is not called invalid.
func TestReportWithoutUpstream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, _ := withKeys(t, 1)
		var out bytes.Buffer
		_, err := Start(t.Context(), cfg, Options{Logger: discard, Report: &out, Store: storage.NewMemory(nil), Transport: deaf{}})
		require.NoError(t, err)
		assert.Contains(t, out.String(), "unknown (the check failed")
		assert.Contains(t, out.String(), "1 unknown")
	})
}

// deaf never answers.
type deaf struct{}

func (deaf) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestStartFails(t *testing.T) {
	t.Run("no key", func(t *testing.T) {
		a, err := Start(t.Context(), load(t), Options{Logger: discard, Store: storage.NewMemory(nil)})
		assert.ErrorContains(t, err, "GEMINI_KEY_1")
		assert.Nil(t, a)
	})
	t.Run("Firestore of no project", func(t *testing.T) {
		a, err := Start(t.Context(), load(t, "FLUXGATE_STORE=firestore", "GEMINI_KEY_1=k"), Options{Logger: discard})
		assert.ErrorContains(t, err, "GOOGLE_CLOUD_PROJECT")
		assert.Nil(t, a)
	})
	t.Run("store unreachable", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			a, err := Start(t.Context(), load(t, "GEMINI_KEY_1=k"), Options{Logger: discard, Store: down{storage.NewMemory(nil)}})
			assert.ErrorIs(t, err, storage.ErrUnavailable)
			assert.ErrorContains(t, err, "reach the store")
			assert.Nil(t, a)
			// Cloud Run gives a request minutes, a caller has less patience.
			assert.InDelta(t, reachTimeout.Seconds(), time.Since(start).Seconds(), 1)
		})
	})
	t.Run("what was started is stopped", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var report bytes.Buffer
		a, err := Start(ctx, load(t, "FLUXGATE_STORE=memory"), Options{Logger: discard, Local: devserver.New(&report), Report: &report})
		require.ErrorIs(t, err, context.Canceled)
		assert.Nil(t, a)
		simulator := regexp.MustCompile(`127\.0\.0\.1:[0-9]+`).FindString(report.String())
		require.NotEmpty(t, simulator)
		assert.Eventually(t, func() bool { // closing takes its moment
			_, err := net.Dial("tcp", simulator)
			return errors.Is(err, syscall.ECONNREFUSED)
		}, 10*time.Second, 10*time.Millisecond, "the simulator is still there")
	})
}

type down struct{ storage.Store }

func (down) Control(context.Context) (storage.Control, error) {
	return storage.Control{}, fmt.Errorf("test: %w", storage.ErrUnavailable)
}

// Without any configuration there is a simulator, and nobody can miss it.
func TestSimulatorIsLoud(t *testing.T) {
	for _, silent := range []bool{false, true} {
		var report, logs bytes.Buffer
		o := Options{Logger: slog.New(slog.NewTextHandler(&logs, nil))}
		if !silent {
			o.Report = &report
		}
		o.Local = devserver.New(o.Report)
		a, err := Start(t.Context(), load(t, "FLUXGATE_STORE=memory"), o)
		require.NoError(t, err)
		if !silent {
			assert.Contains(t, report.String(), "*** NO KEY IS CONFIGURED: answers come from a SIMULATED Gemini with 8 keys")
			assert.Contains(t, report.String(), "store: memory (as configured)")
			assert.Contains(t, report.String(), "12 healthy")
		}
		rec := post(a, "/generate", `{"prompt":"hello"}`)
		assert.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
		require.NoError(t, a.Close(t.Context()))
		if silent { // until it is closed something may be logged in the background
			assert.Contains(t, logs.String(), "level=WARN msg=\"no key is configured: answers come from simulated providers\"")
		}
		assert.Equal(t, http.StatusServiceUnavailable, post(a, "/generate", `{"prompt":"hello"}`).Code, "closed")
		require.NoError(t, a.Close(t.Context()), "closing twice is harmless")
	}
}

// The cloud never gets a simulator, whatever is missing.
func TestNoSimulatorOnTheCloud(t *testing.T) {
	_, err := Start(t.Context(), load(t, "K_SERVICE=fluxgate", "FLUXGATE_STORE=memory"), Options{Logger: discard})
	assert.ErrorContains(t, err, "no key is configured")
}

// A store that the caller brings stays open: it is shared by instances.
func TestForeignStoreStaysOpen(t *testing.T) {
	store := storage.NewMemory(nil)
	cfg, sim := withKeys(t, 1)
	a, err := Start(t.Context(), cfg, Options{Logger: discard, Store: store, Transport: sim.Transport()})
	require.NoError(t, err)
	assert.Same(t, store, a.store)
	require.NoError(t, a.Close(t.Context()))
	_, err = store.Control(t.Context())
	assert.NoError(t, err)
}

// Everything is stopped, even if something can't be; last first.
func TestCloseGoesOn(t *testing.T) {
	var order []int
	a := new(App)
	for i := range 3 {
		a.onClose(func(context.Context) error {
			order = append(order, i)
			return fmt.Errorf("part %d: %w", i, errors.ErrUnsupported)
		})
	}
	err := a.Close(t.Context())
	assert.Equal(t, []int{2, 1, 0}, order)
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	assert.ErrorContains(t, err, "part 0")
	assert.ErrorContains(t, err, "part 2")
}

func TestOperatorsLimitsReachThePolicy(t *testing.T) {
	cfg := load(t, `FLUXGATE_LIMITS={"pro":{"rpm":7},"gemini-2.5-flash":{"tpm":-1}}`)
	p := effective.Rules(cfg, storage.Control{}, nil).Policy
	assert.EqualValues(t, 7, p.Limits("gemini-2.5-pro").RPM)
	assert.EqualValues(t, 250_000, p.Limits("gemini-2.5-pro").TPM)
	assert.Equal(t, scheduler.Unlimited, p.Limits("gemini-2.5-flash").TPM)
	assert.EqualValues(t, -1, devserver.SimulatorConfig(cfg, 1).Limits["gemini-2.5-flash"].TPM, "the simulator enforces what Fluxgate believes")
}

func TestLogging(t *testing.T) {
	write := func(env ...string) string {
		var out bytes.Buffer
		log := NewLogger(&out, load(t, env...))
		log.Debug("d")
		log.Info("i", "elapsed", 1234567*time.Nanosecond)
		log.Warn("w", slog.Group("g", "level", "kept", "took", 90*time.Second))
		log.Error("e", "error", errors.New("broken"))
		return out.String()
	}
	t.Run("cloud", func(t *testing.T) {
		var severities []string
		var records []map[string]any
		for line := range strings.Lines(write("K_SERVICE=fluxgate")) {
			var record map[string]any
			require.NoError(t, json.Unmarshal([]byte(line), &record))
			severities = append(severities, record["severity"].(string))
			records = append(records, record)
		}
		// Cloud Logging knows these names and no others.
		assert.Equal(t, []string{"INFO", "WARNING", "ERROR"}, severities)
		assert.Equal(t, "i", records[0]["message"])
		assert.Equal(t, "1ms", records[0]["elapsed"], "not nanoseconds")
		_, err := time.Parse(time.RFC3339Nano, records[0]["time"].(string))
		assert.NoError(t, err)
		assert.Equal(t, map[string]any{"level": "kept", "took": "1m30s"}, records[1]["g"], "only the record's own names are changed")
	})
	t.Run("elsewhere", func(t *testing.T) {
		out := write()
		assert.Regexp(t, `^time=\d\d:\d\d:\d\d\.\d\d\d level=INFO msg=i elapsed=1ms\n`, out)
		assert.NotContains(t, out, "msg=d")
	})
	t.Run("level", func(t *testing.T) { assert.Contains(t, write("FLUXGATE_LOG_LEVEL=debug"), "msg=d") })
	t.Run("off", func(t *testing.T) {
		out := write("GEMINI_LOG=false", "FLUXGATE_LOG_LEVEL=debug")
		assert.NotContains(t, out, "msg=i")
		assert.Contains(t, out, "msg=w")
		assert.Contains(t, out, "msg=e")
	})
}
