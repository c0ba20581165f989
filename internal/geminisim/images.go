package geminisim

import (
	"fmt"
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/geminisim/answers"
	"fluxgate.dev/fluxgate/internal/geminisim/models"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// makeImages serves predict, and images/generations in OpenAI's format: one image of a pixel
// for each that is wanted. Google serves its models for images on the latter, by whatever
// method they are reached natively (documented). That there are at most four images natively and
// ten there is documented, how more are refused is a guess.
func (c *call) makeImages() *wire.Error {
	var req struct {
		Model      string
		N          int
		Instances  []struct{ Prompt string }
		Parameters struct{ SampleCount int }
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
	c.images = int64(max(1, req.N, req.Parameters.SampleCount))
	most := int64(4)
	if c.openai {
		most = 10
	}
	if c.images > most {
		return wire.InvalidArgument(fmt.Sprintf("The number of images must be at most %d.", most))
	}
	if _, err := c.charged(name, method); err != nil {
		return err
	}
	if !c.openai {
		var made []map[string]string
		for range c.images {
			made = append(made, map[string]string{"mimeType": "image/png", "bytesBase64Encoded": answers.Pixel})
		}
		c.WriteJSON(http.StatusOK, wire.Encode(map[string]any{"predictions": made}))
		return nil
	}
	var data []map[string]string
	for range c.images {
		data = append(data, map[string]string{"b64_json": answers.Pixel})
	}
	c.WriteJSON(http.StatusOK, wire.Encode(map[string]any{"created": c.Arrived.Unix(), "data": data}))
	return nil
}
