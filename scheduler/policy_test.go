package scheduler_test

import (
	"math"
	"testing"
	"time"

	. "fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/scheduler/learned"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCooldown is the table of the seed: how long one request keeps a project
// busy.
func TestCooldown(t *testing.T) {
	l := DefaultLimits(Pro)
	for _, c := range []struct {
		tokens   int64
		cooldown time.Duration
	}{
		{1_000_000, 240 * time.Second},
		{500_000, 120 * time.Second},
		{100_000, 24 * time.Second},
		{10_000, 2400 * ms},
		{0, 0},
	} {
		assert.Equal(t, c.cooldown, l.Cooldown(c.tokens), "%d tokens", c.tokens)
	}
	assert.Zero(t, Limits{TPM: Unlimited}.Cooldown(1000), "nothing cools down without a limit")
}

// TestAnySizeCounts: a request to another provider may say that it puts out any number of tokens. It keeps others away, but for no more
// than a day longer than a window, should it never be known what became of it; and no longer once nothing did.
func TestAnySizeCounts(t *testing.T) {
	for _, per := range []time.Duration{sec, time.Minute, 24 * time.Hour} {
		name := OfWindow("openai/m", per)
		rules := rulesFor(nil)
		rules.Specs = map[string]Spec{name: {Window: per, EffectiveLimits: EffectiveLimits{Limits: Limits{RPM: Unlimited, TPM: 200_000, RPD: Unlimited}}}}
		for _, tokens := range []int64{3_000_000, 1 << 30, 1 << 37, 1 << 44, 1 << 53, math.MaxInt64} {
			of := func(tokens int64) []Weight { return []Weight{{On: name, Demand: Demand{Tokens: tokens}}} }
			p, result := apply(t, rules, nil, noon, Reserve{Model: "openai/m", ID: 1, Demand: Demand{Tokens: 10}, Also: of(tokens)})
			require.Equal(t, Admitted, result.Verdict, "%d tokens of %v", tokens, per)
			next, cause := p.Earliest(rules, noon+1000, "openai/m", Demand{Tokens: 10}, of(10))
			assert.Equal(t, ByTPM, cause, "%d tokens of %v", tokens, per)
			whole := min(15*per, per+24*time.Hour)
			assert.GreaterOrEqual(t, next, noon.Add(whole), "%d tokens of %v", tokens, per)
			assert.LessOrEqual(t, next, noon.Add(per+24*time.Hour+rules.Skew), "%d tokens of %v", tokens, per)
			p, _ = apply(t, rules, p, noon+1000, Cancel{Model: "openai/m", ID: 1, Reserved: result.Reservation, Also: result.Also})
			next, _ = p.Earliest(rules, noon+1000, "openai/m", Demand{Tokens: 10}, of(10))
			assert.Equal(t, noon+1000, next, "%d tokens of %v", tokens, per)
		}
	}
}

// TestFamilies has names that upstream has used, and some that it may use.
func TestFamilies(t *testing.T) {
	for model, want := range map[string]Family{
		"gemini-2.5-pro":                Pro,
		"gemini-3.1-pro-preview":        Pro,
		"gemini-2.5-flash":              Flash,
		"gemini-3-flash-preview":        Flash,
		"gemini-2.5-flash-lite":         FlashLite,
		"gemini-3.1-flash-lite-preview": FlashLite,
		"gemini-flash-latest":           Flash,
		"gemini-9-lite":                 FlashLite,
		// Embeddings have limits of their own, whatever else the name says.
		"gemini-embedding-001":        Embedding,
		"text-embedding-004":          Embedding,
		"gemini-embedding-flash-lite": Embedding,
		// What says nothing gets the smallest limits.
		"gemini-4-ultra": Pro,
		"gemini-4-argon": Pro,
		"":               Pro,
		"gemma-4-31b-it": Gemma,
	} {
		assert.Equal(t, want, FamilyOf(model), "%q", model)
		assert.Equal(t, DefaultLimits(want), NewPolicy([]string{model}, nil).FamilyLimits(want), "%q", model)
	}
	for model, want := range map[string]Limits{
		// The built-in models were documented with limits; others begin with the lowest of their family.
		"gemini-2.5-flash": DefaultLimits(Flash), "gemini-3.1-flash-lite-preview": DefaultLimits(FlashLite), "gemini-4-argon": DefaultLimits(Pro),
		"gemini-3.8-flash": {RPM: 5, TPM: 250_000, RPD: 20}, "gemini-flash-latest": {RPM: 5, TPM: 250_000, RPD: 20},
		"gemini-3.5-flash-lite": {RPM: 10, TPM: 250_000, RPD: 20}, "gemma-4-31b-it": {RPM: 30, TPM: 15_000, RPD: 14_400},
	} {
		assert.Equal(t, want, NewPolicy(nil, nil).Limits(model), "%q", model)
	}
	assert.Equal(t, Limits{RPM: 5, TPM: 250_000, RPD: 100}, DefaultLimits(Pro))
	assert.Equal(t, Limits{RPM: 10, TPM: 250_000, RPD: 250}, DefaultLimits(Flash))
	assert.Equal(t, Limits{RPM: 15, TPM: 250_000, RPD: 1000}, DefaultLimits(FlashLite))
	assert.Equal(t, Limits{RPM: 100, TPM: 30_000, RPD: 1000}, DefaultLimits(Embedding))
	assert.EqualValues(t, 1_048_576, ContextWindow("gemini-2.5-pro"))
	assert.EqualValues(t, 2_097_152, ContextWindow("gemini-1.5-pro"))
	assert.EqualValues(t, math.MaxInt64, ContextWindow("openai/gpt-5.5"), "it says itself what is too large")
}

func TestModes(t *testing.T) {
	p := NewPolicy(nil, nil)
	for mode, want := range map[Mode][]string{
		Both:          DefaultChain(),
		ProOnly:       {"gemini-2.5-pro", "gemini-3.1-pro-preview"},
		FlashOnly:     {"gemini-2.5-flash", "gemini-3-flash-preview"},
		FlashLiteOnly: {"gemini-2.5-flash-lite", "gemini-3.1-flash-lite-preview"},
	} {
		assert.Equal(t, want, p.Chain(mode), mode)
		got, err := ParseMode(string(mode))
		require.NoError(t, err)
		assert.Equal(t, mode, got)
	}
	assert.Empty(t, ProOnly.Filter([]string{"gemini-2.5-flash"}))
	assert.Empty(t, ProOnly.Filter([]string{"gemini-embedding-001"}), "no pro model, although its name says nothing else")

	got, err := ParseMode("")
	require.NoError(t, err)
	assert.Equal(t, Both, got, "no mode is both")
	_, err = ParseMode("pro")
	require.ErrorContains(t, err, `"pro"`)
	for _, mode := range Modes() {
		assert.ErrorContains(t, err, string(mode), "the error names every mode")
	}
}

// TestPolicyIsItsOwn checks that a policy shares nothing that its maker may change.
func TestPolicyIsItsOwn(t *testing.T) {
	chain, overrides := []string{"a", "b"}, map[string]Override{"a": {RPM: ptr[int64](1)}}
	p := NewPolicy(chain, overrides)
	chain[0], overrides["a"] = "c", Override{}
	assert.Equal(t, []string{"a", "b"}, p.Chain(Both))
	assert.EqualValues(t, 1, p.Limits("a").RPM)
}

// TestPrecedence: what upstream taught beats the operator's word for the model,
// which beats that for its family, which beats what is built in; each number
// for itself, with its source.
func TestPrecedence(t *testing.T) {
	rules := defaultRules()
	rules.Policy = NewPolicy(nil, map[string]Override{
		"flash":        {RPM: ptr[int64](20), RPD: ptr[int64](2000)},
		"gemini-flash": {RPM: ptr[int64](30)},
	})
	begin := pacific("2026-06-15 12:00:00")

	p, _ := (*Project)(nil).Apply(rules, begin, RecordRefusal{Model: "gemini-flash", Limits: Limits{RPD: 17}})
	c := p.Calendar("gemini-flash")
	taught := EffectiveLimits{Limits: Limits{RPM: 30, TPM: 250_000, RPD: 17}, RPMFrom: FromOperator, TPMFrom: FromDefault, RPDFrom: FromLearned}
	assert.Equal(t, taught, c.EffectiveLimits(rules, begin))
	assert.Equal(t, taught, c.EffectiveLimits(rules, begin.Add(learned.LearnedFor)-1), "believed for seven days")
	assert.Equal(t, taught, c.EffectiveLimits(rules, begin.Add(learned.LearnedFor)), "then until a probe says otherwise")

	p, _ = p.Apply(rules, begin+1000, RecordRefusal{Model: "gemini-flash", Limits: Limits{RPM: 3, TPM: 99}})
	taught = EffectiveLimits{Limits: Limits{RPM: 3, TPM: 99, RPD: 17}, RPMFrom: FromLearned, TPMFrom: FromLearned, RPDFrom: FromLearned}
	assert.Equal(t, taught, p.Calendar("gemini-flash").EffectiveLimits(rules, begin.Add(learned.LearnedFor)))

	// Once it is due, it has nothing to say against a policy that is no higher.
	rules.Policy = NewPolicy(nil, map[string]Override{"gemini-flash": {RPD: ptr[int64](17)}})
	assert.Equal(t, FromLearned, p.Calendar("gemini-flash").EffectiveLimits(rules, begin.Add(learned.LearnedFor)-1).RPDFrom)
	assert.Equal(t, FromOperator, p.Calendar("gemini-flash").EffectiveLimits(rules, begin.Add(learned.LearnedFor)).RPDFrom)
	assert.Equal(t, rules.Policy.EffectiveLimits("gemini-lite"), p.Calendar("gemini-lite").EffectiveLimits(rules, begin))
}

// TestWindows: what upstream lists of a model beats the built-in rule.
func TestWindows(t *testing.T) {
	p := NewPolicy(nil, nil).WithWindows(map[string]int64{"gemini-9-pro": 5_000_000, "gemini-odd": 0})
	assert.EqualValues(t, 5_000_000, p.Window("gemini-9-pro"))
	assert.EqualValues(t, ContextWindow("gemini-odd"), p.Window("gemini-odd"))
	rules := defaultRules()
	rules.Policy = p
	_, cause := (&Calendar{Model: "gemini-9-pro"}).Earliest(rules, pacific("2026-06-15 12:00:00"), Demand{Tokens: 4_000_000})
	assert.Equal(t, NoCause, cause)
	_, cause = (&Calendar{Model: "gemini-8-pro"}).Earliest(rules, pacific("2026-06-15 12:00:00"), Demand{Tokens: 4_000_000})
	assert.Equal(t, TooLarge, cause)
}

func TestLimitsNone(t *testing.T) {
	assert.False(t, DefaultLimits(Pro).None())
	assert.False(t, Limits{RPM: Unlimited, TPM: Unlimited, RPD: Unlimited}.None())
	for _, l := range []Limits{{RPM: 0, TPM: 1, RPD: 1}, {RPM: 1, TPM: 0, RPD: 1}, {RPM: 1, TPM: 1, RPD: 0}} {
		assert.True(t, l.None(), "%+v", l)
	}
}

// defaultRules returns the built-in policy with the default skew and hold.
func defaultRules() *Rules {
	return &Rules{Policy: NewPolicy(nil, nil), Skew: DefaultSkew, Hold: DefaultHold}
}

// TestTiers has what projects of paid tiers begin with: what Google published, of the models
// that it published it of, and less where it published nothing.
func TestTiers(t *testing.T) {
	for _, c := range []struct {
		tier  Tier
		model string
		want  Limits
	}{
		{Tier1, "gemini-2.5-pro", Limits{RPM: 150, TPM: 2_000_000, RPD: 10_000}},
		{Tier1, "gemini-2.5-pro-preview-06-05", Limits{RPM: 150, TPM: 2_000_000, RPD: 10_000}},
		{Tier1, "gemini-2.5-flash", Limits{RPM: 1000, TPM: 1_000_000, RPD: 10_000}},
		{Tier1, "gemini-2.5-flash-lite", Limits{RPM: 4000, TPM: 4_000_000, RPD: Unlimited}},
		{Tier2, "gemini-2.5-pro", Limits{RPM: 1000, TPM: 5_000_000, RPD: 50_000}},
		{Tier3, "gemini-2.5-flash", Limits{RPM: 10_000, TPM: 8_000_000, RPD: Unlimited}},
		{Tier3, "gemini-embedding-001", Limits{RPM: 10_000, TPM: 10_000_000, RPD: Unlimited}},
		{Tier3, "gemma-3-27b-it", Limits{RPM: 30, TPM: 15_000, RPD: 14_400}},
		{Tier3, "gemini-3.1-pro-preview", Limits{RPM: 25, TPM: 1_000_000, RPD: 250}},
		{Tier2, "gemini-2.5-flash-native-audio-preview-09-2025", Limits{RPM: Unlimited, TPM: 10_000_000, RPD: Unlimited}},
		{FreeTier, "gemini-2.5-pro", DefaultLimits(Pro)},
		{FreeTier, "gemini-3.8-flash", Limits{RPM: 5, TPM: 250_000, RPD: 20}},
	} {
		l := NewTierPolicy(c.tier, nil).EffectiveLimits(c.model)
		assert.Equal(t, c.want, l.Limits, "%s on tier %s", c.model, c.tier)
		assert.Equal(t, FromTier, l.RPMFrom)
		assert.True(t, l.RPMFrom.Start(), "tables are old: what holds is found out")
	}
	assert.Equal(t, FromDefault, NewTierPolicy("", nil).EffectiveLimits("gemini-2.5-pro").RPMFrom)
	const foreign = "openai/gpt-5.1"
	assert.Equal(t, NewTierPolicy("", nil).EffectiveLimits(foreign), NewTierPolicy(Tier1, nil).EffectiveLimits(foreign), "other providers have tiers of their own")
}
