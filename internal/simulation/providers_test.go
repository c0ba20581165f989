package simulation

import (
	"bytes"
	"cmp"
	"context"
	"flag"
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

	"fluxgate.dev/fluxgate/internal/anthropicsim"
	"fluxgate.dev/fluxgate/internal/app"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/dispatch/weights"
	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/internal/simquota"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

const (
	askers    = 32 // clients, each of which asks for one thing after another
	perMinute = time.Minute
)

// A regime is how one provider limits its organisations, and how they are asked.
type regime struct {
	name     string
	provider string // its name: whose headers it has
	limits   []simquota.Limit
	counting openaisim.Counting
	dialect  openaisim.Dialect
	env      []string
	latency  time.Duration // default: 2 s
	input    int64         // tokens of a request at most
	output   int64
	most     int64 // that it allows for; 0: as many as it wants
	// bound is the limit that is short; it is used to this part at least. Default: 0.95.
	bound simquota.Limit
	least float64
	// exact says that all clients wait to the millisecond, as the SDKs of OpenAI, Anthropic and Groq do (they
	// read Retry-After-Ms first: .github/compatibility.md says which, and in which file), not every other one.
	exact bool
	// whole says that all wait whole seconds, as whoever reads Retry-After alone, and possible which part of the
	// bound such clients can use at most, of which least is a part. Default: all of it.
	whole    bool
	possible float64
	// organisations is how many there are. Default: 4.
	organisations int
	few           int           // how many there are in ten minutes, of what takes long. Default: as many
	late          time.Duration // by up to which requests arrive later than they were sent. Default: not at all
	models        int           // how many there are, of which each request names any. Default: 1
	// guessed says that it is outputs that are short, of which nobody knows before they are there.
	guessed bool
}

var regimes = []regime{
	{
		name: "requests a minute, refilled", provider: "openai", limits: []simquota.Limit{simquota.PerMinute(simquota.Requests, 12)},
		input: 50, output: 50, bound: simquota.PerMinute(simquota.Requests, 12),
	},
	{
		name: "requests within any minute", provider: "openai", limits: []simquota.Limit{sliding(simquota.Requests, 12, perMinute)},
		input: 50, output: 50, bound: simquota.PerMinute(simquota.Requests, 12),
	},
	{
		name: "tokens a minute, at once", provider: "openai", limits: []simquota.Limit{simquota.PerMinute(simquota.Requests, 500), simquota.PerMinute(simquota.Tokens, 12_000)},
		input: 400, output: 300, most: 1000, bound: simquota.PerMinute(simquota.Tokens, 12_000),
	},
	{
		name: "input tokens a minute", provider: "anthropic", limits: []simquota.Limit{
			simquota.PerMinute(simquota.Requests, 500), simquota.PerMinute(simquota.InputTokens, 12_000), simquota.PerMinute(simquota.OutputTokens, 400_000)},
		input: 1000, output: 100, most: 4096, bound: simquota.PerMinute(simquota.InputTokens, 12_000),
	},
	{
		name: "output tokens a minute", provider: "anthropic", limits: []simquota.Limit{
			simquota.PerMinute(simquota.Requests, 500), simquota.PerMinute(simquota.InputTokens, 2_000_000), simquota.PerMinute(simquota.OutputTokens, 8000)},
		input: 50, output: 1200, most: 8192, bound: simquota.PerMinute(simquota.OutputTokens, 8000), guessed: true,
	},
	{
		name: "output tokens a minute, of long answers", provider: "anthropic", latency: 15 * time.Second, limits: []simquota.Limit{
			simquota.PerMinute(simquota.Requests, 500), simquota.PerMinute(simquota.InputTokens, 2_000_000), simquota.PerMinute(simquota.OutputTokens, 8000)},
		input: 50, output: 1200, most: 8192, bound: simquota.PerMinute(simquota.OutputTokens, 8000), guessed: true,
	},
	{
		name: "tokens a minute, as they may be used", provider: "groq", dialect: openaisim.Groq, counting: openaisim.CountReserved,
		limits: []simquota.Limit{simquota.PerMinute(simquota.Tokens, 12_000), simquota.PerDay(simquota.Requests, 100_000)},
		env:    []string{`FLUXGATE_LIMITS={"groq/m":{"rpm":100}}`},
		input:  400, output: 800, most: 4096, bound: simquota.PerMinute(simquota.Tokens, 12_000),
	},
	{
		name: "tokens a minute, as they are used, of requests that say how many they may", provider: "groq", dialect: openaisim.Groq, counting: openaisim.CountUsed,
		limits: []simquota.Limit{simquota.PerMinute(simquota.Tokens, 12_000), simquota.PerDay(simquota.Requests, 100_000)},
		env:    []string{`FLUXGATE_LIMITS={"groq/m":{"rpm":100}}`},
		// Should Groq count so, what they may put out and don't is free only once they are answered.
		input: 400, output: 800, most: 4096, bound: simquota.PerMinute(simquota.Tokens, 12_000), least: 0.85,
	},
	{
		name: "tokens a minute, as they are used, of requests that don't say how many they may", provider: "groq", dialect: openaisim.Groq, counting: openaisim.CountUsed,
		limits: []simquota.Limit{simquota.PerMinute(simquota.Tokens, 12_000), simquota.PerDay(simquota.Requests, 100_000)},
		env:    []string{`FLUXGATE_LIMITS={"groq/m":{"rpm":100}}`},
		input:  400, output: 800, bound: simquota.PerMinute(simquota.Tokens, 12_000), guessed: true,
	},
	{
		name: "tokens within any minute, as they are used, of requests that don't say how many they may", provider: "groq", dialect: openaisim.Groq, counting: openaisim.CountUsed,
		limits: []simquota.Limit{sliding(simquota.Tokens, 12_000, perMinute), simquota.PerDay(simquota.Requests, 100_000)},
		env:    []string{`FLUXGATE_LIMITS={"groq/m":{"rpm":100}}`},
		// What may be put out, and isn't, stays free until more than that has left the window.
		input: 400, output: 800, bound: simquota.PerMinute(simquota.Tokens, 12_000), guessed: true, least: 0.9,
	},
	{
		name: "requests within any ten seconds", provider: "azure", dialect: openaisim.Azure, counting: openaisim.CountSum,
		limits: []simquota.Limit{sliding(simquota.Requests, 3, 10*time.Second), simquota.PerMinute(simquota.Tokens, 1_000_000)},
		// A request counts for ten seconds and the skew of half a second: there is 95.2% to be had.
		input: 50, output: 50, bound: simquota.Per(simquota.Requests, 3, 10*time.Second), exact: true,
	},
	{
		name: "requests within any ten seconds, for clients of whole seconds too", provider: "azure", dialect: openaisim.Azure, counting: openaisim.CountSum,
		limits: []simquota.Limit{sliding(simquota.Requests, 3, 10*time.Second), simquota.PerMinute(simquota.Tokens, 1_000_000)},
		// Who reads whole seconds comes half a second late on average for what is free to the millisecond.
		input: 50, output: 50, bound: simquota.Per(simquota.Requests, 3, 10*time.Second), least: 0.93,
	},
	{
		name: "requests within any ten seconds, for clients of whole seconds alone", provider: "azure", dialect: openaisim.Azure, counting: openaisim.CountSum,
		limits: []simquota.Limit{sliding(simquota.Requests, 3, 10*time.Second), simquota.PerMinute(simquota.Tokens, 1_000_000)},
		// All that they ask for is a whole number of seconds apart, and so is what takes the place of something: 11 s.
		input: 50, output: 50, bound: simquota.Per(simquota.Requests, 3, 10*time.Second), whole: true, possible: 10.0 / 11,
	},
	{
		name: "seventy requests within any ten seconds", provider: "azure", dialect: openaisim.Azure, counting: openaisim.CountSum, latency: 500 * time.Millisecond,
		limits: []simquota.Limit{sliding(simquota.Requests, 70, 10*time.Second), simquota.PerMinute(simquota.Tokens, 10_000_000)},
		// More than are kept one by one: the ends of the others are rounded up.
		input: 50, output: 50, bound: simquota.Per(simquota.Requests, 70, 10*time.Second), exact: true, few: 1,
	},
	{
		name: "requests within any second", provider: "azure", dialect: openaisim.Azure, counting: openaisim.CountSum,
		limits: []simquota.Limit{sliding(simquota.Requests, 1, time.Second), simquota.PerMinute(simquota.Tokens, 1_000_000)},
		// A request counts for a second and the skew: there are two thirds to be had.
		input: 50, output: 50, bound: simquota.Per(simquota.Requests, 1, time.Second), exact: true, possible: 1 / 1.5,
	},
	{
		name: "requests within any second, for clients of whole seconds alone", provider: "azure", dialect: openaisim.Azure, counting: openaisim.CountSum,
		limits: []simquota.Limit{sliding(simquota.Requests, 1, time.Second), simquota.PerMinute(simquota.Tokens, 1_000_000)},
		// Every other second, as above: half. Bookings for those that may be late begin 7.5 s apart, so that of
		// fifteen seconds one is lost.
		input: 50, output: 50, bound: simquota.Per(simquota.Requests, 1, time.Second), whole: true, possible: 0.5, least: 0.93,
	},
	{
		name: "requests within any second, which arrive half a second late at most", provider: "azure", dialect: openaisim.Azure, counting: openaisim.CountSum,
		limits: []simquota.Limit{sliding(simquota.Requests, 1, time.Second), simquota.PerMinute(simquota.Tokens, 1_000_000)}, late: 500 * time.Millisecond,
		// Whoever doesn't know when a request arrives has two thirds, if that is all that he knows.
		input: 50, output: 50, bound: simquota.Per(simquota.Requests, 1, time.Second), exact: true, possible: 1 / 1.5,
	},
	{
		name: "requests within any second, which are known to arrive soon", provider: "azure", dialect: openaisim.Azure, counting: openaisim.CountSum,
		limits: []simquota.Limit{sliding(simquota.Requests, 1, time.Second), simquota.PerMinute(simquota.Tokens, 1_000_000)}, late: 50 * time.Millisecond,
		env:   []string{soon(`{"of":"requests","most":1,"per":"1s","late":"50ms"}`)},
		input: 50, output: 50, bound: simquota.Per(simquota.Requests, 1, time.Second), exact: true,
	},
	{
		name: "ten requests within any second, which are known to arrive soon", provider: "azure", dialect: openaisim.Azure, counting: openaisim.CountSum,
		limits: []simquota.Limit{sliding(simquota.Requests, 10, time.Second), simquota.PerMinute(simquota.Tokens, 10_000_000)}, late: 50 * time.Millisecond,
		latency: 500 * time.Millisecond, few: 1,
		env:   []string{soon(`{"of":"requests","most":10,"per":"1s","late":"50ms"}`)},
		input: 50, output: 50, bound: simquota.Per(simquota.Requests, 10, time.Second), exact: true,
	},
	{
		name: "requests within any ten seconds, which are known to arrive soon", provider: "azure", dialect: openaisim.Azure, counting: openaisim.CountSum,
		limits: []simquota.Limit{sliding(simquota.Requests, 3, 10*time.Second), simquota.PerMinute(simquota.Tokens, 1_000_000)}, late: 50 * time.Millisecond,
		env:   []string{soon(`{"of":"requests","most":3,"per":"10s","late":"50ms"}`)},
		input: 50, output: 50, bound: simquota.Per(simquota.Requests, 3, 10*time.Second), exact: true, least: 0.98,
	},
	{
		name: "requests a minute, refilled, three at once", provider: "azure", dialect: openaisim.Plain, counting: openaisim.CountSum,
		limits: []simquota.Limit{{Dimension: simquota.Requests, Amount: 15, Per: time.Minute, Burst: 3}},
		env: []string{`FLUXGATE_LIMITS={"azure/m":{"rpm":15,"tpm":-1}}`,
			`FLUXGATE_PROVIDERS=[{"name":"azure","base_url":"https://provider.test/v1","models":["m"],"limits":[{"of":"requests","most":15,"per":"1m","burst":3}]}]`},
		input: 50, output: 50, bound: simquota.PerMinute(simquota.Requests, 15),
	},
	{
		name: "requests within any hour", provider: "cerebras", dialect: openaisim.Cerebras, counting: openaisim.CountSum,
		limits: []simquota.Limit{simquota.PerMinute(simquota.Requests, 30), sliding(simquota.Requests, 100, time.Hour), simquota.PerMinute(simquota.Tokens, 1_000_000)},
		input:  50, output: 50, bound: simquota.Per(simquota.Requests, 100, time.Hour),
	},
	{
		name: "requests a day, refilled", provider: "groq", dialect: openaisim.Groq, counting: openaisim.CountUsed,
		limits: []simquota.Limit{simquota.PerMinute(simquota.Requests, 60), simquota.PerDay(simquota.Requests, 100), simquota.PerMinute(simquota.Tokens, 1_000_000)},
		env:    []string{`FLUXGATE_LIMITS={"groq/m":{"rpm":60}}`},
		input:  50, output: 50, bound: simquota.Per(simquota.Requests, 100, time.Hour), // it is full in the beginning
	},
	{
		name: "requests a day, until midnight", provider: "cerebras", dialect: openaisim.Cerebras, counting: openaisim.CountSum,
		limits: []simquota.Limit{simquota.PerMinute(simquota.Requests, 60), {Dimension: simquota.Requests, Amount: 100, Per: 24 * time.Hour, Kind: simquota.Calendar}, simquota.PerMinute(simquota.Tokens, 1_000_000)},
		input:  50, output: 50, bound: simquota.Per(simquota.Requests, 100, time.Hour),
	},
	{
		name: "requests at a time", provider: "azure", dialect: openaisim.Plain, counting: openaisim.CountSum, latency: 30 * time.Second,
		limits: []simquota.Limit{{Dimension: simquota.Requests, Amount: 3, Kind: simquota.AtOnce}},
		env: []string{`FLUXGATE_LIMITS={"azure/m":{"rpm":-1,"tpm":-1}}`,
			`FLUXGATE_PROVIDERS=[{"name":"azure","base_url":"https://provider.test/v1","models":["m"],"limits":[{"of":"at_a_time","most":3}]}]`},
		input: 50, output: 50, bound: simquota.PerMinute(simquota.Requests, 6), guessed: true,
	},
}

// soon is the provider of Azure's limits with one that is named.
func soon(limit string) string {
	return `FLUXGATE_PROVIDERS=[{"name":"azure","base_url":"https://provider.test/v1","models":["m"],"limits":[` + limit + `]}]`
}

func sliding(d simquota.Dimension, amount int64, per time.Duration) simquota.Limit {
	return simquota.Limit{Dimension: d, Amount: amount, Per: per, Kind: simquota.Sliding}
}

var wholeHour = flag.Bool("hour", false, "have crowds ask other providers for an hour of virtual time, not ten minutes")

// TestLimitsOfProviders has a crowd ask for more than there is, for ten minutes, or an hour, under each
// kind of limit that other providers have. Of a limit nothing is known but what their headers say, unless
// the environment says it. The provider refuses nothing that could be foreseen, the limit that is
// short is used, and who comes back for a kept slot is served.
func TestLimitsOfProviders(t *testing.T) {
	d := 10 * time.Minute
	if *wholeHour {
		d = time.Hour
	}
	for _, r := range regimes {
		if !*wholeHour {
			r.organisations = cmp.Or(r.few, r.organisations)
		}
		if (race.Enabled || testing.Short()) && r.name != regimes[0].name && !r.guessed {
			continue // what differs between these is arithmetic
		}
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { newForeign(t, r).run(d) })
		})
	}
}

