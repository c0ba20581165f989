package gemini

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"

	"google.golang.org/genai"

	"fluxgate.dev/fluxgate/internal/payload"
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
// used where they are the wire's. What stands in a caller's body stays there: texts and
// base64 are read from it when this is sent, without being decoded or copied.
func wireBody(p upstream.Prompt) (*payload.Rope, error) {
	config := genai.GenerationConfig{MaxOutputTokens: p.MaxOutputTokens, Temperature: p.Temperature}
	if t := p.Temperature; t != nil && (math.IsNaN(float64(*t)) || math.IsInf(float64(*t), 0)) {
		return nil, errTemperature
	}
	b := new(payload.Rope)
	if err := addContents(b, p); err != nil {
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
	b.AddString(`,"generationConfig":`)
	b.Add(settings)
	b.AddString("}")
	return b, nil
}

// addContents adds the contents and the system instruction of a prompt, which
// are what is counted, as members of an object that it begins.
func addContents(b *payload.Rope, p upstream.Prompt) error {
	b.AddString(`{"contents":[{"role":"user","parts":[`)
	separator := ""
	for i := range p.Pieces {
		piece := &p.Pieces[i]
		if piece.IsText() {
			b.AddString(separator)
			if err := addText(b, piece); err != nil {
				return err
			}
			separator = ","
		}
		if len(piece.Media.Base64) > 0 {
			kind, err := json.Marshal(piece.Media.MIMEType)
			if err != nil {
				return err
			}
			b.AddString(separator + `{"inlineData":{"mimeType":` + string(kind) + `,"data":"`)
			b.AddMedia(piece.Media)
			b.AddString(`"}}`)
			separator = ","
		}
	}
	b.AddString(`]}]`)
	if !p.System.IsText() {
		return nil
	}
	b.AddString(`,"systemInstruction":{"parts":[`)
	if err := addText(b, &p.System); err != nil {
		return err
	}
	b.AddString(`],"role":"user"}`)
	return nil
}

// addText adds a part that is a text.
func addText(b *payload.Rope, p *payload.Piece) error {
	b.AddString(`{"text":`)
	if err := upstream.AddText(b, p); err != nil {
		return err
	}
	b.AddString("}")
	return nil
}
