package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/gemini"
)

// openAIPath is where upstream's OpenAI-compatible endpoint lies.
const openAIPath = upstreamVersion + "/openai/"

// An openAIRequest is what of an OpenAI request matters here.
type openAIRequest struct {
	model    string
	stream   bool
	messages []map[string]json.RawMessage
	extras   []json.RawMessage // other members that the model reads
	input    json.RawMessage
}

// readOpenAI reads it. Names are taken as they are spelt, unlike by
// encoding/json; of members that are there twice the last one counts.
func readOpenAI(body []byte) (*openAIRequest, error) {
	in := new(openAIRequest)
	err := eachMember(body, func(name string, from, to int64) error {
		value := body[from:to]
		switch name {
		case "model":
			if json.Unmarshal(value, &in.model) != nil {
				return errModelWanted
			}
		case "stream":
			if json.Unmarshal(value, &in.stream) != nil {
				return invalid("stream", "want true or false.")
			}
		case "messages":
			in.messages = nil
			if json.Unmarshal(value, &in.messages) != nil {
				return invalid("messages", "want a list of at least one message.")
			}
		case "tools", "functions", "response_format":
			in.extras = append(in.extras, value)
		case "input":
			in.input = value
		}
		return nil
	})
	return in, err
}

var errModelWanted = invalid("model", `want a model name such as "gemini-2.5-flash", or "auto".`)

// eachMember calls f for every member of a JSON object, with where in the text
// its value is.
func eachMember(body []byte, f func(name string, from, to int64) error) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	if _, err := dec.Token(); err != nil {
		return err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		to := dec.InputOffset()
		key, _ := name.(string)
		if err := f(key, to-int64(len(value)), to); err != nil {
			return err
		}
	}
	return nil
}

// openAI serves POST chat/completions and POST embeddings.
func (s *Server) openAI(w http.ResponseWriter, r *http.Request) error {
	body, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	said, err := readMentions(body)
	if err != nil {
		return invalid("body", "want one JSON object.")
	}
	in, err := readOpenAI(body)
	if err != nil {
		return err
	}
	model := strings.TrimPrefix(in.model, "models/")
	if !validModel(model) {
		return errModelWanted
	}
	x := &relay{
		s: s, w: w, r: r, body: body, said: said, usage: openAIUsage, stream: in.stream,
		payload: func(chosen string) ([]byte, error) { return renameModel(body, chosen) },
	}
	if strings.HasSuffix(r.URL.Path, "/embeddings") {
		return x.openAIEmbeddings(in, model)
	}
	if len(in.messages) == 0 {
		return invalid("messages", "want a list of at least one message.")
	}
	models, err := s.candidates(r.Context(), r, model)
	if err != nil {
		return err
	}
	x.path = func(string) string { return openAIPath + "chat/completions" }
	x.counter = func(ctx context.Context, p *pool) (int64, error) { return s.ask(ctx, p, models, in.prompt()) }
	return x.serve(models, 1)
}

func (x *relay) openAIEmbeddings(in *openAIRequest, model string) error {
	requests, err := countInputs(in.input)
	if err != nil {
		return err
	}
	models, err := embedders(x.r, model)
	if err != nil {
		return err
	}
	x.stream = false
	x.path = func(string) string { return openAIPath + "embeddings" }
	x.counter = func(context.Context, *pool) (int64, error) { return x.said.estimate(), nil }
	return x.serve(models, requests)
}

// countInputs returns how many texts an embeddings request holds.
func countInputs(input json.RawMessage) (int64, error) {
	var text string
	var texts []json.RawMessage
	switch {
	case json.Unmarshal(input, &text) == nil && text != "":
		return 1, nil
	case json.Unmarshal(input, &texts) == nil && len(texts) > 0:
		return int64(len(texts)), nil
	}
	return 0, invalid("input", "want a text, or a list of at least one.")
}

// prompt is the request in Gemini's terms, as far as its size goes.
func (in *openAIRequest) prompt() gemini.Request {
	var out gemini.Request
	text := func(s string) {
		if s != "" {
			out.Parts = append(out.Parts, gemini.Part{Text: s})
		}
	}
	for _, m := range in.messages {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			switch name {
			case "role":
			case "content":
				in.content(m[name], &out)
			default: // calls of tools and the like
				text(string(m[name]))
			}
		}
	}
	for _, extra := range in.extras {
		text(string(extra))
	}
	if len(out.Parts) == 0 {
		text(" ")
	}
	return out
}

