package anthropicsim

import (
	"net/http"

	"fluxgate.dev/fluxgate/internal/simserver"
)

type chatRequest struct {
	Model               string    `json:"model"`
	Messages            []message `json:"messages"`
	MaxTokens           int64     `json:"max_tokens"`
	MaxCompletionTokens int64     `json:"max_completion_tokens"`
	Stream              bool      `json:"stream"`
	StreamOptions       struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

// chat serves OpenAI's chat/completions, as Anthropic itself does (documented as the OpenAI SDK
// compatibility): texts alone here. There is no caching (documented).
func (c *call) chat() *apiError {
	var in chatRequest
	if e := c.decode(&in); e != nil {
		return e
	}
	if min(in.MaxTokens, in.MaxCompletionTokens) < 0 {
		return invalid("max_tokens: Input should be greater than or equal to 1")
	}
	native := messagesRequest{Model: in.Model, Messages: in.Messages}
	p, e := c.prompt(&native)
	if e != nil {
		return e
	}
	count, _, e := c.admit(in.Model, p.count, "", "")
	if e != nil {
		return e
	}
	most := max(in.MaxTokens, in.MaxCompletionTokens)
	if most == 0 {
		most = 1 << 20
	}
	a := p.answer(most)
	count(a.tokens())
	finish := map[string]string{"end_turn": "stop", "max_tokens": "length"}[a.stop]
	usage := map[string]int64{"prompt_tokens": p.count, "completion_tokens": a.tokens(), "total_tokens": p.count + a.tokens()}
	body := map[string]any{"id": c.s.id("msg_"), "object": "chat.completion", "created": c.Arrived.Unix(), "model": in.Model}
	if !in.Stream {
		body["choices"] = []any{map[string]any{"index": 0, "message": map[string]any{"role": "assistant", "content": a.text}, "finish_reason": finish}}
		body["usage"] = usage
		c.Write(http.StatusOK, body)
		return nil
	}
	body["object"] = "chat.completion.chunk"
	send := c.events()
	chunk := func(delta map[string]any, finish any) bool {
		body["choices"] = []any{map[string]any{"index": 0, "delta": delta, "finish_reason": finish}}
		return send("", body)
	}
	ok := chunk(map[string]any{"role": "assistant", "content": ""}, nil)
	for _, piece := range simserver.Pieces(a.text) {
		ok = ok && chunk(map[string]any{"content": piece}, nil)
	}
	ok = ok && chunk(map[string]any{}, finish)
	if ok && in.StreamOptions.IncludeUsage {
		body["choices"], body["usage"] = []any{}, usage
		ok = send("", body)
	}
	if ok {
		send("", "[DONE]")
	}
	return nil
}
