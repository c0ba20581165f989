package geminisim

import (
	"cmp"
	"slices"
	"time"
)

// SetLimits changes the limits of a model on a project, at once and for what
// has already arrived. An empty project means all of them, including those
// with limits of their own. An alias stands for the model it resolves to; a
// name that the server doesn't know has no effect. It ends [Server.SetNoQuota].
func (s *Server) SetLimits(project, model string, l Limits) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setQuota(project, model, quota{Limits: l})
}

// SetNoQuota takes all quota of a model away on a project (empty: on all):
// requests get a 429 that says "limit: 0" and names no quotaValue.
func (s *Server) SetNoQuota(project, model string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setQuota(project, model, quota{none: true})
}

// limitsChange is one that is to come.
type limitsChange struct {
	at             int64
	project, model string
	limits         Limits
}

// SetLimitsAt is [Server.SetLimits] from an instant of [Config].Now on: for the
// first request that arrives then or later.
func (s *Server) SetLimitsAt(at time.Time, project, model string, l Limits) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.coming = append(s.coming, limitsChange{at.UnixNano(), project, model, l})
	slices.SortStableFunc(s.coming, func(a, b limitsChange) int { return cmp.Compare(a.at, b.at) })
}

// advance makes the changes that are due by now. The caller holds s.mu.
func (s *Server) advance(now int64) {
	for len(s.coming) > 0 && s.coming[0].at <= now {
		change := s.coming[0]
		s.coming = s.coming[1:]
		s.setQuota(change.project, change.model, quota{Limits: change.limits})
	}
}

// setQuota is what SetLimits does. The caller holds s.mu.
func (s *Server) setQuota(project, name string, q quota) {
	m := s.model(name)
	if m == nil {
		return
	}
	if project == "" {
		s.quotas[m.resolved] = q
	} else {
		s.own[bucketID{project, m.resolved}] = q
	}
	for id := range s.own {
		if project == "" && id.model == m.resolved {
			delete(s.own, id)
		}
	}
	for id, b := range s.buckets {
		if id.model == m.resolved && (project == "" || id.project == project) {
			b.quota = q
		}
	}
}

// quotaOf returns the limits in force. The caller holds s.mu.
func (s *Server) quotaOf(id bucketID) quota {
	if q, ok := s.own[id]; ok {
		return q
	}
	return s.quotas[id.model]
}

// bucketOf returns the bucket of a project and model. The caller holds s.mu.
func (s *Server) bucketOf(id bucketID, embed bool) *bucket {
	b := s.buckets[id]
	if b == nil {
		b = newBucket(s.window, s.quotaOf(id), embed)
		s.buckets[id] = b
	}
	return b
}
