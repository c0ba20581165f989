package geminisim

import (
	"fluxgate.dev/fluxgate/internal/geminisim/interactions"
	"fluxgate.dev/fluxgate/internal/geminisim/journal"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// fail ends a request with an error.
func (c *call) fail(e *wire.Error) {
	if c.op.logged() && !c.recorded {
		c.s.journal.Record(c.entry(e.Code, e.LogReason()), journal.Hits{})
		c.logRequest(e.Code, e.LogReason())
	}
	switch e.Drop {
	case wire.ResetConnection:
		c.Reset()
	case wire.Hang:
		<-c.R.Context().Done()
		c.fail(wire.Cancelled())
	default:
		if e.Code == wire.StatusCancelled {
			c.HungUp = true
		}
		body := e.Body(c.errorsInArray())
		if c.op == opCreateInteraction || c.op == opGetInteraction || c.op == opDeleteInteraction || c.op == opCancelInteraction {
			body = wire.Encode(map[string]any{"error": interactions.Error(e)})
		}
		c.WriteJSON(e.Code, body)
	}
}

// errorsInArray tells whether errors come as [{"error":…}].
func (c *call) errorsInArray() bool {
	return c.openai || c.op == opStream && !c.SSE()
}
