package server

import (
	"context"
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/passing"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// openAI serves POST chat/completions and POST embeddings.
func (s *Server) openAI(w http.ResponseWriter, r *http.Request) error {
	read, held, err := s.readPayload(w, r)
	defer held.Release()
	if err != nil {
		return err
	}
	if read.JSON == nil {
		// It may name another model than is found in it, which would be sent without a
		// slot.
		return payload.ErrNotObject
	}
	in, err := read.Chat()
	if err != nil {
		return err
	}
	model := strings.TrimPrefix(in.Model, "models/")
	if !payload.ValidModel(model) {
		return payload.ErrModel
	}
	x := &relay{
		s: s, w: w, r: r, body: read.Text, refs: read.References, metered: true, stream: in.Stream, sizer: dispatch.BodySizer(read), requests: 1,
		renamed: read.Rename,
	}
	if strings.HasSuffix(r.URL.Path, "/embeddings") {
		return x.openAIEmbeddings(in, model)
	}
	if err := in.CheckMessages(); err != nil {
		return err
	}
	x.generates = wholeAnswer(r)
	x.path = func(string) string { return passing.OpenAIPath + "chat/completions" }
	// Upstream counts what is Gemini's own: the chat in its terms, as far as its size
	// goes.
	x.sizer.Count = countChat(in)
	return x.serve(model)
}

// countChat returns what has a chat counted. One of more messages than are worth keeping
// apart is estimated.
func countChat(in *payload.Chat) func(context.Context, dispatch.Target) (int64, error) {
	return func(ctx context.Context, to dispatch.Target) (int64, error) {
		pieces, all := in.Pieces()
		if !all {
			return 0, upstream.ErrUncountable
		}
		return dispatch.PromptSizer(upstream.Prompt{Pieces: pieces}).Count(ctx, to)
	}
}

func (x *relay) openAIEmbeddings(in *payload.Chat, model string) (err error) {
	if x.requests, err = in.CountInputs(); err != nil {
		return err
	}
	x.stream = false
	x.path = func(string) string { return passing.OpenAIPath + "embeddings" }
	x.sizer.Count = nil // nobody counts those
	return x.embed(model)
}

// listOpenAI serves GET models and GET models/{model} of the OpenAI endpoint.
func (s *Server) listOpenAI(w http.ResponseWriter, r *http.Request) error {
	name := strings.TrimPrefix(r.PathValue("model"), "models/")
	entry := map[string]string{"id": dispatch.AutoModel, "object": "model", "owned_by": "fluxgate"}
	return s.modelList(w, r, name, passing.OpenAIPath+"models", "data", entry, true)
}
