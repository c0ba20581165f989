package effective_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/effective"
	"fluxgate.dev/fluxgate/internal/quotas"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

const (
	pro   = "gemini-2.5-pro"
	flash = "gemini-2.5-flash"
)

func load(t *testing.T, env ...string) *config.Config {
	t.Helper()
	cfg, err := config.Load(t.Context(), env)
	require.NoError(t, err)
	return cfg
}

// Each origin of the chain beats those before it.
func TestChain(t *testing.T) {
	plain, set := load(t), load(t, "FLUXGATE_CHAIN="+flash)
	discovered := storage.Control{Discovered: []string{"gemini-9-pro"}}
	atRunTime := storage.Control{Discovered: []string{"gemini-9-pro"}, Chain: []string{pro}}
	for _, c := range []struct {
		cfg     *config.Config
		control storage.Control
		first   string
		from    string
	}{
		{plain, storage.Control{}, pro, effective.ChainDefault},
		{plain, discovered, "gemini-9-pro", effective.ChainDiscovered},
		{set, discovered, flash, effective.ChainOperator},
		{set, atRunTime, pro, effective.ChainRunTime},
	} {
		chain, from := effective.Chain(c.cfg, c.control)
		assert.Equal(t, c.first, chain[0])
		assert.Equal(t, c.from, from)
		assert.Equal(t, chain, effective.Rules(c.cfg, c.control, nil).Policy.Chain(scheduler.Both))
	}
}

// A chain across providers is one where it has models of others; its part of Gemini is the chain
// of everything else.
func TestChainAcross(t *testing.T) {
	const groq, claude = "groq/llama-4", "anthropic/claude-sonnet-5"
	providers := `FLUXGATE_PROVIDERS=[{"name":"groq","base_url":"https://api.groq.com/openai/v1"}]`
	set, alone := load(t, providers, "FLUXGATE_CHAIN="+groq+",gemini/"+flash+","+claude), load(t, "FLUXGATE_CHAIN="+claude)
	for name, c := range map[string]struct {
		cfg     *config.Config
		control storage.Control
		across  []string
		from    string
		first   string // of Gemini's part
	}{
		"Gemini's alone":                              {load(t), storage.Control{Chain: []string{pro}}, nil, "", pro},
		"configured":                                  {set, storage.Control{}, []string{groq, flash, claude}, effective.ChainOperator, flash},
		"nothing of Gemini's":                         {alone, storage.Control{}, []string{claude}, effective.ChainOperator, pro},
		"set at run time":                             {set, storage.Control{Chain: []string{pro}, Across: []string{pro, claude}}, []string{pro, claude}, effective.ChainRunTime, pro},
		"nothing of Gemini's at run time":             {set, storage.Control{Across: []string{claude}}, []string{claude}, effective.ChainRunTime, flash},
		"Gemini's alone at run time":                  {set, storage.Control{Chain: []string{pro}}, nil, "", pro},
		"a build from before has set another since":   {set, storage.Control{Chain: []string{pro}, Across: []string{flash, claude}}, nil, "", pro},
		"a build from before has taken it back since": {set, storage.Control{Across: []string{pro, claude}}, []string{groq, flash, claude}, effective.ChainOperator, flash},
	} {
		across, from := effective.Across(c.cfg, c.control)
		assert.Equal(t, c.across, across, name)
		assert.Equal(t, c.from, from, name)
		chain, _ := effective.Chain(c.cfg, c.control)
		assert.Equal(t, c.first, chain[0], name)
		assert.Equal(t, chain, effective.Rules(c.cfg, c.control, nil).Policy.Chain(scheduler.Both), name)
	}
}

