package telemetry

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// scope names what the instruments and spans are Fluxgate's.
const scope = "fluxgate.dev/fluxgate"

// The attributes. Those of OpenTelemetry's semantic conventions where there is
// one; package semconv has no gen_ai names any more.
const (
	httpMethod = attribute.Key("http.request.method")
	httpRoute  = attribute.Key("http.route")
	httpStatus = attribute.Key("http.response.status_code")
	urlScheme  = attribute.Key("url.scheme")
	errorType  = attribute.Key("error.type")

	genAIOperation     = attribute.Key("gen_ai.operation.name")
	genAIProvider      = attribute.Key("gen_ai.provider.name")
	genAIModel         = attribute.Key("gen_ai.request.model")
	genAIResponseModel = attribute.Key("gen_ai.response.model")
	genAIInputTokens   = attribute.Key("gen_ai.usage.input_tokens")
	genAIOutputTokens  = attribute.Key("gen_ai.usage.output_tokens")           // thoughts among them
	genAIThoughts      = attribute.Key("gen_ai.usage.reasoning.output_tokens") // of the output
	genAICached        = attribute.Key("gen_ai.usage.cache_read.input_tokens") // of the input
	genAITokenType     = attribute.Key("gen_ai.token.type")

	projectKey   = attribute.Key("fluxgate.project")
	keyIndexKey  = attribute.Key("fluxgate.key.index") // the public ID of a key
	callerKey    = attribute.Key("fluxgate.caller")
	requestIDKey = attribute.Key("fluxgate.request_id")
	causeKey     = attribute.Key("fluxgate.cause")
	bookedKey    = attribute.Key("fluxgate.booked")
	verdictKey   = attribute.Key("fluxgate.verdict")
	waitKey      = attribute.Key("fluxgate.wait")   // seconds that the caller is told to wait
	waitedKey    = attribute.Key("fluxgate.waited") // seconds since it was first told to
	tokensKey    = attribute.Key("fluxgate.tokens") // input tokens that were reserved
	exactKey     = attribute.Key("fluxgate.tokens.exact")
	attemptKey   = attribute.Key("fluxgate.attempt")
	quotaKey     = attribute.Key("fluxgate.quota")     // rpm, tpm or rpd
	operationKey = attribute.Key("fluxgate.operation") // of the store
)

// providerOf returns the gen_ai.provider.name of a provider; "" is Gemini. OpenAI and Anthropic are
// called there as they are here, and others as they are configured.
func providerOf(provider string) string { return cmp.Or(provider, "gcp.gemini") }

// Boundaries of histograms.
var (
	// httpBuckets and modelBuckets are those that the conventions advise for
	// durations of requests, and of operations of models.
	httpBuckets  = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 30, 60, 300}
	modelBuckets = []float64{.01, .02, .04, .08, .16, .32, .64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 300}
	// tokenBuckets are powers of 4, as advised, to beyond the largest context.
	tokenBuckets = []float64{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304}
	// waitBuckets go from no wait to a whole day.
	waitBuckets  = []float64{0, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 3600, 21600, 86400}
	storeBuckets = []float64{.0001, .001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
)

// instruments are all that is measured.
type instruments struct {
	active   atomic.Int64
	duration *histogram[requestKey]

	admitted *counter[decisionKey]
	refused  *counter[decisionKey]
	wait     *histogram[waitTimeKey]
	waited   *histogram[waitTimeKey]

	upstream *histogram[sendKey]
	failures *counter[sendKey]
	tokens   *histogram[usageKey]

	callerRequests *counter[string]
	callerTokens   *counter[string]

	used          *counter[shareKey]
	cost          *counter[shareKey] // in 1e-12 dollars
	callerRefused *counter[shareKey]

	store *histogram[storeKey]
}

// What tells the series of an instrument apart. All of it is bounded.
type (
	requestKey struct {
		method, scheme, route string
		status                int
	}
	decisionKey struct {
		project, model, cause string // cause "": admitted
		booked                bool
	}
	// A histogram has many lines, so those of durations leave the project out.
	waitTimeKey struct{ model, cause string }
	sendKey     struct{ operation, provider, project, model, class string }
	usageKey    struct{ operation, provider, project, model, kind string } // kind: input or output
	// What a caller used of a model, or was refused there: kind is that of tokens, or "".
	shareKey struct{ caller, model, kind, cause string }
	storeKey struct{ operation, failure string }
)

func newInstruments() *instruments {
	return &instruments{
		duration: newHistogram("http.server.request.duration", "s", "Duration of HTTP requests.", httpBuckets, requestKey.attributes),

		admitted: newCounter(decisionKey.attributes),
		refused:  newCounter(decisionKey.attributes),
		wait:     newHistogram("fluxgate.admission.wait", "s", "What refused requests were told to wait.", waitBuckets, waitTimeKey.attributes),
		waited:   newHistogram("fluxgate.admission.waited", "s", "How long ago admitted requests were first told to wait; 0: never.", waitBuckets, waitTimeKey.attributes),

		upstream: newHistogram("gen_ai.client.operation.duration", "s", "Duration of sends to Gemini.", modelBuckets, sendKey.attributes),
		failures: newCounter(sendKey.attributes),
		tokens:   newHistogram("gen_ai.client.token.usage", "{token}", "Tokens of answered requests, as Gemini counted them.", tokenBuckets, usageKey.attributes),

		callerRequests: newCounter(ofCaller),
		callerTokens:   newCounter(ofCaller),

		used:          newCounter(shareKey.attributes),
		cost:          newCounter(shareKey.attributes),
		callerRefused: newCounter(shareKey.attributes),

		store: newHistogram("fluxgate.store.operation.duration", "s", "Duration of operations of the quota store; apply waits for its commit.", storeBuckets, storeKey.attributes),
	}
}

