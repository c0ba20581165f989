package telemetry

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// A histogram counts what is measured by its size, in series. Where nothing is exported it does so
// itself, and the SDK is told when somebody scrapes: it looks through the attributes of a series for
// each measurement, of which a request has six. With its histograms BenchmarkMetrics takes 1.7 µs,
// and 0.85 without (the least of 150 runs of 2 ms on one processor), and a request took 7% more
// within Fluxgate's handler. Where they are exported they are the SDK's, for the exporter's
// variables say how they are made.
type histogram[K comparable] struct {
	name, unit, text string
	bounds           []float64 // the upper ones of all buckets but the last, each within its bucket
	attributes       func(K) []attribute.KeyValue
	series           table[K, *series]
	beyond           *series // of all series beyond maxSeries; it is one of them
	// record is the SDK's; nil: it is counted here.
	record func(ctx context.Context, v float64, series ...metric.RecordOption)
}

// A series is what was measured under the same attributes.
type series struct {
	set     attribute.Set
	options []metric.RecordOption // the set, as the SDK takes it

	mu     sync.Mutex
	counts []uint64 // by bucket
	sum    float64
}

func newHistogram[K comparable](name, unit, text string, bounds []float64, attributes func(K) []attribute.KeyValue) *histogram[K] {
	h := &histogram[K]{name: name, unit: unit, text: text, bounds: bounds, attributes: attributes}
	h.beyond = h.begin(overflow)
	return h
}

// overflow is what the SDK says of what is beyond its bound.
var overflow = attribute.Bool("otel.metric.overflow", true)

// begin returns an empty series.
func (h *histogram[K]) begin(attributes ...attribute.KeyValue) *series {
	set := attribute.NewSet(attributes...)
	return &series{set: set, options: []metric.RecordOption{metric.WithAttributeSet(set)}, counts: make([]uint64, len(h.bounds)+1)}
}

// add adds a measurement to a series, which begins where there is room.
func (h *histogram[K]) add(ctx context.Context, k K, v float64) {
	s := h.series.all()[k]
	if s == nil {
		var room bool
		if s, room = h.series.add(k, maxSeries-1, func() *series { return h.begin(h.attributes(k)...) }); !room {
			s = h.beyond
		}
	}
	if h.record != nil {
		h.record(ctx, v, s.options...)
		return
	}
	bucket := 0
	for bucket < len(h.bounds) && v > h.bounds[bucket] {
		bucket++
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[bucket]++
	s.sum += v
}

// export has the SDK count what is measured.
func (h *histogram[K]) export(m metric.Meter) error {
	sdk, err := m.Float64Histogram(h.name, metric.WithUnit(h.unit), metric.WithDescription(h.text), metric.WithExplicitBucketBoundaries(h.bounds...))
	h.record = sdk.Record
	return err
}

// exportWhole is export for what is measured in whole numbers.
func (h *histogram[K]) exportWhole(m metric.Meter) error {
	sdk, err := m.Int64Histogram(h.name, metric.WithUnit(h.unit), metric.WithDescription(h.text), metric.WithExplicitBucketBoundaries(h.bounds...))
	h.record = func(ctx context.Context, v float64, series ...metric.RecordOption) {
		sdk.Record(ctx, int64(v), series...)
	}
	return err
}

// collect returns what was measured since the start.
func (h *histogram[K]) collect(start, now time.Time) metricdata.Metrics {
	out := metricdata.Histogram[float64]{Temporality: metricdata.CumulativeTemporality}
	each := func(s *series) {
		s.mu.Lock()
		defer s.mu.Unlock()
		p := metricdata.HistogramDataPoint[float64]{Attributes: s.set, StartTime: start, Time: now, Bounds: h.bounds, Sum: s.sum}
		p.BucketCounts = append(p.BucketCounts, s.counts...)
		for _, n := range s.counts {
			p.Count += n
		}
		if p.Count > 0 { // most have nothing beyond
			out.DataPoints = append(out.DataPoints, p)
		}
	}
	for _, s := range h.series.all() {
		each(s)
	}
	each(h.beyond)
	return metricdata.Metrics{Name: h.name, Unit: h.unit, Description: h.text, Data: out}
}

// A producer gives the SDK what it doesn't count itself, when somebody collects.
type producer struct {
	start      time.Time
	histograms []interface {
		collect(start, now time.Time) metricdata.Metrics
	}
}

// Produce implements sdkmetric.Producer.
func (p *producer) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	out := metricdata.ScopeMetrics{Scope: instrumentation.Scope{Name: scope}}
	for _, h := range p.histograms {
		out.Metrics = append(out.Metrics, h.collect(p.start, time.Now()))
	}
	return []metricdata.ScopeMetrics{out}, nil
}
