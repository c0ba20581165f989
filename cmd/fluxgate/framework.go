package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
)

// Bounds of what a client may do before a request has come far enough to be
// anybody's. Bodies have a bound of their own, in internal/server, and answers
// none: a stream may take as long as its request may.
const (
	headerTimeout = 10 * time.Second // from a connection, or the first byte of its next request, to the end of the header
	idleTimeout   = 2 * time.Minute  // between two requests of a connection
	maxHeader     = 64 << 10         // bytes
)

// newServer returns a server of next under functions-framework.
//
// The framework has no way to set these bounds: its own server, the only one
// that it starts, waits for a header for ever. So it is started only to take the
// handler off it, and what listens is ours.
func newServer(ctx context.Context, next http.Handler) (*http.Server, error) {
	srv := &http.Server{ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader}
	// With a target the framework serves this one function, on every path.
	if err := os.Setenv("FUNCTION_TARGET", "Fluxgate"); err != nil {
		return nil, err
	}
	f := &function{next: next, served: srv, framework: make(chan *http.Server, 1)}
	if err := funcframework.RegisterHTTPFunctionContext(ctx, "/", f.ServeHTTP); err != nil {
		return nil, fmt.Errorf("register function: %w", err)
	}
	handler, err := f.handler(ctx)
	if err != nil {
		return nil, fmt.Errorf("start functions-framework: %w", err)
	}
	srv.Handler = handler
	return srv, nil
}

// A function is what is registered with the framework.
type function struct {
	next      http.Handler
	served    *http.Server      // ours
	framework chan *http.Server // the framework's, once it has been asked
}

// ServeHTTP implements http.Handler. What comes by the framework's own server,
// from whomever, has that server noted and goes no further.
func (f *function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	srv, _ := r.Context().Value(http.ServerContextKey).(*http.Server)
	if srv == f.served {
		f.next.ServeHTTP(w, r)
		return
	}
	select {
	case f.framework <- srv:
	default:
	}
	w.WriteHeader(http.StatusNoContent)
}

// portAttempts is how often a port may be lost to somebody between finding it
// free and listening on it.
const portAttempts = 10

// handler starts the framework's server on a free loopback port, sends it a
// request, by which it gives itself away, and stops it.
func (f *function) handler(ctx context.Context) (http.Handler, error) {
	var problems []error
	for range portAttempts {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		ended := make(chan error, 1)
		go func() { ended <- funcframework.StartHostPort("127.0.0.1", strconv.Itoa(port)) }()
		srv, err := f.meet(ctx, port, ended)
		if srv != nil {
			_ = srv.Close() // nothing is under way that anybody waits for
			if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
				return nil, err
			}
			return srv.Handler, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		problems = append(problems, err)
	}
	return nil, errors.Join(problems...)
}

// meet asks at a port until the framework's server has been met or has ended.
func (f *function) meet(ctx context.Context, port int, ended <-chan error) (*http.Server, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/", port), nil)
	if err != nil {
		return nil, err
	}
	for {
		// It may not listen yet, and it may be somebody else who does: what is
		// answered doesn't matter.
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
		}
		select {
		case srv := <-f.framework:
			return srv, nil
		case err := <-ended:
			return nil, err
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// freePort returns a loopback port that nobody listens on.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
