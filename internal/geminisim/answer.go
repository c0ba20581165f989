package geminisim

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// Translate turns a text into the pseudo-language that prompts are answered
// in: every ASCII vowel becomes the next one (a, e, i, o, u, and back to a).
// Everything else stays, so cue numbers and markup survive, and a text and its
// translation have the same number of bytes and tokens.
func Translate(text string) string { return vowels.Replace(text) }

var vowels = strings.NewReplacer("a", "e", "e", "i", "i", "o", "o", "u", "u", "a", "A", "E", "E", "I", "I", "O", "O", "U", "U", "A")

// answer is what the model says: a text or a function call.
type answer struct {
	text   string
	call   *functionCall
	finish string
	tokens int64
	billed thinking
	plan   *streamPlan // instead of text, for a long stream
	block  string      // the prompt was refused for this reason
	stalls bool        // it never comes
}

// answerTo returns the answer to a normalised request that arrived at an
// instant, of at most limit tokens. A function call isn't cut.
func (s *Server) answerTo(r *generateRequest, project string, at time.Time, limit int64) answer {
	prompt := r.prompt()
	if name, args := r.wantedCall(prompt); name != "" {
		call := &functionCall{ID: s.responseID(), Name: name, Args: args}
		raw, _ := json.Marshal(call) // strings, numbers and maps of them can't fail
		return answer{call: call, finish: "STOP", tokens: jsonTokens(raw)}
	}
	text := Translate(prompt)
	switch {
	case r.asksForLimits(prompt):
		a := s.aboutLimits(r, project, at)
		if a.stalls || a.block != "" {
			return a
		}
		text = a.text
	case r.GenerationConfig.ResponseMIMEType == "application/json":
		text = r.jsonAnswer(text)
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

// jsonAnswer puts a text where the request's schema has strings: {"text": …}
// if it has no schema, or one that isn't an object with properties.
func (r *generateRequest) jsonAnswer(text string) string {
	var value any = map[string]string{"text": text}
	if s := r.schema(); s != nil && len(s.Properties) > 0 {
		value = s.answer(text)
	}
	raw, _ := json.Marshal(value) // strings, numbers and lists and maps of them can't fail
	return string(raw)
}

// answer returns a value of the schema: every property, lists of one, and
// otherwise what example does.
func (p *schema) answer(text string) any {
	switch {
	case p == nil:
		return text
	case len(p.Properties) > 0:
		object := map[string]any{}
		for name, property := range p.Properties {
			object[name] = property.answer(text)
		}
		return object
	case p.Items != nil:
		return []any{p.Items.answer(text)}
	default:
		return p.example(text)
	}
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

// responseID returns an ID of the form that answers carry.
func (s *Server) responseID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strconv.FormatUint(s.rng.Uint64(), 36)
}
