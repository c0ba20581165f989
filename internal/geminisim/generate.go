package geminisim

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strconv"
)

// run takes a generate request from its checks to its answer.
func (c *call) run(req *generateRequest, name, method string) (*model, answer, *apiError) {
	fail := func(err *apiError) (*model, answer, *apiError) { return nil, answer{}, err }
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
		return fail(invalidArgument("The requested combination of response modalities (TEXT) is not supported by the model. models/" +
			m.name + " accepts the following combination of response modalities:\n* " + only + "\n"))
	}
	c.tokens = req.tokens() + c.cached
	if c.tokens > m.input {
		return fail(errTooManyTokens())
	}
	if err := c.admit(m, 1, c.tokens); err != nil {
		return fail(err)
	}
	if err := c.think(); err != nil {
		return fail(err)
	}
	a := c.s.answerTo(req, c.who.project, c.arrived, min(c.s.maxOutput, m.output))
	if a.stalls {
		return fail(&apiError{drop: hang})
	}
	if c.streaming {
		if plan := planStream(req.prompt()); plan != nil {
			a = answer{plan: plan, finish: "STOP", tokens: plan.chunks * plan.tokens}
		}
	}
	var cached int64
	a.billed, cached = thinkingOf(req.prompt())
	c.cached = max(c.cached, min(cached, c.tokens))
	c.bill(&a)
	return m, a, nil
}

// prepare checks a request and looks up what it refers to.
func (c *call) prepare(req *generateRequest, m *model) *apiError {
	if err := req.hasContents(); err != nil {
		return err
	}
	if err := req.normalise(); err != nil {
		return err
	}
	if err := c.resolveFiles(req); err != nil {
		return err
	}
	return c.resolveCache(req, m)
}

func (c *call) generate() *apiError {
	var req generateRequest
	if err := decode(c.body, &req); err != nil {
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
	c.writeJSON(http.StatusOK, encode(out))
	return nil
}

// response returns an answer, or a piece of one, in the API's form.
func (a *answer) response(in, cached int64, model, id string) generateResponse {
	if a.block != "" {
		return generateResponse{PromptFeedback: &feedback{a.block}, UsageMetadata: newUsage(in, cached, 0, a.billed),
			ModelVersion: model, ResponseID: id}
	}
	out := partOut{FunctionCall: a.call}
	if a.call == nil {
		out.Text = &a.text
	}
	return generateResponse{
		Candidates:    []candidate{{Content: contentOut{[]partOut{out}, "model"}, FinishReason: a.finish}},
		UsageMetadata: newUsage(in, cached, a.tokens, a.billed),
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
		if err := send(encode(out)); err != nil {
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
	case c.breaks != nil && c.breaks.drop != respond:
		c.breakOff()
		return
	case c.breaks != nil:
		_ = send(c.breaks.body(false)) // if it fails, so does what follows
	}
	_, err := c.w.Write([]byte(end))
	c.sent(err)
}

func (c *call) count() *apiError {
	m, err := c.modelFor(c.route.model, c.method)
	if err != nil {
		return err
	}
	var req countRequest
	if err := decode(c.body, &req); err != nil {
		return err
	}
	full := first(req.GenerateContentRequest, req.GenerateContentRequestS)
	if full != nil && len(req.Contents) > 0 {
		return invalidArgument("Only one of contents and generateContentRequest may be set.")
	}
	if full == nil {
		full = &generateRequest{Contents: req.Contents}
	}
	if err := c.prepare(full, m); err != nil {
		return err
	}
	n := full.tokens() + c.cached
	c.s.mu.Lock()
	c.s.stats.Counted++
	c.s.mu.Unlock()
	c.model, c.tokens = m.resolved, n
	c.logRequest(http.StatusOK, "")
	c.writeJSON(http.StatusOK, encode(countResponse{n, []modalityTokens{{"TEXT", n}}, newCachedUsage(c.cached)}))
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
func (c *call) listModels() *apiError {
	query := c.r.URL.Query()
	listed := c.s.listed()
	size := 50
	if v := query.Get("pageSize"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return invalidArgument("Invalid value at 'page_size' (TYPE_INT32)")
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
			return invalidArgument("Invalid page token.")
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
	c.writeJSON(http.StatusOK, encode(page))
	return nil
}

func (c *call) getModel() *apiError {
	m := c.s.model(c.route.model)
	if m == nil {
		return errNotFound(c.version, c.route.model, "getModel")
	}
	c.writeJSON(http.StatusOK, encode(m.info()))
	return nil
}
