package limits

import (
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
	// Foreign are the models of other providers than Gemini, which are named
	// "provider/model". No mode but Both leads to them, and no override is of all of them.
	Foreign Family = ""
)

// FamilyOf returns the family that a model's name puts it in. It is the rule
// for unknown models too: a name that says neither "embedding", "gemma", "lite" nor
// "flash" counts as pro, whose limits are the smallest.
func FamilyOf(model string) Family {
	switch {
	case strings.Contains(model, "/"):
		return Foreign
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

// OfGemini returns the models of a chain that are Gemini's, in order.
func OfGemini(chain []string) []string {
	foreign := func(model string) bool { return FamilyOf(model) == Foreign }
	if !slices.ContainsFunc(chain, foreign) {
		return chain
	}
	return slices.DeleteFunc(slices.Clone(chain), foreign)
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
	if family == Foreign {
		// The lowest that OpenAI and Anthropic documented for paying organisations in November
		// 2025, and of requests fewer: the first answers say what holds.
		return Limits{RPM: 5, TPM: 30_000, RPD: Unlimited}
	}
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
