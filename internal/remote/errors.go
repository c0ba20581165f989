package remote

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	maxErrorBytes = 1 << 20
	// A day's quota is back in at most 25 hours; a wait beyond this is a broken clock or a broken server.
	maxWait = 7 * 24 * time.Hour
	// A refusal that says "now" is obeyed, but not in a busy loop.
	minWait = 100 * time.Millisecond
	// A server's ID has 16 characters.
	maxRequestID = 64
)

// An Error is an answer that isn't a success.
type Error struct {
	// Code is the HTTP status.
	Code int
	// Status is Google's name for it, such as PERMISSION_DENIED. Empty where the answer isn't in Google's shape.
	Status string
	// Message is what the server says to the public, or else the name of the HTTP status.
	Message string
	// RetryAfter is how long to wait before another try, from when the answer arrived. 0: it doesn't say.
	RetryAfter time.Duration
	// Model and Quota name what stands in the way of a 429: the model, and the id of the limit. Empty: it doesn't say.
	Model, Quota string
	// RequestID names the request to the server's operators. Empty: nobody knows it.
	RequestID string
}

func (e *Error) Error() string {
	code := strconv.Itoa(e.Code)
	if e.Status != "" {
		code += " " + e.Status
	}
	about := ""
	if e.RequestID != "" {
		about = " (request " + e.RequestID + ")"
	}
	if e.Message == "" || e.Message == code {
		return code + about
	}
	return code + ": " + e.Message + about
}

// ReadError reads an answer that isn't a success. The body is read up to a bound and left to the caller to close.
func (a Access) ReadError(response *http.Response) *Error {
	arrived := time.Now()
	// A body that breaks off still has its status and header.
	data, _ := io.ReadAll(io.LimitReader(response.Body, maxErrorBytes))
	body := readErrorBody(data)
	e := &Error{
		Code: response.StatusCode, Status: a.Sanitize(body.status), Message: a.Sanitize(strings.TrimSpace(body.message)),
		Model: a.Sanitize(body.model), Quota: a.Sanitize(body.quota), RequestID: readRequestID(response.Header),
	}
	switch {
	case e.Message != "":
	case e.Code >= 300 && e.Code < 400:
		e.Message = "the address sends on to another one, which isn't followed: is the URL right?"
	default:
		e.Message = strings.TrimSpace(fmt.Sprintf("%d %s", e.Code, http.StatusText(e.Code)))
	}
	e.RetryAfter = readWait(response.Header, body.retryInfo, arrived)
	return e
}

// requestIDHeader is the header of an answer that names its request.
const requestIDHeader = "X-Fluxgate-Request-Id"

// readRequestID returns the ID that an answer gives its request, if it looks like one.
func readRequestID(answer http.Header) string {
	id := answer.Get(requestIDHeader)
	odd := func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') }
	if len(id) > maxRequestID || strings.ContainsFunc(id, odd) {
		return ""
	}
	return id
}

// readWait finds how long a refusal says to wait, the most exact source first. 0: it doesn't say.
func readWait(header http.Header, retryInfo string, now time.Time) time.Duration {
	// The second is what servers before the first have, and may be less than the wait.
	for _, name := range []string{retryHeader, "Retry-After-Ms"} {
		if ms, err := strconv.ParseFloat(strings.TrimSpace(header.Get(name)), 64); err == nil {
			if wait := waitOf(ms / 1000); wait > 0 {
				return wait
			}
		}
	}
	after := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(after, 64); err == nil {
		if wait := waitOf(seconds); wait > 0 {
			return wait
		}
	} else if date, err := http.ParseTime(after); err == nil {
		if wait := waitOf(max(0, date.Sub(now).Seconds())); wait > 0 {
			return wait
		}
	}
	if delay, err := time.ParseDuration(retryInfo); err == nil {
		return waitOf(delay.Seconds())
	}
	return 0
}

func waitOf(seconds float64) time.Duration {
	// Written so that NaN is refused as well.
	if !(seconds >= 0 && seconds <= maxWait.Seconds()) {
		return 0
	}
	return max(minWait, time.Duration(math.Round(seconds*float64(time.Second))))
}

// errorBody is what is used of an error's body.
type errorBody struct{ status, message, retryInfo, model, quota string }

// readErrorBody reads Google's shape, alone or in an array, or a plain {"error": "…"}.
func readErrorBody(data []byte) (out errorBody) {
	var wrapped struct {
		Error json.RawMessage `json:"error"`
	}
	data = bytes.TrimSpace(data)
	if bytes.HasPrefix(data, []byte("[")) {
		var list []json.RawMessage
		if json.Unmarshal(data, &list) != nil || len(list) == 0 {
			return out
		}
		data = list[0]
	}
	if json.Unmarshal(data, &wrapped) != nil {
		return out
	}
	if json.Unmarshal(wrapped.Error, &out.message) == nil {
		return out
	}
	var status struct {
		Message string            `json:"message"`
		Status  string            `json:"status"`
		Details []json.RawMessage `json:"details"`
	}
	if json.Unmarshal(wrapped.Error, &status) != nil {
		return out
	}
	out.message, out.status = status.Message, status.Status
	for _, raw := range status.Details {
		var detail struct {
			Type       string `json:"@type"`
			RetryDelay string `json:"retryDelay"`
			Violations []struct {
				Quota      string            `json:"quotaId"`
				Dimensions map[string]string `json:"quotaDimensions"`
			} `json:"violations"`
		}
		if json.Unmarshal(raw, &detail) != nil {
			continue
		}
		if strings.HasSuffix(detail.Type, "google.rpc.RetryInfo") {
			out.retryInfo = detail.RetryDelay
		}
		for _, v := range detail.Violations {
			out.model, out.quota = v.Dimensions["model"], v.Quota
		}
	}
	return out
}
