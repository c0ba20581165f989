package dispatch

import (
	"net/http"

	"fluxgate.dev/fluxgate/internal/dispatch/lesson"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// refusalOf says what an error means as the answer to a call for a model.
func (c *Call) refusalOf(e *upstream.Error, model string) lesson.Refusal {
	return lesson.Of(e, len(c.asks(model)) > 0, c.textOnly)
}

// tooMany reports whether an error is one that says to come back later.
func tooMany(e *upstream.Error) bool { return e.HTTPStatus == http.StatusTooManyRequests }
