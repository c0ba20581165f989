package live

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/bodies"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/ephemeral"
	"fluxgate.dev/fluxgate/internal/resources"
	"fluxgate.dev/fluxgate/scheduler"
)

// Options are what a Relay works with. All but Bodies and Models are required.
type Options struct {
	// Config says whether sessions are served, how long one lasts at most (Timeout), how long
	// nothing may pass in it (LiveIdleTimeout), how large a message may be (MaxBody), and
	// whether Fluxgate only watches (Shadow).
	Config     *config.Config
	Admission  *admission.Controller
	Dispatcher *dispatch.Dispatcher
	// Bodies is what messages may take. Nil: as much as there are.
	Bodies *bodies.Budget
	// Models returns the models that "auto" stands for, best first; none: those of [Models].
	// Nil: the same.
	Models func(ctx context.Context) []string
	Logger *slog.Logger // of what is done for no session
}

// A Relay relays sessions. It is safe for use by any number of goroutines.
type Relay struct {
	admission  *admission.Controller
	dispatcher *dispatch.Dispatcher
	bodies     *bodies.Budget
	log        *slog.Logger
	models     func(ctx context.Context) []string
	handles    *resources.Registry // whose sessions are that may be resumed
	tokens     *ephemeral.Registry

	off           bool
	watches       bool // every session is opened, whatever is decided
	longest, idle time.Duration
	most          int64

	mu       sync.Mutex
	stopping bool
	open     map[*session]bool
	over     sync.WaitGroup
}

// New returns a relay.
func New(o Options) *Relay {
	now := func() time.Time { return o.Admission.Now().Time() }
	return &Relay{
		admission: o.Admission, dispatcher: o.Dispatcher, bodies: o.Bodies, log: o.Logger, models: o.Models,
		handles: resources.New(resources.Options{Records: o.Admission, Now: now, Logger: o.Logger, Prefix: "sessions"}),
		tokens:  ephemeral.New(o.Admission, now),
		off:     !o.Config.Live, watches: o.Config.Shadow, longest: o.Config.Timeout, idle: o.Config.LiveIdleTimeout, most: int64(o.Config.MaxBody),
		open: make(map[*session]bool),
	}
}

// An Incoming is a request for a session, as it came.
type Incoming struct {
	Who resources.Caller
	// Token is the ephemeral token that it came with; nil: none.
	Token *Token
	// Call returns the call of a setup: what it is decided by, and what it is recognised by.
	Call func(ctx context.Context, setup []byte) (*dispatch.Call, error)
}

// Serve serves one session to its end. What is wrong before the caller's connection is
// accepted is returned, the wait as a value; after that the caller is told with a close.
func (l *Relay) Serve(w http.ResponseWriter, r *http.Request, in Incoming) (*admission.Wait, error) {
	m, ok := MethodOf(path.Base(r.URL.Path))
	switch {
	case !ok:
		return nil, apierror.New(apierror.NotFound, "There is no such method of sessions.")
	case l.off:
		return nil, apierror.New(apierror.Unserved, "Sessions of the Live API are not served here: FLUXGATE_LIVE is false. It is where an instance has less than one vCPU and so takes one request at a time.")
	case !asksUpgrade(r):
		return nil, apierror.New(apierror.InvalidArgument, "This route takes WebSockets: Connection: Upgrade, Upgrade: websocket.")
	}
	if err := mayOpen(m, in.Token); err != nil {
		return nil, err
	}
	held, err := l.bodies.Charge(eachSession)
	if err != nil {
		return nil, &apierror.Problem{Code: apierror.Unavailable, Public: "There is no room for another session now. Please retry.", Cause: err}
	}
	defer held.Release()
	if _, err := l.dispatcher.Pool(r.Context()); err != nil {
		return nil, err
	}
	if !l.watches { // else the call notes it
		wait, err := l.admission.CallerLimit(in.Who.Name, scheduler.Demand{}).Check(r.Context())
		if wait != nil || err != nil {
			return wait, err
		}
	}
	x := newSession(l, r, m, in)
	if !l.enter(x) {
		return nil, apierror.New(apierror.Unavailable, stopping+" Please retry.")
	}
	defer l.leave(x)
	// Whoever may come in was found out before, by its credential or, where none is asked for,
	// by its Origin and Host.
	h := &hijacker{ResponseWriter: w}
	conn, err := websocket.Accept(h, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		x.log.Warn("no session", "error", err) // it has been answered
		return nil, nil
	}
	x.serve(&side{conn, h.under})
	return nil, nil
}

// asksUpgrade reports whether a request asks for a WebSocket.
func asksUpgrade(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

func (l *Relay) enter(x *session) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopping {
		return false
	}
	l.open[x] = true
	l.over.Add(1)
	return true
}

func (l *Relay) leave(x *session) {
	l.mu.Lock()
	delete(l.open, x)
	l.mu.Unlock()
	x.stop()
	l.over.Done()
}

// stopping is what callers are told when the instance stops.
const stopping = "This instance of Fluxgate is stopping."

// Stop ends every session, and lets none begin. It returns when all are settled, or with the
// context's error.
func (l *Relay) Stop(ctx context.Context) error {
	l.mu.Lock()
	l.stopping = true
	for x := range l.open {
		x.end(ending{code: websocket.StatusGoingAway, reason: stopping + " Connect again, and resume."})
	}
	l.mu.Unlock()
	done := make(chan struct{})
	go func() {
		l.over.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.Join(errors.New("sessions were left"), context.Cause(ctx))
	}
}