// Families in a chain are their models that Gemini lists, or that are built in.
func TestModelsOfFamilies(t *testing.T) {
	listed := storage.Control{Discovered: []string{"gemini-9-pro", "gemini-9-flash", "gemma-9", "gemini-8-flash", "gemini-9-flash-lite"}}
	for _, c := range []struct {
		names   []string
		control storage.Control
		want    []string
	}{
		{[]string{"flash", "pro"}, listed, []string{"gemini-9-flash", "gemini-8-flash", "gemini-9-pro"}},
		{[]string{"gemini-8-flash", "flash", "flash-lite", "gemma"}, listed, []string{"gemini-8-flash", "gemini-9-flash", "gemini-9-flash-lite", "gemma-9"}},
		{[]string{"pro"}, storage.Control{}, []string{pro, "gemini-3.1-pro-preview"}},
		{[]string{"mine"}, listed, []string{"mine"}},
		{nil, listed, nil},
	} {
		assert.Equal(t, c.want, effective.Models(c.names, c.control), c.names)
	}
	chain, from := effective.Chain(load(t, "FLUXGATE_CHAIN=flash_lite"), listed)
	assert.Equal(t, []string{"gemini-9-flash-lite"}, chain)
	assert.Equal(t, effective.ChainOperator, from)
	chain, from = effective.Chain(load(t, "FLUXGATE_CHAIN=gemma"), storage.Control{})
	assert.Equal(t, scheduler.DefaultChain(), chain, "no such model is known: better another than none")
	assert.Equal(t, effective.ChainDefault, from)
}

// Each source of a limit beats those before it, number by number.
func TestRules(t *testing.T) {
	n := func(i int64) *int64 { return &i }
	cfg := load(t, `FLUXGATE_LIMITS={"pro":{"tpm":2000,"rpd":20}}`, "FLUXGATE_SKEW=1s", "FLUXGATE_HOLD=7s")
	rules := effective.Rules(cfg, storage.Control{
		Reported: map[string]storage.Limits{pro: {RPM: n(1), TPM: n(1000), RPD: n(10)}},
		Limits:   map[string]storage.Limits{pro: {RPD: n(30)}},
		Windows:  map[string]int64{pro: 12_345},
	}, nil)
	assert.Equal(t, scheduler.EffectiveLimits{
		Limits:  scheduler.Limits{RPM: 1, TPM: 2000, RPD: 30},
		RPMFrom: scheduler.FromReported, TPMFrom: scheduler.FromOperator, RPDFrom: scheduler.FromRunTime,
	}, rules.Policy.EffectiveLimits(pro))
	assert.Equal(t, scheduler.DefaultLimits(scheduler.Flash), rules.Policy.Limits(flash))
	assert.EqualValues(t, 12_345, rules.Policy.Window(pro))
	assert.Equal(t, cfg.Skew, rules.Skew)
	assert.Equal(t, cfg.Hold, rules.Hold)
}

// TestSessions: of every model a project has as many sessions at a time as are built in, which
// is a start, or as somebody has named.
func TestSessions(t *testing.T) {
	of := scheduler.OfFeature("gemini-3.8-live", "live")
	spec := effective.Rules(load(t), storage.Control{}, nil).Spec(of)
	assert.Equal(t, scheduler.Limits{RPM: 3, TPM: scheduler.Unlimited, RPD: scheduler.Unlimited}, spec.Limits)
	assert.True(t, spec.AtATime)
	assert.True(t, spec.Start && spec.RPMFrom.Start())
	assert.False(t, effective.Rules(load(t), storage.Control{}, nil).Spec(scheduler.OfFeature("", "live")).AtATime, "it is each model's")

	set := load(t, `FLUXGATE_LIMITS={"live":{"rpm":50,"rpd":1000}}`)
	spec = effective.Rules(set, storage.Control{}, nil).Spec(of)
	assert.Equal(t, scheduler.Limits{RPM: 50, TPM: scheduler.Unlimited, RPD: 1000}, spec.Limits)
	assert.False(t, spec.RPMFrom.Start())
	most := int64(7)
	spec = effective.Rules(set, storage.Control{Limits: map[string]storage.Limits{"live": {RPM: &most}}}, nil).Spec(of)
	assert.EqualValues(t, 7, spec.RPM)
	assert.Equal(t, scheduler.FromRunTime, spec.RPMFrom)
}

