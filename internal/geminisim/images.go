package geminisim

import (
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/geminisim/models"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// images serves predict, and images/generations in OpenAI's format: one image of a pixel
// for each that is wanted. Google serves its models for images on the latter, by whatever
// method they are reached natively (documented).
func (c *call) images() *wire.Error {
	var req struct {
		Model     string
		N         int
		Instances []struct{ Prompt string }
	}
	if err := wire.Decode(c.Body, &req); err != nil {
		return err
	}
	name, method := c.route.model, c.method
	if c.openai {
		name = strings.TrimPrefix(req.Model, "models/")
		c.Model = name
		method = "predict"
		if m := c.s.models.Find(name); m != nil && m.Kind == models.Image {
			method = "generateContent"
		}
	}
	if _, err := c.charged(name, method); err != nil {
		return err
	}
	const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	if !c.openai {
		c.WriteJSON(http.StatusOK, wire.Encode(map[string]any{"predictions": []any{map[string]string{"mimeType": "image/png", "bytesBase64Encoded": pixel}}}))
		return nil
	}
	var data []map[string]string
	for range max(1, req.N) {
		data = append(data, map[string]string{"b64_json": pixel})
	}
	c.WriteJSON(http.StatusOK, wire.Encode(map[string]any{"created": c.Arrived.Unix(), "data": data}))
	return nil
}
