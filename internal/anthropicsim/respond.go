package anthropicsim

import (
	"encoding/json"
	"io"
	"net/http"
)

// decode reads the body, which is JSON.
func (c *call) decode(v any) *apiError {
	if err := json.Unmarshal(c.body, v); err != nil {
		return invalid("The request body is not valid JSON: " + err.Error())
	}
	return nil
}

// write answers with JSON.
func (c *call) write(status int, v any) {
	raw := []byte(encode(v))
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

// refuse answers with an error.
func (c *call) refuse(e *apiError) {
	if c.compat {
		c.write(e.Status, e.compat())
		return
	}
	c.write(e.Status, e.body(c.id))
}

// events begins a stream. What it returns writes one event, and reports whether the client
// still reads.
func (c *call) events() (send func(name string, v any) bool) {
	c.w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	c.log.Status = http.StatusOK
	c.w.WriteHeader(http.StatusOK)
	flusher := http.NewResponseController(c.w)
	sent := 0
	return func(name string, v any) bool {
		if sent++; c.cut && sent > 3 {
			panic(http.ErrAbortHandler)
		}
		text := "data: [DONE]\n\n"
		if v != nil {
			text = "data: " + encode(v) + "\n\n"
		}
		if name != "" {
			text = "event: " + name + "\n" + text
		}
		_, err := io.WriteString(c.w, text)
		return err == nil && flusher.Flush() == nil && c.r.Context().Err() == nil
	}
}

// encode writes JSON of our own types.
func encode(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(raw)
}
