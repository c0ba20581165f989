package geminisim

import (
	"bytes"
	"errors"
	"net/http"
	"slices"

	"fluxgate.dev/fluxgate/internal/geminisim/answers"
	"fluxgate.dev/fluxgate/internal/geminisim/models"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// run takes a generate request from its checks to its answer.
func (c *call) run(req *wire.GenerateRequest, name, method string) (*models.Model, answers.Answer, *wire.Error) {
	fail := func(err *wire.Error) (*models.Model, answers.Answer, *wire.Error) { return nil, answers.Answer{}, err }
	m, err := c.modelFor(name, method)
	if err != nil {
		return fail(err)
	}
	c.Model = m.Resolved
	if err := c.prepare(req, m); err != nil {
		return fail(err)
	}
	switch {
	case m.Kind == models.Image && req.WantsImage():
		c.images = 1
	case m.Kind == models.Image || m.Kind == models.Speech:
		only := map[models.Kind]string{models.Image: "TEXT, IMAGE", models.Speech: "AUDIO"}[m.Kind]
		return fail(wire.InvalidArgument("The requested combination of response modalities (TEXT) is not supported by the model. models/" +
			m.Name + " accepts the following combination of response modalities:\n* " + only + "\n"))
	}
	c.Tokens = req.Tokens() + c.Cached
	if c.Tokens > m.Input {
		return fail(models.TooManyTokens())
	}
	if err := c.admit(m, 1, c.Tokens); err != nil {
		return fail(err)
	}
	if err := c.think(); err != nil {
		return fail(err)
	}
	if c.images > 0 {
		a := answers.NewImage()
		c.bill(&a)
		return m, a, nil
	}
	a := c.s.answers.Answer(req, c.Project, c.Arrived, min(c.s.maxOutput, m.Output))
	if a.Stalls {
		return fail(&wire.Error{Drop: wire.Hang})
	}
	if c.Streaming {
		if plan := answers.PlanOf(answers.Prompt(req)); plan != nil {
			a = answers.Answer{Plan: plan, Finish: "STOP", Tokens: plan.Chunks * plan.Tokens}
		}
	}
	var cached int64
	a.Billed, cached = answers.Beside(answers.Prompt(req))
	c.Cached = max(c.Cached, min(cached, c.Tokens))
	c.bill(&a)
	return m, a, nil
}

// prepare checks a request and looks up what it refers to.
func (c *call) prepare(req *wire.GenerateRequest, m *models.Model) *wire.Error {
	if err := req.HasContents(); err != nil {
		return err
	}
	if err := req.Normalise(); err != nil {
		return err
	}
	if err := c.s.files.Resolve(req, c.Project, c.Arrived); err != nil {
		return err
	}
	var refused *wire.Error
	c.Cached, refused = c.s.caches.Resolve(req, m, c.Project, c.Arrived)
	return refused
}

func (c *call) generate() *wire.Error {
	var req wire.GenerateRequest
	if err := wire.Decode(c.Body, &req); err != nil {
		return err
	}
	c.Streaming = c.op == opStream
	sources, err := c.grounding(&req)
	if err != nil {
		return err
	}
	m, a, err := c.run(&req, c.route.model, c.method)
	if err != nil {
		return err
	}
	if c.op == opStream {
		c.stream(m, a)
		return nil
	}
	out := a.Response(c.Tokens, c.Cached, m.Version(), c.s.random.responseID())
	out.ModelStatus = c.s.models.StatusOf(m)
	if sources != nil && len(out.Candidates) > 0 {
		out.Candidates[0].GroundingMetadata = sources
	}
	c.WriteJSON(http.StatusOK, wire.Encode(out))
	return nil
}

// stream sends an answer piece by piece, as server-sent events or as a JSON
// array that grows.
func (c *call) stream(m *models.Model, a answers.Answer) {
	before, next, after, end := "data: ", "data: ", "\r\n\r\n", ""
	c.W.Header().Set("Content-Type", "text/event-stream")
	if !c.SSE() {
		before, next, after, end = "[", "\r\n,\r\n", "", "\r\n]\r\n"
		c.W.Header().Set("Content-Type", "application/json; charset=UTF-8")
	}
	c.WriteHeader(http.StatusOK)
	flusher := http.NewResponseController(c.W)
	send := func(body []byte) error {
		_, err := c.W.Write(slices.Concat([]byte(before), bytes.TrimSpace(body), []byte(after)))
		before = next
		return errors.Join(err, flusher.Flush())
	}
	id := c.s.random.responseID()
	for p, last := range c.Pieces(&a) {
		out := p.Response(c.Tokens, c.Cached, m.Version(), id)
		out.ModelStatus = c.s.models.StatusOf(m)
		if err := send(wire.Encode(out)); err != nil {
			c.Sent(err)
			return
		}
		if last {
			break
		}
	}
	switch {
	case c.HungUp:
		return
	case c.Breaks != nil && c.Breaks.Drop != wire.Respond:
		c.BreakOff()
		return
	case c.Breaks != nil:
		_ = send(c.Breaks.Body(false)) // if it fails, so does what follows
	}
	_, err := c.W.Write([]byte(end))
	c.Sent(err)
}

func (c *call) count() *wire.Error {
	m, err := c.modelFor(c.route.model, c.method)
	if err != nil {
		return err
	}
	var req wire.CountRequest
	if err := wire.Decode(c.Body, &req); err != nil {
		return err
	}
	full := wire.First(req.GenerateContentRequest, req.GenerateContentRequestS)
	if full != nil && len(req.Contents) > 0 {
		return wire.InvalidArgument("Only one of contents and generateContentRequest may be set.")
	}
	if full == nil {
		full = &wire.GenerateRequest{Contents: req.Contents}
	}
	if err := c.prepare(full, m); err != nil {
		return err
	}
	n := full.Tokens() + c.Cached
	c.s.journal.Counted()
	c.Model, c.Tokens = m.Resolved, n
	c.logRequest(http.StatusOK, "")
	c.WriteJSON(http.StatusOK, wire.Encode(wire.NewCount(n, c.Cached)))
	return nil
}
