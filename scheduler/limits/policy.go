package limits

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// ContextWindow is the built-in rule for the most input tokens that a model takes. Of another provider's, of which the output counts too,
// that provider says what is too large.
func ContextWindow(model string) int64 {
	switch {
	case FamilyOf(model) == Foreign:
		return math.MaxInt64
	case strings.Contains(model, "1.5-pro"):
		return 2_097_152
	}
	return 1_048_576
}

// Longer is how much longer than others a request counts at most that is larger than TPM, where the model takes so many tokens at most. To another
// provider it may say that it puts out any number of tokens: should it never be known what became of that, it keeps nobody away
// for longer than a day.
func Longer(window int64) time.Duration {
	if window == math.MaxInt64 {
		return 24 * time.Hour
	}
	return math.MaxInt64 / 2
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

// Named reports whether an operator has named a limit of that source: it is never gone beyond.
func (s Source) Named() bool { return s == FromOperator || s == FromRunTime }

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
	// models are those of the chain and of the layers. A plan asks for them some dozen times.
	models map[string]*Model
}

// A Model is what a policy says of a model. It isn't changed.
type Model struct {
	EffectiveLimits
	Window int64 // the most input tokens that it takes; a request above it never fits
	Starts bool  // one of its limits is only where to begin
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
	return NewTierPolicy("", chain, Layer{FromOperator, overrides})
}

// NewTierPolicy returns a policy with the limits of a usage tier ("": the built-in ones), the
// given chain (the built-in one when empty), and layers of overrides in rising order of trust.
func NewTierPolicy(tier Tier, chain []string, layers ...Layer) *Policy {
	if len(chain) == 0 {
		chain = DefaultChain()
	}
	p := &Policy{tier: tier, chain: slices.Clone(chain)}
	for _, l := range layers {
		p.layers = append(p.layers, Layer{l.From, maps.Clone(l.Overrides)})
	}
	p.lookUp()
	return p
}

// lookUp looks up what is asked for often.
func (p *Policy) lookUp() {
	p.models = make(map[string]*Model)
	for _, name := range p.chain {
		p.models[name] = p.model(name)
	}
	for _, l := range p.layers {
		for name := range l.Overrides {
			p.models[name] = p.model(name)
		}
	}
}

// Model returns what the policy says of a model: its limits where no project has learned
// others.
func (p *Policy) Model(name string) *Model {
	if m := p.models[name]; m != nil {
		return m
	}
	return p.model(name)
}

func (p *Policy) model(name string) *Model {
	family := FamilyOf(name)
	m := &Model{EffectiveLimits: p.tier.Limits(name), Window: p.windows[name]}
	if m.Window <= 0 {
		m.Window = ContextWindow(name)
	}
	for _, l := range p.layers {
		m.Override(l.Overrides[string(family)], l.From)
		m.Override(l.Overrides[name], l.From)
	}
	m.Starts = m.RPMFrom.Start() || m.TPMFrom.Start() || m.RPDFrom.Start()
	return m
}

// WithWindows returns the policy with the most input tokens that models take, for
// those of which more is known than the built-in rule.
func (p *Policy) WithWindows(windows map[string]int64) *Policy {
	next := *p
	next.windows = maps.Clone(windows)
	next.lookUp()
	return &next
}

// Window returns the most input tokens that a model takes. A request above it
// never fits.
func (p *Policy) Window(model string) int64 { return p.Model(model).Window }

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
func (p *Policy) EffectiveLimits(model string) EffectiveLimits { return p.Model(model).EffectiveLimits }

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
