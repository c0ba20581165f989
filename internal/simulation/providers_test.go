package simulation

import (
	"cmp"
	"flag"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/internal/simquota"
	"fluxgate.dev/fluxgate/scheduler"
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
	near          bool          // that is seen on connections
	models        int           // how many there are, of which each request names any. Default: 1
	// knowable says that possible is what a schedule uses that knows all that can be known ([knowing]), and has it printed where the
	// tokens went.
	knowable bool
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
		// What may be put out, and isn't, stays free until more than that has left the window: who knows all that can be known uses 94.6%.
		input: 400, output: 800, bound: simquota.PerMinute(simquota.Tokens, 12_000), guessed: true, least: 0.96, knowable: true,
	},
	{
		// Groq's headers tell nothing of these, but its refusals do.
		name: "output tokens a minute, of which refusals alone tell", provider: "groq", dialect: openaisim.Groq, counting: openaisim.CountReserved,
		limits: []simquota.Limit{simquota.PerMinute(simquota.Tokens, 80_000), simquota.PerMinute(simquota.OutputTokens, 4000), simquota.PerDay(simquota.Requests, 100_000)},
		env:    []string{`FLUXGATE_LIMITS={"groq/m":{"rpm":100}}`},
		input:  50, output: 800, most: 800, bound: simquota.PerMinute(simquota.OutputTokens, 4000),
	},
	{
		name: "input tokens a minute, of which refusals alone tell", provider: "groq", dialect: openaisim.Groq, counting: openaisim.CountReserved,
		limits: []simquota.Limit{simquota.PerMinute(simquota.Tokens, 80_000), simquota.PerMinute(simquota.InputTokens, 7000), simquota.PerMinute(simquota.OutputTokens, 40_000), simquota.PerDay(simquota.Requests, 100_000)},
		env:    []string{`FLUXGATE_LIMITS={"groq/m":{"rpm":100}}`},
		input:  800, output: 100, most: 400, bound: simquota.PerMinute(simquota.InputTokens, 7000),
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
		// Half of what is sent is of clients that come at whole seconds, and nobody knows of which. What they take is free again at half a
		// second, 10.5 s later. Who takes that to the millisecond leaves it at a whole second; who doesn't comes half a second late.
		// So two of three are free at half a second, half of these are taken half a second late: one in 10.5 + .5/3 s.
		input: 50, output: 50, bound: simquota.Per(simquota.Requests, 3, 10*time.Second), possible: 10 / (10.5 + .5/3), least: 0.992,
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
		// Every other second, as above: half. Bookings for those that may be late begin twelve seconds apart, which is a whole number of
		// two and of one and a half.
		input: 50, output: 50, bound: simquota.Per(simquota.Requests, 1, time.Second), whole: true, possible: 0.5, least: 0.99,
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
		name: "requests within any second, which are seen to arrive soon", provider: "azure", dialect: openaisim.Azure, counting: openaisim.CountSum,
		limits: []simquota.Limit{sliding(simquota.Requests, 1, time.Second), simquota.PerMinute(simquota.Tokens, 1_000_000)}, late: dial, near: true,
		input: 50, output: 50, bound: simquota.Per(simquota.Requests, 1, time.Second), exact: true,
	},
	{
		name: "requests within any second, which are seen to arrive soon, for clients of whole seconds alone", provider: "azure", dialect: openaisim.Azure, counting: openaisim.CountSum,
		limits: []simquota.Limit{sliding(simquota.Requests, 1, time.Second), simquota.PerMinute(simquota.Tokens, 1_000_000)}, late: dial, near: true,
		// Who asks at a whole second, and comes back after a whole number of them, comes two after another: half. Here answers come at
		// any millisecond, and with them who asks next, so that another's second may fit better: by how much is chance (52 to 65% in
		// sixty runs).
		input: 50, output: 50, bound: simquota.Per(simquota.Requests, 1, time.Second), whole: true, possible: 0.5,
	},
	{
		name: "ten requests within any second, which are seen to arrive soon", provider: "azure", dialect: openaisim.Azure, counting: openaisim.CountSum,
		limits: []simquota.Limit{sliding(simquota.Requests, 10, time.Second), simquota.PerMinute(simquota.Tokens, 10_000_000)}, late: dial, near: true,
		latency: 500 * time.Millisecond, few: 1,
		input: 50, output: 50, bound: simquota.Per(simquota.Requests, 10, time.Second), exact: true,
	},
	{
		name: "requests within any ten seconds, which are seen to arrive soon", provider: "azure", dialect: openaisim.Azure, counting: openaisim.CountSum,
		limits: []simquota.Limit{sliding(simquota.Requests, 3, 10*time.Second), simquota.PerMinute(simquota.Tokens, 1_000_000)}, late: dial, near: true,
		input: 50, output: 50, bound: simquota.Per(simquota.Requests, 3, 10*time.Second), exact: true, least: 0.98,
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
	var seen []string
	for _, r := range regimes {
		if !*wholeHour {
			r.organisations = cmp.Or(r.few, r.organisations)
		}
		if (race.Enabled || testing.Short()) && r.name != regimes[0].name && !r.guessed {
			continue // what differs between these is arithmetic
		}
		if (race.Enabled || testing.Short()) && slices.Contains(seen, r.provider) {
			continue // and between those of one provider
		}
		if race.Enabled && r.provider == "groq" {
			continue // it is asked as OpenAI is, and what answers take is learned as of Anthropic's
		}
		seen = append(seen, r.provider)
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
		if testing.Short() && c.models <= scheduler.MaxOthers {
			continue // one limit more than there are calendars shows what there is
		}
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

// TestNamedTooSoon has a crowd ask under a limit of a second of which it is named that requests arrive within 50 ms, though they may be half a
// second late. One refusal shows it, of each organisation: from then on the half second counts, which the events tell.
func TestNamedTooSoon(t *testing.T) {
	race.Skip(t) // TestArrivalsThatJump has what arrives late seen by as many goroutines
	if testing.Short() {
		t.Skip("TestArrivalsThatJump has what arrives late, too")
	}
	synctest.Test(t, func(t *testing.T) {
		bound := simquota.Per(simquota.Requests, 1, time.Second)
		f := newForeign(t, regime{
			provider: "azure", dialect: openaisim.Azure, counting: openaisim.CountSum, late: 500 * time.Millisecond, organisations: 2,
			limits: []simquota.Limit{sliding(simquota.Requests, 1, time.Second), simquota.PerMinute(simquota.Tokens, 1_000_000)},
			env:    []string{soon(`{"of":"requests","most":1,"per":"1s","late":"50ms"}`)},
			input:  50, output: 50, bound: bound, exact: true,
		})
		f.begin = time.Now()
		const d = 20 * time.Minute
		var all sync.WaitGroup
		f.unleash(&all, f.begin.Add(d))
		all.Wait()
		assert.Empty(t, f.strays)
		total := f.ledger.Total()
		part := float64(total.Accepted) / 2 / d.Seconds()
		t.Logf("%d answered, %d refused; %.1f%% of the bound", total.Accepted, total.Refused, 100*part)
		assert.Positive(t, total.Refused)
		assert.LessOrEqual(t, total.Refused, 2)
		assert.Greater(t, part, 0.6, "two thirds, less what the refusal itself said to wait")
		w := httptest.NewRecorder()
		f.app.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/status", nil))
		assert.Equal(t, 2, strings.Count(w.Body.String(), "arrive later than the 50ms that are named: for a day they count for longer"))
	})
}
