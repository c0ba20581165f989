package gemini

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"net/http"

	"google.golang.org/genai"

	"fluxgate.dev/fluxgate/internal/upstream"
)

// unencodable is the error of a prompt that can't be put into JSON.
func unencodable(err error) *upstream.Error {
	e := &upstream.Error{Class: upstream.ClassCaller, HTTPStatus: http.StatusBadRequest, Status: "INVALID_ARGUMENT",
		Reason: upstream.ReasonInvalidRequest, Message: "The request can't be encoded."}
	if errors.Is(err, errTemperature) {
		e.Message = "The temperature isn't a number."
	}
	return e
}

var errTemperature = errors.New("gemini: temperature isn't a number")

// wireBody returns the body of generateContent for a prompt. The SDK's types are
// used where they are the wire's. Base64 goes in as it is, without being decoded.
func wireBody(p upstream.Prompt) ([]byte, error) {
	config := genai.GenerationConfig{MaxOutputTokens: p.MaxOutputTokens, Temperature: p.Temperature}
	if t := p.Temperature; t != nil && (math.IsNaN(float64(*t)) || math.IsInf(float64(*t), 0)) {
		return nil, errTemperature
	}
	size := len(p.System)
	for _, piece := range p.Pieces {
		size += len(piece.Text) + len(piece.Media.Base64)
	}
	b := bytes.NewBuffer(make([]byte, 0, size+size/8+512))
	if err := writeContents(b, p); err != nil {
		return nil, err
	}
	var err error
	var settings []byte
	if p.Schema == nil {
		settings, err = json.Marshal(config)
	} else {
		// A schema is what the caller of this package says, in whatever type.
		config.ResponseMIMEType = "application/json"
		settings, err = json.Marshal(struct {
			genai.GenerationConfig
			Schema any `json:"responseSchema"`
		}{config, p.Schema})
	}
	if err != nil {
		return nil, err
	}
	b.WriteString(`,"generationConfig":`)
	b.Write(settings)
	b.WriteByte('}')
	return b.Bytes(), nil
}

// writeContents writes the contents and the system instruction of a prompt, which
// are what is counted, as members of an object that it begins.
func writeContents(b *bytes.Buffer, p upstream.Prompt) error {
	b.WriteString(`{"contents":[{"role":"user","parts":[`)
	separator := ""
	for _, piece := range p.Pieces {
		if piece.Text != "" {
			b.WriteString(separator)
			if err := writeJSON(b, genai.Part{Text: piece.Text}); err != nil {
				return err
			}
			separator = ","
		}
		if len(piece.Media.Base64) > 0 {
			b.WriteString(separator + `{"inlineData":{"mimeType":`)
			if err := writeJSON(b, piece.Media.MIMEType); err != nil {
				return err
			}
			b.WriteString(`,"data":"`)
			b.Write(piece.Media.Base64)
			b.WriteString(`"}}`)
			separator = ","
		}
	}
	b.WriteString(`]}]`)
	if p.System == "" {
		return nil
	}
	b.WriteString(`,"systemInstruction":`)
	return writeJSON(b, genai.Content{Role: genai.RoleUser, Parts: []*genai.Part{{Text: p.System}}})
}

// writeJSON writes a value without the escapes that are meant for HTML.
func writeJSON(b *bytes.Buffer, v any) error {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1) // the line break that Encode adds
	return nil
}
