package simserver

import (
	"io"
	"net/http"
	"time"

	"fluxgate.dev/fluxgate/internal/simquota"
)

// A Call is one request on its way.
type Call[S any] struct {
	W       http.ResponseWriter
	R       *http.Request
	Arrived time.Time
	Body    []byte
	Key     Key[S]
	Log     Request
	Charge  *simquota.Charge // nil: it costs no quota
	Cut     bool             // the answer is to break
}

// Write answers with JSON.
func (c *Call[S]) Write(status int, v any) { c.WriteRaw(status, "application/json", []byte(JSON(v))) }

// WriteRaw answers with what is of that type.
func (c *Call[S]) WriteRaw(status int, contentType string, raw []byte) {
	c.W.Header().Set("Content-Type", contentType)
	c.Log.Status = status
	c.W.WriteHeader(status)
	if c.Cut {
		_, _ = c.W.Write(raw[:len(raw)/2])
		_ = http.NewResponseController(c.W).Flush()
		panic(http.ErrAbortHandler)
	}
	_, _ = c.W.Write(raw)
}

// Events begins a stream, which breaks after so many events if it is to. What it returns writes
// one event, whose data are a string or else JSON, and reports whether the client still reads.
func (c *Call[S]) Events(whole int) (send func(name string, data any) bool) {
	c.W.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	c.Log.Status = http.StatusOK
	c.W.WriteHeader(http.StatusOK)
	flusher := http.NewResponseController(c.W)
	sent := 0
	return func(name string, data any) bool {
		if sent++; c.Cut && sent > whole {
			panic(http.ErrAbortHandler)
		}
		text, ok := data.(string)
		if !ok {
			text = JSON(data)
		}
		if name != "" {
			name = "event: " + name + "\n"
		}
		_, err := io.WriteString(c.W, name+"data: "+text+"\n\n")
		return err == nil && flusher.Flush() == nil && c.R.Context().Err() == nil
	}
}
