package anthropicsim

import (
	"encoding/json"
	"net/http"

	"fluxgate.dev/fluxgate/internal/simquota"
	"fluxgate.dev/fluxgate/internal/simserver"
)

type messagesRequest struct {
	Model       string          `json:"model"`
	System      json.RawMessage `json:"system"` // a text, or a list of blocks
	Messages    []message       `json:"messages"`
	MaxTokens   *int64          `json:"max_tokens"`
	Stream      bool            `json:"stream"`
	ServiceTier string          `json:"service_tier"`
	Speed       string          `json:"speed"`
	Tools       simserver.Tools `json:"tools"`
}

type message struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"` // a text, or a list of blocks
}

type messageBody struct {
	ID           string         `json:"id"`
	Type         string         `json:"type"`
	Role         string         `json:"role"`
	Model        string         `json:"model"`
	Content      []contentBlock `json:"content"`
	StopReason   *string        `json:"stop_reason"`
	StopSequence *string        `json:"stop_sequence"`
	Usage        messageUsage   `json:"usage"`
}

type contentBlock struct {
	Type  string    `json:"type"`
	Text  *string   `json:"text,omitempty"`
	ID    string    `json:"id,omitempty"`
	Name  string    `json:"name,omitempty"`
	Input *struct{} `json:"input,omitempty"`
}

type messageUsage struct {
	InputTokens              int64  `json:"input_tokens"`
	CacheCreationInputTokens int64  `json:"cache_creation_input_tokens"`
	CacheReadInputTokens     int64  `json:"cache_read_input_tokens"`
	OutputTokens             int64  `json:"output_tokens"`
	ServiceTier              string `json:"service_tier,omitempty"`
	Speed                    string `json:"speed,omitempty"`
}

// prompt reads a request, and fails in the words of the real service. It may mention files of the
// caller's project alone.
func (c *call) prompt(in *messagesRequest) (*prompt, *apiError) {
	switch {
	case in.Model == "":
		return nil, invalid("model: Field required")
	case len(in.Messages) == 0:
		return nil, invalid("messages: at least one message is required")
	}
	p := &prompt{count: simserver.Tokens(in.Tools.Text), text: []byte(in.Tools.Text), functions: in.Tools.Names}
	if len(in.System) > 0 {
		list, ok := blocks(in.System)
		if !ok {
			return nil, invalid("system: Input should be a valid list")
		}
		p.add("system", list)
	}
	for _, m := range in.Messages {
		list, ok := blocks(m.Content)
		if !ok {
			return nil, invalid("messages.0.content: Input should be a valid list")
		}
		p.add(m.Role, list)
	}
	for _, id := range p.files {
		if _, e := c.file(id); e != nil {
			return nil, e
		}
	}
	return p, nil
}

// bounded fails if a request doesn't say how long its answer may be.
func (in *messagesRequest) bounded() *apiError {
	switch {
	case in.MaxTokens == nil:
		return invalid("max_tokens: Field required")
	case *in.MaxTokens < 1:
		return invalid("max_tokens: Input should be greater than or equal to 1")
	}
	return nil
}

// read reads the body of a request.
func (c *call) read() (in messagesRequest, p *prompt, e *apiError) {
	if e = c.decode(&in); e != nil {
		return in, nil, e
	}
	p, e = c.prompt(&in)
	return in, p, e
}

// messages serves messages.
func (c *call) messages() *apiError {
	in, p, e := c.read()
	if e != nil {
		return e
	}
	if e := in.bounded(); e != nil {
		return e
	}
	u, keep := c.s.cached(p, c.Key.Project, in.Model, c.Arrived)
	count, tier, e := c.admit(in.Model, u.input+u.created, in.ServiceTier, in.Speed)
	if e != nil {
		return e
	}
	keep()
	a := p.answer(*in.MaxTokens)
	body := messageBody{ID: c.s.id("msg_"), Type: "message", Role: "assistant", Model: in.Model, Content: []contentBlock{},
		Usage: messageUsage{u.input, u.created, u.read, 1, tier, servedAt(in.Speed, in.Model)}}
	if in.Stream {
		c.stream(body, a, count)
		return nil
	}
	count(a.tokens())
	body.Content = []contentBlock{a.block(c.s)}
	body.StopReason = &a.stop
	body.Usage.OutputTokens = a.tokens()
	c.Write(http.StatusOK, body)
	return nil
}

// block is the answer as a block.
func (a answer) block(s *Server) contentBlock {
	if a.function != "" {
		return contentBlock{Type: "tool_use", ID: s.id("toolu_"), Name: a.function, Input: new(struct{})}
	}
	return contentBlock{Type: "text", Text: &a.text}
}

// stream sends the documented events. Output counts as it is sent.
func (c *call) stream(body messageBody, a answer, count func(int64)) {
	send := c.events()
	if !send("message_start", map[string]any{"type": "message_start", "message": body}) {
		return
	}
	block, empty := a.block(c.s), ""
	if block.Text != nil {
		block.Text = &empty
	}
	if !send("content_block_start", map[string]any{"type": "content_block_start", "index": 0, "content_block": block}) ||
		!send("ping", map[string]any{"type": "ping"}) {
		return
	}
	delta := func(fields map[string]any) bool {
		return send("content_block_delta", map[string]any{"type": "content_block_delta", "index": 0, "delta": fields})
	}
	if a.function != "" {
		count(a.tokens())
		if !delta(map[string]any{"type": "input_json_delta", "partial_json": "{}"}) {
			return
		}
	}
	sent := 0
	for i, piece := range simserver.Pieces(a.text) {
		if c.overload && i == 1 {
			send("error", errOverloaded.body(c.id))
			return
		}
		count(simserver.Tokens(a.text[:sent+len(piece)]) - simserver.Tokens(a.text[:sent]))
		sent += len(piece)
		if !delta(map[string]any{"type": "text_delta", "text": piece}) {
			return
		}
	}
	if !send("content_block_stop", map[string]any{"type": "content_block_stop", "index": 0}) {
		return
	}
	usage := body.Usage
	usage.OutputTokens, usage.ServiceTier, usage.Speed = a.tokens(), "", ""
	_ = send("message_delta", map[string]any{"type": "message_delta", "delta": map[string]any{"stop_reason": a.stop, "stop_sequence": nil}, "usage": usage}) &&
		send("message_stop", map[string]any{"type": "message_stop"})
}

// countTokens serves count_tokens, whose requests have a limit of their own and whose tokens
// have none (documented).
func (c *call) countTokens() *apiError {
	in, p, e := c.read()
	if e != nil {
		return e
	}
	if !c.s.Knows(in.Model) {
		return &apiError{http.StatusNotFound, "not_found_error", "model: " + in.Model, nil}
	}
	c.Log.Model = in.Model
	if refused := c.s.Try(c.Call, CountTokens, simquota.Amounts{simquota.Requests: 1}); refused != nil {
		c.W.Header().Set("Retry-After", simserver.Seconds(refused.Wait))
		return refusal(c.Key.Project, in.Model, refused)
	}
	c.Write(http.StatusOK, map[string]int64{"input_tokens": p.count})
	return nil
}
