// Package otlp opens OpenTelemetry's own exporters for package telemetry, by the protocol
// that the environment names. They read endpoints, headers, certificates and timeouts from
// the environment themselves. It alone links them, and with them gRPC.
//
// Files, from the top down; a file calls only those below it:
//
//   - exporters.go: Traces and Metrics
package otlp
