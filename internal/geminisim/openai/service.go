package openai

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/geminisim/exchange"
	"fluxgate.dev/fluxgate/internal/geminisim/models"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// Config is what the routes in OpenAI's format have of the rest of the server.
type Config struct {
	// NewID returns an ID of the form that answers carry.
	NewID  func() string
	Models *models.Catalogue
}

// A Service serves the routes in OpenAI's format. It keeps nothing.
type Service struct{ cfg Config }

// New returns a service.
func New(cfg Config) *Service { return &Service{cfg} }

// Embeddings serves openai/embeddings.
func (s *Service) Embeddings(x *exchange.Exchange, embed exchange.Embed) *wire.Error {
	var req struct {
		Model          string          `json:"model"`
		Input          json.RawMessage `json:"input"` // a string or a list of them
		Dimensions     int             `json:"dimensions"`
		EncodingFormat string          `json:"encoding_format"`
	}
	if err := wire.Decode(x.Body, &req); err != nil {
		return err
	}
	name := strings.TrimPrefix(req.Model, "models/")
	x.Model = name
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
	out, err := embed(name, "embedContent", reqs)
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
	x.WriteJSON(http.StatusOK, wire.Encode(map[string]any{"object": "list", "data": items, "model": x.Model,
		"usage": map[string]int64{"prompt_tokens": x.Tokens, "total_tokens": x.Tokens}}))
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

// A ModelInfo is a model in the list.
type ModelInfo struct {
	ID          string `json:"id"`
	Object      string `json:"object"`
	OwnedBy     string `json:"owned_by"`
	DisplayName string `json:"display_name"`
}

// infoOf returns a model as the list has it.
func infoOf(m *models.Model) ModelInfo {
	return ModelInfo{"models/" + m.Name, "model", "google", m.Display}
}

// List serves openai/models.
func (s *Service) List(x *exchange.Exchange) *wire.Error {
	list := []ModelInfo{}
	for _, m := range s.cfg.Models.Listed() {
		list = append(list, infoOf(m))
	}
	x.WriteJSON(http.StatusOK, wire.Encode(map[string]any{"object": "list", "data": list}))
	return nil
}

// Model serves openai/models/{model}.
func (s *Service) Model(x *exchange.Exchange, version, name string) *wire.Error {
	m := s.cfg.Models.Find(name)
	if m == nil {
		return wire.ModelNotFound(version, name, "getModel")
	}
	x.WriteJSON(http.StatusOK, wire.Encode(infoOf(m)))
	return nil
}
