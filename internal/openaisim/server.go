package openaisim

import (
	"encoding/json"
	"net/http"
	"time"

	"fluxgate.dev/fluxgate/internal/inmemory"
	"fluxgate.dev/fluxgate/internal/simquota"
	"fluxgate.dev/fluxgate/internal/simserver"
)

// A State is what a key is good for.
type State int

// The states of keys.
const (
	Valid   State = iota
	Revoked       // 401, invalid_api_key
	Spent         // its project has no credit: 429, insufficient_quota
	Limited       // it may not use the models: 403
)

// A Key is one API key. Its project is its organisation.
type Key = simserver.Key[State]

// A Counting says what of a request counts as [simquota.Tokens].
type Counting int

// The ways in which tokens are counted.
const (
	// CountLarger counts the larger of max_tokens and an estimate of the input by its
	// characters, at once, and puts nothing right later (documented of OpenAI).
	CountLarger Counting = iota
	// CountSum counts the estimate and max_tokens, at once (documented of Azure).
	CountSum
	// CountUsed counts the input at once and the output when it is known, cached input not
	// at all (documented of Groq that cached tokens don't count; the rest is a guess).
	CountUsed
	// CountReserved counts the input and max_tokens at once, and what was used of them when it is known (captured of Groq:
	// refusals with "Limit 8000, Requested 32979" of a word and max_tokens of 32768, in
	// https://github.com/zeeyado/koassistant.koplugin/issues/106 and https://github.com/sohzm/cheating-daddy/pull/468;
	// that the rest is given back is a guess). So it does of output tokens, of which a request that doesn't say is taken to
	// allow for 2,048 (captured of qwen/qwen3.8-27b: "on output tokens per minute (OTPM): Limit 1000, Requested 2048").
	CountReserved
)

// Config configures a [Server]. The zero value serves no key.
type Config struct {
	Keys []Key

	// Models that there are. Default: gpt-5.5, gpt-5.5-mini, text-embedding-3-small, gpt-image-1,
	// gpt-4o-transcribe, gpt-4o-mini-tts and omni-moderation-latest.
	Models []string

	// Limits by model, of every project; "" stands for any other model. Those of long contexts have
	// LongContext behind the model's name. Default: DefaultLimits for all.
	Limits map[string][]simquota.Limit

	// Shared are models that share the limits of another, by their names. Default: none does.
	Shared map[string]string

	// Dialect is whose headers and errors it speaks. Default: OpenAI.
	Dialect Dialect

	Counting Counting

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Latency is how long an answer takes. It is waited for with a timer and cut short
	// when the request is cancelled.
	Latency time.Duration
}

// LongContext is the end of the name by which requests of more than 128,000 tokens for GPT-4.1 are counted (that they have
// limits of their own is documented, and of how many tokens by the pages of its models; the name is a guess).
const LongContext = "-long-context"

// DefaultLimits are 500 requests and 200,000 tokens a minute, and 10,000 requests a day,
// as those of OpenAI's lower tiers.
func DefaultLimits() []simquota.Limit {
	return []simquota.Limit{
		simquota.PerMinute(simquota.Requests, 500), simquota.PerMinute(simquota.Tokens, 200_000), simquota.PerDay(simquota.Requests, 10_000),
	}
}

// Server is the simulated service. It is an [net/http.Handler] and safe for concurrent use.
type Server struct {
	*simserver.Base[State, Failure]
	spoken    Dialect
	counting  Counting
	shared    map[string]string
	mux       *http.ServeMux
	chats     simserver.Owned[storedChat]
	responses simserver.Owned[stored]
	files     simserver.Owned[file]
	batches   simserver.Owned[batch]

	conversations simserver.Owned[conversation]
	items         simserver.Owned[string] // of responses, by their IDs
	stores        simserver.Owned[holder]
	containers    simserver.Owned[holder]
	uploads       simserver.Owned[upload]
}

// stored is a response that is kept.
type stored struct {
	body   responseBody
	input  json.RawMessage
	tokens int64 // of all that was said, which the next one brings along
}

// New returns a server with the given configuration.
func New(cfg Config) *Server {
	if cfg.Models == nil {
		cfg.Models = []string{"gpt-5.5", "gpt-5.5-mini", "text-embedding-3-small", "gpt-image-1", "gpt-4o-transcribe", "gpt-4o-mini-tts", defaultModeration}
	}
	s := &Server{
		Base: simserver.New[State, Failure](simserver.Config[State]{
			Keys: cfg.Keys, Models: cfg.Models, Limits: cfg.Limits, Default: DefaultLimits(), Now: cfg.Now, Latency: cfg.Latency,
		}),
		spoken: cfg.Dialect, counting: cfg.Counting, shared: cfg.Shared,
	}
	s.mux = s.routes()
	return s
}

// Transport returns a round tripper that calls the server directly, whatever host the URL
// names: see package inmemory. It works inside a testing/synctest bubble.
func (s *Server) Transport() http.RoundTripper { return inmemory.Transport(s) }

// A Request is what one request said.
type Request = simserver.Request
