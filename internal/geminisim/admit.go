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
	return c.s.models.Usable(c.version, c.Project, name, method)
}

// admit charges a request to the quota, or refuses it, or lets it fail as
// injected, and enters the outcome in the log.
func (c *call) admit(m *models.Model, requests, tokens int64) *wire.Error {
	c.Model, c.Tokens, c.recorded = m.Resolved, tokens, true
	var e *wire.Error
	e, c.Breaks = c.s.quota.Admit(quota.Demand{
		Project: c.Project, Key: c.key, Model: m.Resolved, Embed: m.Kind == models.Embedding,
		Streaming: c.Streaming, Body: c.Body, Arrived: c.Arrived, Requests: requests, Tokens: tokens, Images: c.images,
	})
	switch {
	case e != nil:
		c.logRequest(e.Code, e.LogReason())
	case c.Breaks != nil:
		c.logRequest(http.StatusOK, c.Breaks.LogReason())
	default:
		c.logRequest(http.StatusOK, "")
	}
	return e
}

// charged charges a request for a model that counts no tokens.
func (c *call) charged(name, method string) (*models.Model, *wire.Error) {
	m, err := c.modelFor(name, method)
	if err != nil {
		return nil, err
	}
	if err := c.admit(m, 1, 0); err != nil {
		return nil, err
	}
	return m, c.think()
}

// think waits for as long as an answer takes.
func (c *call) think() *wire.Error {
	if !c.Pause(c.s.delay()) {
		return wire.Cancelled()
	}
	return nil
}

// delay returns how long the next answer takes.
func (s *Server) delay() time.Duration {
	if s.jitter <= 0 {
		return s.latency
	}
	return s.latency + s.random.upTo(s.jitter)
}
