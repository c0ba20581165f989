package server

import (
	"context"
	"net/http"

	"fluxgate.dev/fluxgate/internal/admin"
	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/build"
	"fluxgate.dev/fluxgate/internal/dispatch/candidates"
	"fluxgate.dev/fluxgate/internal/repeated"
)

// health serves GET /health: the process is up. It asks nothing of the store,
// so a platform's probes cost nothing.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	apierror.WriteJSON(w, http.StatusOK, struct {
		Status string `json:"status"`
		build.Info
		Simulated bool `json:"simulated,omitempty"` // answers are a simulator's
		Shadow    bool `json:"shadow,omitempty"`    // nothing waits
	}{"ok", build.Of(), s.cfg.Simulated, s.cfg.Shadow})
	return nil
}

// metrics serves GET /metrics: Prometheus text of this instance, for administrators:
// it names every caller, and what each uses.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) error {
	if err := s.requireAdmin(r); err != nil {
		return err
	}
	h := s.telemetry.Metrics()
	if h == nil {
		return apierror.New(apierror.NotFound, "This server keeps no metrics: OTEL_SDK_DISABLED says so.")
	}
	h.ServeHTTP(w, r)
	return nil
}

// status serves GET /status.
func (s *Server) status(w http.ResponseWriter, r *http.Request) error {
	status, err := s.admin.Status(r.Context(), r.URL.Query(), s.isAdmin(r))
	return repeated.Write(w, r, status, err)
}

// usage serves GET /usage: a caller's own, or for administrators everybody's.
func (s *Server) usage(w http.ResponseWriter, r *http.Request) error {
	return s.admin.Usage().Serve(w, r, callerOf(r), s.isAdmin(r))
}

// plan serves POST /plan.
func (s *Server) plan(w http.ResponseWriter, r *http.Request) error {
	body, held, err := s.received.Body(w, r)
	defer held.Release()
	if err != nil {
		return err
	}
	plan, err := s.admin.Plan(r.Context(), admin.Question{Caller: s.who(r), Body: body, Fallback: r.Header.Get(candidates.FallbackHeader)})
	return answer(w, plan, err)
}

// byAdmin returns the handler of an administrator's request, which is done in the
// caller's name and with the body.
func byAdmin(do func(s *Server, ctx context.Context, who string, body []byte) (any, error)) handler {
	return func(s *Server, w http.ResponseWriter, r *http.Request) error {
		if err := s.requireAdmin(r); err != nil {
			return err
		}
		body, held, err := s.received.Body(w, r)
		defer held.Release()
		if err != nil {
			return err
		}
		result, err := do(s, r.Context(), callerOf(r), body)
		return answer(w, result, err)
	}
}

func (s *Server) configure(ctx context.Context, who string, body []byte) (any, error) {
	return s.admin.Configure(ctx, who, body)
}

func (s *Server) reset(ctx context.Context, who string, body []byte) (any, error) {
	return map[string]string{"status": "ok"}, s.admin.Reset(ctx, who, body)
}

func (s *Server) validate(ctx context.Context, who string, _ []byte) (any, error) {
	return s.admin.Validate(ctx, who)
}

func (s *Server) refreshPolicy(ctx context.Context, _ string, _ []byte) (any, error) {
	return s.admin.RefreshPolicyNow(ctx)
}

// answer writes a result as JSON, unless there is an error.
func answer(w http.ResponseWriter, result any, err error) error {
	if err == nil {
		apierror.WriteJSON(w, http.StatusOK, result)
	}
	return err
}
