package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	promexporter "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Bounds of attributes.
const (
	maxModels = 64
	maxNames  = 256 // projects, and callers
	// maxSeries bounds the series of one instrument, should the rest multiply. It
	// is the SDK's own default, and also bounds the attribute sets kept here.
	maxSeries = 2000
)

// Options are what a Recorder works with. The zero value measures; with Traces and
// Metrics it exports what the environment says.
type Options struct {
	// Logger hears when telemetry can't be exported. Nil: nobody does.
	Logger *slog.Logger
	// Service is the name of the Cloud Run service; empty off the cloud, where log
	// lines don't carry traces and exports leave in the background.
	Service string
	// Project is the Google Cloud project; empty on the cloud: the one that the
	// metadata server names.
	Project string
	// Models are those that metrics tell apart from the start. Others join once
	// upstream has served them.
	Models []string
	// Traces and Metrics return exporters that speak a protocol of OTLP, of which package
	// otlp has all. Nil: none is exported.
	Traces  func(ctx context.Context, protocol string) (sdktrace.SpanExporter, error)
	Metrics func(ctx context.Context, protocol string) (sdkmetric.Exporter, error)
	// Environment looks up a variable. Nil: os.LookupEnv, which is what the
	// exporters read in any case.
	Environment func(name string) (string, bool)
	// SpanProcessor and MetricReader, if not nil, get what is recorded, whatever
	// the environment says. They are for tests.
	SpanProcessor sdktrace.SpanProcessor
	MetricReader  sdkmetric.Reader
}

// A Recorder records what happens to requests. All methods may be called by any
// number of goroutines, and on a nil Recorder, which does nothing.
type Recorder struct {
	tracer  trace.Tracer // nil: no spans
	m       *instruments // nil: no metrics
	metrics http.Handler // nil: none
	project *cloudProject
	export  *exporter // nil: nothing is exported
	stop    []func(context.Context) error

	models   *names
	projects *names
	callers  *names

	seen   lastSeen
	stats  atomic.Pointer[storeStats]
	quotas atomic.Pointer[quotaSource]
	shadow atomic.Bool
}

// New returns a Recorder. With OTEL_SDK_DISABLED=true it is nil, but for one that
// ties log lines together on the cloud. An export that can't be set up is logged
// and left out: a service doesn't fail for want of being watched.
func New(ctx context.Context, o Options) (*Recorder, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r := new(Recorder)
	if o.Service != "" {
		r.project = newCloudProject(o.Project)
	}
	e := readEnvironment(o.Environment)
	if e.disabled {
		if r.project == nil {
			return nil, nil
		}
		return r, nil
	}
	r.models = newNames(maxModels, o.Models...)
	r.projects, r.callers = newNames(maxNames), newNames(maxNames)

	resource, err := newResource(ctx, o)
	if err != nil {
		// What could be read of it counts.
		o.Logger.Warn("telemetry: resource attributes", "error", err)
	}
	processors, readers := e.exporters(ctx, o)
	if len(processors)+len(readers) > 0 {
		r.export = newExporter(o.Logger, o.Service != "")
	}
	if o.SpanProcessor != nil {
		processors = append(processors, o.SpanProcessor)
	}
	if o.MetricReader != nil {
		readers = append(readers, o.MetricReader)
	}
	if len(processors) > 0 {
		options := []sdktrace.TracerProviderOption{sdktrace.WithResource(resource)}
		for _, p := range processors {
			options = append(options, sdktrace.WithSpanProcessor(p))
		}
		provider := sdktrace.NewTracerProvider(options...)
		r.tracer = provider.Tracer(scope)
		r.stop = append(r.stop, provider.Shutdown)
		r.export.add(provider.ForceFlush)
	}
	registry := prometheus.NewRegistry()
	m, own := newInstruments(), len(readers) == 0 // who only scrapes needs none of the SDK's histograms
	scraped := []promexporter.Option{promexporter.WithRegisterer(registry), promexporter.WithoutScopeInfo()}
	if own {
		scraped = append(scraped, promexporter.WithProducer(m.producer()))
	}
	scrape, err := promexporter.New(scraped...)
	if err != nil {
		return nil, fmt.Errorf("metrics as text: %w", err)
	}
	options := []sdkmetric.Option{
		sdkmetric.WithResource(resource), sdkmetric.WithReader(scrape), sdkmetric.WithCardinalityLimit(maxSeries),
		// Exemplars would be looked for in every measurement, and spans are rare.
		sdkmetric.WithExemplarFilter(exemplar.AlwaysOffFilter),
	}
	for _, reader := range readers {
		options = append(options, sdkmetric.WithReader(reader))
	}
	provider := sdkmetric.NewMeterProvider(options...)
	r.stop = append(r.stop, provider.Shutdown)
	r.export.add(provider.ForceFlush)
	meter := provider.Meter(scope)
	if !own {
		err = m.export(meter)
	}
	r.m = m
	if err = errors.Join(err, m.observe(meter), r.observe(meter)); err != nil {
		return nil, errors.Join(fmt.Errorf("metrics: %w", err), r.Close(ctx))
	}
	r.metrics = scrapeHandler(registry)
	return r, nil
}

// scrapeHandler serves the metrics of a registry, and those of the process.
func scrapeHandler(registry *prometheus.Registry) http.Handler {
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

// Metrics returns the handler that serves the metrics as Prometheus text, or nil
// if there are none. It doesn't ask who reads them.
func (r *Recorder) Metrics() http.Handler {
	if r == nil {
		return nil
	}
	return r.metrics
}

// Exports reports whether anything leaves by OTLP.
func (r *Recorder) Exports() bool { return r != nil && r.export != nil }

// Flush exports what is waiting. Failures are logged, not returned.
func (r *Recorder) Flush(ctx context.Context) {
	if r.Exports() {
		r.export.flush(ctx)
	}
}

// closeTimeout bounds the last export.
const closeTimeout = 5 * time.Second

// Close exports what is waiting and ends the Recorder. What a collector doesn't
// take in time is lost, which is no error of the service's: it is logged.
func (r *Recorder) Close(ctx context.Context) error {
	if r == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	for _, stop := range r.stop {
		if err := stop(ctx); err != nil {
			r.export.failed(err)
		}
	}
	r.stop = nil
	return nil
}