// Projects have the limits of their tiers, and those that were named for them alone before
// those that were named for all, whoever named them.
func TestRulesOfProjects(t *testing.T) {
	n := func(i int64) *int64 { return &i }
	cfg := load(t, `FLUXGATE_LIMITS={"flash":{"rpd":7},"projects":{"paid":{"pro":{"rpm":100},"gemini-2.5-flash":{"rpd":70}},"key-0a1b2c3d4e5f":{"flash":{"rpm":1}}}}`, "FLUXGATE_PREFER=paid")
	rules := effective.Rules(cfg, storage.Control{
		Reported: map[string]storage.Limits{pro: {RPM: n(2)}},
		Limits:   map[string]storage.Limits{"flash": {RPD: n(8)}, "paid/" + pro: {TPM: n(900)}, "other/" + pro: {TPM: n(5)}},
	}, map[string]string{"free": "free", "free-2": "free", "paid": "1", "large": "3"})
	type from = scheduler.Source
	for _, c := range []struct {
		project, model string
		limits         scheduler.Limits
		sources        [3]from
	}{
		{"unknown", pro, scheduler.Limits{RPM: 2, TPM: 250_000, RPD: 100}, [3]from{"reported", "default", "default"}},
		{"free", pro, scheduler.Limits{RPM: 2, TPM: 250_000, RPD: 100}, [3]from{"reported", "tier", "tier"}},
		{"free", flash, scheduler.Limits{RPM: 10, TPM: 250_000, RPD: 8}, [3]from{"tier", "tier", "run_time"}},
		// What Gemini answers is of the free tier.
		{"large", pro, scheduler.Limits{RPM: 2000, TPM: 8_000_000, RPD: scheduler.Unlimited}, [3]from{"tier", "tier", "tier"}},
		{"paid", pro, scheduler.Limits{RPM: 100, TPM: 900, RPD: 10_000}, [3]from{"operator", "run_time", "tier"}},
		{"paid", flash, scheduler.Limits{RPM: 1000, TPM: 1_000_000, RPD: 70}, [3]from{"tier", "tier", "operator"}},
		{"other", pro, scheduler.Limits{RPM: 2, TPM: 5, RPD: 100}, [3]from{"reported", "run_time", "default"}},
		{"key-0a1b2c3d4e5f", flash, scheduler.Limits{RPM: 1, TPM: 250_000, RPD: 8}, [3]from{"operator", "default", "run_time"}},
	} {
		l := rules.Of(c.project).EffectiveLimits(c.model)
		assert.Equal(t, c.limits, l.Limits, "%s on %s", c.model, c.project)
		assert.Equal(t, c.sources, [3]from{l.RPMFrom, l.TPMFrom, l.RPDFrom}, "%s on %s", c.model, c.project)
	}
	assert.Same(t, rules.Of("free"), rules.Of("free-2"), "a thousand projects of a tier share what holds for it")
	assert.Equal(t, rules.Policy.Chain(scheduler.Both), rules.Of("paid").Policy.Chain(scheduler.Both))
	assert.EqualValues(t, 50, rules.Of("paid").Spec(scheduler.OfFeature("gemini-3.8-live", "live")).RPM)
	assert.True(t, rules.Prefers("paid") && rules.Prefers("large"))
	assert.False(t, rules.Prefers("free") || rules.Prefers("unknown"))
}

