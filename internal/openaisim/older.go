package openaisim

import (
	"encoding/json"
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/simserver"
)

// complete serves completions: to each prompt as many answers as are asked for, whole or in pieces. What counts are
// those, too, of which the best are told (https://platform.openai.com/docs/guides/rate-limits).
func (c *call) complete() *apiError {
	var in struct {
		Model         string          `json:"model"`
		Prompt        json.RawMessage `json:"prompt"` // a text, a list of texts, tokens, or a list of these
		MaxTokens     int64           `json:"max_tokens"`
		N             int64           `json:"n"`
		BestOf        int64           `json:"best_of"`
		Echo          bool            `json:"echo"`
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
	if in.N = max(in.N, 1); in.N > 128 || in.BestOf > 128 {
		return invalid("n", "want at most 128.")
	}
	if in.BestOf = max(in.BestOf, in.N); in.Stream && in.BestOf > in.N {
		return invalid("best_of", "Can't stream results with best_of greater than n.")
	}
	prompts := promptsOf(in.Prompt)
	var all prompt
	for _, p := range prompts {
		all.count, all.chars = all.count+p.count, all.chars+p.chars
	}
	if e := c.admit(in.Model, all.tokens(), all.chars, in.MaxTokens*in.BestOf*int64(len(prompts))); e != nil {
		return e
	}
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
	used, choices := usage{input: all.tokens()}, []choice{}
	for _, p := range prompts {
		a := p.answer(in.MaxTokens)
		used.cached += a.usage.cached
		used.output += a.usage.output * in.BestOf
		if in.Echo {
			a.text = p.last + a.text
		}
		for range in.N {
			choices = append(choices, choice{Text: a.text, Index: len(choices), FinishReason: &a.finish})
		}
	}
	c.settle(used)
	if !in.Stream {
		out.Choices, out.Usage = choices, used.chat()
		c.Write(http.StatusOK, out)
		return nil
	}
	send := c.events()
	for _, x := range choices {
		for _, piece := range simserver.Pieces(x.Text) {
			if out.Choices = []choice{{Text: piece, Index: x.Index}}; !send("", out) {
				return nil
			}
		}
		if out.Choices = []choice{{Index: x.Index, FinishReason: x.FinishReason}}; !send("", out) {
			return nil
		}
	}
	if in.StreamOptions.IncludeUsage {
		out.Choices, out.Usage = []choice{}, used.chat()
		send("", out)
	}
	send("", "[DONE]")
	return nil
}

// promptsOf returns the prompts of a completion: there is one at least, which may say nothing.
func promptsOf(member json.RawMessage) (prompts []prompt) {
	var lists [][]int64
	var tokens []int64
	texts := textsOf(member)
	switch {
	case len(texts) > 0:
		for _, text := range texts {
			var p prompt
			p.text("user", text)
			prompts = append(prompts, p)
		}
	case json.Unmarshal(member, &tokens) == nil:
		return []prompt{{count: int64(len(tokens))}}
	case json.Unmarshal(member, &lists) == nil:
		for _, list := range lists {
			prompts = append(prompts, prompt{count: int64(len(list))})
		}
	}
	if len(prompts) == 0 {
		return make([]prompt, 1)
	}
	return prompts
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
	var p prompt
	var parts []json.RawMessage
	n := 1 // results
	if texts := textsOf(in.Input); len(texts) > 0 {
		n = len(texts)
		p.text("user", strings.Join(texts, " "))
	} else if json.Unmarshal(in.Input, &parts) == nil && len(parts) > 0 && parts[0][0] == '{' {
		p.message("user", in.Input)
	} else {
		return invalidInput()
	}
	if e := c.admit(in.Model, p.tokens(), p.chars, 0); e != nil {
		return e
	}
	type result struct {
		Flagged    bool            `json:"flagged"`
		Categories map[string]bool `json:"categories"`
	}
	results := make([]result, n)
	for i := range results {
		results[i].Categories = map[string]bool{"violence": false}
	}
	c.Write(http.StatusOK, map[string]any{"id": c.s.id("modr-"), "model": in.Model, "results": results})
	return nil
}
