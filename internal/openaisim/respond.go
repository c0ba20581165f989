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
	dec := json.NewDecoder(bytes.NewReader(c.body))
	if err := dec.Decode(v); err != nil {
		return &apiError{Status: http.StatusBadRequest, Type: "invalid_request_error", Message: "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"}
	}
	return nil
}

// form reads a body of the type multipart/form-data, which has one file, and its other values.
func (c *call) form() (name string, data []byte, values map[string]string, e *apiError) {
	missing := invalid("file", "Missing required parameter: 'file'.")
	_, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return "", nil, nil, invalid("", "Invalid Content-Type: expected multipart/form-data.")
	}
	values = make(map[string]string)
	for parts := multipart.NewReader(bytes.NewReader(c.body), params["boundary"]); ; {
		part, err := parts.NextPart()
		if err == io.EOF && name != "" {
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

// write answers with JSON.
func (c *call) write(status int, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // of our own types
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.log.Status = status
	c.w.WriteHeader(status)
	if c.cut {
		_, _ = c.w.Write(raw[:len(raw)/2])
		_ = http.NewResponseController(c.w).Flush()
		panic(http.ErrAbortHandler)
	}
	_, _ = c.w.Write(raw)
}

// events begins a stream. What it returns writes one event, and reports whether the client
// still reads.
func (c *call) events() (send func(name, data string) bool) {
	c.w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	c.log.Status = http.StatusOK
	c.w.WriteHeader(http.StatusOK)
	flusher := http.NewResponseController(c.w)
	sent := 0
	return func(name, data string) bool {
		if sent++; c.cut && sent > 2 {
			panic(http.ErrAbortHandler)
		}
		if name != "" {
			name = "event: " + name + "\n"
		}
		_, err := io.WriteString(c.w, name+"data: "+data+"\n\n")
		return err == nil && flusher.Flush() == nil && c.r.Context().Err() == nil
	}
}

// refuse answers with an error.
func (c *call) refuse(e *apiError) {
	c.write(e.Status, e.body())
}

// encode writes JSON of our own types.
func encode(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // of our own types
	}
	return string(raw)
}