// TestMoreLimitsThanCalendars has a crowd ask for one or several models of one organisation, each of which has so many requests within any
// hour, or on a day too: as many limits as a project keeps calendars for beside those of models, or more. Nothing is refused by the
// provider, whatever is used of them, and the events say which have no calendar. Where each has one, every slot that is kept is
// free in time; one that gets its place again counts what may have been sent meanwhile, of which who was promised a slot didn't know.
func TestMoreLimitsThanCalendars(t *testing.T) {
	race.Skip(t)
	hour := sliding(simquota.Requests, 90, time.Hour)
	minute := []simquota.Limit{simquota.PerMinute(simquota.Requests, 30), simquota.PerMinute(simquota.Tokens, 1_000_000)}
	for name, c := range map[string]struct {
		models int
		limits []simquota.Limit
		least  float64
	}{
		"of an hour, of one":   {1, append(minute, hour), 0.95},
		"of an hour, of eight": {8, append(minute, hour), 0.95},
		"of an hour":           {9, append(minute, hour), 0.6},
		"of an hour and a day": {7, append(minute, hour, simquota.Limit{Dimension: simquota.Requests, Amount: 1000, Per: 24 * time.Hour, Kind: simquota.Calendar}), 0.6},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newForeign(t, regime{
					provider: "cerebras", dialect: openaisim.Cerebras, counting: openaisim.CountSum, limits: c.limits, input: 50, output: 50, bound: hour, exact: true,
					organisations: 1, models: c.models, least: c.least,
				})
				f.begin = time.Now()
				var all sync.WaitGroup
				f.unleash(&all, f.begin.Add(90*time.Minute))
				all.Wait()
				total, used := f.ledger.Total(), int64(0)
				for i := range f.models {
					used += f.ledger.Used(org(0), modelOf(i))[simquota.Requests]
				}
				part := float64(used) / float64(f.models) / float64(hour.Amount) / 1.5
				t.Logf("%d answered, %d refused; %.1f%% of the bound; %d slots kept, %d of them not free in time", total.Accepted, total.Refused, 100*part, f.kept.Load(), f.again.Load())
				assert.Empty(t, f.strays)
				assert.Zero(t, total.Refused)
				crowded := c.models*(len(c.limits)-len(minute)) > scheduler.MaxOthers
				assert.True(t, crowded || f.again.Load() == 0)
				assert.Greater(t, part, c.least)
				w := httptest.NewRecorder()
				f.app.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/status", nil))
				assert.Equal(t, crowded, strings.Contains(w.Body.String(), "has no calendar"))
			})
		})
	}
}

