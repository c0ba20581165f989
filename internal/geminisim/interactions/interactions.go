package interactions

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/answers"
	"fluxgate.dev/fluxgate/internal/geminisim/exchange"
	"fluxgate.dev/fluxgate/internal/geminisim/models"
	"fluxgate.dev/fluxgate/internal/geminisim/resources"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

const (
	// lifetime is how long the free tier keeps an interaction.
	// https://ai.google.dev/gemini-api/docs/interactions
	lifetime = 24 * time.Hour
	// backgroundTime is how long one in the background is in progress.
	backgroundTime = 2 * time.Second
)

// request is the body of POST interactions.
type request struct {
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

// content is a content of an interaction's input or output.
type content struct {
	Type     string `json:"type"`
	Text     string `json:"text,omitempty"`
	Data     string `json:"data,omitempty"`
	MIMEType string `json:"mime_type,omitempty"`
}

// step is a turn.
type step struct {
	Type    string    `json:"type"`
	Content []content `json:"content,omitempty"`
}

// Config is what a service of interactions has of the rest of the server.
type Config struct {
	// NewID returns an ID of so many digits.
	NewID  func(length int) string
	Models *models.Catalogue
}

// A Service is the interactions of all projects. It is safe for concurrent use.
type Service struct {
	cfg Config

	mu           sync.Mutex
	interactions resources.Store[*interaction]
}

// New returns a service without interactions.
func New(cfg Config) *Service {
	return &Service{cfg: cfg, interactions: resources.NewStore[*interaction]()}
}

const modelOutput = "model_output"

type usage struct {
	TotalInputTokens  int64 `json:"total_input_tokens"`
	TotalOutputTokens int64 `json:"total_output_tokens"`
	TotalTokens       int64 `json:"total_tokens"`
	TotalThoughts     int64 `json:"total_thought_tokens,omitempty"`
	TotalTools        int64 `json:"total_tool_use_tokens,omitempty"`
	TotalCached       int64 `json:"total_cached_tokens,omitempty"`
}

// usageOf returns what an interaction counted.
func usageOf(x *exchange.Exchange, a *answers.Answer) *usage {
	thoughts, tools := a.Billed.ThoughtsTokenCount, a.Billed.ToolUsePromptTokenCount
	return &usage{x.Tokens, a.Tokens, x.Tokens + a.Tokens + thoughts + tools, thoughts, tools, x.Cached}
}

// body is what is answered.
type body struct {
	ID       string `json:"id,omitempty"`
	Object   string `json:"object"`
	Model    string `json:"model,omitempty"`
	Agent    string `json:"agent,omitempty"`
	Status   string `json:"status"`
	Created  string `json:"created"`
	Updated  string `json:"updated"`
	Previous string `json:"previous_interaction_id,omitempty"`
	Steps    []step `json:"steps,omitempty"`
	Usage    *usage `json:"usage,omitempty"`
}

// An interaction is kept by the server with all that was said before it.
type interaction struct {
	resources.Owned
	said []wire.Content // of the conversation, its own answer included
	body body
	ends time.Time // when it is complete
}

// view returns an interaction as it is at an instant.
func (i *interaction) view(now time.Time) body {
	body := i.body
	if body.Status == "completed" && now.Before(i.ends) {
		body.Status, body.Steps, body.Usage = "in_progress", nil, nil
	}
	return body
}

// contents returns the turns of an input.
func (r *request) contents() ([]wire.Content, *wire.Error) {
	var text string
	if json.Unmarshal(r.Input, &text) == nil {
		return []wire.Content{{Role: "user", Parts: []wire.Part{{Text: &text}}}}, nil
	}
	raw := r.Input
	if len(raw) > 0 && raw[0] == '{' {
		raw = slices.Concat([]byte("["), raw, []byte("]"))
	}
	var list []struct {
		content
		Content []content `json:"content"`
	}
	if json.Unmarshal(raw, &list) != nil || len(list) == 0 {
		return nil, wire.InvalidArgument("The input is invalid.")
	}
	var all []wire.Content
	var loose []content // contents without a step around them
	for _, step := range list {
		switch step.Type {
		case "user_input":
			all = append(all, wire.Content{Role: "user", Parts: partsOf(step.Content)})
		case modelOutput:
			all = append(all, wire.Content{Role: "model", Parts: partsOf(step.Content)})
		default:
			loose = append(loose, step.content)
		}
	}
	if len(loose) > 0 {
		all = append(all, wire.Content{Role: "user", Parts: partsOf(loose)})
	}
	return all, nil
}

func partsOf(list []content) (parts []wire.Part) {
	for _, c := range list {
		if c.Data != "" {
			parts = append(parts, wire.Part{InlineData: &wire.Blob{MIMEType: c.MIMEType, Data: c.Data}})
			continue
		}
		parts = append(parts, wire.Part{Text: &c.Text})
	}
	return parts
}

// Create serves POST interactions. An agent answers as the largest model.
func (s *Service) Create(x *exchange.Exchange, generate exchange.Generate) *wire.Error {
	var req request
	if err := wire.Decode(x.Body, &req); err != nil {
		return err
	}
	name := strings.TrimPrefix(req.Model, "models/")
	if x.Model = name; (name == "") == (req.Agent == "") {
		return wire.InvalidArgument("Exactly one of model and agent must be set.")
	}
	store := req.Store == nil || *req.Store
	switch {
	case req.Background && !store:
		return wire.InvalidArgument("Background interactions must be stored.")
	case req.Agent != "" && !req.Background:
		return wire.InvalidArgument("Agents need background=true.")
	case req.Agent != "":
		name = s.cfg.Models.Listed()[0].Name
	}
	turns, err := req.contents()
	if err != nil {
		return err
	}
	if req.Previous != "" {
		before, err := s.find(x, req.Previous, nil)
		if err != nil {
			return err
		}
		turns = slices.Concat(before.said, turns)
	}
	native := &wire.GenerateRequest{Contents: turns, Tools: req.Tools, GenerationConfig: &wire.GenerationConfig{MaxOutputTokens: req.GenerationConfig.MaxOutputTokens}}
	if req.SystemInstruction != "" {
		native.SystemInstruction = &wire.Content{Parts: []wire.Part{{Text: &req.SystemInstruction}}}
	}
	x.Streaming = req.Stream
	m, a, err := generate(native, name, "generateContent")
	if err != nil {
		return err
	}
	s.answer(x, &req, m, a, turns, store)
	return nil
}

// answer keeps an interaction, if it is to be kept, and answers it.
func (s *Service) answer(x *exchange.Exchange, req *request, m *models.Model, a answers.Answer, turns []wire.Content, store bool) {
	at := wire.Timestamp(x.Arrived)
	made := &interaction{
		Owned: resources.Owned{Project: x.Project, Created: x.Arrived, Expires: x.Arrived.Add(lifetime)},
		said:  append(slices.Clip(turns), wire.Content{Role: "model", Parts: []wire.Part{{Text: &a.Text}}}),
		body: body{
			Object: "interaction", Agent: req.Agent, Status: "completed", Created: at, Updated: at, Previous: req.Previous,
			Steps: []step{{modelOutput, []content{{Type: "text", Text: a.Text}}}},
			Usage: usageOf(x, &a),
		},
		ends: x.Arrived,
	}
	if req.Agent == "" {
		made.body.Model = m.Resolved
	}
	if req.Background {
		made.ends = x.Arrived.Add(backgroundTime)
	}
	if store {
		s.mu.Lock()
		made.ID = "v1_" + s.cfg.NewID(40)
		made.body.ID = made.ID
		kept := *made
		s.interactions.Put(&kept, x.Arrived)
		s.mu.Unlock()
	}
	if req.Stream {
		stream(x, made, &a, 0)
		return
	}
	x.WriteJSON(http.StatusOK, wire.Encode(made.view(x.Arrived)))
}

// stream sends the events of an interaction that come after the n-th.
func stream(x *exchange.Exchange, i *interaction, a *answers.Answer, after int) {
	x.W.Header().Set("Content-Type", "text/event-stream")
	x.WriteHeader(http.StatusOK)
	flusher := http.NewResponseController(x.W)
	n := 0
	send := func(kind string, fields map[string]any) error {
		if n++; n <= after {
			return nil
		}
		fields["event_type"], fields["event_id"] = kind, strconv.Itoa(n)
		_, err := fmt.Fprintf(x.W, "event: %s\ndata: %s\n\n", kind, strings.TrimSpace(string(wire.Encode(fields))))
		return errors.Join(err, flusher.Flush())
	}
	begun := i.body
	begun.Status, begun.Steps, begun.Usage = "in_progress", nil, nil
	err := errors.Join(
		send("interaction.created", map[string]any{"interaction": begun}),
		send("step.start", map[string]any{"index": 0, "step": step{Type: modelOutput}}))
	for p, last := range x.Pieces(a) {
		if err != nil {
			break
		}
		err = send("step.delta", map[string]any{"index": 0, "delta": content{Type: "text", Text: p.Text}})
		if last {
			break
		}
	}
	if x.Breaks != nil && !x.HungUp && err == nil {
		if x.Breaks.Drop != wire.Respond {
			x.BreakOff()
			return
		}
		x.Sent(send("error", map[string]any{"error": Error(x.Breaks)}))
		return
	}
	ended := i.body
	ended.Steps = nil // they were sent
	err = errors.Join(err,
		send("step.stop", map[string]any{"index": 0}),
		send("interaction.completed", map[string]any{"interaction": ended}))
	if err == nil {
		_, err = x.W.Write([]byte("event: done\ndata: [DONE]\n\n"))
	}
	x.Sent(err)
}

// find returns a copy of one that the project has, after a change of it under
// the lock; nil: none.
func (s *Service) find(x *exchange.Exchange, id string, change func(*interaction)) (*interaction, *wire.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.interactions.Get(id, x.Project, x.Arrived)
	if !ok {
		return nil, &wire.Error{Code: http.StatusNotFound, Status: "NOT_FOUND", Message: "Interaction " + id + " not found."}
	}
	if change != nil {
		change(i)
	}
	view := *i
	return &view, nil
}

// Get serves GET interactions/{id}, as events too, behind last_event_id.
func (s *Service) Get(x *exchange.Exchange, id string) *wire.Error {
	i, err := s.find(x, id, nil)
	if err != nil {
		return err
	}
	query := x.R.URL.Query()
	if query.Get("stream") != "true" {
		x.WriteJSON(http.StatusOK, wire.Encode(i.view(x.Arrived)))
		return nil
	}
	after, _ := strconv.Atoi(query.Get("last_event_id")) // one that is none is before all
	stream(x, i, &answers.Answer{Text: i.body.Steps[0].Content[0].Text, Finish: "STOP"}, after)
	return nil
}

// Delete serves DELETE interactions/{id}.
func (s *Service) Delete(x *exchange.Exchange, id string) *wire.Error {
	if _, err := s.find(x, id, func(*interaction) { s.interactions.Drop(id) }); err != nil {
		return err
	}
	x.WriteJSON(http.StatusOK, []byte("{}\n"))
	return nil
}

// Cancel serves POST interactions/{id}/cancel, which only those in the
// background and in progress obey.
func (s *Service) Cancel(x *exchange.Exchange, id string) *wire.Error {
	running := false
	i, err := s.find(x, id, func(i *interaction) {
		if running = x.Arrived.Before(i.ends); running {
			i.body.Status, i.body.Steps = "cancelled", []step{{Type: modelOutput, Content: []content{{Type: "text"}}}}
		}
	})
	if err != nil {
		return err
	}
	if !running {
		return wire.InvalidArgument("Only a running background interaction can be cancelled.")
	}
	x.WriteJSON(http.StatusOK, wire.Encode(i.view(x.Arrived)))
	return nil
}

// Error is an error in the form of the Interactions API.
func Error(e *wire.Error) map[string]any {
	return map[string]any{"code": strings.ToLower(e.Status), "message": e.Message}
}
