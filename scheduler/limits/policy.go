package limits

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Window is the length of Gemini's per-minute limits.
// Evidence favours a rolling 60 s window; a sliding log over 60 s is safe
// under a rolling window, a fixed minute and a token bucket alike.
const Window = 60 * time.Second

// Unlimited as a limit means that nothing is counted against it.
const Unlimited int64 = -1

// Limits are the quota of one model on one project. Zero means that the
// project has no quota for the model at all; Unlimited means no limit.
type Limits struct {
	RPM int64 // requests per minute
	TPM int64 // input tokens per minute, cached tokens included
	RPD int64 // requests per Pacific day
}

// None reports whether the limits leave no room for any request.
func (l Limits) None() bool { return l.RPM == 0 || l.TPM == 0 || l.RPD == 0 }

// Cooldown is how long a request of that many tokens keeps TPM busy on one
// project when nothing else does: tokens/TPM minutes. (1M tokens at 250k TPM take
// 240 s.)
func (l Limits) Cooldown(tokens int64) time.Duration {
	if l.TPM <= 0 {
		return 0
	}
	return time.Duration(float64(tokens) / float64(l.TPM) * float64(Window))
}

// Interval is the steady distance between requests of that many tokens over a
// pool of that many projects: the cooldown divided by the projects.
func (l Limits) Interval(tokens int64, projects int) time.Duration {
	if projects < 1 {
		return 0
	}
	return l.Cooldown(tokens) / time.Duration(projects)
}

// A Family is a class of models that share default limits and a mode.
type Family string

// The families, in the order in which the chain prefers them.
const (
	Pro       Family = "pro"
	Flash     Family = "flash"
	FlashLite Family = "flash_lite"
	// Gemma are the open models.
	Gemma Family = "gemma"
	// Embedding models generate nothing, so no chain and no mode leads to them.
	Embedding Family = "embedding"
)

// FamilyOf returns the family that a model's name puts it in. It is the rule
// for unknown models too: a name that says neither "embedding", "gemma", "lite" nor
// "flash" counts as pro, whose limits are the smallest.
func FamilyOf(model string) Family {
	switch {
	case strings.Contains(model, "embedding"):
		return Embedding
	case strings.HasPrefix(model, "gemma"):
		return Gemma
	case strings.Contains(model, "lite"):
		return FlashLite
	case strings.Contains(model, "flash"):
		return Flash
	default:
		return Pro
	}
}

// SameModel reports whether two names are of one model, of which one says more of its
// version.
func SameModel(a, b string) bool {
	return a == b || FamilyOf(a) == FamilyOf(b) && (strings.HasPrefix(a, b+"-") || strings.HasPrefix(b, a+"-"))
}

// OfSessions reports whether a model of that name is one of the Live API's, which has
// sessions alone: all that were captured are called so.
func OfSessions(model string) bool {
	return strings.HasSuffix(model, "-live") || strings.Contains(model, "-live-") || strings.Contains(model, "native-audio")
}

// startLimits returns the built-in limits of a model: its family's where it is built in,
// and otherwise the lowest that models of the family have been captured with since then.
// That is where it begins; answers and refusals say what holds.
func startLimits(model string) Limits {
	if OfSessions(model) {
		// What is limited of sessions is how many there are at a time, and tokens.
		// https://firebase.google.com/docs/ai-logic/live-api/limits-and-specs
		return Limits{RPM: Unlimited, TPM: DefaultLimits(Flash).TPM, RPD: Unlimited}
	}
	family := FamilyOf(model)
	if !slices.Contains(DefaultChain(), model) {
		switch family {
		case Flash:
			return Limits{RPM: 5, TPM: 250_000, RPD: 20} // free tier, January 2026
		case FlashLite:
			return Limits{RPM: 10, TPM: 250_000, RPD: 20} // the same
		}
	}
	return DefaultLimits(family)
}

// DefaultLimits returns the built-in limits of a family: those of the free tier
// in late 2025, the last that were documented per model. An embedding request
// counts once for each of its texts.
func DefaultLimits(f Family) Limits {
	switch f {
	case FlashLite:
		return Limits{RPM: 15, TPM: 250_000, RPD: 1000}
	case Flash:
		return Limits{RPM: 10, TPM: 250_000, RPD: 250}
	case Gemma:
		return Limits{RPM: 30, TPM: 15_000, RPD: 14_400}
	case Embedding:
		return Limits{RPM: 100, TPM: 30_000, RPD: 1000}
	default:
		return Limits{RPM: 5, TPM: 250_000, RPD: 100}
	}
}

// DefaultChain returns the built-in model chain, first choice first.
func DefaultChain() []string {
	return []string{
		"gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite",
		"gemini-3.1-pro-preview", "gemini-3-flash-preview", "gemini-3.1-flash-lite-preview",
	}
}

// ContextWindow is the built-in rule for the most input tokens that a model takes.
func ContextWindow(model string) int64 {
	if strings.Contains(model, "1.5-pro") {
		return 2_097_152
	}
	return 1_048_576
}

// A Mode is a filter over the chain.
type Mode string

// The modes, as gemini-flux names them.
const (
	Both          Mode = "both"
	ProOnly       Mode = "pro_only"
	FlashOnly     Mode = "flash_only"
	FlashLiteOnly Mode = "flash_lite_only"
)

// Modes lists every mode.
func Modes() []Mode { return []Mode{Both, ProOnly, FlashOnly, FlashLiteOnly} }

// ParseMode returns the mode of that name. The empty string means Both.
func ParseMode(s string) (Mode, error) {
	if s == "" {
		return Both, nil
	}
	if m := Mode(s); slices.Contains(Modes(), m) {
		return m, nil
	}
	return "", fmt.Errorf("mode %q: want one of %v", s, Modes())
}

