package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"fluxgate.dev/fluxgate/internal/standstill"
	"fluxgate.dev/fluxgate/internal/telemetry/otlp"
)

// Of many requests one exports in so many seconds, in bounded time, and a
// collector that doesn't answer is left alone for a while and complained of once.
func TestExportIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		e := &exporter{log: slog.New(slog.NewTextHandler(&log, nil)), withinRequests: true}
		flushed, hangs := 0, false
		e.add(func(ctx context.Context) error {
			flushed++
			assert.NoError(t, ctx.Err(), "there is no time to export in")
			if hangs {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		})
		took := func(ctx context.Context) time.Duration {
			start := time.Now()
			e.ended(ctx)
			return time.Since(start)
		}
		assert.Zero(t, took(t.Context()))
		assert.Equal(t, 1, flushed, "the first request exports: there may be no other")
		time.Sleep(flushEvery - time.Nanosecond)
		took(t.Context())
		assert.Equal(t, 1, flushed)
		time.Sleep(time.Nanosecond)
		gone, leave := context.WithCancel(t.Context())
		leave()
		took(gone)
		assert.Equal(t, 2, flushed, "whose caller has left counts too")
		assert.Empty(t, log.String())

		hangs = true
		time.Sleep(flushEvery)
		assert.Equal(t, flushTimeout, took(t.Context()))
		time.Sleep(flushEvery)
		assert.Zero(t, took(t.Context()), "it is left alone")
		for range 5 {
			time.Sleep(flushPause)
			assert.Equal(t, flushTimeout, took(t.Context()))
		}
		assert.Equal(t, 1, strings.Count(log.String(), "telemetry not exported"), log.String())
		time.Sleep(reportEvery)
		took(t.Context())
		assert.Equal(t, 2, strings.Count(log.String(), "telemetry not exported"), log.String())
	})
}

// Elsewhere batches leave in the background, and no request waits for one.
func TestExportInTheBackground(t *testing.T) {
	e := &exporter{log: slog.New(slog.DiscardHandler)}
	e.add(func(context.Context) error { return errors.New("not to be called") })
	e.ended(t.Context())
	assert.Zero(t, e.nextReport.Load())
}

// A collector that can't be reached fails no request and no stop.
func TestExportToNobody(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", closed.URL)
	var log bytes.Buffer
	r, err := New(t.Context(), Options{Traces: otlp.Traces, Metrics: otlp.Metrics, Logger: slog.New(slog.NewTextHandler(&log, nil)), Service: "gate", Project: "acme"})
	require.NoError(t, err)
	watch := standstill.Begin()
	steps := func() {
		_, _, q := r.Begin(deaf{}, httptest.NewRequest("POST", "/generate", nil), "/generate")
		q.End()
	}
	steps()
	steps()
	assert.Less(t, watch.End().Ran(), 5*time.Second)
	require.NoError(t, r.Close(t.Context()))
	assert.Equal(t, 1, strings.Count(log.String(), "telemetry not exported"), log.String())
}

// A protocol that nobody speaks is said at the start, and exports nothing.
func TestUnknownProtocol(t *testing.T) {
	var log bytes.Buffer
	r := recorder(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))},
		"OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
	assert.False(t, r.Exports())
	assert.Contains(t, log.String(), "traces are not exported")
	assert.Contains(t, log.String(), "metrics are not exported")
	assert.Contains(t, log.String(), "http/json")
}

func TestParseCloudTrace(t *testing.T) {
	const id = "105445aa7843bc8bf206b12000100000"
	for _, c := range []struct {
		header, span string
		sampled, ok  bool
	}{
		{id + "/1;o=1", "0000000000000001", true, true},
		{id + "/18446744073709551615;o=0", "ffffffffffffffff", false, true},
		{id + "/81985529216486895", "0123456789abcdef", false, true},
		{strings.ToUpper(id) + "/0;o=1", "0000000000000000", true, true}, // no span
		{id, "0000000000000000", false, true},
		{id + "/-1;o=1", "0000000000000000", true, true},
		{header: ""},
		{header: "105445aa/1;o=1"},
		{header: strings.Repeat("0", 32) + "/1;o=1"}, // not a trace
		{header: strings.Repeat("x", 32) + "/1;o=1"},
	} {
		sc := parseCloudTrace(c.header)
		assert.Equal(t, c.ok, sc.HasTraceID(), c.header)
		if c.ok {
			assert.Equal(t, id, sc.TraceID().String(), c.header)
			assert.Equal(t, c.span, sc.SpanID().String(), c.header)
			assert.Equal(t, c.sampled, sc.IsSampled(), c.header)
			assert.True(t, sc.IsRemote())
		}
	}
}

