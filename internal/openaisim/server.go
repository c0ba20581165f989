package openaisim

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fluxgate.dev/fluxgate/internal/inmemory"
	"fluxgate.dev/fluxgate/internal/simquota"
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

// A Key is one API key.
type Key struct {
	Value   string
	Project string // its organisation, which is what is limited; "": one of its own
	State   State
}

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
)

// Config configures a [Server]. The zero value serves no key.
type Config struct {
	Keys []Key

	// Models that there are. Default: gpt-5.5, gpt-5.5-mini, text-embedding-3-small, gpt-image-1,
	// gpt-4o-transcribe and gpt-4o-mini-tts.
	Models []string

	// Limits by model, of every project; "" stands for any other model. Default:
	// DefaultLimits for all.
	Limits map[string][]simquota.Limit

	// Dialect is whose headers and errors it speaks. Default: OpenAI.
	Dialect Dialect

	Counting Counting

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Latency is how long an answer takes. It is waited for with a timer and cut short
	// when the request is cancelled.
	Latency time.Duration
}

// DefaultLimits are 500 requests and 200,000 tokens a minute, and 10,000 requests a day,
// as those of OpenAI's lower tiers.
func DefaultLimits() []simquota.Limit {
	return []simquota.Limit{
		simquota.PerMinute(simquota.Requests, 500), simquota.PerMinute(simquota.Tokens, 200_000), simquota.PerDay(simquota.Requests, 10_000),
	}
}

// Server is the simulated service. It is an [net/http.Handler] and safe for concurrent use.
type Server struct {
	cfg    Config
	mux    *http.ServeMux
	ledger *simquota.Ledger
	serial atomic.Int64 // of requests and of all that is made

	mu        sync.Mutex
	keys      map[string]Key
	models    []string
	failures  int
	failure   Failure
	responses map[string]stored
	files     map[string]*file
	batches   map[string]*batch
	log       []Request
}

// stored is a response that is kept.
type stored struct {
	project string
	body    responseBody
	tokens  int64 // of all that was said, which the next one brings along
}

// New returns a server with the given configuration.
func New(cfg Config) *Server {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Models == nil {
		cfg.Models = []string{"gpt-5.5", "gpt-5.5-mini", "text-embedding-3-small", "gpt-image-1", "gpt-4o-transcribe", "gpt-4o-mini-tts"}
	}
	s := &Server{
		cfg: cfg, keys: make(map[string]Key), models: slices.Clone(cfg.Models),
		responses: make(map[string]stored), files: make(map[string]*file), batches: make(map[string]*batch),
	}
	s.ledger = simquota.NewLedger(func(_, model string) []simquota.Limit {
		for _, name := range []string{model, ""} {
			if limits, ok := cfg.Limits[name]; ok {
				return limits
			}
		}
		return DefaultLimits()
	})
	for _, k := range cfg.Keys {
		s.SetKey(k)
	}
	s.mux = s.routes()
	return s
}

// Transport returns a round tripper that calls the server directly, whatever host the URL
// names: see package inmemory. It works inside a testing/synctest bubble.
func (s *Server) Transport() http.RoundTripper { return inmemory.Transport(s) }

// Ledger returns what was accepted, refused and used, by project and model.
func (s *Server) Ledger() *simquota.Ledger { return s.ledger }

// SetKey adds a key, or replaces what was known of it.
func (s *Server) SetKey(k Key) {
	if k.Project == "" {
		k.Project = "org-" + k.Value[max(0, len(k.Value)-6):]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[k.Value] = k
}

// SetModels replaces the models that there are.
func (s *Server) SetModels(models ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.models = models
}

// A Request is what one request said.
type Request struct {
	At            time.Time
	Method, Path  string
	Project       string // "": the key is unknown
	Model         string
	Header        http.Header // without credentials
	Status        int
	Body          []byte
	Input, Output int64 // tokens
}

// Requests returns the latest requests, 4,096 at least, in the order in which they were answered.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}
