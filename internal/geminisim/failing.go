package geminisim

import "fluxgate.dev/fluxgate/internal/geminisim/faults"

// FailNext makes the next n generate or embed requests fail; n < 0: all until
// the next call, n == 0: none. Requests that are refused for another reason
// (their key, a malformed body) don't use up a failure; nor, with a charged
// failure, do requests that the quota refuses.
func (s *Server) FailNext(n int, f faults.Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures, s.failure = n, f
}

// pending returns the failure that is next in line for a request. The caller
// holds s.mu, and calls useFailure if it applies it.
func (s *Server) pending(streaming bool) (f faults.Failure, ok bool) {
	f = s.failure
	if !streaming {
		f = f.Plain()
	}
	return f, s.failures != 0
}

func (s *Server) useFailure() {
	if s.failures > 0 {
		s.failures--
	}
}
