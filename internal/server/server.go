package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"fluxgate.dev/fluxgate/internal/callers"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/effective"
	"fluxgate.dev/fluxgate/internal/events"
	"fluxgate.dev/fluxgate/internal/gate"
	"fluxgate.dev/fluxgate/internal/gemini"
	"fluxgate.dev/fluxgate/internal/history"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/internal/policy"
	"fluxgate.dev/fluxgate/internal/telemetry"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// Options are what a Server works with. All but Callers and Telemetry are
// required.
type Options struct {
	Config   *config.Config
	Gate     *gate.Gate
	Keys     KeySource
	Upstream *gemini.Client
	Logger   *slog.Logger
	// Callers says who may come in. Nil: everybody, with nothing told apart.
	Callers *callers.Authenticator
	// Telemetry records what happens to requests. Nil: nothing does.
	Telemetry *telemetry.Recorder
}

// A Server is Fluxgate's http.Handler.
type Server struct {
	callers     *callers.Authenticator
	callerRules map[string]*scheduler.Rules // of callers that have limits of their own
	cfg         *config.Config
	gate        *gate.Gate
	keys        KeySource
	upstream    *gemini.Client
	log         *slog.Logger
	telemetry   *telemetry.Recorder
	mux         *http.ServeMux
	counted     *recent[uint64, int64]  // tokens by request hash
	resources   *recent[string, string] // projects by the names of what they own
	requests    atomic.Int64
	events      *events.Log
	history     *history.Keeper
	notebook    notebook
	keeper      *policy.Keeper
	pool        atomic.Pointer[pool] // of the keys as they were read last
}

// New returns a server.
func New(o Options) *Server {
	s := &Server{
		cfg: o.Config, gate: o.Gate, keys: o.Keys, upstream: o.Upstream, callers: o.Callers, log: o.Logger,
		telemetry: o.Telemetry,
		mux:       http.NewServeMux(),
		counted:   newRecent[uint64, int64](maxCounted),
		resources: newRecent[string, string](maxOwners),
		events:    events.NewLog(o.Gate.Store()),
		history:   history.NewKeeper(o.Gate.Store()),
	}
	s.keeper = s.newKeeper()
	s.callerRules = ownRules(o.Config.Callers, o.Gate.Rules())
	s.telemetry.ObserveQuotas(o.Gate.Rules, o.Gate.Now)
	s.routes()
	return s
}

// A handler answers a request, or returns why it can't.
type handler func(w http.ResponseWriter, r *http.Request) error

type methods map[string]handler

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// route has the path answered by the handler of the request's method; HEAD goes
// with GET. With no handlers at all nothing is found there.
func (s *Server) route(d dialect, path string, by methods) {
	allow := slices.Sorted(maps.Keys(by))
	if _, ok := by[http.MethodGet]; ok {
		allow = append(allow, http.MethodHead)
	}
	s.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		w, ctx, seen := s.telemetry.Begin(w, r, path)
		defer seen.End()
		// The number tells the lines of requests apart that are under way together.
		about := append([]any{"id", s.requests.Add(1)}, seen.LogAttributes()...)
		start := time.Now()
		boundBody(w, r, unreadTimeout)
		caller, refused := s.admitCaller(r, path)
		if caller.Name != "" && !s.callers.Open() {
			about = append(about, "caller", caller.Name)
			seen.Caller(caller.Name)
		}
		r = r.WithContext(withArrival(ctx, arrival{dialect: d, caller: caller, log: s.loggerOf(about)}))
		h, ok := by[r.Method]
		if !ok && r.Method == http.MethodHead {
			h, ok = by[http.MethodGet]
		}
		var err error
		switch {
		case refused != nil:
			err = refused
		case ok:
			err = h(w, r)
		case by == nil:
			err = errNoRoute
		default:
			w.Header().Set("Allow", strings.Join(allow, ", "))
			err = &problem{code: methodNotAllowed, public: "This route takes " + strings.Join(allow, ", ") + " only."}
		}
		if err != nil {
			s.fail(w, r, err, time.Since(start))
		}
		if refused == nil && path != healthPath {
			s.archive(r.Context()) // the answer is on its way
		}
	})
}

// fail answers an error, and logs its cause.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error, elapsed time.Duration) {
	log := s.logger(r.Context()).With("route", r.Pattern, "elapsed", elapsed)
	var own *ownLimit
	if errors.As(err, &own) {
		writeOwnLimit(w, dialectOf(r), own, s.gate.Now())
		wait := own.offer.Start.Sub(s.gate.Now())
		log.Info("wait", "cause", own.cause(), "wait", wait)
		s.telemetry.Refused(r.Context(), own.refused(wait))
		return
	}
	var upstream *gemini.Error
	var p *problem
	switch {
	case errors.As(err, &p) && p.code == bodyTooSlow:
		// The connection's deadline has ended its context too.
	case errors.Is(r.Context().Err(), context.Canceled):
		p = &problem{canceled, "The caller hung up.", err}
	case !errors.As(err, &upstream):
		p = problemOf(err)
	case upstream.Class == gemini.ClassKeyInvalid, upstream.Class == gemini.ClassBilling:
		// The keys are ours: that one fails must not look like the caller's mistake.
		p = &problem{unavailable, "The key that was chosen can't be used any more. Please retry: others may be left.", err}
	default:
		writeUpstream(w, dialectOf(r), upstream)
		log.Warn("failed", "class", upstream.Class.String(), "error", err)
		return
	}
	writeProblem(w, dialectOf(r), p)
	level := slog.LevelWarn
	if codes[p.code].http >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	log.Log(r.Context(), level, "failed", "status", codes[p.code].http, "error", p)
}

// mode returns the mode in force: set at run time, or configured.
func (s *Server) mode(ctx context.Context) (scheduler.Mode, error) {
	control, err := s.gate.Control(ctx)
	if err != nil {
		return "", err
	}
	return s.modeUnder(control), nil
}

// modeUnder returns the mode in force under a control document.
func (s *Server) modeUnder(control storage.Control) scheduler.Mode {
	return effective.Mode(s.cfg, control)
}

// readKeys returns the keys as they are now, by project.
func (s *Server) readKeys(ctx context.Context) (*pool, error) {
	list, err := s.keys.Keys(ctx)
	if err != nil {
		return nil, &problem{unavailable, "The keys can't be read, so nothing was sent. Please retry.", err}
	}
	if p := s.pool.Load(); p != nil && slices.Equal(p.keys, list) {
		return p, nil
	}
	p := newPool(list)
	s.pool.Store(p)
	return p, nil
}

// markInvalid notes that upstream calls a key invalid, and has the keys read
// again: it may have been rotated.
func (s *Server) markInvalid(ctx context.Context, key keys.Key, e *gemini.Error) error {
	reason := e.KeyReason()
	result, err := s.gate.Apply(ctx, key.Project, scheduler.SetMark{Key: key.Fingerprint, Invalid: &reason})
	if err == nil && result.Changed {
		s.logger(ctx).Warn("key invalid", "key", key.Index, "project", key.Project, "reason", reason)
		s.happened(ctx, events.Fluxgate, fmt.Sprintf("key %d is invalid: %s", key.Index, reason))
	}
	if _, reloadErr := s.keys.Reload(ctx, "a key turned out to be invalid"); reloadErr != nil {
		err = errors.Join(err, reloadErr)
	}
	return err
}
