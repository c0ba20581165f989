package geminisim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/answers"
	"fluxgate.dev/fluxgate/internal/geminisim/models"
	"fluxgate.dev/fluxgate/internal/geminisim/resources"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

const (
	// interactionKept is how long the free tier keeps an interaction.
	// https://ai.google.dev/gemini-api/docs/interactions
	interactionKept = 24 * time.Hour
	// backgroundTime is how long one in the background is in progress.
	backgroundTime = 2 * time.Second
)

// interactionRequest is the body of POST interactions.
type interactionRequest struct {
	Model             string            `json:"model"`
	Agent             string            `json:"agent"`
	Input             json.RawMessage   `json:"input"` // a text, a content, or a list of contents or steps
	SystemInstruction string            `json:"system_instruction"`
	Previous          string            `json:"previous_interaction_id"`
	Tools             []json.RawMessage `json:"tools"`
	Stream            bool              `json:"stream"`
	Background        bool              `json:"background"`
	Store             *bool             `json:"store"`
	GenerationConfig  struct {
		MaxOutputTokens int64 `json:"max_output_tokens"`
	} `json:"generation_config"`
}

// interactionContent is a content of an interaction's input or output.
type interactionContent struct {
	Type     string `json:"type"`
	Text     string `json:"text,omitempty"`
	Data     string `json:"data,omitempty"`
	MIMEType string `json:"mime_type,omitempty"`
}

// interactionStep is a turn.
type interactionStep struct {
	Type    string               `json:"type"`
	Content []interactionContent `json:"content,omitempty"`
}

const modelOutput = "model_output"

type interactionUsage struct {
	TotalInputTokens  int64 `json:"total_input_tokens"`
	TotalOutputTokens int64 `json:"total_output_tokens"`
	TotalTokens       int64 `json:"total_tokens"`
	TotalThoughts     int64 `json:"total_thought_tokens,omitempty"`
	TotalTools        int64 `json:"total_tool_use_tokens,omitempty"`
	TotalCached       int64 `json:"total_cached_tokens,omitempty"`
}

func (c *call) interactionUsage(a *answers.Answer) *interactionUsage {
	thoughts, tools := a.Billed.ThoughtsTokenCount, a.Billed.ToolUsePromptTokenCount
	return &interactionUsage{c.tokens, a.Tokens, c.tokens + a.Tokens + thoughts + tools, thoughts, tools, c.cached}
}

// interactionBody is what is answered.
type interactionBody struct {
	ID       string            `json:"id,omitempty"`
	Object   string            `json:"object"`
	Model    string            `json:"model,omitempty"`
	Agent    string            `json:"agent,omitempty"`
	Status   string            `json:"status"`
	Created  string            `json:"created"`
	Updated  string            `json:"updated"`
	Previous string            `json:"previous_interaction_id,omitempty"`
	Steps    []interactionStep `json:"steps,omitempty"`
	Usage    *interactionUsage `json:"usage,omitempty"`
}

// An interaction is kept by the server with all that was said before it.
type interaction struct {
	resources.Owned
	said []wire.Content // of the conversation, its own answer included
	body interactionBody
	ends time.Time // when it is complete
}

// view returns an interaction as it is at an instant.
func (i *interaction) view(now time.Time) interactionBody {
	body := i.body
	if body.Status == "completed" && now.Before(i.ends) {
		body.Status, body.Steps, body.Usage = "in_progress", nil, nil
	}
	return body
}

// contents returns the turns of an input.
func (r *interactionRequest) contents() ([]wire.Content, *wire.Error) {
	var text string
	if json.Unmarshal(r.Input, &text) == nil {
		return []wire.Content{{Role: "user", Parts: []wire.Part{{Text: &text}}}}, nil
	}
	raw := r.Input
	if len(raw) > 0 && raw[0] == '{' {
		raw = slices.Concat([]byte("["), raw, []byte("]"))
	}
	var list []struct {
		interactionContent
		Content []interactionContent `json:"content"`
	}
	if json.Unmarshal(raw, &list) != nil || len(list) == 0 {
		return nil, wire.InvalidArgument("The input is invalid.")
	}
	var all []wire.Content
	var loose []interactionContent // contents without a step around them
	for _, x := range list {
		switch x.Type {
		case "user_input":
			all = append(all, wire.Content{Role: "user", Parts: partsOf(x.Content)})
		case modelOutput:
			all = append(all, wire.Content{Role: "model", Parts: partsOf(x.Content)})
		default:
			loose = append(loose, x.interactionContent)
		}
	}
	if len(loose) > 0 {
		all = append(all, wire.Content{Role: "user", Parts: partsOf(loose)})
	}
	return all, nil
}

