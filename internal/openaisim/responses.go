package openaisim

import (
	"encoding/json"
	"net/http"

	"fluxgate.dev/fluxgate/internal/simserver"
)

type responseRequest struct {
	Model              string          `json:"model"`
	Input              json.RawMessage `json:"input"` // a text, or a list of items
	Instructions       string          `json:"instructions"`
	PreviousResponseID string          `json:"previous_response_id"`
	Conversation       json.RawMessage `json:"conversation"`
	MaxOutputTokens    int64           `json:"max_output_tokens"`
	Store              *bool           `json:"store"`
	Stream             bool            `json:"stream"`
	Tools              json.RawMessage `json:"tools"`
}

type inputItem struct {
	ID        string `json:"id"`
	Type      string `json:"type"`
	Encrypted string `json:"encrypted_content"` // of reasoning
	chatMessage
}

// refers reports whether it stands for an item that is kept. Reasoning that isn't there encrypted does (captured:
// https://github.com/vercel/ai/issues/7543).
func (i inputItem) refers() bool {
	switch i.Type {
	case "", "item_reference":
		return i.Role == "" && i.ID != ""
	case "reasoning":
		return i.Encrypted == ""
	}
	return false
}

type responseBody struct {
	ID                 string         `json:"id"`
	Object             string         `json:"object"`
	CreatedAt          int64          `json:"created_at"`
	Status             string         `json:"status"`
	Error              *struct{}      `json:"error"`
	IncompleteDetails  *incomplete    `json:"incomplete_details"`
	Model              string         `json:"model"`
	Output             []outputItem   `json:"output"`
	PreviousResponseID *string        `json:"previous_response_id"`
	Store              bool           `json:"store"`
	Usage              *responseUsage `json:"usage"`
}

type incomplete struct {
	Reason string `json:"reason"`
}

type outputItem struct {
	ID        string        `json:"id"`
	Type      string        `json:"type"`
	Status    string        `json:"status"`
	Role      string        `json:"role,omitempty"`
	Content   *[]outputPart `json:"content,omitempty"` // of a message, empty until it is there
	CallID    string        `json:"call_id,omitempty"`
	Name      string        `json:"name,omitempty"`
	Arguments *string       `json:"arguments,omitempty"`
	Container string        `json:"container_id,omitempty"` // of a call of the code interpreter
}

type outputPart struct {
	Type        string   `json:"type"`
	Text        string   `json:"text"`
	Annotations []string `json:"annotations"`
}

