package endpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/bodies"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/upstream"
)

const (
	// maxAnswer bounds what is read of an answer to a prompt, in bytes.
	maxAnswer = 16 << 20
	// leastMaxTokens is what every model of Anthropic's can put out, whose format wants a bound.
	// https://docs.claude.com/en/docs/about-claude/models
	leastMaxTokens = 4096
)

// Generate implements upstream.Generator: as a chat completion, or as a message of Anthropic's.
// Texts alone are sent.
func (c *Client) Generate(ctx context.Context, key string, p upstream.Prompt) (*upstream.Reply, error) {
	ctx = upstream.WithKey(ctx, key)
	path := "chat/completions"
	if c.format == Anthropic {
		path = "v1/messages"
	}
	text, resp, err := c.post(ctx, key, path, p)
	if err != nil {
		return nil, err
	}
	at, _ := upstream.Sent(ctx)
	reply, silent := c.read(path, text)
	var e *upstream.Error
	switch {
	case reply == nil:
		e = c.Classify(resp.StatusCode, text, key)
	case silent && upstream.KnownWhole(resp):
		e = upstream.NoAnswer()
		e.Provider = c.name
	default:
		reply.SentAt, reply.Limits = at, c.Limits(resp.Header, time.Now())
		return reply, nil
	}
	e.SentAt = at
	return nil, e
}

// post sends a prompt, and returns an answer that is a success.
func (c *Client) post(ctx context.Context, key, path string, p upstream.Prompt) ([]byte, *http.Response, error) {
	body, err := c.body(p)
	if err != nil {
		return nil, nil, &upstream.Error{Provider: c.name, Class: upstream.ClassCaller, HTTPStatus: http.StatusBadRequest, Reason: upstream.ReasonInvalidRequest, Message: "The request can't be encoded."}
	}
	reader := body.Open()
	defer payload.Close(reader)
	req, err := c.NewRequest(upstream.WithModel(ctx, p.Model), http.MethodPost, path, reader)
	if err != nil {
		return nil, nil, upstream.TransportError(ctx, err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.Do(req)
	if err != nil {
		return nil, nil, upstream.TransportError(ctx, err)
	}
	defer resp.Body.Close()
	text, err := bodies.ReadAnswer(ctx, resp.Body, resp.ContentLength, maxAnswer)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		e := c.Classify(resp.StatusCode, text, key) // of which what there is may be enough
		e.SentAt, _ = upstream.Sent(ctx)
		e.ReadHeader(resp.Header)
		e.Told(c.Limits(resp.Header, time.Now()))
		return nil, nil, e
	}
	if err != nil {
		return nil, nil, upstream.TransportError(ctx, err)
	}
	return text, resp, nil
}

// body returns the body of a prompt.
func (c *Client) body(p upstream.Prompt) (*payload.Rope, error) {
	model, err := json.Marshal(p.Model)
	if err != nil {
		return nil, err
	}
	b, bound := new(payload.Rope), int64(p.MaxOutputTokens)
	b.AddString(`{"model":` + string(model))
	if c.format == Anthropic {
		if bound == 0 {
			bound = leastMaxTokens
		}
		b.AddString(fmt.Sprintf(`,"max_tokens":%d`, bound))
	} else if bound > 0 {
		b.AddString(fmt.Sprintf(`,"%s":%d`, c.maxTokens, bound))
	}
	if p.Temperature != nil && !p.Usual { // some models refuse any that isn't theirs
		temperature, err := json.Marshal(*p.Temperature)
		if err != nil {
			return nil, err
		}
		b.AddString(`,"temperature":` + string(temperature))
	}
	messages := `,"messages":[{`
	if p.System.IsText() {
		before, after := messages+`"role":"system","content":`, `},{`
		if c.format == Anthropic {
			before, after = `,"system":`, messages
		}
		b.AddString(before)
		if err := upstream.AddText(b, &p.System); err != nil {
			return nil, err
		}
		messages = after
	}
	b.AddString(messages + `"role":"user","content":`)
	if err := addContent(b, p.Pieces); err != nil {
		return nil, err
	}
	b.AddString("}]}")
	return b, nil
}

// addContent adds the texts of pieces: one as a string, which every endpoint takes.
func addContent(b *payload.Rope, pieces []payload.Piece) error {
	if len(pieces) == 1 {
		return upstream.AddText(b, &pieces[0])
	}
	before := "["
	for i := range pieces {
		if !pieces[i].IsText() {
			continue
		}
		b.AddString(before + `{"type":"text","text":`)
		if err := upstream.AddText(b, &pieces[i]); err != nil {
			return err
		}
		b.AddString("}")
		before = ","
	}
	b.AddString("]")
	return nil
}

// reply is what is read of an answer, in either format.
type reply struct {
	Choices []struct { // OpenAI's
		Message struct {
			Content any    `json:"content"`
			Refusal string `json:"refusal"`
		} `json:"message"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
	Content []struct { // Anthropic's
		Type string `json:"type"`
		Text string `json:"text"`
	} `json:"content"`
	StopReason string          `json:"stop_reason"`
	Error      json.RawMessage `json:"error"`
}

// read reads an answer; nil: it is none. Silent says that there is nothing in it, and no reason
// why.
func (c *Client) read(path string, text []byte) (out *upstream.Reply, silent bool) {
	var in reply
	if json.Unmarshal(text, &in) != nil || len(in.Error) > 0 && !bytes.Equal(in.Error, []byte("null")) {
		return nil, false
	}
	meter := c.Meter(path)
	end := answers.NewTail(meter)
	_, _ = end.Write(text) // never fails
	used := meter.Read(end)
	out = &upstream.Reply{PromptTokens: max(used.PromptTokens, 0), Tokens: used.Tokens, TotalTokens: used.TotalTokens, ModelVersion: used.ModelVersion}
	var said strings.Builder
	switch {
	case c.format == Anthropic:
		for _, block := range in.Content {
			if block.Type == "text" {
				said.WriteString(block.Text)
			}
		}
		out.FinishReason = finish(in.StopReason)
	case len(in.Choices) > 0:
		content, _ := in.Choices[0].Message.Content.(string)
		said.WriteString(content)
		if out.FinishReason = finish(in.Choices[0].FinishReason); in.Choices[0].Message.Refusal != "" {
			out.FinishReason = "SAFETY"
		}
	}
	out.Text = said.String()
	return out, out.Text == "" && out.FinishReason == ""
}

// finish returns why an answer ends, in the words of Gemini, which those of /generate are.
func finish(reason string) string {
	switch reason {
	case "stop", "end_turn", "stop_sequence":
		return "STOP"
	case "length", "max_tokens", "model_context_window_exceeded":
		return "MAX_TOKENS"
	case "content_filter", "refusal":
		return "SAFETY"
	}
	return strings.ToUpper(reason)
}
