package telemetry

import (
	"context"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"fluxgate.dev/fluxgate/internal/requestid"
)

// A Request is one HTTP request under way. The nil one records nothing.
type Request struct {
	r         *Recorder
	ctx       within
	span      trace.Span // nil: none
	remote    trace.SpanContext
	start     time.Time
	answer    response
	method    string
	scheme    string
	route     string
	caller    string
	operation string
}

// methods are those that are told apart, as the conventions have it.
var methods = map[string]string{
	"GET": "GET", "HEAD": "HEAD", "POST": "POST", "PUT": "PUT", "PATCH": "PATCH", "DELETE": "DELETE", "OPTIONS": "OPTIONS",
	"CONNECT": "CONNECT", "TRACE": "TRACE",
}

// Begin begins a request that came by a route, a pattern of http.ServeMux. It is
// to be served with the writer and the context that are returned, and ended. It
// looks at the headers for the trace that the request is part of.
func (r *Recorder) Begin(w http.ResponseWriter, req *http.Request, route string) (http.ResponseWriter, context.Context, *Request) {
	if r == nil {
		return w, req.Context(), nil
	}
	method, ok := methods[req.Method]
	if !ok {
		method = "_OTHER"
	}
	q := &Request{
		r: r, start: time.Now(), method: method, scheme: schemeOf(req), route: route, operation: operationOf(req.URL.Path),
		answer: response{ResponseWriter: w},
	}
	if r.tracer != nil || r.project != nil {
		q.remote = remote(req.Header)
	}
	ctx := req.Context()
	if r.tracer != nil {
		if q.remote.HasTraceID() {
			ctx = trace.ContextWithRemoteSpanContext(ctx, q.remote)
		}
		ctx, q.span = r.tracer.Start(ctx, method+" "+route, trace.WithSpanKind(trace.SpanKindServer),
			trace.WithAttributes(httpMethod.String(method), httpRoute.String(route), urlScheme.String(q.scheme)))
	}
	if id := requestid.Of(w.Header()); q.span != nil && id != "" {
		q.span.SetAttributes(requestIDKey.String(id))
	}
	q.ctx = within{ctx, q}
	if r.m != nil {
		r.m.active.Add(1)
	}
	return &q.answer, &q.ctx, q
}

// schemeOf returns what the caller used: TLS ends before a function. Of several
// proxies the first was the nearest to the caller.
func schemeOf(req *http.Request) string {
	first, _, _ := strings.Cut(req.Header.Get("X-Forwarded-Proto"), ",")
	if req.TLS != nil || strings.EqualFold(strings.TrimSpace(first), "https") {
		return "https"
	}
	return "http"
}

type requestContext struct{}

// within is the context of a request.
type within struct {
	context.Context
	request *Request
}

// Value implements context.Context.
func (w *within) Value(key any) any {
	if key == (requestContext{}) {
		return w.request
	}
	return w.Context.Value(key)
}

// requestOf returns the request that a context is of, or nil.
func requestOf(ctx context.Context) *Request {
	q, _ := ctx.Value(requestContext{}).(*Request)
	return q
}

// operationOf names what a route has a model do, as the conventions do.
func operationOf(path string) string {
	switch {
	case strings.Contains(path, "embed"), strings.Contains(path, "Embed"):
		return "embeddings"
	case strings.HasSuffix(path, "/chat/completions"), strings.HasSuffix(path, "/messages"), strings.HasSuffix(path, "/responses"):
		return "chat"
	}
	return "generate_content"
}

// Caller notes who sent the request. The name is public.
func (q *Request) Caller(name string) {
	if q == nil || q.r.m == nil {
		return
	}
	q.caller = q.r.callers.addOrOther(name)
	if q.span != nil && name != "" {
		q.span.SetAttributes(callerKey.String(name))
	}
}

// LogAttributes returns what the log lines of the request carry, so that Cloud
// Logging shows them together: nothing off the cloud, or without a trace.
func (q *Request) LogAttributes() []any {
	if q == nil || q.r.project == nil {
		return nil
	}
	sc := q.remote
	if q.span != nil {
		sc = q.span.SpanContext()
	}
	if !sc.HasTraceID() {
		return nil
	}
	project := q.r.project.get(&q.ctx)
	if project == "" {
		return nil
	}
	return logAttributes(project, sc)
}

// End ends the request, and exports what has gathered if that is due.
func (q *Request) End() {
	if q == nil {
		return
	}
	status := q.answer.status
	if status == 0 {
		status = http.StatusOK // nothing was written
	}
	if q.span != nil {
		q.span.SetAttributes(httpStatus.Int(status))
		if status >= http.StatusInternalServerError {
			q.span.SetStatus(codes.Error, "")
		}
		q.span.End()
	}
	if m := q.r.m; m != nil {
		m.active.Add(-1)
		m.duration.add(&q.ctx, requestKey{q.method, q.scheme, q.route, status}, time.Since(q.start).Seconds())
		if q.caller != "" {
			m.callerRequests.add(q.caller, 1)
		}
	}
	q.r.export.ended(&q.ctx)
}

// A response notes the status of an answer. Everything else that a writer can do
// is had through http.ResponseController.
type response struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if w.status == 0 && (status >= http.StatusOK || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }
