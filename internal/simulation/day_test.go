package simulation

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/app"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/journal"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// chain is the three models whose free days add up to 100+250+1000 requests a
// project, 10,800 for eight.
var chain = []string{"gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite"}

// A project of TestDay has one in ofDay() of the free day's requests: what more of them show is
// arithmetic.
func ofDay() int64 {
	if race.Enabled || testing.Short() {
		return 5
	}
	return 1
}

// clients are so many that there is always somebody waiting, whatever is free.
const clients = 48

var losAngeles = func() *time.Location {
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		panic(err)
	}
	return zone
}()

// Whole Pacific days through the real handler, with more demand than there is
// quota: from ten minutes before one midnight to three minutes after the next.
func TestDay(t *testing.T) {
	t.Parallel()
	type date struct {
		date  string
		hours int
		lead  time.Duration // before midnight
		why   string
	}
	dates := []date{
		// Callers come back every 61 s, so the eleventh wave is 0.2 s before midnight.
		{"2026-06-15", 24, 610200 * time.Millisecond, "an ordinary day"},
		{"2026-03-08", 23, 10 * time.Minute, "daylight saving time begins"},
		{"2026-11-01", 25, 10 * time.Minute, "daylight saving time ends"},
	}
	if race.Enabled || testing.Short() { // what differs between them is arithmetic
		dates = dates[:1]
		dates[0].lead = 122200 * time.Millisecond // the third wave, so that the first model's day isn't spent by then
	}
	for _, day := range dates {
		t.Run(day.date+", "+day.why, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				midnight, err := time.ParseInLocation(time.DateOnly, day.date, losAngeles)
				require.NoError(t, err)
				next := midnight.Add(time.Duration(day.hours) * time.Hour)
				require.Equal(t, 0, next.Hour()+next.Minute(), "the day has that many hours")
				time.Sleep(time.Until(midnight.Add(-day.lead)))

				p := newProduct(t)
				p.serve(next.Add(3 * time.Minute))
				p.judge(midnight, next)
			})
		})
	}
}

// A product is the whole of Fluxgate over a simulated Gemini.
type product struct {
	t       *testing.T
	app     *app.App
	store   *storage.Memory
	gemini  *geminisim.Server
	limits  map[string]scheduler.Limits
	refused int // 429s of ours, from all clients

	mu     sync.Mutex
	breach []string // requests to a model whose predecessor still had quota
}

func newProduct(t *testing.T) *product {
	p := &product{t: t, store: storage.NewMemory(time.Now), limits: make(map[string]scheduler.Limits)}
	sim := geminisim.Config{Limits: make(map[string]geminisim.Limits), Latency: latency}
	env := []string{
		"FLUXGATE_STORE=memory", "FLUXGATE_CHAIN=" + strings.Join(chain, ","),
		// The host is never looked up: the simulator is the transport.
		"GOOGLE_GEMINI_BASE_URL=https://gemini.test",
	}
	for i := 1; i <= pool; i++ {
		key := geminisim.Key{Value: fmt.Sprintf("key-%d", i), Project: fmt.Sprintf("p%d", i)}
		sim.Keys = append(sim.Keys, key)
		env = append(env, fmt.Sprintf("GEMINI_KEY_%d=%s", i, key.Value), fmt.Sprintf("GEMINI_PROJECT_%d=%s", i, key.Project))
	}
	named := make(map[string]config.Limits) // by the operator, so that none is tried beyond
	for _, model := range chain {
		l := scheduler.DefaultLimits(scheduler.FamilyOf(model))
		l.RPD /= ofDay()
		named[model] = config.Limits{RPM: &l.RPM, TPM: &l.TPM, RPD: &l.RPD}
		p.limits[model] = l
		sim.Limits[model] = geminisim.Limits{RPM: l.RPM, TPM: l.TPM, RPD: l.RPD}
	}
	p.gemini = geminisim.New(sim)
	limits, err := json.Marshal(named)
	require.NoError(t, err)
	env = append(env, "FLUXGATE_LIMITS="+string(limits))
	cfg, err := config.Load(t.Context(), env)
	require.NoError(t, err)
	p.app, err = app.Start(t.Context(), cfg, app.Options{
		Store: p.store, Logger: slog.New(slog.DiscardHandler),
		Transport: transport(func(r *http.Request) (*http.Response, error) {
			p.inspect(r)
			return p.gemini.Transport().RoundTrip(r)
		}),
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.app.Close(context.Background())) })
	return p
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// inspect looks at a request on its way to Gemini. A model may be used on a
// project when the days of those before it in the chain are spent there: sent,
// or promised to callers who have come back for them.
func (p *product) inspect(r *http.Request) {
	model, _, _ := strings.Cut(path.Base(r.URL.Path), ":")
	project := "p" + strings.TrimPrefix(r.Header.Get("X-Goog-Api-Key"), "key-")
	states, err := p.store.View(context.Background(), []string{project})
	if err != nil || states[0] == nil {
		p.note("%s %s: no state: %v", project, model, err)
		return
	}
	now := p.store.Now()
	for _, before := range chain[:max(0, slices.Index(chain, model))] {
		c := states[0].Calendar(before)
		var spent int64
		for _, d := range c.Days {
			if d.Day == scheduler.DayOf(now) {
				spent += d.Requests
			}
		}
		for _, b := range c.Bookings {
			if now <= b.Start.Add(scheduler.DefaultHold) {
				spent++
			}
		}
		if spent != p.limits[before].RPD {
			p.note("%v: %s uses %s with %d spent of %s", now.Time(), project, model, spent, before)
		}
	}
}

