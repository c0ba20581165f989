package apierror

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A Format is the shape in which a route's clients expect errors.
type Format int

// The formats.
const (
	Native Format = iota // Google's, and that of Fluxgate's own routes
	OpenAI
	Interactions // that of Google's Interactions API, whose codes are names
)

// status is an error in Google's shape.
type status struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Status  string `json:"status"`
	Details []any  `json:"details,omitempty"`
}

// openAIError is OpenAI's error shape, with Google's details beside it.
type openAIError struct {
	Error struct {
		Message string `json:"message"`
		Type    string `json:"type"`
		Param   any    `json:"param"`
		Code    any    `json:"code"`
		Status  string `json:"status,omitempty"`
		Details any    `json:"details,omitempty"`
	} `json:"error"`
}

// write answers an error in a format.
func write(w http.ResponseWriter, f Format, e status) {
	switch f {
	case Native:
		WriteJSON(w, e.Code, struct {
			Error status `json:"error"`
		}{e})
		return
	case Interactions:
		var out struct {
			Error interactionError `json:"error"`
		}
		out.Error = interactionError{strings.ToLower(e.Status), e.Message, e.Details}
		WriteJSON(w, e.Code, out)
		return
	}
	var out openAIError
	out.Error.Message, out.Error.Status = e.Message, e.Status
	out.Error.Type, out.Error.Code = openAIKind(e.Code)
	if len(e.Details) > 0 {
		out.Error.Details = e.Details
	}
	WriteJSON(w, e.Code, out)
}

// interactionError is an error of the Interactions API, of which Google's SDKs know a code,
// which is a text, and the message. Which texts Google sends isn't known here.
type interactionError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Details []any  `json:"details,omitempty"`
}

// openAIKind returns OpenAI's type and code for an HTTP status.
func openAIKind(status int) (kind string, code any) {
	switch {
	case status == http.StatusUnauthorized:
		return "invalid_request_error", "invalid_api_key"
	case status == http.StatusTooManyRequests:
		return "rate_limit_error", "rate_limit_exceeded"
	case status == http.StatusNotFound:
		return "invalid_request_error", "not_found"
	case status < http.StatusInternalServerError:
		return "invalid_request_error", nil
	}
	return "server_error", nil
}

// writeBody passes on an error's body that is in Google's shape: as it is, or in
// OpenAI's shape.
func writeBody(w http.ResponseWriter, f Format, code int, body []byte) {
	if f != OpenAI {
		writeText(w, code, body)
		return
	}
	var in struct {
		Error struct {
			Message string `json:"message"`
			Status  string `json:"status"`
			Details []any  `json:"details"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &in) != nil || in.Error.Message == "" {
		in.Error.Message = http.StatusText(code)
	}
	write(w, f, status{Code: code, Message: in.Error.Message, Status: in.Error.Status, Details: in.Error.Details})
}

const contentType = "application/json; charset=utf-8"

// WriteJSON answers with a JSON body.
func WriteJSON(w http.ResponseWriter, code int, body any) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(body) // all that is answered can be
	writeText(w, code, text.Bytes())
}

// writeText answers with a text that is JSON, and says how long it is: who is answered
// knows that it has all of it, whatever is still done here.
func writeText(w http.ResponseWriter, code int, text []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(code)
	_, _ = w.Write(text) // the caller may have left
}

// longestRetry is the wait up to which client libraries retry by themselves.
// Beyond it they are told not to, so that they report it instead of trying in
// vain at their own pace.
const longestRetry = 60 * time.Second

// shouldRetry is what clients of OpenAI's go by, whatever the status says.
const shouldRetry = "X-Should-Retry"

// setRetry says how long to wait, in every form that clients are known to read.
func setRetry(h http.Header, wait time.Duration) {
	h.Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	h.Set("Retry-After-Ms", strconv.FormatInt(wait.Milliseconds(), 10))
	h.Set(shouldRetry, strconv.FormatBool(wait <= longestRetry))
}