func partsOf(list []interactionContent) (parts []wire.Part) {
	for _, c := range list {
		if c.Data != "" {
			parts = append(parts, wire.Part{InlineData: &wire.Blob{MIMEType: c.MIMEType, Data: c.Data}})
			continue
		}
		parts = append(parts, wire.Part{Text: &c.Text})
	}
	return parts
}

// createInteraction serves POST interactions. An agent answers as the largest model.
func (c *call) createInteraction() *wire.Error {
	var req interactionRequest
	if err := wire.Decode(c.Body, &req); err != nil {
		return err
	}
	name := strings.TrimPrefix(req.Model, "models/")
	if c.model = name; (name == "") == (req.Agent == "") {
		return wire.InvalidArgument("Exactly one of model and agent must be set.")
	}
	store := req.Store == nil || *req.Store
	switch {
	case req.Background && !store:
		return wire.InvalidArgument("Background interactions must be stored.")
	case req.Agent != "" && !req.Background:
		return wire.InvalidArgument("Agents need background=true.")
	case req.Agent != "":
		name = c.s.models.Listed()[0].Name
	}
	turns, err := req.contents()
	if err != nil {
		return err
	}
	if req.Previous != "" {
		before, err := c.interactionByID(req.Previous, nil)
		if err != nil {
			return err
		}
		turns = slices.Concat(before.said, turns)
	}
	native := &wire.GenerateRequest{Contents: turns, Tools: req.Tools, GenerationConfig: &wire.GenerationConfig{MaxOutputTokens: req.GenerationConfig.MaxOutputTokens}}
	if req.SystemInstruction != "" {
		native.SystemInstruction = &wire.Content{Parts: []wire.Part{{Text: &req.SystemInstruction}}}
	}
	c.streaming = req.Stream
	m, a, err := c.run(native, name, "generateContent")
	if err != nil {
		return err
	}
	c.answerInteraction(&req, m, a, turns, store)
	return nil
}

// answerInteraction keeps an interaction, if it is to be kept, and answers it.
func (c *call) answerInteraction(req *interactionRequest, m *models.Model, a answers.Answer, turns []wire.Content, store bool) {
	at := wire.Timestamp(c.Arrived)
	made := &interaction{
		Owned: resources.Owned{Project: c.Project, Created: c.Arrived, Expires: c.Arrived.Add(interactionKept)},
		said:  append(slices.Clip(turns), wire.Content{Role: "model", Parts: []wire.Part{{Text: &a.Text}}}),
		body: interactionBody{
			Object: "interaction", Agent: req.Agent, Status: "completed", Created: at, Updated: at, Previous: req.Previous,
			Steps: []interactionStep{{modelOutput, []interactionContent{{Type: "text", Text: a.Text}}}},
			Usage: c.interactionUsage(&a),
		},
		ends: c.Arrived,
	}
	if req.Agent == "" {
		made.body.Model = m.Resolved
	}
	if req.Background {
		made.ends = c.Arrived.Add(backgroundTime)
	}
	if store {
		c.s.mu.Lock()
		made.ID = "v1_" + c.s.random.id(40)
		made.body.ID = made.ID
		kept := *made
		c.s.interactions.Put(&kept, c.Arrived)
		c.s.mu.Unlock()
	}
	if req.Stream {
		c.streamInteraction(made, &a, 0)
		return
	}
	c.WriteJSON(http.StatusOK, wire.Encode(made.view(c.Arrived)))
}

