package answers

import (
	"encoding/json"
	"math"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// A LimitsAnswer is how questions about the service's own limits are answered.
type LimitsAnswer int

// The answers.
const (
	LimitsTrue    LimitsAnswer = iota // the limits of the caller's project, as JSON
	LimitsFenced                      // the same in a Markdown fence
	LimitsBroken                      // the first half of the same
	LimitsAbsurd                      // JSON with -1 requests and 2^63-1 tokens a minute, and 0 requests a day
	LimitsRefused                     // a sentence that says no
	LimitsBlocked                     // no candidate, and the block reason SAFETY
	LimitsEmpty                       // an empty text
	LimitsStalled                     // nothing, until the request's context ends
)

// asksForLimits recognises the question for the service's own limits. The
// field names alone don't make it one: a document to translate may contain
// them. It must also want JSON or open with the words of gemini-flux's prompt.
func asksForLimits(r *wire.GenerateRequest, prompt string) bool {
	if r.GenerationConfig.ResponseMIMEType != "application/json" &&
		!strings.HasPrefix(prompt, "You are a data provider.") {
		return false
	}
	where := prompt + string(r.GenerationConfig.ResponseSchema)
	return strings.Contains(where, "requests_per_day") &&
		strings.Contains(where, "tokens_per_minute") &&
		strings.Contains(where, "requests_per_minute")
}

// aboutLimits answers the question for limits, at an instant.
func (s *Answerer) aboutLimits(r *wire.GenerateRequest, project string, at time.Time) Answer {
	q := question{s.cfg, LimitsAnswer(s.about.Load()), project, at}
	switch q.about {
	case LimitsFenced:
		return Answer{Text: "```json\n" + q.answer(r) + "\n```"}
	case LimitsBroken:
		text := q.answer(r)
		return Answer{Text: text[:len(text)/2]}
	case LimitsRefused:
		return Answer{Text: "I'm sorry, but I don't have access to the current rate limits."}
	case LimitsBlocked:
		return Answer{Block: "SAFETY", Finish: "SAFETY"}
	case LimitsEmpty:
		return Answer{}
	case LimitsStalled:
		return Answer{Stalls: true}
	default:
		return Answer{Text: q.answer(r)}
	}
}

// statedLimits has the field names that gemini-flux's prompt asks for.
type statedLimits struct {
	Model string `json:"model,omitempty"`
	RPD   int64  `json:"requests_per_day"`
	TPM   int64  `json:"tokens_per_minute"`
	RPM   int64  `json:"requests_per_minute"`
}

// A question for limits, of a project at an instant.
type question struct {
	Config
	about   LimitsAnswer
	project string
	at      time.Time
}

// answer states the limits that a project has: in the form of the schema,
// if it has a list of models with their names as an enum, of those among them
// that exist; else in gemini-flux's form, of the three 2.5 models.
func (q *question) answer(r *wire.GenerateRequest) string {
	if names := modelsAsked(r); names != nil {
		list := []statedLimits{}
		for _, name := range names {
			if resolved, ok := q.Resolve(name); ok {
				stated := q.stated(resolved)
				stated.Model = name
				list = append(list, stated)
			}
		}
		raw, _ := json.Marshal(map[string]any{"models": list}) // numbers and strings can't fail
		return string(raw)
	}
	policy := struct {
		Pro       statedLimits `json:"pro"`
		Flash     statedLimits `json:"flash"`
		FlashLite statedLimits `json:"flash_lite"`
		Cooldown  int64        `json:"token_cooldown_seconds"` // after a million tokens
		Reset     string       `json:"daily_reset_time_pt"`
	}{
		q.stated("gemini-2.5-pro"), q.stated("gemini-2.5-flash"),
		q.stated("gemini-2.5-flash-lite"), 0, "00:00",
	}
	if policy.Pro.TPM > 0 {
		policy.Cooldown = 1 + (60*1_000_000-1)/policy.Pro.TPM // rounded up
	}
	raw, _ := json.Marshal(policy) // numbers and strings can't fail
	return string(raw)
}

// modelsAsked returns the names that the schema has for models[].model.
func modelsAsked(r *wire.GenerateRequest) (names []string) {
	models := propertyOf(r.Schema(), "models")
	if models == nil {
		return nil
	}
	if of := propertyOf(models.Items, "model"); of != nil {
		for _, raw := range of.Enum {
			var name string
			if json.Unmarshal(raw, &name) == nil {
				names = append(names, name)
			}
		}
	}
	return names
}

// propertyOf returns a property's schema; nil if there is none.
func propertyOf(p *wire.Schema, name string) *wire.Schema {
	if p == nil {
		return nil
	}
	return p.Properties[name]
}

// stated returns what is said of the limits for a model.
func (q *question) stated(model string) statedLimits {
	if q.about == LimitsAbsurd {
		return statedLimits{RPM: -1, TPM: math.MaxInt64, RPD: 0}
	}
	limits, none := q.Limits(q.project, model, q.at)
	if none {
		return statedLimits{}
	}
	number := func(n int64) int64 {
		if n < 0 {
			return math.MaxInt32 // unlimited, in a form that reads as a limit
		}
		return n
	}
	return statedLimits{RPD: number(limits.RPD), TPM: number(limits.TPM), RPM: number(limits.RPM)}
}
