package server_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/faults"
	"fluxgate.dev/fluxgate/internal/telemetry"
	"fluxgate.dev/fluxgate/storage"
)

// A watch keeps what a Recorder recorded.
type watched struct {
	*telemetry.Recorder
	t      testing.TB
	spans  *tracetest.SpanRecorder
	reader *sdkmetric.ManualReader
}

func watch(t testing.TB) *watched {
	t.Helper()
	w := &watched{t: t, spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader()}
	r, err := telemetry.New(t.Context(), telemetry.Options{
		Models: []string{pro, flash, "gemini-2.5-flash-lite"}, SpanProcessor: w.spans, MetricReader: w.reader,
		Environment: func(string) (string, bool) { return "", false },
	})
	require.NoError(t, err)
	w.Recorder = r
	t.Cleanup(func() { require.NoError(t, r.Close(context.Background())) })
	return w
}

// ended returns the spans that have ended, by name.
func (w *watched) ended() map[string]sdktrace.ReadOnlySpan {
	out := make(map[string]sdktrace.ReadOnlySpan)
	for _, s := range w.spans.Ended() {
		out[s.Name()] = s
	}
	return out
}

func attributesOf(list []attribute.KeyValue) map[string]any {
	out := make(map[string]any)
	for _, kv := range list {
		out[string(kv.Key)] = kv.Value.AsInterface()
	}
	return out
}

// values returns the points of a metric by their attributes: the value of a
// counter or gauge, the sum of a histogram.
func (w *watched) values(name string) map[string]float64 {
	w.t.Helper()
	var data metricdata.ResourceMetrics
	require.NoError(w.t, w.reader.Collect(context.Background(), &data))
	out := map[string]float64{}
	for _, m := range data.ScopeMetrics[0].Metrics {
		if m.Name != name {
			continue
		}
		switch d := m.Data.(type) {
		case metricdata.Sum[int64]:
			for _, p := range d.DataPoints {
				out[label(p.Attributes)] = float64(p.Value)
			}
		case metricdata.Sum[float64]:
			for _, p := range d.DataPoints {
				out[label(p.Attributes)] = p.Value
			}
		case metricdata.Gauge[int64]:
			for _, p := range d.DataPoints {
				out[label(p.Attributes)] = float64(p.Value)
			}
		case metricdata.Gauge[float64]:
			for _, p := range d.DataPoints {
				out[label(p.Attributes)] = p.Value
			}
		case metricdata.Histogram[float64]:
			for _, p := range d.DataPoints {
				out[label(p.Attributes)] = p.Sum
			}
		case metricdata.Histogram[int64]:
			for _, p := range d.DataPoints {
				out[label(p.Attributes)] = float64(p.Sum)
			}
		default:
			w.t.Fatalf("%s: %T", name, d)
		}
	}
	return out
}

// label writes attributes in order, without the long half of their names.
func label(set attribute.Set) string {
	var parts []string
	for _, kv := range set.ToSlice() {
		parts = append(parts, string(kv.Key[strings.LastIndexByte(string(kv.Key), '.')+1:])+"="+kv.Value.String())
	}
	return strings.Join(parts, " ")
}

// everything returns all that is in the spans.
func (w *watched) everything() string {
	var all strings.Builder
	for _, s := range w.spans.Ended() {
		fmt.Fprintln(&all, s.Name(), attributesOf(s.Attributes()), s.Status().Description, s.SpanContext().TraceState())
		for _, e := range s.Events() {
			fmt.Fprintln(&all, e.Name, attributesOf(e.Attributes))
		}
	}
	return all.String()
}

const callersTrace = "4bf92f3577b34da6a3ce929d0e0e4736"

