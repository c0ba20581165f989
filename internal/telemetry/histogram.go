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
	series           *seriesTable[K, series]
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
	h := &histogram[K]{name: name, unit: unit, text: text, bounds: bounds}
	h.series = newSeriesTable(attributes, h.begin)
	return h
}

// begin returns an empty series.
func (h *histogram[K]) begin(attributes ...attribute.KeyValue) *series {
	set := attribute.NewSet(attributes...)
	return &series{set: set, options: []metric.RecordOption{metric.WithAttributeSet(set)}, counts: make([]uint64, len(h.bounds)+1)}
}

// add adds a measurement to a series.
func (h *histogram[K]) add(ctx context.Context, k K, v float64) {
	s := h.series.get(k)
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
	h.series.each(func(s *series) {
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
	})
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
