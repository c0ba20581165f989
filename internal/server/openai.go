package server

import (
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// openAIPath is where upstream's OpenAI-compatible endpoint lies.
const openAIPath = upstreamVersion + "/openai/"

// openAI serves POST chat/completions and POST embeddings.
func (s *Server) openAI(w http.ResponseWriter, r *http.Request) error {
	read, err := s.readPayload(w, r)
	if err != nil {
		return err
	}
	body := read.Text
	if read.JSON == nil {
		// It may name another model than is found in it, which would be sent without a
		// slot.
		return payload.ErrNotObject
	}
	refs := read.References
	in, err := payload.ReadChat(read.JSON)
	if err != nil {
		return err
	}
	model := strings.TrimPrefix(in.Model, "models/")
	if !payload.ValidModel(model) {
		return payload.ErrModel
	}
	x := &relay{
		s: s, w: w, r: r, body: body, refs: refs, metered: true, stream: in.Stream, sizer: dispatch.BodySizer(read.JSON, refs), requests: 1,
		payload: func(chosen string) ([]byte, error) { return payload.RenameModel(body, chosen) },
	}
	if strings.HasSuffix(r.URL.Path, "/embeddings") {
		return x.openAIEmbeddings(in, model)
	}
	if err := in.CheckMessages(); err != nil {
		return err
	}
	x.generates = wholeAnswer(r)
	x.path = func(string) string { return openAIPath + "chat/completions" }
	// Upstream counts what is Gemini's own: the chat in its terms, as far as its size
	// goes.
	x.sizer.Count = dispatch.PromptSizer(upstream.Prompt{Pieces: in.Pieces()}).Count
	return x.serve(model)
}

func (x *relay) openAIEmbeddings(in *payload.Chat, model string) (err error) {
	if x.requests, err = in.CountInputs(); err != nil {
		return err
	}
	x.stream = false
	x.path = func(string) string { return openAIPath + "embeddings" }
	x.sizer.Count = nil // nobody counts those
	return x.embed(model)
}

// listOpenAI serves GET models and GET models/{model} of the OpenAI endpoint.
func (s *Server) listOpenAI(w http.ResponseWriter, r *http.Request) error {
	name := strings.TrimPrefix(r.PathValue("model"), "models/")
	entry := map[string]string{"id": dispatch.AutoModel, "object": "model", "owned_by": "fluxgate"}
	return s.modelList(w, r, name, openAIPath+"models", "data", entry, true)
}