// producer returns what gives the SDK the histograms, where it doesn't count them.
func (i *instruments) producer() *producer {
	p := &producer{start: time.Now()}
	p.histograms = append(p.histograms, i.duration, i.wait, i.waited, i.upstream, i.tokens, i.store)
	return p
}

// export has the SDK count the histograms.
func (i *instruments) export(m metric.Meter) error {
	return errors.Join(i.duration.export(m), i.wait.export(m), i.waited.export(m), i.upstream.export(m), i.tokens.exportWhole(m), i.store.export(m))
}

// observe has the SDK told what is counted here, when somebody collects.
func (i *instruments) observe(m metric.Meter) error {
	var problems []error
	counter := func(name, unit, text string, each func(observe func(sum int64, set metric.ObserveOption))) {
		_, err := m.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(text),
			metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
				each(func(sum int64, set metric.ObserveOption) { o.Observe(sum, set) })
				return nil
			}))
		problems = append(problems, err)
	}
	counter("fluxgate.admission.admitted", "{request}", "Requests that got a slot, and went.", i.admitted.each)
	counter("fluxgate.admission.refused", "{request}", "Requests that were told to wait, or that no wait can help, by what stood in the way.", i.refused.each)
	counter("fluxgate.upstream.errors", "{error}", "Sends that failed, by class, those that broke in mid-answer included.", i.failures.each)
	counter("fluxgate.caller.requests", "{request}", "Requests by caller, however they ended.", i.callerRequests.each)
	counter("fluxgate.caller.tokens", "{token}", "Input tokens by caller, as Gemini counted them.", i.callerTokens.each)
	counter("fluxgate.usage.tokens", "{token}", "Tokens of answered requests by caller and model: input (cached and tool among them), output, thought, cached, tool.", i.used.each)
	counter("fluxgate.caller.refused", "{request}", "Requests that were told to wait, by caller, model and what stood in the way.", i.callerRefused.each)
	_, err := m.Float64ObservableCounter("fluxgate.usage.cost", metric.WithUnit("{USD}"),
		metric.WithDescription("What answered requests cost at list price, by caller and model, where the price is known."),
		metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			i.cost.each(func(sum int64, set metric.ObserveOption) { o.Observe(float64(sum)/1e12, set) })
			return nil
		}))
	problems = append(problems, err)
	_, err = m.Int64ObservableUpDownCounter("http.server.active_requests", metric.WithUnit("{request}"), metric.WithDescription("HTTP requests under way."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(i.active.Load())
			return nil
		}))
	return errors.Join(append(problems, err)...)
}

func ofCaller(name string) []attribute.KeyValue { return []attribute.KeyValue{callerKey.String(name)} }

func (k requestKey) attributes() []attribute.KeyValue {
	list := []attribute.KeyValue{httpMethod.String(k.method), httpRoute.String(k.route), httpStatus.Int(k.status), urlScheme.String(k.scheme)}
	if k.status >= 500 {
		list = append(list, errorType.Int(k.status))
	}
	return list
}

func (k decisionKey) attributes() []attribute.KeyValue {
	list := []attribute.KeyValue{bookedKey.Bool(k.booked)}
	return appendSet(list, projectKey, k.project, genAIModel, k.model, causeKey, k.cause)
}

func (k waitTimeKey) attributes() []attribute.KeyValue {
	return appendSet(nil, genAIModel, k.model, causeKey, k.cause)
}

func (k sendKey) attributes() []attribute.KeyValue {
	list := []attribute.KeyValue{genAIOperation.String(k.operation), genAIProvider.String(providerOf(k.provider))}
	return appendSet(list, projectKey, k.project, genAIModel, k.model, errorType, k.class)
}

func (k usageKey) attributes() []attribute.KeyValue {
	return append(sendKey{k.operation, k.provider, k.project, k.model, ""}.attributes(), genAITokenType.String(k.kind))
}

func (k shareKey) attributes() []attribute.KeyValue {
	return appendSet(nil, callerKey, k.caller, genAIModel, k.model, genAITokenType, k.kind, causeKey, k.cause)
}

func (k storeKey) attributes() []attribute.KeyValue {
	return appendSet([]attribute.KeyValue{operationKey.String(k.operation)}, errorType, k.failure)
}

// appendSet appends the attributes that have a value; pairs are keys and values
// in turn.
func appendSet(list []attribute.KeyValue, pairs ...any) []attribute.KeyValue {
	for i := 0; i < len(pairs); i += 2 {
		if value := pairs[i+1].(string); value != "" {
			list = append(list, pairs[i].(attribute.Key).String(value))
		}
	}
	return list
}
