package openaisim

import (
	"encoding/json"
	"net/http"

	"fluxgate.dev/fluxgate/internal/simserver"
)

type chatRequest struct {
	Model         string        `json:"model"`
	Messages      []chatMessage `json:"messages"`
	Stream        bool          `json:"stream"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	MaxTokens           int64           `json:"max_tokens"`
	MaxCompletionTokens int64           `json:"max_completion_tokens"`
	Tools               simserver.Tools `json:"tools"`
	N                   int64           `json:"n"`
	Store               bool            `json:"store"`
	Metadata            json.RawMessage `json:"metadata"`
}

type chatMessage struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"` // a string, null, or a list of parts
}

type chatBody struct {
	ID      string       `json:"id"`
	Object  string       `json:"object"`
	Created int64        `json:"created"`
	Model   string       `json:"model"`
	Choices []chatChoice `json:"choices"`
	Usage   *chatUsage   `json:"usage,omitempty"`
}

type chatChoice struct {
	Index        int        `json:"index"`
	Message      *chatReply `json:"message,omitempty"`
	Delta        *chatReply `json:"delta,omitempty"`
	Logprobs     *struct{}  `json:"logprobs"`
	FinishReason *string    `json:"finish_reason"`
}

type chatReply struct {
	Role      string     `json:"role,omitempty"`
	Content   *string    `json:"content,omitempty"`
	Refusal   *string    `json:"refusal,omitempty"`
	ToolCalls []toolCall `json:"tool_calls,omitempty"`
}

type toolCall struct {
	Index    *int   `json:"index,omitempty"` // in streams
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

type chatUsage struct {
	PromptTokens     int64 `json:"prompt_tokens"`
	CompletionTokens int64 `json:"completion_tokens"`
	TotalTokens      int64 `json:"total_tokens"`
	PromptDetails    struct {
		CachedTokens int64 `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	CompletionDetails struct {
		ReasoningTokens int64 `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

func (u usage) chat() *chatUsage {
	out := &chatUsage{PromptTokens: u.input, CompletionTokens: u.output, TotalTokens: u.input + u.output}
	out.PromptDetails.CachedTokens, out.CompletionDetails.ReasoningTokens = u.cached, u.reasoning
	return out
}

// chat serves chat/completions.
func (c *call) chat() *apiError {
	var in chatRequest
	if e := c.decode(&in); e != nil {
		return e
	}
	if in.Model == "" {
		in.Model = c.Log.Model // Azure's deployment
	}
	if in.Model == "" {
		return invalid("", "you must provide a model parameter")
	}
	if len(in.Messages) == 0 {
		return invalid("messages", "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	}
	var p prompt
	for _, m := range in.Messages {
		p.message(m.Role, m.Content)
	}
	p.tools(in.Tools)
	most := max(in.MaxTokens, in.MaxCompletionTokens)
	if in.N = max(in.N, 1); in.N > 128 {
		return invalid("n", "want at most 128.")
	}
	if e := c.mentioned(p.files); e != nil {
		return e
	}
	if e := c.admit(in.Model, p.tokens(), p.chars, most*in.N); e != nil {
		return e
	}
	a := p.answer(most)
	a.usage.output, a.usage.reasoning = a.usage.output*in.N, a.usage.reasoning*in.N
	body := chatBody{ID: c.s.id("chatcmpl-"), Object: "chat.completion", Created: c.Arrived.Unix(), Model: in.Model}
	c.settle(a.usage)
	finish, done := a.finish, body
	for i := range int(in.N) {
		done.Choices = append(done.Choices, chatChoice{Index: i, Message: a.reply(c.s, false), FinishReason: &finish})
	}
	done.Usage = a.usage.chat()
	if in.Store {
		c.s.chats.Add(c.Key.Project, body.ID, storedChat{done, in.Metadata, in.Messages})
	}
	if in.Stream {
		c.streamChat(body, a, int(in.N), in.StreamOptions.IncludeUsage)
		return nil
	}
	c.Write(http.StatusOK, done)
	return nil
}

// reply is an answer as a message.
func (a answer) reply(s *Server, delta bool) *chatReply {
	out := &chatReply{Role: "assistant"}
	if a.function == "" {
		out.Content = &a.text
		return out
	}
	call := toolCall{ID: s.id("call_"), Type: "function"}
	if delta {
		call.Index = new(int)
	}
	call.Function.Name, call.Function.Arguments = a.function, "{}"
	out.ToolCalls = []toolCall{call}
	return out
}

// streamChat sends the answer in chunks, as documented: the role first, pieces of text, the
// reason for the end, each of all choices, and the usage of all where it was asked for.
func (c *call) streamChat(body chatBody, a answer, n int, includeUsage bool) {
	body.Object = "chat.completion.chunk"
	send := c.events()
	chunk := func(delta *chatReply, finish *string) bool {
		for i := range n {
			body.Choices = []chatChoice{{Index: i, Delta: delta, FinishReason: finish}}
			if !send("", body) {
				return false
			}
		}
		return true
	}
	empty := ""
	first := &chatReply{Role: "assistant", Content: &empty}
	if a.function != "" {
		first = a.reply(c.s, true)
	}
	if !chunk(first, nil) {
		return
	}
	for _, piece := range simserver.Pieces(a.text) {
		if !chunk(&chatReply{Content: &piece}, nil) {
			return
		}
	}
	if !chunk(&chatReply{}, &a.finish) {
		return
	}
	if includeUsage {
		body.Choices, body.Usage = []chatChoice{}, a.usage.chat()
		if !send("", body) {
			return
		}
	}
	send("", "[DONE]")
}
