package geminisim

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// run takes a generate request from its checks to its answer.
func (c *call) run(req *wire.GenerateRequest, name, method string) (*model, answer, *wire.Error) {
	fail := func(err *wire.Error) (*model, answer, *wire.Error) { return nil, answer{}, err }
	m, err := c.modelFor(name, method)
	if err != nil {
		return fail(err)
	}
	c.model = m.resolved
	if err := c.prepare(req, m); err != nil {
		return fail(err)
	}
	switch m.kind {
	case imageModel, speechModel:
		only := map[modelKind]string{imageModel: "TEXT, IMAGE", speechModel: "AUDIO"}[m.kind]
		return fail(wire.InvalidArgument("The requested combination of response modalities (TEXT) is not supported by the model. models/" +
			m.name + " accepts the following combination of response modalities:\n* " + only + "\n"))
	}
	c.tokens = req.Tokens() + c.cached
	if c.tokens > m.input {
		return fail(errTooManyTokens())
	}
	if err := c.admit(m, 1, c.tokens); err != nil {
		return fail(err)
	}
	if err := c.think(); err != nil {
		return fail(err)
	}
	a := c.s.answerTo(req, c.who.Project, c.arrived, min(c.s.maxOutput, m.output))
	if a.stalls {
		return fail(&wire.Error{Drop: wire.Hang})
	}
	if c.streaming {
		if plan := planStream(promptOf(req)); plan != nil {
			a = answer{plan: plan, finish: "STOP", tokens: plan.chunks * plan.tokens}
		}
	}
	a.billed = thinkingOf(promptOf(req))
	c.bill(&a)
	return m, a, nil
}

// prepare checks a request and looks up what it refers to.
func (c *call) prepare(req *wire.GenerateRequest, m *model) *wire.Error {
	if err := req.HasContents(); err != nil {
		return err
	}
	if err := req.Normalise(); err != nil {
		return err
	}
	if err := c.resolveFiles(req); err != nil {
		return err
	}
	return c.resolveCache(req, m)
}

func (c *call) generate() *wire.Error {
	var req wire.GenerateRequest
	if err := wire.Decode(c.body, &req); err != nil {
		return err
	}
	c.streaming = c.op == opStream
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
	out := a.response(c.tokens, c.cached, m.version(), c.s.responseID())
	out.ModelStatus = c.s.statusOf(m)
	if sources != nil && len(out.Candidates) > 0 {
		out.Candidates[0].GroundingMetadata = sources
	}
	c.writeJSON(http.StatusOK, wire.Encode(out))
	return nil
}

// response returns an answer, or a piece of one, in the API's form.
func (a *answer) response(in, cached int64, model, id string) wire.GenerateResponse {
	if a.block != "" {
		return wire.GenerateResponse{PromptFeedback: &wire.Feedback{BlockReason: a.block}, UsageMetadata: wire.NewUsage(in, cached, 0, a.billed),
			ModelVersion: model, ResponseID: id}
	}
	out := wire.PartOut{FunctionCall: a.call}
	if a.call == nil {
		out.Text = &a.text
	}
	return wire.GenerateResponse{
		Candidates:    []wire.Candidate{{Content: wire.ContentOut{Parts: []wire.PartOut{out}, Role: "model"}, FinishReason: a.finish}},
		UsageMetadata: wire.NewUsage(in, cached, a.tokens, a.billed),
		ModelVersion:  model,
		ResponseID:    id,
	}
}

// stream sends an answer piece by piece, as server-sent events or as a JSON
// array that grows.
func (c *call) stream(m *model, a answer) {
	before, next, after, end := "data: ", "data: ", "\r\n\r\n", ""
	c.w.Header().Set("Content-Type", "text/event-stream")
	if !c.sse() {
		before, next, after, end = "[", "\r\n,\r\n", "", "\r\n]\r\n"
		c.w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	}
	c.writeHeader(http.StatusOK)
	flusher := http.NewResponseController(c.w)
	send := func(body []byte) error {
		_, err := c.w.Write(slices.Concat([]byte(before), bytes.TrimSpace(body), []byte(after)))
		before = next
		return errors.Join(err, flusher.Flush())
	}
	id := c.s.responseID()
	for p, last := range c.pieces(&a) {
		out := p.response(c.tokens, c.cached, m.version(), id)
		out.ModelStatus = c.s.statusOf(m)
		if err := send(wire.Encode(out)); err != nil {
			c.sent(err)
			return
		}
		if last {
			break
		}
	}
	switch {
	case c.hungUp:
		return
	case c.breaks != nil && c.breaks.Drop != wire.Respond:
		c.breakOff()
		return
	case c.breaks != nil:
		_ = send(c.breaks.Body(false)) // if it fails, so does what follows
	}
	_, err := c.w.Write([]byte(end))
	c.sent(err)
}

func (c *call) count() *wire.Error {
	m, err := c.modelFor(c.route.model, c.method)
	if err != nil {
		return err
	}
	var req wire.CountRequest
	if err := wire.Decode(c.body, &req); err != nil {
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
	n := full.Tokens() + c.cached
	c.s.mu.Lock()
	c.s.stats.Counted++
	c.s.mu.Unlock()
	c.model, c.tokens = m.resolved, n
	c.logRequest(http.StatusOK, "")
	c.writeJSON(http.StatusOK, wire.Encode(wire.NewCount(n, c.cached)))
	return nil
}

// modelInfo is a model in the list.
type modelInfo struct {
	Name                       string   `json:"name"`
	Version                    string   `json:"version"`
	DisplayName                string   `json:"displayName"`
	Description                string   `json:"description"`
	InputTokenLimit            int64    `json:"inputTokenLimit"`
	OutputTokenLimit           int64    `json:"outputTokenLimit"`
	SupportedGenerationMethods []string `json:"supportedGenerationMethods"`
	Thinking                   bool     `json:"thinking,omitempty"`
}

func (m *model) info() modelInfo {
	return modelInfo{"models/" + m.name, "001", m.display, "Simulated " + m.display, m.input, m.output, m.methods(), m.kind == textModel}
}

// listModels pages through the models. The token of a page is the encoded
// number of models before it.
func (c *call) listModels() *wire.Error {
	query := c.r.URL.Query()
	listed := c.s.listed()
	size := 50
	if v := query.Get("pageSize"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return wire.InvalidArgument("Invalid value at 'page_size' (TYPE_INT32)")
		}
		if n > 0 {
			size = min(n, 1000)
		}
	}
	from := 0
	if v := query.Get("pageToken"); v != "" {
		raw, _ := base64.RawURLEncoding.DecodeString(v) // undecodable: not a number either
		n, err := strconv.Atoi(string(raw))
		if err != nil || n < 0 || n > len(listed) {
			return wire.InvalidArgument("Invalid page token.")
		}
		from = n
	}
	page := struct {
		Models        []modelInfo `json:"models"`
		NextPageToken string      `json:"nextPageToken,omitempty"`
	}{}
	to := min(from+size, len(listed))
	for _, m := range listed[from:to] {
		page.Models = append(page.Models, m.info())
	}
	if to < len(listed) {
		page.NextPageToken = base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(to)))
	}
	c.writeJSON(http.StatusOK, wire.Encode(page))
	return nil
}

func (c *call) getModel() *wire.Error {
	m := c.s.model(c.route.model)
	if m == nil {
		return wire.ModelNotFound(c.version, c.route.model, "getModel")
	}
	c.writeJSON(http.StatusOK, wire.Encode(m.info()))
	return nil
}