// streamInteraction sends the events of an interaction that come after the n-th.
func (c *call) streamInteraction(i *interaction, a *answers.Answer, after int) {
	c.W.Header().Set("Content-Type", "text/event-stream")
	c.WriteHeader(http.StatusOK)
	flusher := http.NewResponseController(c.W)
	n := 0
	send := func(kind string, fields map[string]any) error {
		if n++; n <= after {
			return nil
		}
		fields["event_type"], fields["event_id"] = kind, strconv.Itoa(n)
		_, err := fmt.Fprintf(c.W, "event: %s\ndata: %s\n\n", kind, strings.TrimSpace(string(wire.Encode(fields))))
		return errors.Join(err, flusher.Flush())
	}
	begun := i.body
	begun.Status, begun.Steps, begun.Usage = "in_progress", nil, nil
	err := errors.Join(
		send("interaction.created", map[string]any{"interaction": begun}),
		send("step.start", map[string]any{"index": 0, "step": interactionStep{Type: modelOutput}}))
	for p, last := range c.Pieces(a) {
		if err != nil {
			break
		}
		err = send("step.delta", map[string]any{"index": 0, "delta": interactionContent{Type: "text", Text: p.Text}})
		if last {
			break
		}
	}
	if c.Breaks != nil && !c.HungUp && err == nil {
		if c.Breaks.Drop != wire.Respond {
			c.BreakOff()
			return
		}
		c.Sent(send("error", map[string]any{"error": interactionError(c.Breaks)}))
		return
	}
	ended := i.body
	ended.Steps = nil // they were sent
	err = errors.Join(err,
		send("step.stop", map[string]any{"index": 0}),
		send("interaction.completed", map[string]any{"interaction": ended}))
	if err == nil {
		_, err = c.W.Write([]byte("event: done\ndata: [DONE]\n\n"))
	}
	c.Sent(err)
}

// interactionByID returns a copy of one that the project has, after a change of it under
// the lock; nil: none.
func (c *call) interactionByID(id string, change func(*interaction)) (*interaction, *wire.Error) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	i, ok := c.s.interactions.Get(id, c.Project, c.Arrived)
	if !ok {
		return nil, &wire.Error{Code: http.StatusNotFound, Status: "NOT_FOUND", Message: "Interaction " + id + " not found."}
	}
	if change != nil {
		change(i)
	}
	view := *i
	return &view, nil
}

func (c *call) getInteraction() *wire.Error {
	i, err := c.interactionByID(c.id, nil)
	if err != nil {
		return err
	}
	query := c.R.URL.Query()
	if query.Get("stream") != "true" {
		c.WriteJSON(http.StatusOK, wire.Encode(i.view(c.Arrived)))
		return nil
	}
	after, _ := strconv.Atoi(query.Get("last_event_id")) // one that is none is before all
	c.streamInteraction(i, &answers.Answer{Text: i.body.Steps[0].Content[0].Text, Finish: "STOP"}, after)
	return nil
}

func (c *call) deleteInteraction() *wire.Error {
	if _, err := c.interactionByID(c.id, func(*interaction) { c.s.interactions.Drop(c.id) }); err != nil {
		return err
	}
	c.WriteJSON(http.StatusOK, []byte("{}\n"))
	return nil
}

// cancelInteraction serves POST interactions/{id}/cancel, which only those in the
// background and in progress heed.
func (c *call) cancelInteraction() *wire.Error {
	running := false
	i, err := c.interactionByID(c.id, func(i *interaction) {
		if running = c.Arrived.Before(i.ends); running {
			i.body.Status, i.body.Steps = "cancelled", []interactionStep{{Type: modelOutput, Content: []interactionContent{{Type: "text"}}}}
		}
	})
	if err != nil {
		return err
	}
	if !running {
		return wire.InvalidArgument("Only a running background interaction can be cancelled.")
	}
	c.WriteJSON(http.StatusOK, wire.Encode(i.view(c.Arrived)))
	return nil
}

// interactionError is an error in the form of the Interactions API.
func interactionError(e *wire.Error) map[string]any {
	return map[string]any{"code": strings.ToLower(e.Status), "message": e.Message}
}
