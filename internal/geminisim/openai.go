package geminisim

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/geminisim/answers"
	"fluxgate.dev/fluxgate/internal/geminisim/models"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

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

type chatResponse struct {
	ID      string       `json:"id"`
	Object  string       `json:"object"`
	Created int64        `json:"created"`
	Model   string       `json:"model"`
	Choices []chatChoice `json:"choices"`
	Usage   *chatUsage   `json:"usage,omitempty"`
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

// chatUsage is the usage of a chat. That thoughts are in the total alone is captured.
type chatUsage struct {
	PromptTokens     int64 `json:"prompt_tokens"`
	CompletionTokens int64 `json:"completion_tokens"`
	TotalTokens      int64 `json:"total_tokens"`
	PromptDetails    *struct {
		CachedTokens int64 `json:"cached_tokens"`
	} `json:"prompt_tokens_details,omitempty"`
}

// chatUsage returns the usage of an answer. What tools brought isn't known to be told
// there, so it isn't.
func (c *call) chatUsage(a *answers.Answer) *chatUsage {
	u := &chatUsage{PromptTokens: c.tokens, CompletionTokens: a.Tokens, TotalTokens: c.tokens + a.Tokens + a.Billed.ThoughtsTokenCount}
	if c.cached > 0 {
		u.PromptDetails = &struct {
			CachedTokens int64 `json:"cached_tokens"`
		}{c.cached}
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

func (c *call) chat() *wire.Error {
	var req chatRequest
	if err := wire.Decode(c.Body, &req); err != nil {
		return err
	}
	name := strings.TrimPrefix(req.Model, "models/")
	c.model = name
	native, err := req.native()
	if err != nil {
		return err
	}
	method := "generateContent"
	if c.streaming = req.Stream; c.streaming {
		method = "streamGenerateContent"
	}
	m, a, err := c.run(native, name, method)
	if err != nil {
		return err
	}
	resp := chatResponse{ID: "chatcmpl-" + c.s.random.responseID(), Object: "chat.completion",
		Created: c.Arrived.Unix(), Model: m.Version()}
	total := c.chatUsage(&a)
	if req.Stream {
		c.streamChat(resp, a, total, req.StreamOptions.IncludeUsage)
		return nil
	}
	resp.Choices = []chatChoice{{Message: chatOf(&a), FinishReason: finishOf(&a)}}
	resp.Usage = total
	c.WriteJSON(http.StatusOK, wire.Encode(resp))
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

func (c *call) streamChat(resp chatResponse, a answers.Answer, total *chatUsage, includeUsage bool) {
	c.W.Header().Set("Content-Type", "text/event-stream")
	flusher := http.NewResponseController(c.W)
	send := func(data []byte) error {
		_, err := c.W.Write([]byte("data: " + strings.TrimSuffix(string(data), "\n") + "\n\n"))
		return errors.Join(err, flusher.Flush())
	}
	resp.Object = "chat.completion.chunk"
	c.WriteHeader(http.StatusOK)
	for p, last := range c.Pieces(&a) {
		resp.Choices = []chatChoice{{Delta: chatOf(&p), FinishReason: finishOf(&p)}}
		if err := send(wire.Encode(resp)); err != nil {
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
		c.Sent(send(c.Breaks.Body(true)))
		return
	}
	if includeUsage {
		resp.Choices, resp.Usage = []chatChoice{}, total
		if err := send(wire.Encode(resp)); err != nil {
			c.Sent(err)
			return
		}
	}
	c.Sent(send([]byte("[DONE]")))
}

func (c *call) openAIEmbeddings() *wire.Error {
	var req struct {
		Model          string          `json:"model"`
		Input          json.RawMessage `json:"input"` // a string or a list of them
		Dimensions     int             `json:"dimensions"`
		EncodingFormat string          `json:"encoding_format"`
	}
	if err := wire.Decode(c.Body, &req); err != nil {
		return err
	}
	name := strings.TrimPrefix(req.Model, "models/")
	c.model = name
	var texts []string
	var single string
	if json.Unmarshal(req.Input, &single) == nil {
		texts = []string{single}
	} else if json.Unmarshal(req.Input, &texts) != nil {
		return wire.InvalidArgument("Invalid value at 'input'")
	}
	reqs := make([]wire.EmbedRequest, len(texts))
	for i := range texts {
		reqs[i] = wire.EmbedRequest{Content: wire.Content{Parts: []wire.Part{{Text: &texts[i]}}}, OutputDimensionality: req.Dimensions}
	}
	out, err := c.runEmbed(name, "embedContent", reqs)
	if err != nil {
		return err
	}
	type item struct {
		Object    string `json:"object"`
		Index     int    `json:"index"`
		Embedding any    `json:"embedding"`
	}
	items := make([]item, len(out))
	for i := range out {
		items[i] = item{"embedding", i, out[i].Values}
		if req.EncodingFormat == "base64" { // what OpenAI's own SDKs ask for
			items[i].Embedding = packed(out[i].Values)
		}
	}
	c.WriteJSON(http.StatusOK, wire.Encode(map[string]any{"object": "list", "data": items, "model": c.model,
		"usage": map[string]int64{"prompt_tokens": c.tokens, "total_tokens": c.tokens}}))
	return nil
}

// packed encodes numbers as base64 of little-endian float32s.
func packed(values []float32) string {
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return base64.StdEncoding.EncodeToString(raw)
}

type openAIModelInfo struct {
	ID          string `json:"id"`
	Object      string `json:"object"`
	OwnedBy     string `json:"owned_by"`
	DisplayName string `json:"display_name"`
}

func openAIModel(m *models.Model) openAIModelInfo {
	return openAIModelInfo{"models/" + m.Name, "model", "google", m.Display}
}

func (c *call) openAIModels() *wire.Error {
	list := []openAIModelInfo{}
	for _, m := range c.s.models.Listed() {
		list = append(list, openAIModel(m))
	}
	c.WriteJSON(http.StatusOK, wire.Encode(map[string]any{"object": "list", "data": list}))
	return nil
}

func (c *call) openAIModel() *wire.Error {
	m := c.s.models.Find(c.route.model)
	if m == nil {
		return wire.ModelNotFound(c.version, c.route.model, "getModel")
	}
	c.WriteJSON(http.StatusOK, wire.Encode(openAIModel(m)))
	return nil
}
