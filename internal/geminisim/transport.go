package geminisim

import (
	"net/http"

	"fluxgate.dev/fluxgate/internal/inmemory"
)

// Transport returns a round tripper that calls the server directly, whatever
// host the URL names. It uses no socket and no goroutine outlives its request,
// so it works inside a testing/synctest bubble, where latency is virtual.
//
// httptrace's WroteRequest is called when the request body has been read to its
// end, just before the server notes the arrival.
func (s *Server) Transport() http.RoundTripper { return inmemory.Transport(s) }
