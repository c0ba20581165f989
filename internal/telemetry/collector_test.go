package telemetry

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"fluxgate.dev/fluxgate/internal/telemetry/otlp"
)

const overHTTP, overGRPC = "http/protobuf", "grpc"

// A collector takes OTLP on a port of this machine, over HTTP and over gRPC.
type collector struct {
	tracepb.UnimplementedTraceServiceServer
	http, grpc string // endpoints

	mu       sync.Mutex
	spans    []string
	metrics  []string
	resource map[string]string
	tokens   []string // what came as the header x-token
}

func collect(t *testing.T) *collector {
	c := &collector{resource: map[string]string{}}
	web := httptest.NewServer(c)
	t.Cleanup(web.Close)
	c.http = web.URL
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	tracepb.RegisterTraceServiceServer(server, c)
	metricspb.RegisterMetricsServiceServer(server, metricsCollector{c: c})
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-served)
	})
	c.grpc = "http://" + l.Addr().String()
	return c
}

// ServeHTTP implements http.Handler.
func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	token := r.Header.Get("X-Token")
	switch r.URL.Path {
	case "/v1/traces":
		in := new(tracepb.ExportTraceServiceRequest)
		err = proto.Unmarshal(body, in)
		c.takeTraces(in, token)
	case "/v1/metrics":
		in := new(metricspb.ExportMetricsServiceRequest)
		err = proto.Unmarshal(body, in)
		c.takeMetrics(in, token)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
	}
}

// Export implements the trace service.
func (c *collector) Export(ctx context.Context, in *tracepb.ExportTraceServiceRequest) (*tracepb.ExportTraceServiceResponse, error) {
	c.takeTraces(in, tokenOf(ctx))
	return new(tracepb.ExportTraceServiceResponse), nil
}

type metricsCollector struct {
	metricspb.UnimplementedMetricsServiceServer
	c *collector
}

// Export implements the metrics service.
func (m metricsCollector) Export(ctx context.Context, in *metricspb.ExportMetricsServiceRequest) (*metricspb.ExportMetricsServiceResponse, error) {
	m.c.takeMetrics(in, tokenOf(ctx))
	return new(metricspb.ExportMetricsServiceResponse), nil
}

func tokenOf(ctx context.Context) string {
	for _, token := range metadata.ValueFromIncomingContext(ctx, "x-token") {
		return token
	}
	return ""
}

func (c *collector) takeTraces(in *tracepb.ExportTraceServiceRequest, token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens = append(c.tokens, token)
	for _, r := range in.GetResourceSpans() {
		c.takeResource(r.GetResource().GetAttributes())
		for _, s := range r.GetScopeSpans() {
			for _, span := range s.GetSpans() {
				c.spans = append(c.spans, span.GetName())
			}
		}
	}
}

func (c *collector) takeMetrics(in *metricspb.ExportMetricsServiceRequest, token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens = append(c.tokens, token)
	for _, r := range in.GetResourceMetrics() {
		c.takeResource(r.GetResource().GetAttributes())
		for _, s := range r.GetScopeMetrics() {
			for _, m := range s.GetMetrics() {
				c.metrics = append(c.metrics, m.GetName())
			}
		}
	}
}

func (c *collector) takeResource(list []*commonpb.KeyValue) {
	for _, kv := range list {
		c.resource[kv.GetKey()] = kv.GetValue().GetStringValue()
	}
}

// got returns the names of what has arrived, each once.
func (c *collector) got() (spans, metrics []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	spans, metrics = slices.Sorted(slices.Values(c.spans)), slices.Sorted(slices.Values(c.metrics))
	return slices.Compact(spans), slices.Compact(metrics)
}

var everySpan = []string{"POST /generate", "admit", "count", "generate_content gemini-2.5-pro", "settle"}

// What a request leaves arrives at a collector, by either protocol, with the
// headers and the resource that the standard variables say.
func TestExport(t *testing.T) {
	for _, protocol := range []string{overHTTP, overGRPC} {
		t.Run(protocol, func(t *testing.T) {
			c := collect(t)
			endpoint := c.http
			if protocol == overGRPC {
				endpoint = c.grpc
			}
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
			t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
			t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-token=abc")
			t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
			r, err := New(t.Context(), Options{Traces: otlp.Traces, Metrics: otlp.Metrics, Models: []string{"gemini-2.5-pro"}})
			require.NoError(t, err)
			require.True(t, r.Exports())
			steps(r, deaf{}, httptest.NewRequest("POST", "/generate", nil))
			require.NoError(t, r.Close(t.Context()))
			spans, metrics := c.got()
			assert.Equal(t, everySpan, spans)
			assert.Contains(t, metrics, "fluxgate.admission.admitted")
			assert.Contains(t, metrics, "http.server.request.duration")
			assert.Equal(t, []string{"abc", "abc"}, c.tokens, "one request for traces and one for metrics")
			assert.Equal(t, "fluxgate", c.resource["service.name"])
			assert.Equal(t, "test", c.resource["deployment.environment.name"])
			assert.NotEmpty(t, c.resource["service.instance.id"])
		})
	}
}

// On the cloud the request exports before it ends: afterwards there may be no time.
func TestExportWithinRequests(t *testing.T) {
	c := collect(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.http)
	t.Setenv("K_REVISION", "gate-00007")
	r, err := New(t.Context(), Options{Traces: otlp.Traces, Metrics: otlp.Metrics, Models: []string{"gemini-2.5-pro"}, Service: "gate", Project: "acme"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close(context.Background())) })
	steps := func() {
		w, ctx, q := r.Begin(deaf{}, httptest.NewRequest("POST", "/generate", nil), "/generate")
		_, count := r.Count(ctx)
		count.Counted(1, "")
		w.WriteHeader(http.StatusOK)
		q.End()
	}
	steps()
	spans, metrics := c.got()
	assert.Equal(t, []string{"POST /generate", "count"}, spans)
	assert.Contains(t, metrics, "http.server.request.duration")
	assert.Equal(t, "gate", c.resource["service.name"])
	assert.Equal(t, "gate-00007", c.resource["faas.version"])
	assert.Equal(t, "acme", c.resource["cloud.account.id"])
	steps()
	assert.Len(t, c.tokens, 2, "the next one isn't due yet")
	r.Flush(t.Context())
	assert.Len(t, c.tokens, 4)
}

// Only one of the two may be wanted, and what can't be done is said at the start.
func TestExportOfWhatIsWanted(t *testing.T) {
	for _, c := range []struct {
		env             []string
		traces, metrics string
		disabled        bool
	}{
		{env: nil},
		{env: []string{"OTEL_EXPORTER_OTLP_HEADERS", "a=b"}}, // no endpoint, no export
		{env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318"}, traces: overHTTP, metrics: overHTTP},
		{env: []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://localhost:4318/v1/traces"}, traces: overHTTP},
		{env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4317", "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "OTEL_TRACES_EXPORTER", "none"}, metrics: overGRPC},
		{env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4317", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc"}, traces: overHTTP, metrics: overGRPC},
		{env: []string{"OTEL_TRACES_EXPORTER", "otlp"}, traces: overHTTP},
		{env: []string{"OTEL_SDK_DISABLED", "TRUE"}, disabled: true},
	} {
		got := readEnvironment(func(name string) (string, bool) {
			for i := 0; i < len(c.env); i += 2 {
				if c.env[i] == name {
					return c.env[i+1], true
				}
			}
			return "", false
		})
		assert.Equal(t, environment{c.disabled, c.traces, c.metrics}, got, c.env)
	}
}
