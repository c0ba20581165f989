package geminisim

import (
	"encoding/json"
	"math"
	"strings"
)

// Translate turns a text into the pseudo-language that prompts are answered
// in: every ASCII vowel becomes the next one (a, e, i, o, u, and back to a).
// Everything else stays, so cue numbers and markup survive, and a text and its
// translation have the same number of bytes and tokens. [Untranslate] undoes it.
func Translate(text string) string { return mapBytes(text, &onward) }

// Untranslate is the inverse of [Translate].
func Untranslate(text string) string { return mapBytes(text, &backward) }

var onward, backward = func() (on, back [256]byte) {
	for c := range 256 {
		on[c], back[c] = byte(c), byte(c)
	}
	for _, vowels := range []string{"aeiou", "AEIOU"} {
		for i := range vowels {
			from, to := vowels[i], vowels[(i+1)%len(vowels)]
			on[from], back[to] = to, from
		}
	}
	return on, back
}()

// mapBytes is sound for UTF-8 because no byte of a longer rune is ASCII.
func mapBytes(text string, table *[256]byte) string {
	out := []byte(text)
	for i, c := range out {
		out[i] = table[c]
	}
	return string(out)
}

// answer is what the model says: a text or a function call.
type answer struct {
	text   string
	call   *functionCall
	finish string
	tokens int64
	plan   *streamPlan // instead of text, for a long stream
}

// answerTo returns the answer to a normalised request, of at most limit
// tokens. A function call isn't cut.
func (s *Server) answerTo(r *generateRequest, project string, limit int64) answer {
	prompt := r.prompt()
	if name, args := r.wantedCall(prompt); name != "" {
		call := &functionCall{ID: s.responseID(), Name: name, Args: args}
		raw, _ := json.Marshal(call) // strings, numbers and maps of them can't fail
		return answer{call: call, finish: "STOP", tokens: jsonTokens(raw)}
	}
	text := Translate(prompt)
	switch {
	case r.asksForLimits(prompt):
		text = s.limitsJSON(project)
	case r.GenerationConfig.ResponseMIMEType == "application/json":
		raw, _ := json.Marshal(map[string]string{"text": text})
		text = string(raw)
	}
	if asked := r.GenerationConfig.MaxOutputTokens; asked > 0 {
		limit = min(limit, asked)
	}
	text, tokens, cut := cutTokens(text, limit)
	if cut {
		return answer{text: text, finish: "MAX_TOKENS", tokens: tokens}
	}
	return answer{text: text, finish: "STOP", tokens: tokens}
}

// prompt returns the text of the last user turn, its parts joined by newlines.
// A turn of function responses stands for their JSON, one without any text
// for a remark.
func (r *generateRequest) prompt() string {
	for i := len(r.Contents) - 1; i >= 0; i-- {
		c := &r.Contents[i]
		if c.Role == "model" {
			continue
		}
		var texts []string
		for _, p := range c.Parts {
			switch {
			case p.Text != nil:
				texts = append(texts, *p.Text)
			case p.FunctionResponse != nil:
				texts = append(texts, string(p.FunctionResponse))
			}
		}
		if texts != nil {
			return strings.Join(texts, "\n")
		}
		break
	}
	return "no text"
}

// wantedCall returns the declared function that the prompt says to call, with
// a value for each of its parameters.
func (r *generateRequest) wantedCall(prompt string) (string, map[string]any) {
	for _, d := range r.declarations {
		if d.Name == "" || !strings.Contains(prompt, "call "+d.Name) {
			continue
		}
		args := map[string]any{}
		if params := first(d.Parameters, d.ParametersJSONSchema); params != nil {
			for name, p := range params.Properties {
				args[name] = p.example(name)
			}
		}
		return d.Name, args
	}
	return "", nil
}

// example returns a value of the schema's type: the first of an enum, the
// property's own name for a string, 1, true, or an empty list or object.
func (p *schema) example(name string) any {
	if p == nil {
		return name
	}
	if len(p.Enum) > 0 {
		return p.Enum[0]
	}
	kind := strings.ToLower(string(p.Type))
	switch {
	case strings.Contains(kind, "integer"), strings.Contains(kind, "number"):
		return 1
	case strings.Contains(kind, "boolean"):
		return true
	case strings.Contains(kind, "array"):
		return []any{}
	case strings.Contains(kind, "object"):
		return map[string]any{}
	default:
		return name
	}
}

// asksForLimits recognises the question for the service's own limits. The
// field names alone don't make it one: a document to translate may contain
// them. It must also want JSON or open with the words of gemini-flux's prompt.
func (r *generateRequest) asksForLimits(prompt string) bool {
	if r.GenerationConfig.ResponseMIMEType != "application/json" &&
		!strings.HasPrefix(prompt, "You are a data provider.") {
		return false
	}
	where := prompt + string(r.GenerationConfig.ResponseSchema)
	return strings.Contains(where, "requests_per_day") &&
		strings.Contains(where, "tokens_per_minute") &&
		strings.Contains(where, "requests_per_minute")
}

// familyLimits has the field names that gemini-flux's prompt asks for.
type familyLimits struct {
	RPD int64 `json:"requests_per_day"`
	TPM int64 `json:"tokens_per_minute"`
	RPM int64 `json:"requests_per_minute"`
}

// limitsJSON states the limits that a project has on the three 2.5 models.
func (s *Server) limitsJSON(project string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := func(model string) familyLimits {
		q := s.quotaOf(bucketID{project, model})
		if q.none {
			return familyLimits{}
		}
		number := func(n int64) int64 {
			if n < 0 {
				return math.MaxInt32 // unlimited, in a form that reads as a limit
			}
			return n
		}
		return familyLimits{RPD: number(q.RPD), TPM: number(q.TPM), RPM: number(q.RPM)}
	}
	policy := struct {
		Pro       familyLimits `json:"pro"`
		Flash     familyLimits `json:"flash"`
		FlashLite familyLimits `json:"flash_lite"`
		Cooldown  int64        `json:"token_cooldown_seconds"` // after a million tokens
		Reset     string       `json:"daily_reset_time_pt"`
	}{of("gemini-2.5-pro"), of("gemini-2.5-flash"), of("gemini-2.5-flash-lite"), 0, "00:00"}
	if policy.Pro.TPM > 0 {
		policy.Cooldown = ceilDiv(60*1_000_000, policy.Pro.TPM)
	}
	raw, _ := json.Marshal(policy) // numbers and strings can't fail
	return string(raw)
}
