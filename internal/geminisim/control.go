package geminisim

import (
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/answers"
	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
	"fluxgate.dev/fluxgate/internal/geminisim/faults"
	"fluxgate.dev/fluxgate/internal/geminisim/models"
	"fluxgate.dev/fluxgate/internal/geminisim/quota"
)

// SetLimits changes the limits of a model on a project, at once and for what
// has already arrived. An empty project means all of them, including those
// with limits of their own. An alias stands for the model it resolves to; a
// name that the server doesn't know has no effect. It ends [Server.SetNoQuota].
func (s *Server) SetLimits(project, model string, l Limits) {
	if resolved, ok := s.models.Resolve(model); ok {
		s.quota.SetLimits(project, resolved, l)
	}
}

// SetLimitsAt is [Server.SetLimits] from an instant of [Config].Now on: for the
// first request that arrives then or later.
func (s *Server) SetLimitsAt(at time.Time, project, model string, l Limits) {
	s.quota.SetLimitsAt(at, project, model, l)
}

// SetNoQuota takes all quota of a model away on a project (empty: on all):
// requests get a 429 that says "limit: 0" and names no quotaValue.
func (s *Server) SetNoQuota(project, model string) {
	if resolved, ok := s.models.Resolve(model); ok {
		s.quota.SetNone(project, resolved)
	}
}

// SetStanding changes what a project may do.
func (s *Server) SetStanding(project string, st quota.Standing) { s.quota.SetStanding(project, st) }

// SetFeature changes what a project may use of a feature that has a quota of its own, beside
// what it may use of a model.
func (s *Server) SetFeature(project string, f quota.Feature, l quota.FeatureLimits) {
	s.quota.SetFeature(project, f, l)
}

// SetBilling has projects be billed to one account, which may spend so many input tokens
// in any ten minutes; negative: any number. What it may spend in money, output included,
// is documented; that tokens stand for it here is a simplification.
func (s *Server) SetBilling(account string, limit int64, projects ...string) {
	s.quota.SetBilling(limit, projects...)
}

// FailNext makes the next n generate or embed requests fail; n < 0: all until
// the next call, n == 0: none. Requests that are refused for another reason
// (their key, a malformed body) don't use up a failure; nor, with a charged
// failure, do requests that the quota refuses.
func (s *Server) FailNext(n int, f faults.Failure) { s.quota.FailNext(n, f) }

// SetKeyState changes the state of a key. A value that the server hasn't seen
// becomes a key that is a project of its own.
func (s *Server) SetKeyState(value string, st credentials.State) { s.keys.SetState(value, st) }

// SetLimitsAnswer changes how questions about limits are answered, those under
// way included. All of them are charged like any other request.
func (s *Server) SetLimitsAnswer(a answers.LimitsAnswer) { s.answers.SetLimitsAnswer(a) }

// AddModel makes a model exist from now on, last in the list, with these limits
// on every project. Its name decides its kind, as in [Config].Limits. Of one that
// exists already it sets the limits and ends [Server.RetireModel].
func (s *Server) AddModel(name string, l Limits) {
	resolved, known := s.models.Resolve(name)
	if !known {
		resolved = name
	}
	s.quota.SetLimits("", resolved, l) // before anybody can ask for it
	s.models.Add(name)
}

// RemoveModel takes a name off the list: from now on nobody knows it, as if it
// had never been. Aliases of it stay.
func (s *Server) RemoveModel(name string) { s.models.Remove(name) }

// Redirect has another model answer requests for a name from now on, as modelVersion
// says: gemini-3.8-flash for gemini-2.5-pro from 1 December 2026 (documented). Whose quota
// that uses isn't established: with shared the other's, whose name a refusal then has;
// else its own. An empty model ends it.
func (s *Server) Redirect(name, to string, shared bool) { s.models.Redirect(name, to, shared) }

// RetireModel makes a model unavailable on a project (empty: on all), while it
// is still listed: every request for it gets the error of [faults.Retired404]. An alias
// stands for the model it resolves to.
func (s *Server) RetireModel(project, name string) { s.ShutDown(project, name, models.NewUsers) }

// ShutDown is RetireModel in other words.
func (s *Server) ShutDown(project, name string, w models.Wording) {
	s.models.ShutDown(project, name, w)
}

// SetModelStatus has the answers of a model say in which stage it is (STABLE, LEGACY,
// DEPRECATED, RETIRED …) and when it will be shut down; zero: they don't say. It goes on
// answering.
func (s *Server) SetModelStatus(name, stage string, retirement time.Time) {
	s.models.SetStatus(name, stage, retirement)
}
