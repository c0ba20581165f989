package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
)

// Bounds of exporting within requests.
const (
	flushEvery   = 10 * time.Second
	flushTimeout = time.Second
	// flushPause is for how long a collector that didn't take anything costs no
	// request its time.
	flushPause = time.Minute
)

// reportEvery is how often it is logged at most that nothing can be exported.
const reportEvery = 10 * time.Minute

// An exporter has what is recorded leave. The nil one has nothing to send.
type exporter struct {
	log            *slog.Logger
	withinRequests bool // within requests: there is no time between them
	flushers       []func(context.Context) error
	due            atomic.Int64 // Unix nanoseconds
	nextReport     atomic.Int64 // likewise
}

func newExporter(log *slog.Logger, inPlace bool) *exporter {
	e := &exporter{log: log, withinRequests: inPlace}
	// What the SDK exports in the background fails there. Its own handler writes
	// every failure to standard error.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(e.failed))
	return e
}

func (e *exporter) add(flush func(context.Context) error) {
	if e != nil {
		e.flushers = append(e.flushers, flush)
	}
}

// ended exports at the end of a request if that is due. Of requests that end
// together one does it.
func (e *exporter) ended(ctx context.Context) {
	if e == nil || !e.withinRequests {
		return
	}
	now := time.Now()
	due := e.due.Load()
	if now.UnixNano() < due || !e.due.CompareAndSwap(due, now.Add(flushEvery).UnixNano()) {
		return
	}
	// The caller may have left; what it did is still worth knowing.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	if !e.flush(ctx) {
		e.due.Store(time.Now().Add(flushPause).UnixNano())
	}
}

// flush exports traces and metrics side by side, so that they share the time that
// there is. It reports whether all went well.
func (e *exporter) flush(ctx context.Context) bool {
	var wg sync.WaitGroup
	var failures atomic.Int64
	for _, flush := range e.flushers {
		wg.Go(func() {
			if err := flush(ctx); err != nil {
				failures.Add(1)
				e.failed(err)
			}
		})
	}
	wg.Wait()
	return failures.Load() == 0
}

// maxReport bounds the text of an error, which may hold an answer.
const maxReport = 300

// failed logs that something wasn't exported, once in a while.
func (e *exporter) failed(err error) {
	if e == nil {
		return
	}
	now := time.Now()
	next := e.nextReport.Load()
	if now.UnixNano() < next || !e.nextReport.CompareAndSwap(next, now.Add(reportEvery).UnixNano()) {
		return
	}
	text := err.Error()
	e.log.Warn("telemetry not exported", "error", text[:min(len(text), maxReport)], "said_again_after", reportEvery)
}
