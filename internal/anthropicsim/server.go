package anthropicsim

import (
	"net/http"
	"sync"
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
	Revoked       // 401, authentication_error
	Spent         // its organisation has no credit: 400, invalid_request_error
	Capped        // its organisation has reached its tier's monthly spend cap: 429, without retry-after
	Limited       // it may not use the models: 403, permission_error
)

// A Key is one API key. Its project is its organisation.
type Key = simserver.Key[State]

// Config configures a [Server]. The zero value serves no key.
type Config struct {
	Keys []Key

	// Models that there are. Default: claude-opus-5, claude-sonnet-5 and claude-haiku-4-5.
	Models []string

	// Limits by model, of every project; "" stands for any other model, and CountTokens for
	// the counting of tokens, which has limits of its own (documented). Models that share their
	// limits have them by the name that Shared returns. Default: DefaultLimits for all.
	Limits map[string][]simquota.Limit

	// Priority are the limits of a Priority Tier commitment, which all models have. A request
	// that they have room for is served by them, if it doesn't ask for standard_only, and counts
	// in the others too (documented). Default: there is none.
	Priority []simquota.Limit

	// Fast are the limits of the fast mode, which each model has of its own that serves it.
	// Default: none may be sent, as where an organisation hasn't been let in.
	Fast []simquota.Limit

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
	*simserver.Base[State, Failure]
	mux      *http.ServeMux
	priority *simquota.Ledger // nil: there is no Priority Tier
	fast     *simquota.Ledger
	batches  simserver.Owned[batch]
	files    simserver.Owned[fileBody]

	mu     sync.Mutex
	caches map[cacheID]time.Time // when each was used last
}

// New returns a server with the given configuration.
func New(cfg Config) *Server {
	if cfg.Models == nil {
		cfg.Models = []string{"claude-opus-5", "claude-sonnet-5", "claude-haiku-4-5"}
	}
	s := &Server{
		Base: simserver.New[State, Failure](simserver.Config[State]{
			Keys: cfg.Keys, Models: cfg.Models, Limits: cfg.Limits, Default: DefaultLimits(), Now: cfg.Now, Latency: cfg.Latency,
		}),
		caches: make(map[cacheID]time.Time),
	}
	if len(cfg.Priority) > 0 {
		s.priority = simquota.NewLedger(func(string, string) []simquota.Limit { return cfg.Priority })
	}
	if cfg.Fast == nil {
		cfg.Fast = []simquota.Limit{simquota.PerMinute(simquota.InputTokens, 0), simquota.PerMinute(simquota.OutputTokens, 0)}
	}
	s.fast = simquota.NewLedger(func(string, string) []simquota.Limit { return cfg.Fast })
	s.mux = s.routes()
	return s
}

// Transport returns a round tripper that calls the server directly, whatever host the URL
// names: see package inmemory. It works inside a testing/synctest bubble.
func (s *Server) Transport() http.RoundTripper { return inmemory.Transport(s) }

// A Request is what one request said. Its input is what counts against limits.
type Request = simserver.Request
