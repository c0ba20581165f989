package answers

import (
	"encoding/json"
	"strings"
	"sync/atomic"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/journal"
	"fluxgate.dev/fluxgate/internal/geminisim/quota"
	"fluxgate.dev/fluxgate/internal/geminisim/tokeniser"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// Translate turns a text into the pseudo-language that prompts are answered
// in: every ASCII vowel becomes the next one (a, e, i, o, u, and back to a).
// Everything else stays, so cue numbers and markup survive, and a text and its
// translation have the same number of bytes and tokens.
func Translate(text string) string { return vowels.Replace(text) }

var vowels = strings.NewReplacer("a", "e", "e", "i", "i", "o", "o", "u", "u", "a", "A", "E", "E", "I", "I", "O", "O", "U", "U", "A")

// Config is what an [Answerer] has of the rest of the server. All of it is required.
type Config struct {
	// NewID returns an ID of the form that answers carry.
	NewID func() string
	// Resolve returns the model whose quota a name draws on.
	Resolve func(name string) (resolved string, ok bool)
	// Limits returns a project's limits for a resolved model; none: there is no quota.
	Limits func(project, model string, at time.Time) (limits quota.Limits, none bool)
}

// An Answerer is what answers prompts, in place of a model. It is safe for concurrent use.
type Answerer struct {
	cfg   Config
	about atomic.Int64 // a LimitsAnswer
}

// New returns an answerer that tells the truth about limits.
func New(cfg Config) *Answerer { return &Answerer{cfg: cfg} }

// SetLimitsAnswer changes how questions about limits are answered.
func (s *Answerer) SetLimitsAnswer(a LimitsAnswer) { s.about.Store(int64(a)) }

// An Answer is what the model says: a text, a function call or an image.
type Answer struct {
	Text   string
	Call   *wire.FunctionCall
	Finish string
	Tokens int64
	Billed wire.Thinking
	Plan   *Plan  // instead of text, for a long stream
	Block  string // the prompt was refused for this reason
	Stalls bool   // it never comes
	Image  bool   // an image of a pixel, instead of text
}

// Pixel is the image that every model makes, a PNG in base64.
const Pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

// imageTokens is what an image costs (documented of those up to 1024 by 1024 pixels).
const imageTokens = 1290

// NewImage returns an answer that is an image.
func NewImage() Answer { return Answer{Image: true, Finish: "STOP", Tokens: imageTokens} }

// Answer returns the answer to a normalised request that arrived at an
// instant, of at most limit tokens. A function call isn't cut.
func (s *Answerer) Answer(r *wire.GenerateRequest, project string, at time.Time, limit int64) Answer {
	prompt := Prompt(r)
	if name, args := wantedCall(r, prompt); name != "" {
		call := &wire.FunctionCall{ID: s.cfg.NewID(), Name: name, Args: args}
		raw, _ := json.Marshal(call) // strings, numbers and maps of them can't fail
		return Answer{Call: call, Finish: "STOP", Tokens: tokeniser.JSON(raw)}
	}
	text := Translate(prompt)
	switch {
	case asksForLimits(r, prompt):
		a := s.aboutLimits(r, project, at)
		if a.Stalls || a.Block != "" {
			return a
		}
		text = a.Text
	case r.GenerationConfig.ResponseMIMEType == "application/json":
		text = jsonAnswer(r, text)
	}
	if asked := r.GenerationConfig.MaxOutputTokens; asked > 0 {
		limit = min(limit, asked)
	}
	text, tokens, cut := tokeniser.Cut(text, limit)
	if cut {
		return Answer{Text: text, Finish: "MAX_TOKENS", Tokens: tokens}
	}
	return Answer{Text: text, Finish: "STOP", Tokens: tokens}
}

// Prompt returns the text of the last user turn, its parts joined by newlines.
// A turn of function responses stands for their JSON, one without any text
// for a remark.
func Prompt(r *wire.GenerateRequest) string {
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
func wantedCall(r *wire.GenerateRequest, prompt string) (string, map[string]any) {
	for _, d := range r.Declarations {
		if d.Name == "" || !strings.Contains(prompt, "call "+d.Name) {
			continue
		}
		args := map[string]any{}
		if params := wire.First(d.Parameters, d.ParametersJSONSchema); params != nil {
			for name, p := range params.Properties {
				args[name] = exampleOf(p, name)
			}
		}
		return d.Name, args
	}
	return "", nil
}

// jsonAnswer puts a text where the request's schema has strings: {"text": …}
// if it has no schema, or one that isn't an object with properties.
func jsonAnswer(r *wire.GenerateRequest, text string) string {
	var value any = map[string]string{"text": text}
	if s := r.Schema(); s != nil && len(s.Properties) > 0 {
		value = valueOf(s, text)
	}
	raw, _ := json.Marshal(value) // strings, numbers and lists and maps of them can't fail
	return string(raw)
}

// valueOf returns a value of a schema: every property, lists of one, and
// otherwise what exampleOf does.
func valueOf(p *wire.Schema, text string) any {
	switch {
	case p == nil:
		return text
	case len(p.Properties) > 0:
		object := map[string]any{}
		for name, property := range p.Properties {
			object[name] = valueOf(property, text)
		}
		return object
	case p.Items != nil:
		return []any{valueOf(p.Items, text)}
	default:
		return exampleOf(p, text)
	}
}

// exampleOf returns a value of a schema's type: the first of an enum, the
// property's own name for a string, 1, true, or an empty list or object.
func exampleOf(p *wire.Schema, name string) any {
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

// Response returns an answer, or a piece of one, in the API's form.
func (a *Answer) Response(in, cached int64, model, id string) wire.GenerateResponse {
	if a.Block != "" {
		return wire.GenerateResponse{PromptFeedback: &wire.Feedback{BlockReason: a.Block}, UsageMetadata: wire.NewUsage(in, cached, 0, a.Billed),
			ModelVersion: model, ResponseID: id}
	}
	out := wire.PartOut{FunctionCall: a.Call}
	switch {
	case a.Image:
		out.InlineData = &wire.BlobOut{MIMEType: "image/png", Data: Pixel}
	case a.Call == nil:
		out.Text = &a.Text
	}
	return wire.GenerateResponse{
		Candidates:    []wire.Candidate{{Content: wire.ContentOut{Parts: []wire.PartOut{out}, Role: "model"}, FinishReason: a.Finish}},
		UsageMetadata: wire.NewUsage(in, cached, a.Tokens, a.Billed),
		ModelVersion:  model,
		ResponseID:    id,
	}
}

// Bill is what the answer costs to a prompt of so many tokens, of which a cache held some.
func (a *Answer) Bill(in, cached int64) journal.Bill {
	return journal.Bill{
		Answers: 1, Input: in, Cached: cached, Output: a.Tokens, Thoughts: a.Billed.ThoughtsTokenCount, Tools: a.Billed.ToolUsePromptTokenCount,
	}
}
