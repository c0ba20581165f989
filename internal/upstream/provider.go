package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
)

// A Provider is one upstream API. It is safe for use by any number of goroutines,
// holds no key, and never retries.
type Provider interface {
	// NewRequest makes a request for a path below the endpoint, such as
	// v1beta/models, without a credential. The path isn't escaped.
	NewRequest(ctx context.Context, method, path string, body io.Reader) (*http.Request, error)
	// Do sends it with the key of its context as its only credential. Without one,
	// or to another host, it fails. Redirects are not followed, nothing but the
	// context limits the time it takes, and an answer of any size is left to the
	// reader. What it fails with is for TransportError.
	Do(r *http.Request) (*http.Response, error)
	// Classify says what an answer with this HTTP status and body means that is no
	// success. It accepts any bytes, and removes the key from all it returns. For an
	// error inside an answer that began with 200, pass 200: its own code decides.
	Classify(status int, body []byte, key string) *Error
	// ListModels lists the models; being listed doesn't mean that the project may use
	// one. Its error is an *Error.
	ListModels(ctx context.Context, key string) ([]Model, error)
	// Meter returns what reads the usage from answers of an upstream path.
	Meter(path string) *answers.Meter
	// Reserves returns what a request weighs on the limit of tokens per minute until it is
	// answered.
	Reserves(a Asked) int64
	// Weighs returns what it turned out to weigh there: its answer says how many tokens its
	// prompt had, and what it used beside that, and so many were reserved for it. Negative:
	// that isn't known.
	Weighs(a Asked, prompt int64, used answers.Tokens, reserved int64) int64
}

// Asked is what is known of a request's tokens before it is answered.
type Asked struct {
	Input      int64 // counted or estimated
	Characters int64 // of all its texts; 0: not known
	MaxOutput  int64 // that it allows for; 0: it doesn't say
	Output     int64 // what such requests put out at most, most of the time; no more than MaxOutput
}

// A Generator is a provider that is sent prompts, in a format of its own.
type Generator interface {
	Provider
	// Generate sends a prompt once. Its error is an *Error.
	Generate(ctx context.Context, key string, p Prompt) (*Reply, error)
}

// A Prompter is a Generator that counts besides. All others are sent what passes.
type Prompter interface {
	Generator
	// CountPrompt counts the input tokens of a prompt, which costs nothing. Its error
	// is an *Error.
	CountPrompt(ctx context.Context, key string, p Prompt) (int64, error)
	// CountBody counts the input tokens of a body of the provider's own format,
	// whatever is in it. Its error is ErrUncountable, or an *Error.
	CountBody(ctx context.Context, key, model string, body *payload.Body) (int64, error)
}

// A Bilingual is a provider that serves OpenAI's format too, at an endpoint of its own.
type Bilingual interface {
	InOpenAIFormat() Provider
}

// A Lister is a provider that says which of some models it doesn't have.
type Lister interface {
	Lacks(ctx context.Context, key string, models []string) ([]string, *Error)
}

// A Limiter is a provider whose answers say in their headers what its limits are, and how much
// of them is used.
type Limiter interface {
	// Limits reads the headers of an answer that has come now.
	Limits(h http.Header, now time.Time) []ratelimits.Limit
	// Outputs returns what a request weighs on a limit of what models put out until it is answered, and whether they are known
	// to have one of its own.
	Outputs(a Asked) (tokens int64, apart bool)
}

// ConfirmInvalid reports whether a key is invalid, after an answer to some request
// said so: by the list of models, which is free and concerns no model and no route
// but its own. A key that is only said to be invalid may be a valid one on a route
// that wants another credential. Where the list can't be had nothing is confirmed.
func ConfirmInvalid(ctx context.Context, p Provider, key string) bool {
	ctx, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	_, err := p.ListModels(ctx, key)
	var e *Error
	return errors.As(err, &e) && e.Class == ClassKeyInvalid
}

// confirmTimeout bounds ConfirmInvalid: a request waits for it.
const confirmTimeout = 5 * time.Second

// ErrUncountable means that a body is none that the provider can count.
var ErrUncountable = errors.New("body can't be counted")

// Gemini is the name of the provider that everything goes to that names no other.
const Gemini = "gemini"

// Providers are the providers by their names.
type Providers map[string]Provider

// Of returns the provider that a key is for, by the name that it carries.
func (p Providers) Of(name string) Provider { return p[name] }

// A Prompt is one prompt for one model: what POST /generate asks, and Fluxgate's
// own questions.
type Prompt struct {
	Model           string        // with or without "models/"
	System          payload.Piece // system instruction, a text; empty for none
	Pieces          []payload.Piece
	MaxOutputTokens int32    // 0: the model's default
	Temperature     *float32 // nil: the model's default
	// Usual says that the temperature is what /generate usually has, and nobody's wish.
	Usual  bool
	Schema any // of JSON that the answer is to be, in the provider's form; nil: any text
}

// A Reply is a model's answer to a prompt. A blocked prompt, an answer stopped for
// safety and one that used up its tokens before it said anything are answers with
// an empty or partial text: BlockReason or FinishReason says which.
type Reply struct {
	Text         string // the first candidate's text without thoughts
	PromptTokens int64  // what counts against tokens per minute, cached tokens included
	TotalTokens  int64
	answers.Tokens
	ModelVersion string // the model that answered
	FinishReason string // for example STOP, MAX_TOKENS or SAFETY; "" if there was no candidate
	BlockReason  string // why the prompt was refused, for example SAFETY; "" if it wasn't
	SentAt       time.Time
	Limits       []ratelimits.Limit // what the answer's header said; nil: nothing
}

// A Model is one entry of a provider's list.
type Model struct {
	Name            string   // without "models/"
	Methods         []string // for example generateContent, countTokens
	InputTokenLimit int64    // tokens; 0 if the provider doesn't say
	DisplayName     string
	Description     string
	Thinking        bool
	Retires         time.Time // when it is shut down; zero: never, as far as is said
}

// A ModelStatus is what an answer says of the model that gave it.
type ModelStatus struct {
	Stage          string
	RetirementTime time.Time
}

// UnmarshalJSON reads what can be read of it: it is for information, and no list or answer
// is of no use for its sake.
func (s *ModelStatus) UnmarshalJSON(data []byte) error {
	var in struct{ ModelStage, RetirementTime any }
	_ = json.Unmarshal(data, &in) // then it says nothing
	s.Stage, _ = in.ModelStage.(string)
	if text, ok := in.RetirementTime.(string); ok {
		s.RetirementTime, _ = time.Parse(time.RFC3339, text)
	}
	return nil
}

// Retires returns when the model is shut down: long ago for one that is in a stage in which
// it can't be used, zero for one of which nothing is said.
func (s ModelStatus) Retires() time.Time {
	if s.RetirementTime.IsZero() && (s.Stage == "DEPRECATED" || s.Stage == "RETIRED") {
		return time.Unix(0, 0)
	}
	return s.RetirementTime
}
