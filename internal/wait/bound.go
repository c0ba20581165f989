package wait

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Headers by which a client says how long it waits for its answer.
const (
	// deadlineHeader is Fluxgate's: seconds, or an instant of RFC 3339.
	deadlineHeader = "X-Fluxgate-Deadline"
	// timeoutHeader is that of Google's SDKs, where a timeout is set: seconds for the whole call.
	timeoutHeader = "X-Server-Timeout"
)

// forAnswer is the part of a timeout that is left for the answer.
const forAnswer = 5

// bound returns until when a request that came at now may wait.
func bound(h http.Header, now time.Time, longest time.Duration) time.Time {
	until := now.Add(longest)
	if text := strings.TrimSpace(h.Get(deadlineHeader)); text != "" {
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			until = earlier(until, at)
		} else if d, ok := seconds(text); ok {
			until = earlier(until, now.Add(d))
		}
	}
	if d, ok := seconds(h.Get(timeoutHeader)); ok {
		until = earlier(until, now.Add(d-d/forAnswer))
	}
	return until
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// maxSeconds is more than anybody waits.
const maxSeconds = 366 * 24 * 60 * 60

// seconds reads a number of seconds, with "s" behind it or without.
func seconds(text string) (time.Duration, bool) {
	n, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(text), "s"), 64)
	if err != nil || !(n >= 0 && n <= maxSeconds) {
		return 0, false
	}
	return time.Duration(n * float64(time.Second)), true
}
