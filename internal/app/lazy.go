package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/singleflight"

	"fluxgate.dev/fluxgate/internal/build"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/requestid"
)

// A Lazy is an app that the first request builds, from the environment of the
// process: what a function has to be, whose package is initialised before the
// platform may have it do anything.
//
// A start that failed is tried again by the next request: what kept it from
// starting may have passed. Requests that come during a start share its outcome,
// so that a slow failure isn't lived through by one after another. Whoever hangs up
// leaves the start to the others, who have none of its cancellation; but its request
// lasts until then, because a function has no CPU when no request is under way.
//
// GET /health doesn't wait for a start and doesn't cause one. It is the
// platform's question whether the process is up, and a store that is out of
// reach is no reason to have it killed. Only where a start has found that nobody gave
// it a key it says so, with 503.
//
// The zero Lazy is ready for use.
type Lazy struct {
	ready   atomic.Pointer[App] // once it is built
	keyless atomic.Bool         // the last start found no key
	starts  singleflight.Group
}

// startTimeout bounds a start. What a caller may well wait for, the store, has a
// bound of its own.
const startTimeout = time.Minute

// ServeHTTP implements http.Handler.
func (l *Lazy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a := l.ready.Load(); a != nil {
		a.ServeHTTP(w, r)
		return
	}
	if isHealth(r) {
		if l.keyless.Load() {
			writeHealth(w, http.StatusServiceUnavailable, "no key is configured")
		} else {
			writeHealth(w, http.StatusOK, "ok")
		}
		return
	}
	a, err := l.get(r.Context())
	if err != nil {
		w.Header().Set("Retry-After", "5")
		// The cause may name what is not for callers to know; it is in the log.
		writeJSON(w, http.StatusServiceUnavailable,
			`{"error":{"code":503,"message":"Fluxgate could not start; its log says why.","status":"UNAVAILABLE"}}`)
		return
	}
	a.ServeHTTP(w, r)
}

func writeJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set(requestid.Header, requestid.New())
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body+"\n") // the caller may have left
}

// get returns the app, after building it where that is still to be done.
func (l *Lazy) get(ctx context.Context) (*App, error) {
	a, err, _ := l.starts.Do("start", func() (any, error) {
		if a := l.ready.Load(); a != nil {
			return a, nil // since the caller looked
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTimeout)
		defer cancel()
		a, err := start(ctx)
		l.keyless.Store(errors.Is(err, ErrNoKeys))
		if err != nil {
			return nil, err
		}
		l.ready.Store(a)
		return a, nil
	})
	if err != nil {
		return nil, err
	}
	return a.(*App), nil
}

// start builds the app, and logs why it can't.
func start(ctx context.Context) (*App, error) {
	const failed = "start failed, the next request tries again"
	cfg, err := config.Load(ctx, os.Environ())
	if err != nil {
		// Without a configuration, the log goes where the platform looks.
		log := NewLogger(os.Stderr, &config.Config{KService: os.Getenv("K_SERVICE")})
		log.Error(failed, "error", err)
		return nil, err
	}
	log := NewLogger(os.Stderr, cfg)
	log.Info("starting", "build", build.Of().String())
	listener, _ := ctx.Value(http.LocalAddrContextKey).(net.Addr) // of the request that starts it
	a, err := Start(ctx, cfg, Options{Logger: log, Listener: listener})
	if err != nil {
		log.Error(failed, "error", err)
		return nil, fmt.Errorf("start: %w", err)
	}
	go finishAtStop(a)
	return a, nil
}

// stopTimeout bounds what an instance does at its end: the platform kills 10 s
// after it has asked an instance to stop.
const stopTimeout = 8 * time.Second

// finishAtStop ends sessions, whose callers are told, writes what was used and exports what was measured since the last request
// did, when the platform stops the instance. Nobody else listens for that in a function: the
// signal would end the process at once, as it does here afterwards.
func finishAtStop(a *App) {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	_ = a.stopSessions(ctx) // what is left ends with the process
	a.admin.FlushUsage(ctx)
	a.record.Flush(ctx)
	os.Exit(128 + int(syscall.SIGTERM))
}