// A request is a server span in its caller's trace, and every step of it a child.
func TestSpansOfARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watched := watch(t)
		up, s := stubbed(func(heard) *http.Response { return nil })
		s.telemetry, s.env = watched.Recorder, []string{"FLUXGATE_COUNT=exact", "FLUXGATE_TOKENS=alice:" + aliceToken}
		w := newWorld(t, s)
		answered := w.generate("hello", "", "X-Goog-Api-Key", aliceToken, "X-Forwarded-Proto", "HTTPS, http",
			"Traceparent", "00-"+callersTrace+"-00f067aa0ba902b7-01")
		answered.ok()

		spans := watched.ended()
		require.ElementsMatch(t, []string{"POST /generate", "count", "admit", "generate_content " + pro, "settle"}, slices.Collect(maps.Keys(spans)))
		server := spans["POST /generate"]
		assert.Equal(t, trace.SpanKindServer, server.SpanKind())
		assert.Equal(t, "00f067aa0ba902b7", server.Parent().SpanID().String())
		assert.Equal(t, map[string]any{
			"http.request.method": "POST", "http.route": "/generate", "url.scheme": "https", "http.response.status_code": int64(200),
			"fluxgate.caller": "alice", "fluxgate.request_id": answered.Header().Get("X-Fluxgate-Request-Id"),
		}, attributesOf(server.Attributes()))
		for name, span := range spans {
			assert.Equal(t, callersTrace, span.SpanContext().TraceID().String(), name)
			assert.Equal(t, codes.Unset, span.Status().Code, name)
			if name != "POST /generate" {
				assert.Equal(t, server.SpanContext().SpanID(), span.Parent().SpanID(), name)
			}
		}
		counted := attributesOf(spans["count"].Attributes())["fluxgate.tokens"]
		assert.Positive(t, counted)
		assert.Equal(t, map[string]any{
			"fluxgate.verdict": "admitted", "fluxgate.project": "alpha", "gen_ai.request.model": pro, "fluxgate.booked": false, "fluxgate.tokens": counted,
		}, attributesOf(spans["admit"].Attributes()))
		send := spans["generate_content "+pro]
		assert.Equal(t, trace.SpanKindClient, send.SpanKind())
		assert.Equal(t, map[string]any{
			"gen_ai.operation.name": "generate_content", "gen_ai.provider.name": "gcp.gemini", "gen_ai.request.model": pro,
			"gen_ai.response.model": pro, "gen_ai.usage.input_tokens": counted, "gen_ai.usage.output_tokens": int64(2), "http.response.status_code": int64(200),
			"fluxgate.project": "alpha", "fluxgate.key.index": int64(1), "fluxgate.attempt": int64(1),
		}, attributesOf(send.Attributes()))

		// The trace ends here: what Google does with it isn't the caller's to say.
		require.NotEmpty(t, up.all)
		for _, h := range up.all {
			assert.Empty(t, h.header.Get("Traceparent"), h.path)
			assert.Empty(t, h.header.Get("Tracestate"), h.path)
		}
	})
}

// The front end of Google says in a header of its own what trace a request is in.
func TestSpansContinueCloudTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watched := watch(t)
		w := newWorld(t, setup{telemetry: watched.Recorder})
		w.do("GET", "/health", "", "X-Cloud-Trace-Context", callersTrace+"/81985529216486895;o=1")
		w.do("GET", "/health", "", "X-Cloud-Trace-Context", callersTrace+"/1;o=0")
		w.do("GET", "/health", "", "X-Cloud-Trace-Context", "no trace")
		spans := watched.spans.Ended()
		require.Len(t, spans, 2, "the second isn't sampled")
		assert.Equal(t, callersTrace, spans[0].SpanContext().TraceID().String())
		assert.Equal(t, "0123456789abcdef", spans[0].Parent().SpanID().String())
		assert.NotEqual(t, callersTrace, spans[1].SpanContext().TraceID().String())
		assert.False(t, spans[1].Parent().IsValid())
	})
}

