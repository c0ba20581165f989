package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/quota"
)

// projects is how many keys the simulator has, each a project of its own.
const projects = 8

// model is what everybody ends up asking: the first of Fluxgate's chain.
const model = "gemini-2.5-pro"

func keyValue(n int) string { return "bench-key-" + strconv.Itoa(n) }

// callerToken is what callers of Fluxgate identify themselves with. It guards
// nothing: Fluxgate listens on a loopback address and has simulated keys.
const callerToken = "bench-token-of-no-worth"

// FluxgateSettings are the settings, NAME=value, of a Fluxgate over a simulator:
// quota that never binds, everything in memory.
func FluxgateSettings(upstream string) []string {
	settings := []string{
		"PORT=0", "FLUXGATE_STORE=memory", "GOOGLE_GEMINI_BASE_URL=" + upstream, "FLUXGATE_TOKENS=bench:" + callerToken,
		`FLUXGATE_LIMITS={"pro":{"rpm":-1,"tpm":-1,"rpd":-1},"flash":{"rpm":-1,"tpm":-1,"rpd":-1},"flash_lite":{"rpm":-1,"tpm":-1,"rpd":-1}}`,
	}
	for i := range projects {
		settings = append(settings, fmt.Sprintf("GEMINI_KEY_%d=%s", i+1, keyValue(i+1)))
	}
	return settings
}

// ServeSimulator serves a Gemini without limits and without latency on a free
// loopback port until ctx ends.
func ServeSimulator(ctx context.Context, out io.Writer) error {
	cfg := geminisim.Config{Limits: make(map[string]geminisim.Limits), RequestLog: -1}
	for i := range projects {
		cfg.Keys = append(cfg.Keys, geminisim.Key{Value: keyValue(i + 1)})
	}
	for name := range quota.DefaultLimits() {
		cfg.Limits[name] = geminisim.Limits{RPM: -1, TPM: -1, RPD: -1}
	}
	return serve(ctx, out, geminisim.New(cfg))
}

// ServeProxy serves the standard library's reverse proxy, with nothing added to
// it, on a free loopback port until ctx ends.
func ServeProxy(ctx context.Context, out io.Writer, upstream string) error {
	to, err := url.Parse(upstream)
	if err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	// As in Fluxgate. The default of 2 would make it connect for nearly every
	// request, and look good whatever is beside it.
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 256, 256
	return serve(ctx, out, &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport: transport,
	})
}

// serveInside serves on a free loopback port, which is its Addr, until it is closed.
func serveInside(h http.Handler) (*http.Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	srv := &http.Server{Addr: l.Addr().String(), Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(l) }() // until it is closed
	return srv, nil
}

func serve(ctx context.Context, out io.Writer, h http.Handler) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	fmt.Fprintf(out, "%shttp://%s\n", servingOn, l.Addr())
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
