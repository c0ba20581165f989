package otlp

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// The protocols of OTLP. The third of the specification, http/json, is in no
// exporter for Go.
const (
	protocolHTTP = "http/protobuf"
	protocolGRPC = "grpc"
)

// Traces returns an exporter of traces by a protocol.
func Traces(ctx context.Context, protocol string) (sdktrace.SpanExporter, error) {
	switch protocol {
	case protocolHTTP:
		return otlptracehttp.New(ctx)
	case protocolGRPC:
		return otlptracegrpc.New(ctx)
	}
	return nil, unknownProtocol(protocol)
}

// Metrics returns an exporter of metrics by a protocol.
func Metrics(ctx context.Context, protocol string) (sdkmetric.Exporter, error) {
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