// TestQuotas: limits that are named of another provider are on the calendars that count them, for
// one of its models or for each; what an operator has named is told from what a name says.
func TestQuotas(t *testing.T) {
	cfg := load(t, `FLUXGATE_PROVIDERS=[{"name":"azure","base_url":"https://azure.example/v1","limits":[
		{"of":"requests","most":50,"per":"10s"},{"of":"tokens","most":9000,"per":"10s"},{"of":"tokens","most":8000,"per":"10s"},
		{"of":"requests","most":60,"burst":2,"model":"m"},{"of":"at_a_time","most":4},
		{"of":"requests","most":1000,"per":"day","zone":"America/Los_Angeles","model":"m"},{"of":"output_tokens","most":700},{"of":"input_tokens","most":900,"burst":900}]}]`)
	rules := effective.Rules(cfg, storage.Control{}, nil)
	none := scheduler.Unlimited
	for name, want := range map[string]scheduler.Limits{
		scheduler.OfWindow("azure/m", 10*time.Second):     {RPM: 50, TPM: 8000, RPD: none},
		scheduler.OfWindow("azure/other", 10*time.Second): {RPM: 50, TPM: 8000, RPD: none},
		scheduler.OfBucket("azure/m", time.Minute):        {RPM: 60, TPM: none, RPD: none},
		scheduler.OfPlaces("azure/other"):                 {RPM: 4, TPM: none, RPD: none},
		scheduler.OfDay("azure/m"):                        {RPM: none, TPM: none, RPD: 1000},
		scheduler.OfOutputs("azure/m"):                    {RPM: none, TPM: 700, RPD: none},
		scheduler.OfInputs("azure/m"):                     {RPM: none, TPM: 900, RPD: none},
	} {
		assert.Equal(t, want, rules.Spec(name).Limits, name)
		assert.True(t, rules.Limited(name), name)
	}
	for _, name := range []string{scheduler.OfWindow("azure/m", time.Hour), scheduler.OfBucket("azure/other", time.Minute), scheduler.OfDay("azure/other"), scheduler.OfWindow("groq/m", 10*time.Second)} {
		assert.False(t, rules.Limited(name), name)
		assert.Equal(t, scheduler.Limits{RPM: none, TPM: none, RPD: none}, rules.Spec(name).Limits, name)
	}
	bucket := rules.Spec(scheduler.OfBucket("azure/m", time.Minute))
	assert.True(t, bucket.Refill)
	assert.EqualValues(t, 2, bucket.Burst.Requests)
	assert.Equal(t, "America/Los_Angeles", rules.Spec(scheduler.OfDay("azure/m")).Zone.String())
	assert.False(t, rules.Spec(scheduler.OfOutputs("azure/m")).Refill, "it has no burst: within any minute")
	assert.Equal(t, quotas.Windows, scheduler.WindowPeriods())
	assert.Equal(t, quotas.Buckets, scheduler.BucketPeriods())
}

// How late requests may arrive is named with a limit, and holds for what is limited in that period.
func TestQuotasSayHowLate(t *testing.T) {
	cfg := load(t, `FLUXGATE_PROVIDERS=[{"name":"azure","base_url":"https://azure.example/v1","limits":[
		{"of":"requests","most":10,"per":"1s","late":"50ms"},{"of":"tokens","most":9000,"per":"1s"},
		{"of":"requests","most":5,"per":"1s","model":"m"},{"of":"requests","most":5,"per":"10s"}]}]`)
	rules := effective.Rules(cfg, storage.Control{}, nil)
	for name, want := range map[string]time.Duration{
		scheduler.OfWindow("azure/other", time.Second): 50 * time.Millisecond,
		scheduler.OfWindow("azure/m", time.Second):     50 * time.Millisecond,
		scheduler.OfWindow("azure/m", 10*time.Second):  500 * time.Millisecond,
		"azure/m": 500 * time.Millisecond,
	} {
		assert.Equal(t, want, rules.Late(name), name)
	}
}

