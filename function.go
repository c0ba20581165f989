// Package fluxgate is a Cloud Run function that stands between an application
// and the Gemini API. It knows how much quota every project and model has left
// at this instant, and either sends a request now or answers 429 with the exact
// time to come back.
//
// This file is the function's entry point, target "Fluxgate". The product is in
// the packages below: scheduler decides, storage keeps, internal/gate admits,
// internal/server speaks HTTP, and internal/app puts them together.
package fluxgate

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"sync"

	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"fluxgate.dev/fluxgate/internal/app"
	"fluxgate.dev/fluxgate/internal/config"
)

func init() {
	functions.HTTP("Fluxgate", new(lazy).ServeHTTP)
}

// lazy builds the app on the first request. A start that failed is tried again
// by the next request: what kept it from starting may have passed. Requests that
// come during a start share its outcome, so that a slow failure isn't lived
// through by one after another.
type lazy struct {
	mu     sync.Mutex
	latest *attempt // nil: none, or it failed
}

// An attempt is one start, shared by all who call it.
type attempt struct {
	start func() (*app.App, error)
}

// ServeHTTP implements http.Handler.
func (l *lazy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, err := l.get(r.Context())
	if err != nil {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(http.StatusServiceUnavailable)
		// The cause may name what is not for callers to know; it is in the log.
		fmt.Fprintln(w, `{"error":{"code":503,"message":"Fluxgate could not start; its log says why.","status":"UNAVAILABLE"}}`)
		return
	}
	a.ServeHTTP(w, r)
}

func (l *lazy) get(ctx context.Context) (*app.App, error) {
	l.mu.Lock()
	current := l.latest
	if current == nil {
		// A caller that hangs up must not spoil the start for the others.
		ctx = context.WithoutCancel(ctx)
		current = &attempt{sync.OnceValues(func() (*app.App, error) { return start(ctx) })}
		l.latest = current
	}
	l.mu.Unlock()
	a, err := current.start()
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.latest == current {
			l.latest = nil
		}
	}
	return a, err
}

// start builds the app, and logs why it can't.
func start(ctx context.Context) (*app.App, error) {
	cfg, err := config.Load(ctx, os.Environ())
	if err != nil {
		// Without a configuration, the log goes where the platform looks.
		log := app.NewLogger(os.Stderr, &config.Config{KService: os.Getenv("K_SERVICE")})
		log.Error("start failed, the next request tries again", "error", err)
		return nil, err
	}
	log := app.NewLogger(os.Stderr, cfg)
	a, err := app.Start(ctx, cfg, app.Options{Logger: log})
	if err != nil {
		log.Error("start failed, the next request tries again", "error", err)
	}
	return a, err
}
