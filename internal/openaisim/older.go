package openaisim

import (
	"encoding/json"
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/simserver"
)

// complete serves completions: of each prompt an answer, whole or in pieces.
func (c *call) complete() *apiError {
	var in struct {
		Model         string          `json:"model"`
		Prompt        json.RawMessage `json:"prompt"` // a text or a list of texts
		MaxTokens     int64           `json:"max_tokens"`
		Stream        bool            `json:"stream"`
		StreamOptions struct {
			IncludeUsage bool `json:"include_usage"`
		} `json:"stream_options"`
	}
	if e := c.decode(&in); e != nil {
		return e
	}
	if in.Model == "" {
		return invalid("", "you must provide a model parameter")
	}
	if in.MaxTokens == 0 {
		in.MaxTokens = 16 // as documented
	}
	var p prompt
	p.text("user", strings.Join(textsOf(in.Prompt), " "))
	if e := c.admit(in.Model, p.tokens(), p.chars, in.MaxTokens); e != nil {
		return e
	}
	a := p.answer(in.MaxTokens)
	c.settle(a.usage)
	type choice struct {
		Text         string  `json:"text"`
		Index        int     `json:"index"`
		FinishReason *string `json:"finish_reason"`
	}
	type body struct {
		ID      string     `json:"id"`
		Object  string     `json:"object"`
		Created int64      `json:"created"`
		Model   string     `json:"model"`
		Choices []choice   `json:"choices"`
		Usage   *chatUsage `json:"usage,omitempty"`
	}
	out := body{ID: c.s.id("cmpl-"), Object: "text_completion", Created: c.Arrived.Unix(), Model: in.Model}
	if !in.Stream {
		out.Choices, out.Usage = []choice{{Text: a.text, FinishReason: &a.finish}}, a.usage.chat()
		c.Write(http.StatusOK, out)
		return nil
	}
	send := c.events()
	for _, piece := range simserver.Pieces(a.text) {
		if out.Choices = []choice{{Text: piece}}; !send("", out) {
			return nil
		}
	}
	out.Choices = []choice{{FinishReason: &a.finish}}
	if send("", out) && in.StreamOptions.IncludeUsage {
		out.Choices, out.Usage = []choice{}, a.usage.chat()
		send("", out)
	}
	send("", "[DONE]")
	return nil
}

// defaultModeration is the model of moderations that name none, as documented.
const defaultModeration = "omni-moderation-latest"

// moderate serves moderations: nothing is flagged.
func (c *call) moderate() *apiError {
	var in struct {
		Model string          `json:"model"`
		Input json.RawMessage `json:"input"` // a text, a list of texts, or a list of parts
	}
	if e := c.decode(&in); e != nil {
		return e
	}
	if in.Model == "" {
		in.Model = defaultModeration
	}
	texts := textsOf(in.Input)
	if len(texts) == 0 {
		return invalid("input", "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.")
	}
	var p prompt
	p.text("user", strings.Join(texts, " "))
	if e := c.admit(in.Model, p.tokens(), p.chars, 0); e != nil {
		return e
	}
	type result struct {
		Flagged    bool            `json:"flagged"`
		Categories map[string]bool `json:"categories"`
	}
	results := make([]result, len(texts))
	for i := range results {
		results[i].Categories = map[string]bool{"violence": false}
	}
	c.Write(http.StatusOK, map[string]any{"id": c.s.id("modr-"), "model": in.Model, "results": results})
	return nil
}

// textsOf returns the texts of a member that is one, or a list of them.
func textsOf(member json.RawMessage) (texts []string) {
	var single string
	if json.Unmarshal(member, &single) == nil && single != "" {
		return []string{single}
	}
	_ = json.Unmarshal(member, &texts) // anything else is none
	return texts
}