// traceparent is the standard; the other header is for where it is missing or
// broken.
func TestRemotePrefersTraceparent(t *testing.T) {
	h := http.Header{}
	h.Set(cloudTraceHeader, "105445aa7843bc8bf206b12000100000/1;o=1")
	assert.Equal(t, "105445aa7843bc8bf206b12000100000", remote(h).TraceID().String())
	h.Set("traceparent", "garbage")
	assert.Equal(t, "105445aa7843bc8bf206b12000100000", remote(h).TraceID().String())
	h.Set("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")
	assert.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", remote(h).TraceID().String())
}

// Lines carry the trace that the front end gave the request, even where nothing is
// recorded; with spans, the span of the request.
func TestLogAttributes(t *testing.T) {
	begin := func(r *Recorder, header ...string) *Request {
		req := httptest.NewRequest("GET", "/health", nil)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		_, _, q := r.Begin(deaf{}, req, "/health")
		return q
	}
	front := []string{cloudTraceHeader, "105445aa7843bc8bf206b12000100000/255;o=1"}
	want := []any{
		slog.String("logging.googleapis.com/trace", "projects/acme/traces/105445aa7843bc8bf206b12000100000"),
		slog.String("logging.googleapis.com/spanId", "00000000000000ff"),
		slog.Bool("logging.googleapis.com/trace_sampled", true),
	}
	cloud := Options{Service: "gate", Project: "acme"}
	assert.Equal(t, want, begin(recorder(t, cloud), front...).LogAttributes())
	disabled := recorder(t, cloud, "OTEL_SDK_DISABLED", "true")
	assert.Nil(t, disabled.Metrics())
	assert.Equal(t, want, begin(disabled, front...).LogAttributes())
	begin(disabled, front...).End()

	assert.Nil(t, begin(recorder(t, cloud)).LogAttributes(), "a request without a trace")
	assert.Nil(t, begin(recorder(t, Options{Project: "acme"}), front...).LogAttributes(), "off the cloud")
	assert.Nil(t, recorder(t, Options{}, "OTEL_SDK_DISABLED", "true"), "nothing at all")

	cloud.SpanProcessor = tracetest.NewSpanRecorder()
	q := begin(recorder(t, cloud), front...)
	assert.Equal(t, []any{want[0], slog.String("logging.googleapis.com/spanId", q.span.SpanContext().SpanID().String()), want[2]}, q.LogAttributes())
}

// The metadata server is asked once, in bounded time, and again after a while if
// it didn't answer.
func TestCloudProject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, answers := 0, false
		p := newCloudProject("")
		p.ask = func(ctx context.Context) (string, error) {
			asked++
			if answers {
				return "acme", nil
			}
			<-ctx.Done()
			return "", ctx.Err()
		}
		start := time.Now()
		assert.Empty(t, p.get(t.Context()))
		assert.Equal(t, metadataTimeout, time.Since(start))
		answers = true
		assert.Empty(t, p.get(t.Context()))
		assert.Equal(t, 1, asked)
		time.Sleep(metadataPause)
		for range 3 {
			assert.Equal(t, "acme", p.get(t.Context()))
		}
		assert.Equal(t, 2, asked)
		p = newCloudProject("configured")
		p.ask = func(context.Context) (string, error) { return "", errors.New("not to be asked") }
		assert.Equal(t, "configured", p.get(t.Context()))
	})
}

// The real client finds a metadata server, which is a fake one here.
func TestCloudProjectFromMetadata(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/computeMetadata/v1/project/project-id" || r.Header.Get("Metadata-Flavor") != "Google" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Metadata-Flavor", "Google")
		_, _ = fmt.Fprint(w, "project-of-the-metadata")
	}))
	t.Cleanup(server.Close)
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(server.URL, "http://"))
	assert.Equal(t, "project-of-the-metadata", newCloudProject("").get(t.Context()))
}

func TestNamesAreBounded(t *testing.T) {
	n := newNames(2, "a")
	assert.Equal(t, "a", n.orOther("a"))
	assert.Equal(t, other, n.orOther("b"))
	assert.Equal(t, "b", n.addOrOther("b"))
	assert.Equal(t, other, n.addOrOther("c"), "there are two already")
	assert.Equal(t, "b", n.orOther("b"))
	assert.Empty(t, n.addOrOther(""))
}