type responseUsage struct {
	InputTokens  int64 `json:"input_tokens"`
	InputDetails struct {
		CachedTokens int64 `json:"cached_tokens"`
	} `json:"input_tokens_details"`
	OutputTokens  int64 `json:"output_tokens"`
	OutputDetails struct {
		ReasoningTokens int64 `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
	TotalTokens int64 `json:"total_tokens"`
}

func (u usage) response() *responseUsage {
	out := &responseUsage{InputTokens: u.input, OutputTokens: u.output, TotalTokens: u.input + u.output}
	out.InputDetails.CachedTokens, out.OutputDetails.ReasoningTokens = u.cached, u.reasoning
	return out
}

// createResponse serves responses. One that goes on from another of its project counts what
// was said there as input.
func (c *call) createResponse() *apiError {
	var in responseRequest
	if e := c.decode(&in); e != nil {
		return e
	}
	if in.Model == "" {
		return invalid("model", "Missing required parameter: 'model'.")
	}
	var p prompt
	p.text("system", in.Instructions)
	var text string
	var items []inputItem
	if json.Unmarshal(in.Input, &text) == nil {
		p.message("user", in.Input)
	} else if json.Unmarshal(in.Input, &items) == nil {
		for _, m := range items {
			if m.refers() {
				if _, ok := c.s.items.Get(c.Key.Project, m.ID); !ok {
					return &apiError{http.StatusNotFound, "Item with id '" + m.ID + "' not found. Items are not persisted when `store` is set to false. Try again with `store` set to true, or remove this item from your input.", "invalid_request_error", "input", "", nil}
				}
			}
			p.message(m.Role, m.Content)
		}
	}
	var tools simserver.Tools
	if in.Tools != nil && json.Unmarshal(in.Tools, &tools) != nil {
		return invalid("tools", "Invalid type for 'tools'.")
	}
	p.tools(tools)
	if in.PreviousResponseID != "" {
		before, ok := c.s.responses.Get(c.Key.Project, in.PreviousResponseID)
		if !ok {
			return &apiError{http.StatusBadRequest, "Previous response with id '" + in.PreviousResponseID + "' not found.", "invalid_request_error",
				"previous_response_id", "previous_response_not_found", nil}
		}
		p.count += before.tokens
		p.chars += before.tokens * simserver.BytesPerToken
	}
	talk := conversationID(in.Conversation)
	if talk != "" {
		before, ok := c.s.conversations.Get(c.Key.Project, talk)
		if !ok {
			return errNotFound("Conversation", talk)
		}
		p.count += before.tokens
		p.chars += before.tokens * simserver.BytesPerToken
	}
	if e := c.mentioned(p.files); e != nil {
		return e
	}
	container, e := c.held(in.Tools)
	if e != nil {
		return e
	}
	if e := c.admit(in.Model, p.tokens(), p.chars, in.MaxOutputTokens); e != nil {
		return e
	}
	a := p.answer(in.MaxOutputTokens)
	body := responseBody{ID: c.s.id("resp_"), Object: "response", CreatedAt: c.Arrived.Unix(), Status: "in_progress", Model: in.Model,
		Output: []outputItem{}, PreviousResponseID: orNull(in.PreviousResponseID), Store: in.Store == nil || *in.Store}
	done := body
	if done.finish(a, c.s); container != "" {
		done.Output = append([]outputItem{{ID: c.s.id("ci_"), Type: "code_interpreter_call", Status: "completed", Container: container}}, done.Output...)
	}
	c.settle(a.usage)
	c.s.conversations.Change(c.Key.Project, talk, func(t *conversation) { t.tokens = a.usage.input + a.usage.output })
	if done.Store {
		for _, item := range done.Output {
			c.s.items.Add(c.Key.Project, item.ID, item.ID)
		}
		c.s.responses.Add(c.Key.Project, body.ID, stored{done, in.Input, a.usage.input + a.usage.output})
	}
	if in.Stream {
		c.streamResponse(body, done, a)
		return nil
	}
	c.Write(http.StatusOK, done)
	return nil
}

// finish puts the answer into a response.
func (b *responseBody) finish(a answer, s *Server) {
	b.Status, b.Usage = "completed", a.usage.response()
	if a.finish == "length" {
		b.Status, b.IncompleteDetails = "incomplete", &incomplete{"max_output_tokens"}
	}
	if a.function != "" {
		arguments := "{}"
		b.Output = []outputItem{{ID: s.id("fc_"), Type: "function_call", Status: "completed", CallID: s.id("call_"), Name: a.function, Arguments: &arguments}}
		return
	}
	b.Output = []outputItem{{ID: s.id("msg_"), Type: "message", Status: b.Status, Role: "assistant",
		Content: &[]outputPart{{"output_text", a.text, []string{}}}}}
}

// streamResponse sends the documented events, numbered.
func (c *call) streamResponse(begun, done responseBody, a answer) {
	send := c.events()
	number := 0
	event := func(name string, fields map[string]any) bool {
		fields["type"], fields["sequence_number"] = name, number
		number++
		return send(name, fields)
	}
	item := done.Output[len(done.Output)-1]
	ok := event("response.created", map[string]any{"response": begun}) && event("response.in_progress", map[string]any{"response": begun})
	opening, text := item, outputPart{"output_text", a.text, []string{}}
	if opening.Status = "in_progress"; item.Content != nil {
		opening.Content = &[]outputPart{}
	}
	ok = ok && event("response.output_item.added", map[string]any{"output_index": 0, "item": opening})
	at := func(more map[string]any) map[string]any {
		more["item_id"], more["output_index"], more["content_index"] = item.ID, 0, 0
		return more
	}
	if item.Type == "message" {
		ok = ok && event("response.content_part.added", at(map[string]any{"part": outputPart{"output_text", "", []string{}}}))
		for _, piece := range simserver.Pieces(a.text) {
			ok = ok && event("response.output_text.delta", at(map[string]any{"delta": piece}))
		}
		ok = ok && event("response.output_text.done", at(map[string]any{"text": a.text})) &&
			event("response.content_part.done", at(map[string]any{"part": text}))
	}
	if ok && event("response.output_item.done", map[string]any{"output_index": 0, "item": item}) {
		event("response."+done.Status, map[string]any{"response": done})
	}
}

func (c *call) getResponse() *apiError {
	id := c.R.PathValue("id")
	r, ok := c.s.responses.Get(c.Key.Project, id)
	if !ok {
		return errNotFound("Response", id)
	}
	c.Write(http.StatusOK, r.body)
	return nil
}

// cancelResponse is refused, as there are none in the background (documented; the words are a guess).
func (c *call) cancelResponse() *apiError {
	id := c.R.PathValue("id")
	if _, ok := c.s.responses.Get(c.Key.Project, id); !ok {
		return errNotFound("Response", id)
	}
	return invalid("", "Cannot cancel a synchronous response.")
}

// listInput serves the items that a response was asked with, with the IDs that these came with (guessed).
func (c *call) listInput() *apiError {
	id := c.R.PathValue("id")
	r, ok := c.s.responses.Get(c.Key.Project, id)
	if !ok {
		return errNotFound("Response", id)
	}
	items := []json.RawMessage{}
	if json.Unmarshal(r.input, &items) != nil {
		items = []json.RawMessage{r.input}
	}
	c.Write(http.StatusOK, list[json.RawMessage]{Object: "list", Data: items})
	return nil
}

func (c *call) deleteResponse() *apiError {
	id := c.R.PathValue("id")
	if !c.s.responses.Delete(c.Key.Project, id) {
		return errNotFound("Response", id)
	}
	c.Write(http.StatusOK, map[string]any{"id": id, "object": "response", "deleted": true})
	return nil
}
