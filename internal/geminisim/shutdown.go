package geminisim

import (
	"net/http"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// A Wording is how the service says that a model is gone. There is a fourth, a limit of
// 0, for which [Server.SetNoQuota] is.
type Wording int

// The wordings.
const (
	// NewUsers is that of [Retired404], captured of gemini-2.5-flash in 2026.
	NewUsers Wording = iota
	// NotFound is that of a name that nobody knows, captured of models that were shut down
	// and of some that are still listed.
	NotFound
	// Deprecated names the day, captured of gemini-1.0-pro-vision in 2024.
	Deprecated
)

func (w Wording) apiError(c *call, name, method string) *wire.Error {
	switch w {
	case NotFound:
		return wire.ModelNotFound(c.version, name, method)
	case Deprecated:
		e := wire.ModelNotFound(c.version, name, method)
		e.Code, e.Message = http.StatusNotFound, name+" has been deprecated on July 12, 2024. Consider switching to different model, for example gemini-1.5-flash."
		return e
	}
	return wire.Retired(name)
}

// RetireModel makes a model unavailable on a project (empty: on all), while it
// is still listed: every request for it gets the error of [Retired404]. An alias
// stands for the model it resolves to.
func (s *Server) RetireModel(project, name string) { s.ShutDown(project, name, NewUsers) }

// ShutDown is RetireModel in other words.
func (s *Server) ShutDown(project, name string, w Wording) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.model(name); m != nil {
		s.retired[bucketID{project, m.resolved}] = w
	}
}

// gone tells whether a project can't use a model any more, and how that is said.
func (s *Server) gone(project string, m *model) (Wording, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, of := range []string{"", project} {
		if w, ok := s.retired[bucketID{of, m.resolved}]; ok {
			return w, true
		}
	}
	return 0, false
}

// SetModelStatus has the answers of a model say in which stage it is (STABLE, LEGACY,
// DEPRECATED, RETIRED …) and when it will be shut down; zero: they don't say. It goes on
// answering.
func (s *Server) SetModelStatus(name, stage string, retirement time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.model(name)
	if m == nil {
		return
	}
	status := wire.ModelStatus{ModelStage: stage}
	if !retirement.IsZero() {
		at := retirement.UTC()
		status.RetirementTime = &at
	}
	s.statuses[m.resolved] = status
}

// statusOf returns what answers of a model say of it, nil: nothing.
func (s *Server) statusOf(m *model) *wire.ModelStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	if status, ok := s.statuses[m.resolved]; ok {
		return &status
	}
	return nil
}
