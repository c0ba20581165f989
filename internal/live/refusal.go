package live

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/coder/websocket"

	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// Gemini refuses a session by a close that has a code and a few words, where an answer has a
// status and details. Its words are those of answers, so what they mean is found out as for
// those, under the status that they come with there. The codes say little: 1011 is an overload,
// a quota and a bug alike (captured).

// statuses are the words by which a close belongs to a status; the first that is found counts. Words
// may quote the caller's, so what follows a quotation mark doesn't count, nor does what is no
// INVALID_ARGUMENT under the code of that.
var statuses = []struct {
	words  string
	status int
	name   string
}{
	{"RESOURCE_EXHAUSTED", http.StatusTooManyRequests, "RESOURCE_EXHAUSTED"}, // captured
	{"resource_exhausted", http.StatusTooManyRequests, "RESOURCE_EXHAUSTED"}, // captured
	{"exceeded your current quota", http.StatusTooManyRequests, "RESOURCE_EXHAUSTED"},
	{"exceeded your spend-based rate limit", http.StatusTooManyRequests, "RESOURCE_EXHAUSTED"},
	{"credits are depleted", http.StatusTooManyRequests, "RESOURCE_EXHAUSTED"},
	{"spending cap", http.StatusTooManyRequests, "RESOURCE_EXHAUSTED"},
	{"API key not valid", http.StatusBadRequest, "INVALID_ARGUMENT"}, // captured
	{"API key expired", http.StatusBadRequest, "INVALID_ARGUMENT"},
	{"User location is not supported", http.StatusBadRequest, "FAILED_PRECONDITION"}, // captured
	{"free tier is not available in your country", http.StatusBadRequest, "FAILED_PRECONDITION"},
	{"reported as leaked", http.StatusForbidden, "PERMISSION_DENIED"},
	{"Permission denied: Consumer ", http.StatusForbidden, "PERMISSION_DENIED"}, // 'api_key:…' has been suspended
	{"has been denied access", http.StatusForbidden, "PERMISSION_DENIED"},
	{"does not have permission", http.StatusForbidden, "PERMISSION_DENIED"},
	{"unregistered callers", http.StatusForbidden, "PERMISSION_DENIED"},
	{"is not found for API version", http.StatusNotFound, "NOT_FOUND"}, // captured
	{"no longer available", http.StatusNotFound, "NOT_FOUND"},
}

// quotation is a mark that may begin one: an apostrophe within a word doesn't.
var quotation = regexp.MustCompile("[\"`]|\\B'")

// failureOf says what it means that Gemini's connection ended.
func failureOf(to dispatch.Target, err error) *upstream.Error {
	var closed websocket.CloseError
	if !errors.As(err, &closed) {
		return &upstream.Error{Class: upstream.ClassBroken, Reason: upstream.ReasonConnection, Message: "Gemini broke the connection."}
	}
	status, name := http.StatusBadRequest, "INVALID_ARGUMENT"
	switch closed.Code {
	case websocket.StatusInternalError, websocket.StatusNormalClosure, websocket.StatusNoStatusRcvd, websocket.StatusBadGateway:
		status, name = http.StatusInternalServerError, "INTERNAL"
	case websocket.StatusGoingAway, websocket.StatusServiceRestart, websocket.StatusTryAgainLater:
		status, name = http.StatusServiceUnavailable, "UNAVAILABLE"
	}
	own := closed.Reason
	if at := quotation.FindStringIndex(own); at != nil {
		own = own[:at[0]]
	}
	for _, s := range statuses {
		if closed.Code == websocket.StatusInvalidFramePayloadData && s.status != http.StatusBadRequest {
			continue
		}
		if strings.Contains(own, s.words) {
			status, name = s.status, s.name
			break
		}
	}
	body, err := json.Marshal(map[string]any{"error": map[string]any{"code": status, "message": closed.Reason, "status": name}})
	if err != nil {
		body = nil // classified by its status
	}
	return to.Classify(status, body)
}

// endingAsUpstream is the end that Gemini's connection had, told as it is, without what of it
// may be a key.
func endingAsUpstream(to dispatch.Target, err error) ending {
	var closed websocket.CloseError
	if !errors.As(err, &closed) {
		return ending{websocket.StatusInternalError, "UNAVAILABLE: Gemini broke the connection."}
	}
	reason := closed.Reason
	if reason != "" {
		reason = failureOf(to, err).Message
	}
	return ending{closed.Code, reason}
}
