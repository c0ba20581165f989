package geminisim

import (
	"net/http"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/models"
	"fluxgate.dev/fluxgate/internal/geminisim/quota"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// modelFor returns a model that supports a method.
func (c *call) modelFor(name, method string) (*models.Model, *wire.Error) {
	return c.s.models.Usable(c.version, c.who.Project, name, method)
}

// admit charges a request to the quota, or refuses it, or lets it fail as
// injected, and enters the outcome in the log.
func (c *call) admit(m *models.Model, requests, tokens int64) *wire.Error {
	c.model, c.tokens, c.recorded = m.Resolved, tokens, true
	var e *wire.Error
	e, c.breaks = c.s.quota.Admit(quota.Demand{
		Project: c.who.Project, Key: c.who.Fingerprint, Model: m.Resolved, Embed: m.Kind == models.Embedding,
		Streaming: c.streaming, Body: c.body, Arrived: c.arrived, Requests: requests, Tokens: tokens,
	})
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
	return s.latency + s.random.upTo(s.jitter)
}
