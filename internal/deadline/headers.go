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
	// tryHeader is that of Google's SDKs, where a timeout is set: whole seconds.
	tryHeader = "X-Server-Timeout"
)

// MaxWait returns how long a caller is ready to wait for a better model: what usual says if
// it says nothing; nil: however long. It fails with a *payload.FieldError.
func MaxWait(h http.Header, usual *time.Duration) (*time.Duration, error) {
	text := h.Get(MaxWaitHeader)
	if text == "" {
		return usual, nil
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
// fails with a *payload.FieldError.
func Within(h http.Header, now func() scheduler.Instant) (*time.Duration, error) {
	text := h.Get(DeadlineHeader)
	if text == "" {
		return nil, nil
	}
	var left time.Duration
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		left = at.Sub(now().Time())
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

// Try returns how long a caller gives one try; 0: it doesn't say. Google's SDKs say so, and
// it bounds no more: @google/genai 2.32 makes a fresh signal for each attempt ("so that
// `timeout` bounds this attempt rather than the whole retry sequence"), google-genai 3.6 for
// Python gives it to httpx for each request, and retries around that. Only Go's has it bound
// its retries too, and it has none unless it is told to. A 429 is answered at once, so no
// wait goes on within a try: who is told one that is longer than its timeout isn't late, and
// keeps its place. What can't be read is no bound: the header is Google's to check.
func Try(h http.Header) time.Duration {
	text := h.Get(tryHeader)
	if text == "" {
		return 0
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || !(seconds > 0 && seconds <= maxDeadline.Seconds()) {
		return 0
	}
	return payload.Seconds(seconds)
}
