// Package clients has Anthropic's own SDK for Go, unmodified, in front of Anthropic's API, which is
// simulated. The tests of fluxgate.dev/fluxgate/internal/clients run its tests. It is a module of
// its own, so that the product's has none of what it needs.
package clients