// What was looked for before somebody made it is found, though there is no room for more any longer.
func TestMadeByAnother(t *testing.T) {
	var x table[string, int]
	value := func(n int) func() int { return func() int { return n } }
	for _, c := range []struct {
		key        string
		make, most int
		want       int
		room       bool
	}{{"a", 1, 2, 1, true}, {"a", 2, 2, 1, true}, {"b", 3, 2, 3, true}, {"b", 4, 2, 3, true}, {"c", 5, 2, 0, false}} {
		v, room := x.add(c.key, c.most, value(c.make))
		assert.Equal(t, c.want, v)
		assert.Equal(t, c.room, room, c.key)
	}
}

func TestOperations(t *testing.T) {
	for path, want := range map[string]string{
		"/generate": "generate_content", "/v1beta/models/gemini-2.5-pro:streamGenerateContent": "generate_content",
		"/v1beta/models/gemini-embedding-001:batchEmbedContents": "embeddings", "/openai/v1/embeddings": "embeddings",
		"/v1beta/openai/chat/completions": "chat",
	} {
		assert.Equal(t, want, operationOf(path), path)
	}
}

// An instrument that would have too many series has the rest in one, and keeps no
// attribute set of theirs.
func TestSeriesAreBounded(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	r := recorder(t, Options{MetricReader: reader})
	refuse := func(n int) {
		_, span := r.Admit(t.Context())
		span.Decided(Decision{Cause: strconv.Itoa(n)})
	}
	for n := range maxSeries {
		refuse(n)
	}
	for range 5 {
		refuse(maxSeries)
	}
	refuse(0)
	assert.Len(t, r.m.refused.sums.known.all(), maxSeries-1, "and one for all others")

	var found metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &found))
	series := make(map[attribute.Set]int64)
	var all int64
	for _, m := range found.ScopeMetrics[0].Metrics {
		if m.Name == "fluxgate.admission.refused" {
			for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
				series[p.Attributes] = p.Value
				all += p.Value
			}
		}
	}
	assert.Len(t, series, maxSeries)
	assert.EqualValues(t, maxSeries+6, all, "nothing that was added is lost")
	first := attribute.NewSet(decisionKey{cause: "0"}.attributes()...)
	assert.EqualValues(t, 2, series[first], "one that was there before counts by itself")
	assert.EqualValues(t, 6, series[attribute.NewSet(attribute.Bool("otel.metric.overflow", true))])
}

// A model that shares its limits is a name once it has answered, and so is the one that it is counted as.
func TestModelsThatAreCountedAsAnother(t *testing.T) {
	r := recorder(t, Options{MetricReader: sdkmetric.NewManualReader()})
	_, send := r.Send(t.Context(), Target{Provider: "anthropic", Project: "p", Model: "anthropic/claude-opus-4-8", Counted: "anthropic/claude-opus-4.x"})
	assert.Equal(t, other, r.models.orOther("anthropic/claude-opus-4.x"))
	send.Answered(Answer{Status: http.StatusOK})
	for _, name := range []string{"anthropic/claude-opus-4-8", "anthropic/claude-opus-4.x"} {
		assert.Equal(t, name, r.models.orOther(name))
	}
	assert.Equal(t, other, r.models.orOther("anthropic/made-up"))
}

// A writer shows the status that was sent, and passes on what else a connection
// can do.
func TestResponse(t *testing.T) {
	for _, c := range []struct {
		write func(w http.ResponseWriter)
		want  int
	}{
		{func(http.ResponseWriter) {}, 0},
		{func(w http.ResponseWriter) { w.WriteHeader(404) }, 404},
		{func(w http.ResponseWriter) { _, _ = w.Write(nil); w.WriteHeader(500) }, 200},
		{func(w http.ResponseWriter) { w.WriteHeader(103); w.WriteHeader(201) }, 201},
	} {
		w := &response{ResponseWriter: deaf{}}
		c.write(w)
		assert.Equal(t, c.want, w.status)
	}
	rec := httptest.NewRecorder()
	require.NoError(t, http.NewResponseController(&response{ResponseWriter: rec}).Flush())
	assert.True(t, rec.Flushed)
	err := http.NewResponseController(&response{ResponseWriter: rec}).SetReadDeadline(time.Time{})
	assert.ErrorIs(t, err, http.ErrNotSupported)
	assert.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}
