// Package telemetry says what Fluxgate is doing, to who watches: metrics and
// traces by OpenTelemetry, the same metrics as Prometheus text, and what ties the
// log lines of a request together in Cloud Logging.
//
// A [Recorder] takes part in a request at the places where a line is logged
// anyway. The nil one does nothing, allocates nothing and is what OTEL_SDK_DISABLED
// leaves, so nobody asks whether there is one. Everything is made from one set of
// instruments, in instruments.go; nothing global is set but the handler of
// OpenTelemetry's own errors, so the libraries that look for a global tracer stay
// silent and no trace context goes upstream.
//
// # Metrics
//
// Metrics are always counted, scraped or not. That costs a request about a
// microsecond and an allocation, or two where they are exported, as the benchmarks show, against a
// commit that takes milliseconds; a switch would be one more thing to find off on the day that
// it matters, and a counter that began with the first scrape would be wrong by what
// came before. Attributes are bounded: projects and callers by the configuration,
// models by the chain and what upstream has served, the rest by their type; names
// beyond the bound are counted together as "_other". Quotas are observed when
// somebody collects, from what this instance saw of its store last: that costs no
// read of the database.
//
// # Traces
//
// Spans exist only where they are exported. A request has one server span, with
// children for counting, admission, every send and settling. A caller's
// traceparent, or the X-Cloud-Trace-Context of Google's front end, is its parent.
//
// # Export
//
// OTLP is on where a variable OTEL_EXPORTER_OTLP_…ENDPOINT is set, and speaks HTTP
// or gRPC as OTEL_EXPORTER_OTLP_PROTOCOL says. On an ordinary machine the batches
// of OpenTelemetry's SDK leave in the background. A function has no CPU between
// requests, and what waits there for a timer may wait indefinitely: on Cloud Run a
// request that ends when nothing was exported for [flushEvery] exports what there
// is before it returns. That costs one request in so many seconds the time of an
// export, at most [flushTimeout]; simple processors would cost every span of every
// request that much, and a flush of every request would send a batch of five
// spans each. What comes after the last flush of an instance leaves when the
// platform stops it, which is announced by SIGTERM. A collector that doesn't
// answer is left alone for [flushPause], and never fails a request.
//
// # Secrets
//
// Attributes hold names, numbers and classes. They never hold a prompt, an answer,
// a key, a token, a ticket or the text of an error.
//
// Files, from the top down; a file calls only those below it:
//
//   - recorder.go: Recorder and its options; scraping and flushing
//   - operation.go: the steps of a request: counting, admission, sending, settling
//   - usage.go: what answers used and who was refused, by caller and model
//   - request.go: a request from its beginning to its end, and its log attributes
//   - quota.go: quotas, observed when somebody collects
//   - store.go: a Store whose operations are counted
//   - tracecontext.go: the trace that a caller's headers name
//   - export.go: when an export is due
//   - cloudlog.go: log attributes that Cloud Logging ties to a trace
//   - environment.go: exporters and resource, as OTEL_… variables say
//   - instruments.go: all instruments with their attributes
//   - histogram.go: histograms, the SDK's or our own
//   - attributes.go: tables that are read without a lock, counters, and bounds for names
package telemetry
