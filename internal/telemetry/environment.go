package telemetry

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// The protocols of OTLP. The third of the specification, http/json, is in no
// exporter for Go.
const (
	protocolHTTP = "http/protobuf"
	protocolGRPC = "grpc"
)

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
		return protocolHTTP
	}
	return environment{
		disabled: strings.EqualFold(get("OTEL_SDK_DISABLED"), "true"),
		traces:   signal("TRACES"), metrics: signal("METRICS"),
	}
}

// exporters returns what exports, each in batches of its own.
func (e environment) exporters(ctx context.Context, log *slog.Logger) (processors []sdktrace.SpanProcessor, readers []sdkmetric.Reader) {
	if e.traces != "" {
		if exporter, err := traceExporter(ctx, e.traces); err != nil {
			log.Warn("traces are not exported", "error", err)
		} else {
			processors = append(processors, sdktrace.NewBatchSpanProcessor(exporter))
		}
	}
	if e.metrics != "" {
		if exporter, err := metricExporter(ctx, e.metrics); err != nil {
			log.Warn("metrics are not exported", "error", err)
		} else {
			readers = append(readers, sdkmetric.NewPeriodicReader(exporter))
		}
	}
	return processors, readers
}

func traceExporter(ctx context.Context, protocol string) (sdktrace.SpanExporter, error) {
	switch protocol {
	case protocolHTTP:
		return otlptracehttp.New(ctx)
	case protocolGRPC:
		return otlptracegrpc.New(ctx)
	}
	return nil, unknownProtocol(protocol)
}

func metricExporter(ctx context.Context, protocol string) (sdkmetric.Exporter, error) {
	switch protocol {
	case protocolHTTP:
		return otlpmetrichttp.New(ctx)
	case protocolGRPC:
		return otlpmetricgrpc.New(ctx)
	}
	return nil, unknownProtocol(protocol)
}

func unknownProtocol(protocol string) error {
	return fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL: %.40q: want %s or %s", protocol, protocolHTTP, protocolGRPC)
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
