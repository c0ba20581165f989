package openai

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/geminisim/answers"
	"fluxgate.dev/fluxgate/internal/geminisim/exchange"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// A chatRequest is the body of chat/completions.
type chatRequest struct {
	Model               string        `json:"model"`
	Messages            []chatMessage `json:"messages"`
	Stream              bool          `json:"stream"`
	StreamOptions       streamOptions `json:"stream_options"`
	MaxTokens           int64         `json:"max_tokens"`
	MaxCompletionTokens int64         `json:"max_completion_tokens"`
	Tools               []struct {
		Function json.RawMessage `json:"function"`
	} `json:"tools"`
	ResponseFormat struct {
		Type       string          `json:"type"`
		JSONSchema json.RawMessage `json:"json_schema"`
	} `json:"response_format"`
	ExtraBody struct {
		Google struct {
			CachedContent string `json:"cached_content"`
		} `json:"google"`
	} `json:"extra_body"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

type chatMessage struct {
	Role       string          `json:"role"`
	Content    json.RawMessage `json:"content"` // a string, null, or a list of parts
	ToolCalls  []chatToolCall  `json:"tool_calls"`
	ToolCallID string          `json:"tool_call_id"`
}

type chatToolCall struct {
	Index    int    `json:"index"`
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

type chatPart struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	ImageURL struct {
		URL string `json:"url"`
	} `json:"image_url"`
}

// A ChatResponse answers a chat, or is an event of a stream.
type ChatResponse struct {
	ID      string       `json:"id"`
	Object  string       `json:"object"`
	Created int64        `json:"created"`
	Model   string       `json:"model"`
	Choices []chatChoice `json:"choices"`
	Usage   *ChatUsage   `json:"usage,omitempty"`
}

type chatChoice struct {
	Index        int       `json:"index"`
	Message      *chatText `json:"message,omitempty"`
	Delta        *chatText `json:"delta,omitempty"`
	FinishReason *string   `json:"finish_reason"`
}

type chatText struct {
	Role      string         `json:"role,omitempty"`
	Content   *string        `json:"content,omitempty"`
	ToolCalls []chatToolCall `json:"tool_calls,omitempty"`
}

// ChatUsage is the usage of a chat. That thoughts are in the total alone is captured.
type ChatUsage struct {
	PromptTokens     int64 `json:"prompt_tokens"`
	CompletionTokens int64 `json:"completion_tokens"`
	TotalTokens      int64 `json:"total_tokens"`
	PromptDetails    *struct {
		CachedTokens int64 `json:"cached_tokens"`
	} `json:"prompt_tokens_details,omitempty"`
}

// usageOfChat returns the usage of an answer. What tools brought isn't known to be told
// there, so it isn't.
func usageOfChat(x *exchange.Exchange, a *answers.Answer) *ChatUsage {
	u := &ChatUsage{PromptTokens: x.Tokens, CompletionTokens: a.Tokens, TotalTokens: x.Tokens + a.Tokens + a.Billed.ThoughtsTokenCount}
	if x.Cached > 0 {
		u.PromptDetails = &struct {
			CachedTokens int64 `json:"cached_tokens"`
		}{x.Cached}
	}
	return u
}

// native returns the request in the API's own form.
func (req *chatRequest) native() (*wire.GenerateRequest, *wire.Error) {
	out := &wire.GenerateRequest{CachedContent: req.ExtraBody.Google.CachedContent, GenerationConfig: &wire.GenerationConfig{
		MaxOutputTokens: max(req.MaxTokens, req.MaxCompletionTokens),
		ResponseSchema:  req.ResponseFormat.JSONSchema,
	}}
	if strings.HasPrefix(req.ResponseFormat.Type, "json_") {
		out.GenerationConfig.ResponseMIMEType = "application/json"
	}
	for _, t := range req.Tools {
		if t.Function != nil {
			raw := []byte(`{"functionDeclarations":[` + string(t.Function) + `]}`)
			out.Tools = append(out.Tools, raw)
		}
	}
	for i := range req.Messages {
		m := &req.Messages[i]
		parts, err := m.parts()
		if err != nil {
			return nil, err
		}
		switch m.Role {
		case "system", "developer":
			if out.SystemInstruction == nil {
				out.SystemInstruction = &wire.Content{}
			}
			out.SystemInstruction.Parts = append(out.SystemInstruction.Parts, parts...)
		case "user":
			out.Contents = append(out.Contents, wire.Content{Role: "user", Parts: parts})
		case "assistant":
			out.Contents = append(out.Contents, wire.Content{Role: "model", Parts: parts})
		case "tool":
			out.Contents = append(out.Contents, wire.Content{Role: "function", Parts: parts})
		default:
			return nil, wire.InvalidArgument("Please use a valid role: system, user, assistant, tool.")
		}
	}
	return out, nil
}

func (m *chatMessage) parts() ([]wire.Part, *wire.Error) {
	var text string
	var list []chatPart
	switch {
	case m.Content == nil || string(m.Content) == "null":
	case json.Unmarshal(m.Content, &text) == nil:
		list = []chatPart{{Type: "text", Text: text}}
	case json.Unmarshal(m.Content, &list) != nil:
		return nil, wire.InvalidArgument("Invalid value at 'messages.content'")
	}
	var out []wire.Part
	for i := range list {
		p := &list[i]
		if p.Type != "image_url" {
			out = append(out, wire.Part{Text: &p.Text})
			continue
		}
		// Only data URLs: "data:image/png;base64,…".
		mime, data, ok := strings.Cut(strings.TrimPrefix(p.ImageURL.URL, "data:"), ";base64,")
		if !ok {
			return nil, wire.InvalidArgument("Invalid value at 'messages.content.image_url'")
		}
		out = append(out, wire.Part{InlineData: &wire.Blob{MIMEType: mime, Data: data}})
	}
	for i := range m.ToolCalls {
		raw, _ := json.Marshal(m.ToolCalls[i].Function) // two strings can't fail
		out = append(out, wire.Part{FunctionCall: raw})
	}
	return out, nil
}

// Chat serves openai/chat/completions.
func (s *Service) Chat(x *exchange.Exchange, generate exchange.Generate) *wire.Error {
	var req chatRequest
	if err := wire.Decode(x.Body, &req); err != nil {
		return err
	}
	name := strings.TrimPrefix(req.Model, "models/")
	x.Model = name
	native, err := req.native()
	if err != nil {
		return err
	}
	method := "generateContent"
	if x.Streaming = req.Stream; x.Streaming {
		method = "streamGenerateContent"
	}
	m, a, err := generate(native, name, method)
	if err != nil {
		return err
	}
	resp := ChatResponse{ID: "chatcmpl-" + s.cfg.NewID(), Object: "chat.completion",
		Created: x.Arrived.Unix(), Model: m.Version()}
	total := usageOfChat(x, &a)
	if req.Stream {
		streamChat(x, resp, a, total, req.StreamOptions.IncludeUsage)
		return nil
	}
	resp.Choices = []chatChoice{{Message: chatOf(&a), FinishReason: finishOf(&a)}}
	resp.Usage = total
	x.WriteJSON(http.StatusOK, wire.Encode(resp))
	return nil
}

// chatOf returns an answer, or a piece of one, in OpenAI's form.
func chatOf(a *answers.Answer) *chatText {
	if a.Call == nil {
		return &chatText{Role: "assistant", Content: &a.Text}
	}
	args, _ := json.Marshal(a.Call.Args) // numbers, strings and maps can't fail
	call := chatToolCall{ID: "call_" + a.Call.ID, Type: "function"}
	call.Function.Name, call.Function.Arguments = a.Call.Name, string(args)
	return &chatText{Role: "assistant", ToolCalls: []chatToolCall{call}}
}

// finishOf returns why an answer ended; nil: a piece of one, and not the last.
func finishOf(a *answers.Answer) *string {
	var reason string
	switch {
	case a.Finish == "":
		return nil // not the last piece
	case a.Call != nil:
		reason = "tool_calls"
	case a.Block != "":
		reason = "content_filter"
	case a.Finish == "MAX_TOKENS":
		reason = "length"
	default:
		reason = "stop"
	}
	return &reason
}

// streamChat sends an answer piece by piece.
func streamChat(x *exchange.Exchange, resp ChatResponse, a answers.Answer, total *ChatUsage, includeUsage bool) {
	x.W.Header().Set("Content-Type", "text/event-stream")
	flusher := http.NewResponseController(x.W)
	send := func(data []byte) error {
		_, err := x.W.Write([]byte("data: " + strings.TrimSuffix(string(data), "\n") + "\n\n"))
		return errors.Join(err, flusher.Flush())
	}
	resp.Object = "chat.completion.chunk"
	x.WriteHeader(http.StatusOK)
	for p, last := range x.Pieces(&a) {
		resp.Choices = []chatChoice{{Delta: chatOf(&p), FinishReason: finishOf(&p)}}
		if err := send(wire.Encode(resp)); err != nil {
			x.Sent(err)
			return
		}
		if last {
			break
		}
	}
	switch {
	case x.HungUp:
		return
	case x.Breaks != nil && x.Breaks.Drop != wire.Respond:
		x.BreakOff()
		return
	case x.Breaks != nil:
		x.Sent(send(x.Breaks.Body(true)))
		return
	}
	if includeUsage {
		resp.Choices, resp.Usage = []chatChoice{}, total
		if err := send(wire.Encode(resp)); err != nil {
			x.Sent(err)
			return
		}
	}
	x.Sent(send([]byte("[DONE]")))
}