// What is admitted, refused, waited for, failed and used.
func TestMetricsOfRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watched := watch(t)
		s := oneAMinute("FLUXGATE_COUNT=exact", "FLUXGATE_TOKENS=alice:"+aliceToken+",bob:"+bobToken, `FLUXGATE_CALLERS={"bob":{"rpm":1}}`)
		s.telemetry = watched.Recorder
		w := newWorld(t, s)
		ask := func(token string) answer { return w.generate("hello", `"retry":false`, "X-Goog-Api-Key", token) }
		const place = "project=alpha model=" + pro

		tokens := float64(ask(aliceToken).ok().TokensUsed)
		wait := ask(aliceToken).wait()
		assert.Equal(t, map[string]float64{"booked=false " + place: 1}, watched.values("fluxgate.admission.admitted"))
		assert.Equal(t, map[string]float64{"booked=false cause=rpm " + place: 1}, watched.values("fluxgate.admission.refused"))
		assert.InDelta(t, wait.Seconds(), watched.values("fluxgate.admission.wait")["cause=rpm model="+pro], 1)
		const series = "project=alpha name=generate_content name=gcp.gemini model=" + pro
		assert.Equal(t, map[string]float64{series + " type=input": tokens, series + " type=output": 2}, watched.values("gen_ai.client.token.usage"))
		const share = "caller=alice model=" + pro
		assert.Equal(t, map[string]float64{share + " type=input": tokens, share + " type=output": 2}, watched.values("fluxgate.usage.tokens"))
		assert.InDelta(t, (tokens*1.25+2*10)/1e6, watched.values("fluxgate.usage.cost")[share], 1e-12)
		assert.Equal(t, map[string]float64{"caller=alice cause=rpm model=" + pro: 1}, watched.values("fluxgate.caller.refused"))
		assert.Equal(t, map[string]float64{"caller=alice": tokens}, watched.values("fluxgate.caller.tokens"))
		assert.Empty(t, watched.values("fluxgate.upstream.errors"))

		// It comes back, and upstream fails.
		synctestSleep(wait)
		w.sim.FailNext(1, faults.Bare429)
		ask(aliceToken).wait()
		assert.Equal(t, map[string]float64{"type=bare_429 project=alpha name=generate_content name=gcp.gemini model=" + pro: 1},
			watched.values("fluxgate.upstream.errors"))
		assert.Equal(t, wait.Seconds(), watched.values("fluxgate.admission.waited")["model="+pro])

		// A caller's own limit is told apart from those of projects.
		synctestSleep(2 * time.Minute)
		ask(bobToken).ok()
		ask(bobToken).wait()
		assert.Equal(t, 1.0, watched.values("fluxgate.admission.refused")["booked=false cause=own_rpm"])
		assert.Len(t, watched.values("fluxgate.quota.bookings"), 1, "its own calendar is not a project's")

		assert.Equal(t, map[string]float64{"caller=alice": 3, "caller=bob": 2}, watched.values("fluxgate.caller.requests"))
		assert.Equal(t, []string{"method=POST status_code=200 route=/generate scheme=http", "method=POST status_code=429 route=/generate scheme=http"},
			slices.Sorted(maps.Keys(watched.values("http.server.request.duration"))))
		assert.Equal(t, map[string]float64{"": 0}, watched.values("http.server.active_requests"))
	})
}

// Errors count whatever was asked of upstream, and a retry that finds no room is no
// refusal: the caller is told what upstream said.
func TestMetricsOfUpstreamErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watched := watch(t)
		fails := ""
		_, s := stubbed(func(h heard) *http.Response {
			if fails == "" || !strings.HasSuffix(h.path, fails) {
				return nil
			}
			return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Body: http.NoBody, Request: h.r}
		})
		s.telemetry, s.env = watched.Recorder, []string{"FLUXGATE_COUNT=exact"}
		w := newWorld(t, s)
		const chat = `{"model":"` + pro + `","messages":[{"role":"user","content":"hello"}]}`
		require.Equal(t, http.StatusOK, w.do("POST", "/openai/v1/chat/completions", chat).Code)
		fails = ":countTokens"
		w.generate("hello", "").ok()
		fails = ":generateContent"
		w.generate("hello", "").failed(http.StatusServiceUnavailable)
		fails = "/models/" + flash
		w.do("GET", "/v1beta/models/"+flash, "").failed(http.StatusServiceUnavailable)
		assert.Equal(t, map[string]float64{
			"type=server project=alpha name=count_tokens name=gcp.gemini model=" + pro:     1,
			"type=server project=alpha name=generate_content name=gcp.gemini model=" + pro: 1,
			"type=server project=alpha name=resource name=gcp.gemini":                      1,
		}, watched.values("fluxgate.upstream.errors"))
		assert.Empty(t, watched.values("fluxgate.admission.refused"))
		assert.Contains(t, watched.values("gen_ai.client.token.usage"), "project=alpha name=chat name=gcp.gemini model="+pro+" type=input")
	})
}

