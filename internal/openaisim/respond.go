package openaisim

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
)

// decode reads the body, which is JSON.
func (c *call) decode(v any) *apiError {
	dec := json.NewDecoder(bytes.NewReader(c.Body))
	if err := dec.Decode(v); err != nil {
		return &apiError{Status: http.StatusBadRequest, Type: "invalid_request_error", Message: "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"}
	}
	return nil
}

// form reads a body of the type multipart/form-data, which has one file, and its other values.
func (c *call) form() (name string, data []byte, values map[string]string, e *apiError) {
	missing := invalid("file", "Missing required parameter: 'file'.")
	_, params, err := mime.ParseMediaType(c.R.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return "", nil, nil, invalid("", "Invalid Content-Type: expected multipart/form-data.")
	}
	values = make(map[string]string)
	for parts := multipart.NewReader(bytes.NewReader(c.Body), params["boundary"]); ; {
		part, err := parts.NextPart()
		if err == io.EOF && (name != "" || values["file_id"] != "") {
			return name, data, values, nil
		}
		if err != nil {
			return "", nil, nil, missing
		}
		raw, err := io.ReadAll(part)
		if err != nil {
			return "", nil, nil, missing
		}
		if part.FileName() != "" {
			name, data = part.FileName(), raw
		} else {
			values[part.FormName()] = string(raw)
		}
	}
}

// events begins a stream.
func (c *call) events() (send func(name string, data any) bool) { return c.Events(2) }

// refuse answers with an error.
func (c *call) refuse(e *apiError) {
	c.Write(e.Status, e.body())
}
