package geminisim

import (
	"fmt"
	"net/http"

	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// Failure is a fault to inject with [Server.FailNext].
type Failure int

const (
	// Unavailable503 is the "high demand" error. It is charged to the quota,
	// like Internal500, ConnectionReset and Hang: the strict reading of a
	// question that isn't settled.
	Unavailable503 Failure = iota
	// Internal500 is the "internal error". Charged.
	Internal500
	// ConnectionReset drops the connection without a response. Charged.
	ConnectionReset
	// Bare429 is the 429 without details. Not charged.
	Bare429
	// BillingDepleted is the 429 of a project without credit. Not charged.
	BillingDepleted
	// Retired404 says the model is no longer available to new users, while
	// the models list still has it. Not charged.
	Retired404
	// Hang never answers; it ends with the request's context. Charged.
	Hang
	// StreamBroken429 answers a stream with 200, sends its first event and
	// breaks it off with a bare 429; charged. Other requests get Bare429.
	StreamBroken429
	// StreamStalled answers a stream with 200, sends the first half of its
	// events (at least one, never the finish reason) and then nothing more,
	// until the request's context ends; charged. Other requests get Hang.
	StreamStalled
	// StreamReset answers a stream with 200, sends the first half of its
	// events as StreamStalled does, and resets the connection; charged. Other
	// requests get ConnectionReset.
	StreamReset
)

// String returns the name that [Entry].Reason has.
func (f Failure) String() string {
	switch f {
	case Unavailable503:
		return "unavailable"
	case Internal500:
		return "internal"
	case ConnectionReset:
		return "connection_reset"
	case Bare429:
		return "bare_429"
	case BillingDepleted:
		return "billing_depleted"
	case Retired404:
		return "retired"
	case Hang:
		return "hang"
	case StreamBroken429:
		return "stream_broken_429"
	case StreamStalled:
		return "stream_stalled"
	case StreamReset:
		return "stream_reset"
	default:
		return fmt.Sprintf("Failure(%d)", int(f))
	}
}

// FailNext makes the next n generate or embed requests fail; n < 0: all until
// the next call, n == 0: none. Requests that are refused for another reason
// (their key, a malformed body) don't use up a failure; nor, with a charged
// failure, do requests that the quota refuses.
func (s *Server) FailNext(n int, f Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures, s.failure = n, f
}

// pending returns the failure that is next in line for a request. The caller
// holds s.mu, and calls useFailure if it applies it.
func (s *Server) pending(streaming bool) (f Failure, ok bool) {
	f = s.failure
	if !streaming {
		switch f {
		case StreamBroken429:
			f = Bare429
		case StreamStalled:
			f = Hang
		case StreamReset:
			f = ConnectionReset
		}
	}
	return f, s.failures != 0
}

// midStream tells whether the failure strikes a stream that has begun.
func (f Failure) midStream() bool {
	return f == StreamBroken429 || f == StreamStalled || f == StreamReset
}

func (s *Server) useFailure() {
	if s.failures > 0 {
		s.failures--
	}
}

// charged tells whether a request that fails this way uses up quota.
func (f Failure) charged() bool {
	switch f {
	case Bare429, BillingDepleted, Retired404:
		return false
	default:
		return true
	}
}

// apiError returns what the caller gets. For those of a stream that has
// begun it is how the stream ends.
func (f Failure) apiError(model string) *wire.Error {
	e := &wire.Error{Reason: f.String()}
	switch f {
	case Unavailable503:
		e.Code, e.Status = http.StatusServiceUnavailable, "UNAVAILABLE"
		e.Message = "This model is currently experiencing high demand. Spikes in demand are usually temporary. Please try again later."
	case Internal500:
		e.Code, e.Status = http.StatusInternalServerError, "INTERNAL"
		e.Message = "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting"
	case ConnectionReset, StreamReset:
		e.Drop = wire.ResetConnection
	case Hang, StreamStalled:
		e.Drop = wire.Hang
	case BillingDepleted:
		e.Code, e.Status = http.StatusTooManyRequests, "RESOURCE_EXHAUSTED"
		e.Message = "Your prepayment credits are depleted. Please go to AI Studio at https://ai.studio/projects to manage your project and billing."
	case Retired404:
		e.Code, e.Status = http.StatusNotFound, "NOT_FOUND"
		e.Message = "This model models/" + model + " is no longer available to new users. Please update your code to use a newer model for the latest features and improvements."
	default:
		e.Code, e.Status = http.StatusTooManyRequests, "RESOURCE_EXHAUSTED"
		e.Message = "Resource has been exhausted (e.g. check quota)."
	}
	return e
}