// Filter returns the models of chain that the mode lets through, in order.
func (m Mode) Filter(chain []string) []string {
	var family Family
	switch m {
	case ProOnly:
		family = Pro
	case FlashOnly:
		family = Flash
	case FlashLiteOnly:
		family = FlashLite
	default:
		return chain
	}
	var kept []string
	for _, model := range chain {
		if FamilyOf(model) == family {
			kept = append(kept, model)
		}
	}
	return kept
}

// A Source says where a limit came from, in rising order of trust.
type Source string

// The sources of a limit.
const (
	FromDefault  Source = "default"  // built in
	FromTier     Source = "tier"     // built in for the project's usage tier
	FromReported Source = "reported" // Gemini's own answer to what its limits are
	FromOperator Source = "operator" // FLUXGATE_LIMITS
	FromRunTime  Source = "run_time" // POST /config
	FromLearned  Source = "learned"  // the quotaValue of an upstream 429
)

// Start reports whether a limit of that source is only where to begin: neither anybody
// who must know nor an answer of upstream's has named it, and so it is tried beyond.
func (s Source) Start() bool { return s == FromDefault || s == FromTier || s == FromReported }

// An Override replaces single limits; nil keeps what is there.
type Override struct {
	RPM, TPM, RPD *int64
}

// A Policy is the limits of every model and the chain of models. It is not
// changed after it was made and safe for use by any number of goroutines.
type Policy struct {
	tier    Tier
	chain   []string
	layers  []Layer
	windows map[string]int64
	// named are the limits of the models of the chain and of the layers. A plan
	// asks for them some dozen times.
	named map[string]EffectiveLimits
}

// A Layer is what one source says about limits, by model or family. Within a
// layer a model's own override beats that of its family.
type Layer struct {
	From      Source
	Overrides map[string]Override
}

// NewPolicy returns a policy with the built-in limits, the given chain (the
// built-in one when empty) and the operator's overrides by model or family.
func NewPolicy(chain []string, overrides map[string]Override) *Policy {
	return NewLayeredPolicy(chain, Layer{FromOperator, overrides})
}

// NewLayeredPolicy returns a policy with the built-in limits, the given chain
// (the built-in one when empty), and layers of overrides in rising order of
// trust.
func NewLayeredPolicy(chain []string, layers ...Layer) *Policy {
	return NewTierPolicy("", chain, layers...)
}

// NewTierPolicy is NewLayeredPolicy for projects of a usage tier: its limits take the place of
// the built-in ones.
func NewTierPolicy(tier Tier, chain []string, layers ...Layer) *Policy {
	if len(chain) == 0 {
		chain = DefaultChain()
	}
	p := &Policy{tier: tier, chain: slices.Clone(chain), named: make(map[string]EffectiveLimits)}
	for _, l := range layers {
		p.layers = append(p.layers, Layer{l.From, maps.Clone(l.Overrides)})
	}
	for _, model := range p.chain {
		p.named[model] = p.effectiveLimits(model)
	}
	for _, l := range p.layers {
		for model := range l.Overrides {
			p.named[model] = p.effectiveLimits(model)
		}
	}
	return p
}

// WithWindows returns the policy with the most input tokens that models take, for
// those of which more is known than the built-in rule.
func (p *Policy) WithWindows(windows map[string]int64) *Policy {
	next := *p
	next.windows = maps.Clone(windows)
	return &next
}

// Window returns the most input tokens that a model takes. A request above it
// never fits.
func (p *Policy) Window(model string) int64 {
	if n := p.windows[model]; n > 0 {
		return n
	}
	return ContextWindow(model)
}

// Chain returns the models in order of preference that mode lets through.
func (p *Policy) Chain(mode Mode) []string { return mode.Filter(p.chain) }

// Tier returns the usage tier of the projects that the policy is for; empty: not known.
func (p *Policy) Tier() Tier { return p.tier }

// EffectiveLimits are the limits in force for one model, with the source of each.
type EffectiveLimits struct {
	Limits
	RPMFrom, TPMFrom, RPDFrom Source
}

// EffectiveLimits returns the limits of a model where no project has learned
// others, with the source of each.
func (p *Policy) EffectiveLimits(model string) EffectiveLimits {
	if f, ok := p.named[model]; ok {
		return f
	}
	return p.effectiveLimits(model)
}

func (p *Policy) effectiveLimits(model string) EffectiveLimits {
	family := FamilyOf(model)
	f := p.tier.Limits(model)
	for _, l := range p.layers {
		f.Override(l.Overrides[string(family)], l.From)
		f.Override(l.Overrides[model], l.From)
	}
	return f
}

// FamilyLimits returns the limits of a family's models that have no override of
// their own.
func (p *Policy) FamilyLimits(family Family) Limits {
	f := EffectiveLimits{Limits: DefaultLimits(family)}
	for _, l := range p.layers {
		f.Override(l.Overrides[string(family)], l.From)
	}
	return f.Limits
}

// Limits returns the limits of a model where no project has learned others.
func (p *Policy) Limits(model string) Limits { return p.EffectiveLimits(model).Limits }

// Override puts the limits that an override has in place of those before.
func (f *EffectiveLimits) Override(o Override, from Source) {
	if o.RPM != nil {
		f.RPM, f.RPMFrom = *o.RPM, from
	}
	if o.TPM != nil {
		f.TPM, f.TPMFrom = *o.TPM, from
	}
	if o.RPD != nil {
		f.RPD, f.RPDFrom = *o.RPD, from
	}
}
