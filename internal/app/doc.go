// Package app wires configuration, keys, store, upstream client and server into
// one http.Handler. The function and the serve command both start here: the
// function as a Lazy, which the first request starts, serve with Start, and with
// a Local that stands in for what is not configured.
//
// Files, from the top down; a file calls only those below it:
//
//   - lazy.go: starts the app at the first request, for a function
//   - check.go: tells what would be served, and what is wrong with it, for fluxgate check
//   - app.go: starts everything in its order: telemetry, store, keys, callers, server
//   - nokeys.go: what is answered while no key is configured
//   - near.go: how soon requests arrive at other providers
//   - memory.go: how much of it the bodies in flight may take
//   - self.go: refuses to be its own upstream
//   - store.go: opens the store that is configured
//   - report.go: what serve prints at its start, with the state of each key
//   - telemetry.go: opens traces and metrics
//   - close.go: stops what was started, last first
//   - logging.go: the logger, for people or for Cloud Logging
package app