// content adds what a message says.
func (in *openAIRequest) content(raw json.RawMessage, out *gemini.Request) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		if text != "" {
			out.Parts = append(out.Parts, gemini.Part{Text: text})
		}
		return
	}
	var parts []struct {
		Text     string `json:"text"`
		ImageURL struct {
			URL string `json:"url"`
		} `json:"image_url"`
		InputAudio struct {
			Data   string `json:"data"`
			Format string `json:"format"`
		} `json:"input_audio"`
		File struct {
			Data string `json:"file_data"`
		} `json:"file"`
	}
	if json.Unmarshal(raw, &parts) != nil {
		out.Parts = append(out.Parts, gemini.Part{Text: string(raw)})
		return
	}
	for _, part := range parts {
		if part.Text != "" {
			out.Parts = append(out.Parts, gemini.Part{Text: part.Text})
		}
		for _, data := range []string{part.ImageURL.URL, part.InputAudio.Data, part.File.Data} {
			if data == "" {
				continue
			}
			if media, err := inlinePart(data); err == nil {
				out.Parts = append(out.Parts, media)
			}
		}
	}
}

// renameModel replaces the value of the top-level member "model" where it is
// another one, and leaves every other byte as it is. A body that names two
// models comes out with one: whichever upstream's parser took, only this one was
// booked.
func renameModel(body []byte, model string) ([]byte, error) {
	quoted, err := json.Marshal(model)
	if err != nil {
		return nil, err
	}
	out := body
	moved := int64(0) // by how much the rest has moved
	err = eachMember(body, func(name string, from, to int64) error {
		var is string
		if name != "model" || json.Unmarshal(body[from:to], &is) == nil && strings.TrimPrefix(is, "models/") == model {
			return nil
		}
		out = slices.Concat(out[:from+moved], quoted, out[to+moved:])
		moved += int64(len(quoted)) - (to - from)
		return nil
	})
	return out, err
}

// listOpenAI serves GET models and GET models/{model} of the OpenAI endpoint.
func (s *Server) listOpenAI(w http.ResponseWriter, r *http.Request) error {
	name := strings.TrimPrefix(r.PathValue("model"), "models/")
	entry := map[string]string{"id": autoModel, "object": "model", "owned_by": "fluxgate"}
	return s.modelList(w, r, name, openAIPath+"models", "data", entry, true)
}

// relayList passes a free list on after a change.
func (s *Server) relayList(w http.ResponseWriter, r *http.Request, path string, change func([]byte) []byte) error {
	p, err := s.readKeys(r.Context())
	if err != nil {
		return err
	}
	return s.withAnyKey(r.Context(), p, true, func(ctx context.Context, to slot) *gemini.Error {
		text, header, failure := s.list(ctx, r, to, path)
		if failure != nil {
			return failure
		}
		passHeaders(w.Header(), header, responseHeaders)
		_, _ = w.Write(change(text)) // the caller may have left
		return nil
	})
}

// list reads a free list, or a page of it.
func (s *Server) list(ctx context.Context, r *http.Request, to slot, path string) ([]byte, http.Header, *gemini.Error) {
	ctx, cancel := context.WithTimeout(gemini.WithKey(ctx, to.key.Value.Reveal()), countTimeout)
	defer cancel()
	resp, err := s.forward(ctx, r, http.MethodGet, path, http.NoBody, 0)
	if err != nil {
		return nil, nil, gemini.TransportError(ctx, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxModelList))
	switch {
	case resp.StatusCode != http.StatusOK:
		return nil, nil, gemini.Classify(resp.StatusCode, text, to.key.Value.Reveal())
	case err != nil:
		return nil, nil, gemini.TransportError(ctx, err)
	}
	return text, resp.Header, nil
}

// prepend puts an entry before those of a list in a JSON object, whatever else
// that holds. What it doesn't understand stays as it is.
func prepend(page []byte, member string, entry any) []byte {
	var fields map[string]json.RawMessage
	var list []json.RawMessage
	if json.Unmarshal(page, &fields) != nil || json.Unmarshal(fields[member], &list) != nil {
		return page
	}
	first, err := json.Marshal(entry)
	if err != nil {
		return page
	}
	if fields[member], err = json.Marshal(append([]json.RawMessage{first}, list...)); err != nil {
		return page
	}
	out, err := json.Marshal(fields)
	if err != nil {
		return page
	}
	return out
}
