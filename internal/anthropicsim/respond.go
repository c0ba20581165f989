package anthropicsim

import "encoding/json"

// decode reads the body, which is JSON.
func (c *call) decode(v any) *apiError {
	if err := json.Unmarshal(c.Body, v); err != nil {
		return invalid("The request body is not valid JSON: " + err.Error())
	}
	return nil
}

// refuse answers with an error.
func (c *call) refuse(e *apiError) {
	if c.compat {
		c.Write(e.Status, e.compat())
		return
	}
	c.Write(e.Status, e.body(c.id))
}

// events begins a stream.
func (c *call) events() (send func(name string, data any) bool) { return c.Events(3) }
