package geminisim

import (
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
	"fluxgate.dev/fluxgate/internal/geminisim/faults"
	"fluxgate.dev/fluxgate/internal/geminisim/live"
	"fluxgate.dev/fluxgate/internal/geminisim/longrunning"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// Limits of one model on one project. A negative number means unlimited. Zero
// admits nothing: the refusal says "limit: 0", as for a model without quota.
type Limits struct {
	RPM int64 // requests per minute
	TPM int64 // input tokens per minute
	RPD int64 // requests per Pacific calendar day
}

// Window is the rule by which a minute is measured.
type Window int

const (
	// SlidingLog counts what arrived in the trailing 60 s: an arrival at t
	// counts before t+60s and no longer at t+60s.
	SlidingLog Window = iota
	// FixedMinute counts per minute of the clock (UTC) and starts from zero
	// at each.
	FixedMinute
	// TokenBucket holds at most one minute's worth, starts full and refills
	// evenly. Limits above 100,000,000 per minute count as unlimited.
	TokenBucket
)

// A Key is an API key that the server knows; it lives in package credentials.
type Key = credentials.Key

// Config configures a [Server]. The zero value serves no key.
type Config struct {
	// Keys that exist. Of two with the same value the last one wins.
	Keys []Key

	// Limits by model, on top of [DefaultLimits]. A name that isn't one of the
	// default models becomes a further text model, or an embedding model if the
	// name contains "embedding".
	Limits map[string]Limits

	// Now is the server's clock, used for quota. Default: time.Now. An instant
	// before an earlier one is treated as that earlier one.
	Now func() time.Time

	// Window is how minutes are measured. Default: SlidingLog.
	Window Window

	// Latency is how long a generate or embed call takes to answer, and Jitter
	// the most that is added at random. Refusals are immediate. It is waited
	// for with a timer, in real time unless inside a synctest bubble, and cut
	// short when the request is cancelled.
	Latency, Jitter time.Duration

	// Seed makes jitter and response IDs reproducible.
	Seed uint64

	// RejectOversize refuses a single request larger than TPM with an ordinary
	// 429 that claims a minute. Default: it is admitted when the window is
	// empty (the package documentation says for how long it fills it).
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

type bucketID struct{ project, model string }

// quota is the limits of a model, or the fact that there are none to be had.
type quota struct {
	Limits
	none bool
}

// Server is the simulated service. It is an [net/http.Handler] and safe for
// concurrent use.
type Server struct {
	now             func() time.Time
	window          Window
	latency, jitter time.Duration
	rejectOversize  bool
	dailyDelay      time.Duration
	maxOutput       int64
	fileURIBase     string
	granularity     int64
	logger          *slog.Logger
	models          atomic.Pointer[catalogue] // replaced with s.mu held
	keys            *credentials.Ring

	mu           sync.Mutex
	quotas       map[string]quota            // by resolved model
	own          map[bucketID]quota          // of single projects, before quotas
	coming       []limitsChange              // in order of their instants
	retired      map[bucketID]Wording        // an empty project: on all
	statuses     map[string]wire.ModelStatus // by resolved model
	standing     map[string]Standing
	billing      map[string]*billing // by project
	about        LimitsAnswer        // to questions about limits
	buckets      map[bucketID]*bucket
	failures     int // how many are still to come; negative: until cleared
	failure      faults.Failure
	log          entryLog
	bills        map[BillKey]Bill
	requests     requestLog
	files        resourceStore[*file]
	caches       resourceStore[*cachedContent]
	interactions resourceStore[*interaction]
	uploads      map[string]*uploadSession
	stats        Stats
	rng          *rand.Rand

	long *longrunning.Service // has a lock of its own, which is taken before mu
	live *live.Service
}

// Live returns the part of the server that has sessions of the Live API.
func (s *Server) Live() *live.Service { return s.live }

// New returns a server with the given configuration.
func New(cfg Config) *Server {
	s := &Server{
		now:            cfg.Now,
		window:         cfg.Window,
		latency:        cfg.Latency,
		jitter:         cfg.Jitter,
		rejectOversize: cfg.RejectOversize,
		dailyDelay:     cfg.DailyRetryDelay,
		maxOutput:      cfg.MaxOutputTokens,
		fileURIBase:    strings.TrimSuffix(cfg.FileURIBase, "/"),
		granularity:    cfg.UploadGranularity,
		logger:         cfg.Logger,
		requests:       requestLog{limit: cfg.RequestLog},
		files:          newResourceStore[*file](),
		caches:         newResourceStore[*cachedContent](),
		interactions:   newResourceStore[*interaction](),
		uploads:        make(map[string]*uploadSession),
		keys:           credentials.NewRing(cfg.Keys),
		quotas:         make(map[string]quota),
		own:            make(map[bucketID]quota),
		retired:        make(map[bucketID]Wording),
		statuses:       make(map[string]wire.ModelStatus),
		standing:       make(map[string]Standing),
		billing:        make(map[string]*billing),
		buckets:        make(map[bucketID]*bucket),
		rng:            rand.New(rand.NewPCG(cfg.Seed, 0x9e3779b97f4a7c15)),
	}
	s.long = longrunning.New(host{s})
	if s.now == nil {
		s.now = time.Now
	}
	if s.dailyDelay == 0 {
		s.dailyDelay = 20 * time.Second
	}
	if s.maxOutput == 0 {
		s.maxOutput = outputTokenLimit
	}
	if s.granularity == 0 {
		s.granularity = uploadGranularity
	}
	if s.requests.limit == 0 {
		s.requests.limit = 16_384
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	s.models.Store(newCatalogue(cfg.Limits))
	for name, l := range DefaultLimits() {
		s.quotas[name] = quota{Limits: l}
	}
	for name, l := range cfg.Limits {
		s.quotas[s.model(name).resolved] = quota{Limits: l}
	}
	s.live = live.New(s.liveConfig())
	return s
}

// SetKeyState changes the state of a key. A value that the server hasn't seen
// becomes a key that is a project of its own.
func (s *Server) SetKeyState(value string, st credentials.State) { s.keys.SetState(value, st) }
