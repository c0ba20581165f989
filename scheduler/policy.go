package scheduler

import "fluxgate.dev/fluxgate/scheduler/limits"

// What package limits says of models, by the names that it has there.
type (
	Limits          = limits.Limits
	Family          = limits.Family
	Mode            = limits.Mode
	Source          = limits.Source
	Override        = limits.Override
	Policy          = limits.Policy
	Layer           = limits.Layer
	EffectiveLimits = limits.EffectiveLimits
	Tier            = limits.Tier
	Preference      = limits.Preference
)

// The values of these types, as package limits explains them.
const (
	Window                                                                      = limits.Window
	Short                                                                       = limits.Short
	Unlimited                                                                   = limits.Unlimited
	Pro, Flash, FlashLite                                                       = limits.Pro, limits.Flash, limits.FlashLite
	Gemma, Embedding, Foreign                                                   = limits.Gemma, limits.Embedding, limits.Foreign
	Both, ProOnly, FlashOnly, FlashLiteOnly                                     = limits.Both, limits.ProOnly, limits.FlashOnly, limits.FlashLiteOnly
	FromDefault, FromTier, FromReported, FromOperator, FromRunTime, FromLearned = limits.FromDefault, limits.FromTier, limits.FromReported, limits.FromOperator, limits.FromRunTime, limits.FromLearned
)

// The tiers and preferences, as package limits explains them.
const (
	FreeTier, Tier1, Tier2, Tier3 = limits.FreeTier, limits.Tier1, limits.Tier2, limits.Tier3
	PreferFree, PreferPaid        = limits.PreferFree, limits.PreferPaid
)

// FamilyOf is [limits.FamilyOf].
func FamilyOf(model string) Family { return limits.FamilyOf(model) }

// SameModel is [limits.SameModel].
func SameModel(a, b string) bool { return limits.SameModel(a, b) }

// DefaultLimits is [limits.DefaultLimits].
func DefaultLimits(f Family) Limits { return limits.DefaultLimits(f) }

// OfGemini is [limits.OfGemini].
func OfGemini(chain []string) []string { return limits.OfGemini(chain) }

// DefaultChain is [limits.DefaultChain].
func DefaultChain() []string { return limits.DefaultChain() }

// ContextWindow is [limits.ContextWindow].
func ContextWindow(model string) int64 { return limits.ContextWindow(model) }

// Modes is [limits.Modes].
func Modes() []Mode { return limits.Modes() }

// ParseMode is [limits.ParseMode].
func ParseMode(s string) (Mode, error) { return limits.ParseMode(s) }

// NewPolicy is [limits.NewPolicy].
func NewPolicy(chain []string, overrides map[string]Override) *Policy {
	return limits.NewPolicy(chain, overrides)
}

// NewTierPolicy is [limits.NewTierPolicy].
func NewTierPolicy(tier Tier, chain []string, layers ...Layer) *Policy {
	return limits.NewTierPolicy(tier, chain, layers...)
}

// Rules is [limits.Rules].
type Rules = limits.Rules

// The defaults of Rules, as package limits explains them.
const (
	DefaultSkew = limits.DefaultSkew
	DefaultHold = limits.DefaultHold
)