// Limits of a built-in provider are named as others' are, and those of one project go before those
// of each.
func TestQuotasOfBuiltIn(t *testing.T) {
	cfg := load(t, `FLUXGATE_PROVIDERS=[{"name":"openai","limits":[
		{"of":"requests","most":50,"per":"10s"},{"of":"requests","most":500,"per":"10s","project":"org-a"},
		{"of":"output_tokens","most":700,"model":"gpt-5.5","project":"org-a"}]}]`)
	rules := effective.Rules(cfg, storage.Control{}, nil)
	window, outputs := scheduler.OfWindow("openai/gpt-5.5", 10*time.Second), scheduler.OfOutputs("openai/gpt-5.5")
	assert.EqualValues(t, 50, rules.Of("org-b").Spec(window).RPM)
	assert.EqualValues(t, 500, rules.Of("org-a").Spec(window).RPM)
	assert.EqualValues(t, 700, rules.Of("org-a").Spec(outputs).TPM)
	assert.False(t, rules.Of("org-b").Limited(outputs))
}

// A number that is named of a model, or of a project, goes before the same of each, and takes
// nothing away of what else is limited in that period.
func TestQuotasNumberByNumber(t *testing.T) {
	cfg := load(t, `FLUXGATE_PROVIDERS=[{"name":"openai","limits":[
		{"of":"requests","most":50,"per":"10s"},
		{"of":"tokens","most":9000,"per":"10s","project":"org-a"},
		{"of":"tokens","most":8000,"per":"10s","model":"gpt-5.5"},
		{"of":"requests","most":20,"per":"10s","model":"gpt-5.5","project":"org-a"},
		{"of":"requests","most":60,"burst":3},{"of":"tokens","most":7000,"burst":500,"project":"org-a"}]}]`)
	rules := effective.Rules(cfg, storage.Control{}, nil)
	none := scheduler.Unlimited
	for _, c := range []struct {
		project, model string
		want           scheduler.Limits
	}{
		{"org-b", "openai/o3", scheduler.Limits{RPM: 50, TPM: none, RPD: none}},
		{"org-a", "openai/o3", scheduler.Limits{RPM: 50, TPM: 9000, RPD: none}},
		{"org-b", "openai/gpt-5.5", scheduler.Limits{RPM: 50, TPM: 8000, RPD: none}},
		{"org-a", "openai/gpt-5.5", scheduler.Limits{RPM: 20, TPM: 8000, RPD: none}},
	} {
		assert.Equal(t, c.want, rules.Of(c.project).Spec(scheduler.OfWindow(c.model, 10*time.Second)).Limits, "%s on %s", c.model, c.project)
	}
	bucket := rules.Of("org-a").Spec(scheduler.OfBucket("openai/o3", time.Minute))
	assert.Equal(t, scheduler.Limits{RPM: 60, TPM: 7000, RPD: none}, bucket.Limits)
	assert.Equal(t, scheduler.Burst{Requests: 3, Tokens: 500}, bucket.Burst)
}

// What is named of models that share their limits holds for them together, whichever name it is
// named of; of several the lower. What their fast mode has is named of that alone.
func TestSharedLimits(t *testing.T) {
	n := func(i int64) *int64 { return &i }
	cfg := load(t, `FLUXGATE_LIMITS={"anthropic/claude-opus-4-8":{"rpm":50,"tpm":-1},"anthropic/claude-opus-4-5":{"rpm":40,"tpm":9000},"projects":{"org-a":{"anthropic/claude-sonnet-4-6":{"rpm":7}}}}`,
		`FLUXGATE_PROVIDERS=[{"name":"anthropic","limits":[{"of":"output_tokens","most":900,"model":"claude-opus-4-8"},{"of":"output_tokens","most":800,"model":"claude-opus-4-6"}]},
			{"name":"openai","shared":[["gpt-4o","gpt-4o-2024-*"]]}]`)
	rules := effective.Rules(cfg, storage.Control{Limits: map[string]storage.Limits{"openai/gpt-4o-2024-08-06": {RPM: n(3)}}}, nil)
	none := scheduler.Unlimited
	assert.Equal(t, scheduler.Limits{RPM: 40, TPM: 9000, RPD: none}, rules.Policy.Limits("anthropic/claude-opus-4.x"))
	assert.Equal(t, rules.Policy.Limits("anthropic/claude-opus-5"), rules.Policy.Limits("anthropic/claude-opus-4-8:fast"), "nothing is named of it")
	assert.EqualValues(t, 7, rules.Of("org-a").Policy.Limits("anthropic/claude-sonnet-4.x").RPM)
	assert.EqualValues(t, 3, rules.Policy.Limits("openai/gpt-4o").RPM)
	assert.EqualValues(t, 800, rules.Spec(scheduler.OfOutputs("anthropic/claude-opus-4.x")).TPM)
}

