package deadline

import (
	"net/http"
	"strconv"
	"time"

	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/scheduler"
)

// The headers by which a caller says how long it waits.
const (
	// MaxWaitHeader is max_wait of the routes whose bodies aren't ours.
	MaxWaitHeader = "X-Fluxgate-Max-Wait"
	// DeadlineHeader says until when a caller can wait for its turn: in seconds from now, or
	// as an instant of RFC 3339.
	DeadlineHeader = "X-Fluxgate-Deadline"
)

// MaxWait returns how long a caller is ready to wait for a better model; nil: it doesn't
// say. It fails with a *payload.FieldError.
func MaxWait(h http.Header) (*time.Duration, error) {
	text := h.Get(MaxWaitHeader)
	if text == "" {
		return nil, nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		n = -1
	}
	if err := payload.CheckMaxWait(MaxWaitHeader, &n); err != nil {
		return nil, err
	}
	wait := payload.Seconds(n)
	return &wait, nil
}

// maxDeadline is longer than anybody waits.
const maxDeadline = 366 * 24 * time.Hour

// Within returns how long a caller can wait at all from now on; nil: it doesn't say. It
// fails with a *payload.FieldError. The X-Server-Timeout of Google's SDKs is no such
// bound: it is of one try, and no caller waits for its turn within a try unless somebody
// waits on its behalf, who says so with this header.
func Within(h http.Header, now scheduler.Instant) (*time.Duration, error) {
	text := h.Get(DeadlineHeader)
	if text == "" {
		return nil, nil
	}
	var left time.Duration
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		left = at.Sub(now.Time())
	} else {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || !(seconds >= 0 && seconds <= maxDeadline.Seconds()) {
			return nil, &payload.FieldError{Field: DeadlineHeader, Text: "want seconds from now, or an instant like 2026-11-28T12:00:00Z"}
		}
		left = payload.Seconds(seconds)
	}
	left = max(0, left)
	return &left, nil
}
