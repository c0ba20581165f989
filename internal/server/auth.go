package server

import (
	"errors"
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/callers"
	"fluxgate.dev/fluxgate/internal/problems"
	"fluxgate.dev/fluxgate/internal/resources"
	"fluxgate.dev/fluxgate/internal/routes"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// healthPath is what a platform's probes ask for; they carry no token.
const healthPath = "/health"

// admitCaller finds out who sent a request, and takes every credential off it.
//
// One that a Fluxgate has sent is refused whoever sent it first. It carries a key of
// Gemini's, which is nobody's token, and must not look like a wrong one: the
// Fluxgate that sent it would believe that of its key.
func (s *Server) admitCaller(r *http.Request, path string) (callers.Caller, error) {
	if upstream.CameBack(r.Header) && path != healthPath {
		callers.Strip(r)
		return callers.Caller{}, apierror.New(apierror.Loop, upstream.LoopMessage)
	}
	if s.callers == nil {
		callers.Strip(r)
		return callers.Caller{}, nil
	}
	caller, err := s.callers.Authenticate(r)
	callers.Strip(r)
	if err == nil || path == healthPath {
		return caller, nil
	}
	if errors.Is(err, callers.ErrMissing) && strings.HasPrefix(path, routes.UploadPath) {
		if caller, ok := s.uploads.Caller(r, s.callers); ok {
			return caller, nil
		}
	}
	return callers.Caller{}, problems.OfCaller(err)
}

// tellsApart reports whether one caller is told from another.
func (s *Server) tellsApart() bool { return s.callers != nil && !s.callers.Open() }

// requireAdmin lets nobody but administrators through. Where callers aren't told
// apart everybody is one.
func (s *Server) requireAdmin(r *http.Request) error {
	if s.isAdmin(r) {
		return nil
	}
	return apierror.New(apierror.Forbidden, "Only an administrator may do this: send a token of FLUXGATE_ADMIN_TOKENS.")
}

func (s *Server) isAdmin(r *http.Request) bool { return s.callers == nil || arrivalOf(r).caller.Admin }

// who returns on whose behalf a request uses what belongs to callers.
func (s *Server) who(r *http.Request) resources.Caller {
	return resources.Caller{Name: callerOf(r), All: s.isAdmin(r)}
}
