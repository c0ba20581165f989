package anthropicsim

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
	Revoked       // 401, authentication_error
	Spent         // its organisation has no credit: 400, invalid_request_error
	Capped        // its organisation has reached its tier's monthly spend cap: 429, without retry-after
	Limited       // it may not use the models: 403, permission_error
)

// A Key is one API key.
type Key struct {
	Value   string
	Project string // its organisation, which is what is limited; "": one of its own
	State   State
}

// Config configures a [Server]. The zero value serves no key.
type Config struct {
	Keys []Key

	// Models that there are. Default: claude-opus-5, claude-sonnet-5 and claude-haiku-4-5.
	Models []string

	// Limits by model, of every project; "" stands for any other model, and CountTokens for
	// the counting of tokens, which has limits of its own (documented). Default: DefaultLimits
	// for all.
	Limits map[string][]simquota.Limit

	// Priority are the limits of a Priority Tier commitment, which all models have. A request
	// that they have room for is served by them, if it doesn't ask for standard_only, and counts
	// in the others too (documented). Default: there is none.
	Priority []simquota.Limit

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Latency is how long an answer takes. It is waited for with a timer and cut short
	// when the request is cancelled.
	Latency time.Duration
}

// CountTokens stands for the counting of tokens where a model is expected.
const CountTokens = "count_tokens"

// DefaultLimits are those of the tier Start as documented in 2026: 1,000 requests, 2,000,000
// uncached input tokens and 400,000 output tokens a minute.
func DefaultLimits() []simquota.Limit {
	return []simquota.Limit{
		simquota.PerMinute(simquota.Requests, 1000), simquota.PerMinute(simquota.InputTokens, 2_000_000), simquota.PerMinute(simquota.OutputTokens, 400_000),
	}
}

// Server is the simulated service. It is an [net/http.Handler] and safe for concurrent use.
type Server struct {
	cfg      Config
	mux      *http.ServeMux
	ledger   *simquota.Ledger
	priority *simquota.Ledger
	serial   atomic.Int64 // of requests and of all that is made

	mu       sync.Mutex
	keys     map[string]Key
	models   []string
	failures int
	failure  Failure
	caches   map[cacheID]time.Time // when each was used last
	batches  map[string]*batch
	files    map[string]*file
	log      []Request
}

// New returns a server with the given configuration.
func New(cfg Config) *Server {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Models == nil {
		cfg.Models = []string{"claude-opus-5", "claude-sonnet-5", "claude-haiku-4-5"}
	}
	s := &Server{cfg: cfg, keys: make(map[string]Key), models: slices.Clone(cfg.Models), caches: make(map[cacheID]time.Time), batches: make(map[string]*batch), files: make(map[string]*file)}
	s.ledger = simquota.NewLedger(func(_, model string) []simquota.Limit {
		for _, name := range []string{model, ""} {
			if limits, ok := cfg.Limits[name]; ok {
				return limits
			}
		}
		return DefaultLimits()
	})
	s.priority = simquota.NewLedger(func(string, string) []simquota.Limit { return cfg.Priority })
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
	Input, Output int64 // tokens; of the input those that count against limits
}

// Requests returns the latest requests, 4,096 at least, in the order in which they were answered.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}
