package geminisim

import (
	"net/http"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// modelFor returns a model that supports a method.
func (c *call) modelFor(name, method string) (*model, *wire.Error) {
	m := c.s.model(name)
	if m == nil || !m.supports(method) {
		return nil, wire.ModelNotFound(c.version, name, method)
	}
	if w, gone := c.s.gone(c.who.Project, m); gone {
		return nil, w.apiError(c, name, method)
	}
	return m, nil
}

// admit charges a request to the quota, or refuses it, or lets it fail as
// injected, and enters the outcome in the log.
func (c *call) admit(m *model, requests, tokens int64) *wire.Error {
	c.model, c.tokens, c.recorded = m.resolved, tokens, true
	e := c.decide(m, requests, tokens)
	switch {
	case e != nil:
		c.logRequest(e.Code, e.LogReason())
	case c.breaks != nil:
		c.logRequest(http.StatusOK, c.breaks.LogReason())
	default:
		c.logRequest(http.StatusOK, "")
	}
	return e
}

// decide is the part of admit that has to be one step.
func (c *call) decide(m *model, requests, tokens int64) *wire.Error {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.bucketOf(bucketID{c.who.Project, m.resolved}, m.kind == embeddingModel)
	now := b.arrive(c.arrived)
	s.advance(now)
	at := time.Unix(0, now)
	e := c.refuseStanding()
	if e == nil {
		e = c.refuseSpend(now, tokens)
	}
	if e != nil {
		s.record(c.entry(at, e.Code, e.Reason, 0), nil)
		return e
	}
	f, failing := s.pending(c.streaming)
	if !failing || f.Charged() {
		if refused := b.charge(now, requests, tokens, s.rejectOversize); refused != nil {
			e := errQuota(m.resolved, b.embed, refused, s.dailyDelay)
			s.record(c.entry(at, e.Code, e.Reason, 0), refused)
			return e
		}
	}
	if !failing {
		c.spend(now, tokens)
		s.record(c.entry(at, http.StatusOK, "", requests), nil)
		return nil
	}
	s.useFailure()
	e = f.Answer(m.resolved)
	if !f.Charged() {
		requests = 0
	}
	if f.MidStream() {
		c.breaks = e
		s.record(c.entry(at, http.StatusOK, f.String(), requests), nil)
		return nil
	}
	s.record(c.entry(at, e.Code, f.String(), requests), nil)
	return e
}

// think waits for as long as an answer takes.
func (c *call) think() *wire.Error {
	if !c.pause(c.s.delay()) {
		return wire.Cancelled()
	}
	return nil
}

// pause waits, and tells whether the client was still there at the end.
func (c *call) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.r.Context().Done():
		return false
	}
}

// delay returns how long the next answer takes.
func (s *Server) delay() time.Duration {
	if s.jitter <= 0 {
		return s.latency
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latency + time.Duration(s.rng.Int64N(int64(s.jitter)+1))
}