func (p *product) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.breach = append(p.breach, fmt.Sprintf(format, args...))
}

// serve has clients ask until the end, each for one thing after another.
func (p *product) serve(end time.Time) {
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			for n := 0; time.Now().Before(end); n++ {
				// No two requests are alike: the body is all a caller is known by.
				body := fmt.Sprintf(`{"prompt":"client %d asks for the %dth time"}`, i, n)
				for p.ask(body, i%2 == 0, end) {
				}
			}
		})
	}
	wg.Wait()
}

// ask sends a request and, if it is refused, waits as it is told to: in whole
// seconds or, as some client libraries do, in milliseconds. It reports whether
// to send it again.
func (p *product) ask(body string, millis bool, end time.Time) bool {
	w := httptest.NewRecorder()
	p.app.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "http://localhost/generate", strings.NewReader(body)))
	if w.Code == http.StatusOK {
		return false
	}
	name, unit := "Retry-After", time.Second
	if millis {
		name, unit = "Retry-After-Ms", time.Millisecond
	}
	n, err := strconv.Atoi(w.Header().Get(name))
	if w.Code != http.StatusTooManyRequests || err != nil || n < 1 {
		var answer any
		_ = json.Unmarshal(w.Body.Bytes(), &answer) // for the message only
		p.note("%v: answered %d, %s %q, %v", time.Now(), w.Code, name, w.Header().Get(name), answer)
		return false
	}
	p.mu.Lock()
	p.refused++
	p.mu.Unlock()
	time.Sleep(time.Duration(n) * unit)
	return time.Now().Before(end)
}

// judge looks at what Gemini saw.
func (p *product) judge(midnight, next time.Time) {
	t := p.t
	assert.Empty(t, p.breach)
	stats := p.gemini.Stats()
	assert.Zero(t, stats.Refused, "upstream 429s")
	assert.Zero(t, stats.OtherErrors)

	type place struct{ project, model string }
	before, during, after := map[place]int64{}, map[place]int64{}, map[place]int64{}
	twice := map[place]int64{}
	var last, first time.Time // of the day, and after it
	log := p.gemini.Log()
	slices.SortStableFunc(log, func(a, b journal.Entry) int { return cmp.Compare(a.At.UnixNano(), b.At.UnixNano()) })
	for _, e := range log {
		at := place{e.Project, e.Model}
		switch {
		case e.At.Before(midnight):
			before[at]++
			// Whose clock is right, ours or Google's? So near a midnight a start
			// is counted on both days.
			if !e.At.Before(midnight.Add(-scheduler.DefaultSkew)) {
				twice[at]++
			}
		case e.At.Before(next):
			during[at]++
			last = e.At
		default:
			if after[at]++; first.IsZero() {
				first = e.At
			}
		}
	}
	var all, straddled int64
	for i := 1; i <= pool; i++ {
		for _, model := range chain {
			at := place{fmt.Sprintf("p%d", i), model}
			// Nothing of the day's quota is lost: what wasn't sent on this day was
			// sent within the skew before it, and had to be counted here too.
			assert.Equal(t, p.limits[model].RPD, during[at]+twice[at], "%v on the day", at)
			all += during[at]
			straddled += twice[at]
		}
		pro := place{fmt.Sprintf("p%d", i), chain[0]}
		assert.Positive(t, before[pro], "%v before the day", pro)
		assert.Positive(t, after[pro], "%v after the reset", pro)
	}
	assert.EqualValues(t, 10_800/ofDay(), all+straddled)
	for _, m := range []map[place]int64{before, after} {
		for at := range m {
			assert.Equal(t, chain[0], at.model, "the first model of the chain, while there is quota for it")
		}
	}
	assert.Greater(t, next.Sub(last), 20*time.Hour, "the day is spent within hours")
	assert.GreaterOrEqual(t, first.Sub(next), scheduler.DefaultSkew, "our clock may be ahead of Google's")
	assert.Less(t, first.Sub(next), 2*time.Second, "and not a second is lost")
	writes := p.store.Stats().Writes
	t.Logf("%d on the day and %d within the skew before it; spent %v after midnight; then the first %v after the next; %d upstream 429, %d of ours; %.2f writes per admission",
		all, straddled, last.Sub(midnight).Round(time.Second), first.Sub(next), stats.Refused, p.refused, float64(writes)/float64(len(log)))
}
