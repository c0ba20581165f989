package server

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/problems"
	"fluxgate.dev/fluxgate/internal/routes"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// fail answers an error, and logs its cause.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error, elapsed time.Duration) {
	log := s.logger(r.Context()).With("route", r.Pattern, "elapsed", elapsed)
	var failure *upstream.Error
	var p *apierror.Problem
	switch {
	case errors.As(err, &p) && p.Code == apierror.BodyTooSlow:
		// The connection's deadline has ended its context too.
	case errors.Is(r.Context().Err(), context.Canceled):
		p = &apierror.Problem{Code: apierror.Canceled, Public: "The caller hung up.", Cause: err}
	case !errors.As(err, &failure):
		p = problems.Of(err)
	case failure.OfOurs():
		// The keys are ours: that one fails must not look like the caller's mistake.
		p = &apierror.Problem{Code: apierror.Unavailable, Public: "The key that was chosen can't be used any more. Please retry: others may be left.", Cause: err}
	case failure.Class == upstream.ClassDenied && failure.Reason != upstream.ReasonPermission:
		// Nor that they don't suit what was asked.
		p = &apierror.Problem{Code: apierror.Unavailable, Public: failure.From() + " doesn't take this request with the keys that were tried, although they are valid.", Cause: err}
	default:
		maps.Copy(w.Header(), failure.Header)
		apierror.WriteUpstream(w, formatOf(r), apierror.Upstream{
			HTTPStatus: failure.HTTPStatus, Status: failure.Status, Message: failure.Message, Body: failure.Body, Own: failure.Provider != "",
			TimedOut: failure.Class == upstream.ClassTimeout, Broken: failure.Class == upstream.ClassBroken, From: failure.From(), Wait: failure.Wait,
			Patience: patienceOf(r), Failed: failure.Class == upstream.ClassServer,
		})
		log.Warn("failed", "class", failure.Class.String(), "error", err)
		return
	}
	if errors.Is(err, dispatch.ErrKeyless) || errors.Is(err, admission.ErrNoProject) {
		p = &apierror.Problem{Code: p.Code, Public: s.admin.WhyKeyless(r.Context(), s.isAdmin(r)), Cause: p, Again: p.Again}
	}
	apierror.Write(w, formatOf(r), p)
	level := slog.LevelWarn
	if p.Code.HTTP() >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	log.Log(r.Context(), level, "failed", "status", p.Code.HTTP(), "error", p)
}

// writeWait answers a refusal. What is left of the wait is taken at the instant of
// writing.
func (s *Server) writeWait(w http.ResponseWriter, r *http.Request, wait *admission.Wait) {
	model, beside := wait.Model, ""
	switch {
	case wait.On == "" || wait.On == scheduler.OfProject:
	case scheduler.IsModel(wait.On):
		model = wait.On // which answers for it
	default:
		beside = scheduler.NameOfCalendar(wait.On)
	}
	if wait.Caller == "" {
		apierror.ClearQuotas(w.Header())
	} else {
		s.tellQuotas(w, r)
	}
	apierror.WriteWait(w, formatOf(r), apierror.Wait{
		Left: s.admission.Left(wait), Cause: wait.Cause, Limits: wait.Limit.Limits, Caller: wait.Caller, Budget: wait.Budget, BudgetLimit: wait.BudgetLimit,
		Model: model, Beside: beside, On: wait.On, Booked: wait.Booked, Ticket: wait.Ticket, Contested: wait.Contested, Preferred: wait.Preferred,
		Patience: patienceOf(r), Within: wait.Within, Models: wait.Models, Projects: wait.Projects, At: wait.Start.Time(),
		Instead: wait.Instead, InsteadIn: max(0, wait.InsteadAt.Sub(s.admission.Now())),
	})
}

// tellQuotas says how the caller's own limits stand, if it has some.
func (s *Server) tellQuotas(w http.ResponseWriter, r *http.Request) {
	if told := s.admin.Quotas(r.Context(), callerOf(r)); told != nil {
		apierror.SetQuotas(w.Header(), formatOf(r), told)
	}
}

// errNoRoute says that nothing is where a request went. It is answered with
// noRoute.
var errNoRoute = errors.New("no route")

// noRoute is the answer where nothing is. It doesn't repeat the path, which may
// hold what isn't for logs, but what is below a version of Google's API it names as far as
// that goes.
func (s *Server) noRoute(r *http.Request) *apierror.Problem {
	path, what := r.URL.Path, "There is nothing here."
	if sketch := routes.Sketch(path); sketch != "" {
		what = r.Method + " " + sketch + " isn't known here."
	}
	if r, ok := s.table.published.To(path); ok {
		what += " The nearest route is " + r.String() + "."
	}
	return apierror.New(apierror.NotFound, what+" The routes are GET / (a page for people), POST /generate, GET /health, GET /status, GET /usage, GET /metrics, POST /plan, POST /config, POST /validate, POST /refresh-policy, POST /reset, DELETE /tickets/{ticket} or /tickets with X-Fluxgate-Ticket, Gemini's own below /v1beta/, OpenAI's below /v1beta/openai/ or /openai/v1/, and Anthropic's below /anthropic/v1/.")
}