// The server closes a connection on which too much is sent. That it does so only
// for a writer of its own must not be lost on the way.
func TestTooLargeBodyClosesConnection(t *testing.T) {
	w := newWorld(t, setup{telemetry: watch(t).Recorder, env: []string{"FLUXGATE_MAX_BODY=1KiB"}})
	server := httptest.NewServer(w.Server)
	t.Cleanup(server.Close)
	resp, err := server.Client().Post(server.URL+"/generate", "application/json", strings.NewReader(body(strings.Repeat("x", 2<<10), "")))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)
	assert.True(t, resp.Close)
}

// Quotas are those of the instant at which somebody asks, and asking reads
// nothing.
func TestMetricsOfQuotasAndStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watched := watch(t)
		store := &faulty{Store: storage.NewMemory(nil)}
		w := newWorld(t, setup{
			telemetry: watched.Recorder, store: store, keys: projects("alpha", "beta"),
			env: []string{"FLUXGATE_CHAIN=" + pro, `FLUXGATE_LIMITS={"pro":{"rpm":4,"tpm":-1,"rpd":10}}`},
		})
		assert.Empty(t, watched.values("fluxgate.quota.used"), "nothing was seen yet")
		w.generate("hello", `"preferred_key":1`).ok()
		calls := store.calls
		at := func(quota string) string { return "project=alpha quota=" + quota + " model=" + pro }
		assert.Equal(t, map[string]float64{at("rpm"): 0.25, at("rpd"): 0.1}, watched.values("fluxgate.quota.utilization"))
		assert.Equal(t, map[string]float64{at("rpm"): 4, at("rpd"): 10}, watched.values("fluxgate.quota.limit"))
		assert.Equal(t, 1.0, watched.values("fluxgate.quota.used")[at("rpm")])
		assert.Equal(t, map[string]float64{"project=alpha model=" + pro: 0}, watched.values("fluxgate.quota.bookings"))
		synctestSleep(2 * time.Minute)
		assert.Equal(t, map[string]float64{at("rpm"): 0, at("rpd"): 0.1}, watched.values("fluxgate.quota.utilization"))
		assert.Equal(t, calls, store.calls, "the store was asked")

		assert.Equal(t, map[string]float64{"": float64(store.Stats().Writes)}, watched.values("fluxgate.store.writes"))
		assert.Equal(t, map[string]float64{"": 0}, watched.values("fluxgate.store.conflicts"))
		store.slow = 300 * time.Millisecond
		before := watched.values("fluxgate.store.operation.duration")["operation=apply"]
		w.generate("hello", `"preferred_key":1`).ok()
		assert.GreaterOrEqual(t, watched.values("fluxgate.store.operation.duration")["operation=apply"]-before, 0.3)
		store.setDown(true)
		w.generate("hello", "").failed(http.StatusServiceUnavailable)
		span := watched.spans.Ended()[len(watched.spans.Ended())-1]
		assert.Equal(t, "POST /generate", span.Name())
		assert.Equal(t, codes.Error, span.Status().Code)
	})
}

