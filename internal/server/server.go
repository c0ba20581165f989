package server

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"fluxgate.dev/fluxgate/internal/admin"
	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/admission/patience"
	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/batchlines"
	"fluxgate.dev/fluxgate/internal/bodies"
	"fluxgate.dev/fluxgate/internal/callers"
	"fluxgate.dev/fluxgate/internal/chain"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/httpconn"
	"fluxgate.dev/fluxgate/internal/jobs"
	"fluxgate.dev/fluxgate/internal/live"
	"fluxgate.dev/fluxgate/internal/others"
	"fluxgate.dev/fluxgate/internal/passing"
	"fluxgate.dev/fluxgate/internal/providers"
	"fluxgate.dev/fluxgate/internal/received"
	"fluxgate.dev/fluxgate/internal/requestid"
	"fluxgate.dev/fluxgate/internal/requestlog"
	"fluxgate.dev/fluxgate/internal/routes"
	"fluxgate.dev/fluxgate/internal/telemetry"
	"fluxgate.dev/fluxgate/internal/uploadurl"
)

// Options are what a Server works with. All but Others, Jobs, Files, Bodies, Callers and Telemetry are
// required.
type Options struct {
	Config     *config.Config
	Admission  *admission.Controller
	Dispatcher *dispatch.Dispatcher
	Admin      *admin.Admin
	Logger     *slog.Logger
	// Others are the providers beside Gemini.
	Others providers.List
	// Jobs counts what batches use, and what runs in the background. Nil: nothing does.
	Jobs *jobs.Registry
	// Bodies is what the bodies in flight may take. Nil: as much as there are.
	Bodies *bodies.Budget
	// Files knows what batches may be made of. Nil: of any file.
	Files *batchlines.Files
	// Callers says who may come in. Nil: everybody, with nothing told apart.
	Callers *callers.Authenticator
	// Telemetry records what happens to requests. Nil: nothing does.
	Telemetry *telemetry.Recorder
}

// A Server is Fluxgate's http.Handler.
type Server struct {
	cfg       *config.Config
	callers   *callers.Authenticator
	admission *admission.Controller
	dispatch  *dispatch.Dispatcher
	others    *others.Others
	jobs      *jobs.Registry
	chain     *chain.Chain
	admin     *admin.Admin
	log       *slog.Logger
	bodies    *bodies.Budget
	telemetry *telemetry.Recorder
	sessions  *live.Relay
	received  received.Reader
	uploads   uploadurl.URLs
	files     *batchlines.Files
	table     *table
	unended   atomic.Int64 // answers in a row that said nothing of their length
}

// New returns a server.
func New(o Options) *Server {
	s := &Server{
		cfg: o.Config, callers: o.Callers, admission: o.Admission, dispatch: o.Dispatcher, chain: chain.New(o.Config, o.Admission, o.Dispatcher), admin: o.Admin, jobs: o.Jobs, log: o.Logger, bodies: o.Bodies,
		telemetry: o.Telemetry, table: tables[o.Config.PassUnknown](), files: o.Files,
		uploads: uploadurl.URLs{Keys: o.Admission, Now: func() time.Time { return o.Admission.Now().Time() }},
	}
	s.others = others.New(others.Options{Providers: o.Others, Dispatcher: o.Dispatcher, Files: o.Files, Bodies: o.Bodies, Logger: o.Logger})
	s.received = received.Reader{Budget: o.Bodies, Most: int64(o.Config.MaxBody)}
	s.sessions = live.New(live.Options{Config: o.Config, Admission: o.Admission, Dispatcher: o.Dispatcher, Bodies: o.Bodies, Models: o.Admin.Sessions, Logger: o.Logger})
	s.telemetry.ObserveQuotas(o.Admission.Rules, o.Admission.Now)
	return s
}

// A handler answers a request, or returns why it can't.
type handler func(s *Server, w http.ResponseWriter, r *http.Request) error

// An asked writes an answer, and tells the table, which is no server's own, which one was asked.
type asked struct {
	http.ResponseWriter
	server *Server
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()[passing.NoSniff] = passing.NoSniffValue
	w.Header()[requestid.Header] = []string{requestid.New()}
	httpconn.EndAfterChunks(w, r)
	s.table.mux.ServeHTTP(asked{w, s}, passing.Respelled(r))
}

// serve answers a request to a path of the table by the handler that is found.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, format apierror.Format, path string, find finder) {
	w, ctx, seen := s.telemetry.Begin(w, r, path)
	known := func() bool {
		// What is measured goes out before the caller has its answer: after that a function
		// may have no CPU.
		defer seen.End()
		id := requestid.Of(w.Header())
		if format == apierror.OpenAI {
			w.Header().Set(requestid.OpenAIHeader, id)
		}
		start := time.Now()
		httpconn.BoundBody(w, r, received.UnreadTimeout)
		var minted string // an ephemeral token, before the credentials are taken off
		if strings.HasPrefix(path, routes.SocketPath) {
			minted = callers.EphemeralToken(r)
		}
		caller, refused := s.admitCaller(r, path)
		caller, token, refused := s.admitMinted(ctx, minted, caller, refused)
		name := "" // by which it is known
		if caller.Name != "" && !s.callers.Open() {
			name = caller.Name
			seen.Caller(name)
		}
		if s.tellsApart() {
			passing.OwnIdempotency(r.Header, caller.Name)
		}
		ctx, release := s.bodies.WithAnswers(requestid.With(ctx, id, path))
		defer release()
		ctx = patience.With(withArrival(ctx, arrival{format, apierror.PatienceOf(format, path), caller, token}))
		r = r.WithContext(requestlog.With(ctx, requestlog.New(s.log, id, seen.LogAttributes(), name)))
		h, allow := find(r)
		var err error
		switch {
		case refused != nil:
			err = refused
		case h != nil:
			err = h(s, w, r)
		case len(allow) == 0:
			err = errNoRoute
		default:
			if slices.Contains(allow, http.MethodGet) {
				allow = append(allow, http.MethodHead)
			}
			w.Header().Set("Allow", strings.Join(allow, ", "))
			err = apierror.New(apierror.MethodNotAllowed, "This route takes "+strings.Join(allow, ", ")+" only.")
		}
		if errors.Is(err, errNoRoute) {
			err = s.noRoute(r)
		}
		if err != nil {
			s.fail(w, r, err, time.Since(start))
		}
		return refused == nil
	}()
	if known && path != healthPath {
		s.archive(w, r)
	}
}

// maxUnended is how many answers in a row may be passed over whose ends are known only
// when all is done.
const maxUnended = 32

// archive has finished days kept when the caller has its answer, all of it. A function
// has no CPU for that when no request is under way.
func (s *Server) archive(w http.ResponseWriter, r *http.Request) {
	if w.Header().Get("Content-Length") == "" && s.unended.Add(1) < maxUnended {
		return
	}
	s.unended.Store(0)
	s.admin.Archive(r.Context(), func() {
		if w.Header().Get("Sec-Websocket-Accept") == "" { // else the connection was taken over, and is over
			_ = http.NewResponseController(w).Flush()
		}
	})
}
