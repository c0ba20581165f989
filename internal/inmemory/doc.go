// Package inmemory reaches an [http.Handler] without a socket: simulated providers are
// served by it in tests and benchmarks. No goroutine outlives its request, so it works
// inside a testing/synctest bubble, where latency is virtual.
//
// The request body is read as the handler reads it, and httptrace's WroteRequest is
// called when it has been read to its end. Streams are delivered event by event; the
// handler goes on when an event has been read. Cancelling the request's context, or
// closing the response body, ends the handler's side. A handler that panics with
// [http.ErrAbortHandler] resets the connection.
package inmemory