// A booking is reported as long as its holder may come.
func TestMetricsOfBookings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watched := watch(t)
		w := newWorld(t, setup{
			telemetry: watched.Recorder, keys: projects("alpha"),
			env: []string{"FLUXGATE_CHAIN=" + pro, `FLUXGATE_LIMITS={"pro":{"rpm":1}}`},
		})
		kept := func() float64 { return watched.values("fluxgate.quota.bookings")["project=alpha model="+pro] }
		w.generate("first", "").ok()
		w.generate("second", "", "X-Fluxgate-Book", "true").wait()
		w.generate("third", "").wait() // which looks at the project again
		assert.EqualValues(t, 1, kept())
		synctestSleep(66 * time.Second) // 61 s, and the hold
		assert.EqualValues(t, 1, kept())
		synctestSleep(time.Second)
		assert.Zero(t, kept())
	})
}

// Names that callers make up count together.
func TestMetricsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		watched := watch(t)
		const served = "gemini-2.0-flash"
		w := newWorld(t, setup{telemetry: watched.Recorder, sim: func(c *geminisim.Config) { c.Limits[served] = c.Limits[flash] }})
		for i := range 100 {
			w.generate("hello", fmt.Sprintf(`"model":"made-up-%d"`, i)).failed(http.StatusNotFound)
			w.do(fmt.Sprintf("MADE%d", i), fmt.Sprintf("/made/up/%d", i), "").failed(http.StatusNotFound)
		}
		assert.Equal(t, map[string]float64{"booked=false project=alpha model=_other": 100}, watched.values("fluxgate.admission.admitted"))
		assert.Equal(t, map[string]float64{"type=model_unknown project=alpha name=generate_content name=gcp.gemini model=_other": 100},
			watched.values("fluxgate.upstream.errors"))
		assert.Len(t, watched.values("http.server.request.duration"), 2)
		// One that upstream serves is a name.
		w.generate("hello", `"model":"`+served+`"`).ok()
		w.generate("hello", `"model":"`+served+`"`).ok()
		assert.Equal(t, 1.0, watched.values("fluxgate.admission.admitted")["booked=false project=alpha model="+served])
	})
}

// /metrics is text that Prometheus reads, for administrators: it names all callers.
func TestMetricsAsText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watched := watch(t)
		w := newWorld(t, setup{telemetry: watched.Recorder, env: []string{"FLUXGATE_TOKENS=alice:" + aliceToken, "FLUXGATE_ADMIN_TOKENS=root:" + adminToken}})
		w.do("GET", "/metrics", "").failed(http.StatusUnauthorized)
		w.do("GET", "/metrics", "", "Authorization", "Bearer "+aliceToken).failed(http.StatusForbidden)
		w.generate("hello", "", "X-Goog-Api-Key", aliceToken).ok()
		a := w.do("GET", "/metrics", "", "Authorization", "Bearer "+adminToken)
		require.Equal(t, http.StatusOK, a.Code)
		assert.Contains(t, a.Header().Get("Content-Type"), "text/plain")
		parser := expfmt.NewTextParser(model.LegacyValidation)
		families, err := parser.TextToMetricFamilies(a.Body)
		require.NoError(t, err)
		for _, name := range []string{
			"fluxgate_admission_admitted_total", "fluxgate_admission_waited_seconds", "fluxgate_caller_requests_total",
			"fluxgate_quota_bookings", "fluxgate_quota_limit", "fluxgate_quota_used", "fluxgate_quota_utilization_ratio",
			"fluxgate_store_conflicts_total", "fluxgate_store_operation_duration_seconds", "fluxgate_store_writes_total",
			"gen_ai_client_operation_duration_seconds", "gen_ai_client_token_usage", "go_goroutines",
			"http_server_active_requests", "http_server_request_duration_seconds", "target_info",
		} {
			assert.Contains(t, families, name)
		}
		used := families["fluxgate_quota_used"].GetMetric()
		require.Len(t, used, 3)
		admitted := families["fluxgate_admission_admitted_total"].GetMetric()
		require.Len(t, admitted, 1)
		assert.Equal(t, 1.0, admitted[0].GetCounter().GetValue())
	})
}

// Without a Recorder there is nothing to read, and that is said.
func TestNoMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		assert.Contains(t, w.do("GET", "/metrics", "").failed(http.StatusNotFound).Message, "OTEL_SDK_DISABLED")
	})
}
