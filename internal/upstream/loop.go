package upstream

import (
	"errors"
	"net/http"
	"strings"
)

// A base URL may lead to a Fluxgate instead of a provider: clients of ours are told
// to export the very variable that names our upstream. Requests then go round, and
// each round takes a slot. So what goes upstream carries the mark that RFC 8586 has
// for this, which nobody on the way may take off, and a Fluxgate answers 508 to what
// comes with it.
const (
	loopHeader = "Cdn-Loop" // CDN-Loop; HTTP doesn't care
	loopMark   = "fluxgate"
)

// loopMarks is shared by all requests, and never changed.
var loopMarks = []string{loopMark}

// StatusLoop is the HTTP status of a request that came back. No provider answers it.
const StatusLoop = http.StatusLoopDetected

// ErrLoop means that a request came back to a Fluxgate, which sent it nowhere.
var ErrLoop = errors.New("upstream: the request came back to a Fluxgate")

// LoopMessage tells callers of ErrLoop.
const LoopMessage = "The request came back to a Fluxgate: the base URL of its upstream (GOOGLE_GEMINI_BASE_URL, OPENAI_BASE_URL and the like) leads to a Fluxgate and not to a provider. It was sent nowhere else."

// CameBack reports whether a request has been sent by a Fluxgate.
func CameBack(h http.Header) bool {
	for _, line := range h[loopHeader] {
		for entry := range strings.SplitSeq(line, ",") {
			id, _, _ := strings.Cut(entry, ";")
			if strings.EqualFold(strings.TrimSpace(id), loopMark) {
				return true
			}
		}
	}
	return false
}