// What goes before what else is named is so of one model; of those that share their limits each keeps to its own, and so
// all of them to the lowest.
func TestSharedLimitsOfSeveralOrigins(t *testing.T) {
	n := func(i int64) *int64 { return &i }
	const first, other, both = "anthropic/claude-opus-4-8", "anthropic/claude-opus-4-5", "anthropic/claude-opus-4.x"
	cfg := load(t, `FLUXGATE_LIMITS={"`+first+`":{"rpm":50,"tpm":8000},"projects":{"org-a":{"`+other+`":{"rpm":100,"rpd":7}},"org-b":{"`+first+`":{"rpm":200}}}}`,
		`FLUXGATE_PROVIDERS=[{"name":"anthropic","limits":[{"of":"requests","most":60,"per":"1m","burst":3,"model":"claude-opus-4-8"},
			{"of":"requests","most":60,"per":"1m","burst":10,"model":"claude-opus-4-5"},{"of":"requests","most":90,"per":"1m","burst":5,"model":"claude-opus-4-5","project":"org-a"}]}]`)
	none := scheduler.Unlimited
	limits := func(project string, runTime map[string]storage.Limits) (scheduler.Limits, scheduler.Source) {
		l := effective.Rules(cfg, storage.Control{Limits: runTime}, nil).Of(project).Policy.EffectiveLimits(both)
		return l.Limits, l.RPMFrom
	}
	for range 20 { // in whatever order they are looked at
		got, from := limits("", map[string]storage.Limits{other: {RPM: n(100), TPM: n(9000)}})
		assert.Equal(t, scheduler.Limits{RPM: 50, TPM: 8000, RPD: none}, got, "what is set at run time of one raises nothing for the other")
		assert.Equal(t, scheduler.FromOperator, from)
		got, from = limits("", map[string]storage.Limits{first: {RPM: n(100), TPM: n(none)}, both: {TPM: n(none)}})
		assert.Equal(t, scheduler.Limits{RPM: 100, TPM: none, RPD: none}, got, "it goes before what was named of the same")
		assert.Equal(t, scheduler.FromRunTime, from)
		got, _ = limits("org-a", nil)
		assert.Equal(t, scheduler.Limits{RPM: 50, TPM: 8000, RPD: 7}, got, "nor does what one has on a project")
		got, _ = limits("org-b", nil)
		assert.Equal(t, scheduler.Limits{RPM: 200, TPM: 8000, RPD: none}, got)
	}
	mixed := `{"of":"output_tokens","most":900,"burst":100,"model":"claude-opus-4-8"}`
	for _, list := range []string{mixed + `,{"of":"output_tokens","most":800,"model":"claude-opus-4-5"}`, `{"of":"output_tokens","most":800,"model":"claude-opus-4-5"},` + mixed} {
		cfg := load(t, `FLUXGATE_PROVIDERS=[{"name":"anthropic","limits":[`+list+`]}]`)
		spec := effective.Rules(cfg, storage.Control{}, nil).Spec(scheduler.OfOutputs(both))
		assert.EqualValues(t, 100, spec.TPM, "no more in a minute than may be there at once: %s", list)
		assert.False(t, spec.Refill)
		assert.Zero(t, spec.Burst)
	}
	for _, project := range []string{"", "org-a"} {
		spec := effective.Rules(cfg, storage.Control{}, nil).Of(project).Spec(scheduler.OfBucket(both, time.Minute))
		assert.EqualValues(t, 60, spec.RPM, project)
		assert.EqualValues(t, 3, spec.Burst.Requests, project)
	}
}
