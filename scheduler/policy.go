package scheduler

import (
	"time"

	"fluxgate.dev/fluxgate/scheduler/limits"
)

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
)

// The values of these types, as package limits explains them.
const (
	Window    = limits.Window
	Unlimited = limits.Unlimited

	Pro       = limits.Pro
	Flash     = limits.Flash
	FlashLite = limits.FlashLite
	Embedding = limits.Embedding

	Both          = limits.Both
	ProOnly       = limits.ProOnly
	FlashOnly     = limits.FlashOnly
	FlashLiteOnly = limits.FlashLiteOnly

	FromDefault  = limits.FromDefault
	FromReported = limits.FromReported
	FromOperator = limits.FromOperator
	FromRunTime  = limits.FromRunTime
	FromLearned  = limits.FromLearned
)

// FamilyOf is [limits.FamilyOf].
func FamilyOf(model string) Family { return limits.FamilyOf(model) }

// DefaultLimits is [limits.DefaultLimits].
func DefaultLimits(f Family) Limits { return limits.DefaultLimits(f) }

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

// NewLayeredPolicy is [limits.NewLayeredPolicy].
func NewLayeredPolicy(chain []string, layers ...Layer) *Policy {
	return limits.NewLayeredPolicy(chain, layers...)
}

// Rules are what every decision about a project is made with.
// They are read only and shared.
type Rules struct {
	Policy *Policy
	// Skew lengthens every interval: Google counts a request when it arrives,
	// and its clock is not ours. Default 500 ms.
	Skew time.Duration
	// Hold is how long a booking waits for its holder. Default 5 s.
	Hold time.Duration
}

// The defaults of Rules.
const (
	DefaultSkew = 500 * time.Millisecond
	DefaultHold = 5 * time.Second
)
