package openaisim

import (
	"encoding/base64"
	"net/http"

	"fluxgate.dev/fluxgate/internal/simserver"
)

// imageOutput is what an image costs here: that of one of 1024×1024 in medium quality
// (documented).
const imageOutput = 1056

// createImage serves images/generations: pictures of one pixel.
func (c *call) createImage() *apiError {
	var in struct {
		Model  string `json:"model"`
		Prompt string `json:"prompt"`
		N      int64  `json:"n"`
	}
	if e := c.decode(&in); e != nil {
		return e
	}
	if in.Prompt == "" {
		return invalid("prompt", "Missing required parameter: 'prompt'.")
	}
	return c.images(in.Model, in.Prompt, 0, max(1, in.N))
}

// editImage serves images/edits, with one image.
func (c *call) editImage() *apiError {
	_, _, values, e := c.form()
	if e != nil {
		return e
	}
	return c.images(values["model"], values["prompt"], imageTokens, 1)
}

func (c *call) images(model, prompt string, input, n int64) *apiError {
	text := simserver.Tokens(prompt)
	if e := c.admit(model, text+input, int64(len(prompt)), 0); e != nil {
		return e
	}
	c.settle(usage{input: text + input, output: n * imageOutput})
	data := []any{}
	for range n {
		data = append(data, map[string]string{"b64_json": base64.StdEncoding.EncodeToString([]byte(onePixel))})
	}
	c.Write(http.StatusOK, map[string]any{"created": c.Arrived.Unix(), "data": data, "usage": map[string]any{
		"input_tokens": text + input, "input_tokens_details": map[string]int64{"text_tokens": text, "image_tokens": input},
		"output_tokens": n * imageOutput, "total_tokens": text + input + n*imageOutput}})
	return nil
}

// onePixel is a GIF.
const onePixel = "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01D\x00;"

// transcribe serves audio/transcriptions: what was said is how long the file is.
func (c *call) transcribe() *apiError {
	name, data, values, e := c.form()
	if e != nil {
		return e
	}
	input := 1 + int64(len(data))/1000
	if e := c.admit(values["model"], input, int64(len(values["prompt"])), 0); e != nil {
		return e
	}
	text := "Answer to: " + name
	output := simserver.Tokens(text)
	c.settle(usage{input: input, output: output})
	c.Write(http.StatusOK, map[string]any{"text": text, "usage": map[string]any{"type": "tokens", "input_tokens": input,
		"input_token_details": map[string]int64{"audio_tokens": input}, "output_tokens": output, "total_tokens": input + output}})
	return nil
}

// speak serves audio/speech: bytes as many as the text has.
func (c *call) speak() *apiError {
	var in struct {
		Model string `json:"model"`
		Input string `json:"input"`
	}
	if e := c.decode(&in); e != nil {
		return e
	}
	if in.Input == "" {
		return invalid("input", "Missing required parameter: 'input'.")
	}
	tokens := simserver.Tokens(in.Input)
	if e := c.admit(in.Model, tokens, int64(len(in.Input)), 0); e != nil {
		return e
	}
	c.settle(usage{input: tokens, output: tokens})
	c.WriteRaw(http.StatusOK, "audio/mpeg", make([]byte, len(in.Input)))
	return nil
}