// A foreign is the whole of Fluxgate over one simulated provider.
type foreign struct {
	regime
	world  uint64 // others of one regime ask for something else
	t      *testing.T
	app    *app.App
	ledger *simquota.Ledger
	log    func() []openaisim.Request

	again atomic.Int64 // who came back for a kept slot and had to wait again
	kept  atomic.Int64
	waits atomic.Int64
	worst atomic.Int64 // times that one request had to wait

	begin   time.Time
	unknown atomic.Int64 // refusals before the first answer
	mu      sync.Mutex
	strays  []string
}

func newForeign(t *testing.T, r regime) *foreign {
	f := &foreign{regime: r, t: t}
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
		trip = &delayed{next: trip, most: r.late, rnd: rand.New(rand.NewPCG(3, f.world))}
	}
	cfg, err := config.Load(t.Context(), env)
	require.NoError(t, err)
	f.app, err = app.Start(t.Context(), cfg, app.Options{Store: storage.NewMemory(time.Now), Logger: slog.New(slog.DiscardHandler), Transport: trip})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, f.app.Close(context.Background())) })
	return f
}

// A delayed sends what was written on its way for a while, of which nobody here knows how long it is.
type delayed struct {
	next http.RoundTripper
	most time.Duration
	mu   sync.Mutex
	rnd  *rand.Rand
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
	way := []int64{0, most, d.rnd.Int64N(most + 1)}[d.rnd.IntN(3)]
	d.mu.Unlock()
	time.Sleep(time.Duration(way) * time.Millisecond)
	return d.next.RoundTrip(r)
}

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
