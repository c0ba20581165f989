package geminisim

import (
	"cmp"
	"log/slog"
	"maps"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/answers"
	"fluxgate.dev/fluxgate/internal/geminisim/caches"
	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
	"fluxgate.dev/fluxgate/internal/geminisim/files"
	"fluxgate.dev/fluxgate/internal/geminisim/interactions"
	"fluxgate.dev/fluxgate/internal/geminisim/journal"
	"fluxgate.dev/fluxgate/internal/geminisim/live"
	"fluxgate.dev/fluxgate/internal/geminisim/longrunning"
	"fluxgate.dev/fluxgate/internal/geminisim/models"
	"fluxgate.dev/fluxgate/internal/geminisim/openai"
	"fluxgate.dev/fluxgate/internal/geminisim/quota"
)

// A Key is an API key that the server knows; it lives in package credentials.
type Key = credentials.Key

// Limits are those of one model on one project; they live in package quota.
type Limits = quota.Limits

// Config configures a [Server]. The zero value serves no key.
type Config struct {
	// Keys that exist. Of two with the same value the last one wins.
	Keys []Key

	// Limits by model, on top of [quota.DefaultLimits]. A name that isn't one of the
	// default models becomes a further text model, or an embedding model if the
	// name contains "embedding".
	Limits map[string]Limits

	// Now is the server's clock, used for quota. Default: time.Now. An instant
	// before an earlier one is treated as that earlier one.
	Now func() time.Time

	// Window is how minutes are measured. Default: SlidingLog.
	Window quota.Window

	// Latency is how long a generate or embed call takes to answer, and Jitter
	// the most that is added at random. Refusals are immediate. It is waited
	// for with a timer, in real time unless inside a synctest bubble, and cut
	// short when the request is cancelled.
	Latency, Jitter time.Duration

	// Seed makes jitter and response IDs reproducible.
	Seed uint64

	// RejectOversize refuses a single request larger than TPM with an ordinary
	// 429 that claims a minute. Default: it is admitted when the window is
	// empty (package quota says for how long it fills it).
	RejectOversize bool

	// DailyRetryDelay is the delay that a 429 claims which no wait of that
	// length cures: the day is spent, or there is no quota. Default: 20 s.
	DailyRetryDelay time.Duration

	// MaxOutputTokens bounds answers of requests that don't set
	// maxOutputTokens, or set a larger one. Default: 65,536.
	MaxOutputTokens int64

	// FileURIBase is the scheme and host of the URI of an uploaded file. Default:
	// those of the request that is answered, where the real service says
	// "https://generativelanguage.googleapis.com" whatever host was asked.
	FileURIBase string

	// UploadGranularity is what the end of every chunk of a resumable upload
	// but the last has to be a multiple of, in bytes. Default: 8 MiB.
	UploadGranularity int64

	// RequestLog is how many of the latest requests [Server.RequestLog] keeps.
	// Default: 16,384. Negative: none.
	RequestLog int

	// Logger receives one debug record per request, never with prompts or key
	// values. Default: none.
	Logger *slog.Logger
}

// Server is the simulated service. It is an [net/http.Handler] and safe for
// concurrent use.
type Server struct {
	now             func() time.Time
	latency, jitter time.Duration
	maxOutput       int64
	logger          *slog.Logger
	models          *models.Catalogue
	keys            *credentials.Ring
	journal         *journal.Journal
	quota           *quota.Ledger
	random          *random
	answers         *answers.Answerer
	files           *files.Service
	caches          *caches.Service
	interactions    *interactions.Service
	openai          *openai.Service
	long            *longrunning.Service
	live            *live.Service
}

// Live returns the part of the server that has sessions of the Live API.
func (s *Server) Live() *live.Service { return s.live }

// New returns a server with the given configuration.
func New(cfg Config) *Server {
	s := &Server{
		now:       cfg.Now,
		latency:   cfg.Latency,
		jitter:    cfg.Jitter,
		maxOutput: cmp.Or(cfg.MaxOutputTokens, models.OutputTokenLimit),
		logger:    cfg.Logger,
		models:    models.New(slices.Sorted(maps.Keys(cfg.Limits))), // a map has no order, a list of models should
		keys:      credentials.NewRing(cfg.Keys),
		journal:   journal.New(cmp.Or(cfg.RequestLog, 16_384)),
		random:    newRandom(cfg.Seed),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	limits := quota.DefaultLimits()
	for name, l := range cfg.Limits {
		resolved, _ := s.models.Resolve(name) // it is there by now
		limits[resolved] = l
	}
	s.quota = quota.New(quota.Config{
		Window: cfg.Window, RejectOversize: cfg.RejectOversize, DailyRetryDelay: cmp.Or(cfg.DailyRetryDelay, 20*time.Second),
		Limits: limits, Resolve: s.models.Resolve,
	}, s.journal)
	s.answers = answers.New(answers.Config{NewID: s.random.responseID, Resolve: s.models.Resolve, Limits: s.quota.LimitsOf})
	s.files = files.New(files.Config{
		Now: s.now, NewID: s.random.id, URIBase: cfg.FileURIBase, Granularity: cfg.UploadGranularity, Stores: stores{s},
	})
	s.caches = caches.New(caches.Config{NewID: s.random.id, Models: s.models, Files: s.files})
	s.interactions = interactions.New(interactions.Config{NewID: s.random.id, Models: s.models})
	s.openai = openai.New(openai.Config{NewID: s.random.responseID, Models: s.models})
	s.long = longrunning.New(host{s})
	s.live = live.New(s.liveConfig())
	return s
}
