package telemetry

import (
	"context"
	"crypto/rand"
	"os"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// defaultProtocol is the one of OTLP that is spoken where none is named.
const defaultProtocol = "http/protobuf"

// An environment is what the OTEL_ variables say that somebody other than the
// exporters has to obey. Endpoints, headers, certificates, timeouts, samplers and
// the sizes and intervals of batches are read by OpenTelemetry's own packages.
type environment struct {
	disabled        bool
	traces, metrics string // protocol; "": not exported
}

func readEnvironment(lookup func(string) (string, bool)) environment {
	if lookup == nil {
		lookup = os.LookupEnv
	}
	get := func(name string) string {
		text, _ := lookup(name)
		return strings.TrimSpace(text)
	}
	signal := func(name string) string {
		switch exporter := get("OTEL_" + name + "_EXPORTER"); {
		case strings.EqualFold(exporter, "none"):
			return ""
		case strings.EqualFold(exporter, "otlp"):
			// Asked for by name it is sent, if only to the default on this machine.
		case get("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && get("OTEL_EXPORTER_OTLP_"+name+"_ENDPOINT") == "":
			return ""
		}
		for _, variable := range []string{"OTEL_EXPORTER_OTLP_" + name + "_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
			if protocol := get(variable); protocol != "" {
				return protocol
			}
		}
		return defaultProtocol
	}
	return environment{
		disabled: strings.EqualFold(get("OTEL_SDK_DISABLED"), "true"),
		traces:   signal("TRACES"), metrics: signal("METRICS"),
	}
}

// exporters returns what exports, each in batches of its own.
func (e environment) exporters(ctx context.Context, o Options) (processors []sdktrace.SpanProcessor, readers []sdkmetric.Reader) {
	if e.traces != "" && o.Traces != nil {
		if exporter, err := o.Traces(ctx, e.traces); err != nil {
			o.Logger.Warn("traces are not exported", "error", err)
		} else {
			processors = append(processors, sdktrace.NewBatchSpanProcessor(exporter))
		}
	}
	if e.metrics != "" && o.Metrics != nil {
		if exporter, err := o.Metrics(ctx, e.metrics); err != nil {
			o.Logger.Warn("metrics are not exported", "error", err)
		} else {
			readers = append(readers, sdkmetric.NewPeriodicReader(exporter))
		}
	}
	return processors, readers
}

// newResource says who is watched. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
// have the last word.
func newResource(ctx context.Context, o Options) (*resource.Resource, error) {
	service := o.Service
	attributes := []attribute.KeyValue{
		// Counters of several instances would be one that goes back and forth.
		semconv.ServiceInstanceID(rand.Text()),
	}
	if service == "" {
		service = "fluxgate"
	} else {
		attributes = append(attributes, semconv.CloudProviderGCP, semconv.CloudPlatformGCPCloudRun, semconv.FaaSName(service))
		if revision := os.Getenv("K_REVISION"); revision != "" {
			attributes = append(attributes, semconv.FaaSVersion(revision))
		}
		if o.Project != "" {
			attributes = append(attributes, semconv.CloudAccountID(o.Project))
		}
	}
	attributes = append(attributes, semconv.ServiceName(service))
	return resource.New(ctx, resource.WithAttributes(attributes...), resource.WithTelemetrySDK(), resource.WithFromEnv())
}
