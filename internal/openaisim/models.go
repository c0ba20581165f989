package openaisim

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"net/http"

	"fluxgate.dev/fluxgate/internal/simserver"
)

type modelBody struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func modelOf(name string) modelBody { return modelBody{name, "model", 1_686_935_002, "openai"} }

// list is a list in OpenAI's format.
type list[T any] struct {
	Object  string `json:"object"`
	Data    []T    `json:"data"`
	HasMore bool   `json:"has_more"`
}

func (c *call) listModels() *apiError {
	out := []modelBody{}
	for _, name := range c.s.Models() {
		out = append(out, modelOf(name))
	}
	c.Write(http.StatusOK, map[string]any{"object": "list", "data": out})
	return nil
}

func (c *call) getModel() *apiError {
	name := c.R.PathValue("id")
	if !c.s.Knows(name) {
		return &apiError{http.StatusNotFound, "The model '" + name + "' does not exist", "invalid_request_error", "model", "model_not_found", nil}
	}
	c.Write(http.StatusOK, modelOf(name))
	return nil
}

// embeddings serves embeddings: of each text a vector that depends on its length alone.
func (c *call) embeddings() *apiError {
	var in struct {
		Model          string          `json:"model"`
		Input          json.RawMessage `json:"input"` // a text, a list of texts, or tokens
		EncodingFormat string          `json:"encoding_format"`
	}
	if e := c.decode(&in); e != nil {
		return e
	}
	texts := textsOf(in.Input)
	if len(texts) == 0 {
		return invalidInput()
	}
	var tokens, chars int64
	for _, text := range texts {
		tokens += simserver.Tokens(text)
		chars += int64(len(text))
	}
	if e := c.admit(in.Model, tokens, chars, 0); e != nil {
		return e
	}
	c.settle(usage{input: tokens})
	type item struct {
		Object    string `json:"object"`
		Index     int    `json:"index"`
		Embedding any    `json:"embedding"`
	}
	var data []item
	for i, text := range texts {
		vector := []float32{float32(len(text)), 1}
		var embedding any = vector
		if in.EncodingFormat == "base64" { // what OpenAI's own SDKs ask for
			var raw []byte
			for _, v := range vector {
				raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
			}
			embedding = base64.StdEncoding.EncodeToString(raw)
		}
		data = append(data, item{"embedding", i, embedding})
	}
	c.Write(http.StatusOK, map[string]any{"object": "list", "data": data, "model": in.Model,
		"usage": map[string]int64{"prompt_tokens": tokens, "total_tokens": tokens}})
	return nil
}

// textsOf returns the texts of a member that is one, or a list of them.
func textsOf(member json.RawMessage) (texts []string) {
	var single string
	if json.Unmarshal(member, &single) == nil && single != "" {
		return []string{single}
	}
	if json.Unmarshal(member, &texts) != nil {
		return nil
	}
	return texts
}

// invalidInput is said of an input that has no texts.
func invalidInput() *apiError {
	return invalid("input", "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.")
}
