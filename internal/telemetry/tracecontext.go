package telemetry

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// cloudTraceHeader is how Google's front end passes a trace on:
// TRACE_ID/SPAN_ID;o=OPTIONS, with the span as a decimal number.
const cloudTraceHeader = "X-Cloud-Trace-Context"

// remote returns the trace that a request came with: its traceparent, or what
// Google's front end says. Baggage isn't taken up: nobody here reads it.
func remote(h http.Header) trace.SpanContext {
	if h.Get("Traceparent") != "" {
		ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.HeaderCarrier(h))
		if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
			return sc
		}
	}
	return parseCloudTrace(h.Get(cloudTraceHeader))
}

// parseCloudTrace parses an X-Cloud-Trace-Context. The span may be missing; a
// header that is no such thing gives the zero context.
func parseCloudTrace(text string) trace.SpanContext {
	text, options, _ := strings.Cut(text, ";")
	id, number, _ := strings.Cut(text, "/")
	traceID, err := trace.TraceIDFromHex(strings.ToLower(id))
	if err != nil {
		return trace.SpanContext{}
	}
	c := trace.SpanContextConfig{TraceID: traceID, Remote: true}
	if n, err := strconv.ParseUint(number, 10, 64); err == nil {
		for i := range c.SpanID {
			c.SpanID[i] = byte(n >> (56 - 8*i))
		}
	}
	if strings.TrimSpace(options) == "o=1" {
		c.TraceFlags = trace.FlagsSampled
	}
	return trace.NewSpanContext(c)
}
