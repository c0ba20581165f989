package limits

// A Tier is the usage tier of a project, as Google has them
// (https://ai.google.dev/gemini-api/docs/rate-limits#usage-tiers). The empty one isn't known.
type Tier string

// The tiers. A project of a numbered one has billing, so what it uses is paid for.
const (
	FreeTier Tier = "free"
	Tier1    Tier = "1"
	Tier2    Tier = "2"
	Tier3    Tier = "3"
)

// Paid reports whether the tier is known to be one that is paid for.
func (t Tier) Paid() bool { return t == Tier1 || t == Tier2 || t == Tier3 }

// TiersAsOf is of when the limits of the paid tiers are: the last table that Google
// published, which it has withdrawn since. AI Studio shows each project its own.
const TiersAsOf = "2025-11"

// paidLimits are what projects of paid tiers had [documented, TiersAsOf] of gemini-2.5-pro,
// -flash and -flash-lite, of Gemma 3 and of gemini-embedding-001. Nothing is published of
// later models: they begin with their family's, but for what laterPro says.
var paidLimits = map[Tier]map[Family]Limits{
	Tier1: {
		Pro:       {RPM: 150, TPM: 2_000_000, RPD: 10_000},
		Flash:     {RPM: 1000, TPM: 1_000_000, RPD: 10_000},
		FlashLite: {RPM: 4000, TPM: 4_000_000, RPD: Unlimited},
		Gemma:     {RPM: 30, TPM: 15_000, RPD: 14_400},
		Embedding: {RPM: 3000, TPM: 1_000_000, RPD: Unlimited},
	},
	Tier2: {
		Pro:       {RPM: 1000, TPM: 5_000_000, RPD: 50_000},
		Flash:     {RPM: 2000, TPM: 3_000_000, RPD: 100_000},
		FlashLite: {RPM: 10_000, TPM: 10_000_000, RPD: Unlimited},
		Gemma:     {RPM: 30, TPM: 15_000, RPD: 14_400},
		Embedding: {RPM: 5000, TPM: 5_000_000, RPD: Unlimited},
	},
	Tier3: {
		Pro:       {RPM: 2000, TPM: 8_000_000, RPD: Unlimited},
		Flash:     {RPM: 10_000, TPM: 8_000_000, RPD: Unlimited},
		FlashLite: {RPM: 30_000, TPM: 30_000_000, RPD: Unlimited},
		Gemma:     {RPM: 30, TPM: 15_000, RPD: 14_400},
		Embedding: {RPM: 10_000, TPM: 10_000_000, RPD: Unlimited},
	},
}

// documentedPro is the only model of its family of which the paid tiers' limits were published.
const documentedPro = "gemini-2.5-pro"

// laterPro is what later models of the pro family begin with on any paid tier: 250 requests a
// day were captured of gemini-3.1-pro and gemini-3-pro-image in 2026, in 429s with
// generate_requests_per_model_per_day. Their minute isn't known; it is a sixth of
// what was published of the documented one, as their day is less.
var laterPro = Limits{RPM: 25, TPM: 1_000_000, RPD: 250}

// liveTokens are the input tokens a minute of the Live API's native-audio models
// [documented, TiersAsOf], of which requests aren't limited.
var liveTokens = map[Tier]int64{Tier1: 1_000_000, Tier2: 10_000_000, Tier3: 10_000_000}

// Sessions is how many sessions of the Live API a project of the tier may have of a model at a
// time [documented, TiersAsOf; of the free tier until the tables were withdrawn, and captured
// then as the most (discuss.ai.google.dev, 78114)].
func (t Tier) Sessions() int64 {
	switch t {
	case Tier1:
		return 50
	case Tier2, Tier3:
		return 1000
	}
	return 3
}

// Limits returns what a model begins with on a project of the tier; on one of which none is
// known, and of models of other providers than Gemini, what is built in.
func (t Tier) Limits(model string) EffectiveLimits {
	l, from, family := startLimits(model), FromTier, FamilyOf(model)
	switch {
	case t == "" || family == Foreign:
		from = FromDefault
	case !t.Paid():
	case OfSessions(model):
		l.TPM = liveTokens[t]
	case family == Pro && !SameModel(model, documentedPro):
		l = laterPro
	default:
		l = paidLimits[t][family]
	}
	return EffectiveLimits{l, from, from, from}
}

// A Preference says which projects are used first where several have room: those of the free
// tier, or those of the paid ones. The empty one is for any.
type Preference string

// The preferences.
const (
	PreferFree Preference = "free"
	PreferPaid Preference = "paid"
)

// prefers reports whether a project of a tier is one of those that are used first.
func (p Preference) prefers(t Tier) bool {
	return p == PreferFree && t == FreeTier || p == PreferPaid && t.Paid()
}
