package apierror

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/requestid"
)

// A Format is the shape in which a route's clients expect errors.
type Format int

// The formats.
const (
	Native Format = iota // Google's, and that of Fluxgate's own routes
	OpenAI
	Interactions // that of Google's Interactions API, whose codes are names
	Anthropic
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

// typeRequestInfo is google.rpc.RequestInfo, which names a request to who is asked about it.
const typeRequestInfo = "type.googleapis.com/google.rpc.RequestInfo"

type requestInfo struct {
	Type string `json:"@type"`
	ID   string `json:"requestId"`
}

// writeOwn answers an error of our own, which names its request as the header of the
// answer does.
func writeOwn(w http.ResponseWriter, f Format, e status) {
	if id := requestid.Of(w.Header()); id != "" {
		e.Details = append(e.Details, requestInfo{typeRequestInfo, id})
	}
	write(w, f, e)
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
	if f == Anthropic {
		var out anthropicError
		out.Type, out.Error.Type, out.Error.Message = "error", anthropicKind(e.Code), e.Message
		out.RequestID = requestid.Of(w.Header())
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

// anthropicError is Anthropic's error shape. https://docs.claude.com/en/api/errors
type anthropicError struct {
	Type  string `json:"type"`
	Error struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	} `json:"error"`
	RequestID string `json:"request_id,omitempty"`
}

// anthropicKind returns Anthropic's type of error for an HTTP status.
func anthropicKind(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case http.StatusGatewayTimeout:
		return "timeout_error"
	}
	if status < http.StatusInternalServerError {
		return "invalid_request_error"
	}
	return "api_error"
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

// writeBody passes on an error's body: as it is, or, where it is in Google's shape and the
// route's clients expect OpenAI's, in that.
func writeBody(w http.ResponseWriter, f Format, code int, body []byte) {
	if f != OpenAI {
		writeText(w, code, body)
		return
	}
	var in struct {
		Error struct {
			Message string `json:"message"`
			Status  string `json:"status"`
			Type    string `json:"type"`
			Details []any  `json:"details"`
		} `json:"error"`
	}
	err := json.Unmarshal(body, &in)
	if in.Error.Type != "" { // it is OpenAI's
		writeText(w, code, body)
		return
	}
	if err != nil || in.Error.Message == "" {
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

// A Patience is how client libraries that come by a route take a wait.
type Patience struct {
	// Longest is the wait up to which they are told to retry by themselves. Beyond it they
	// are told not to, so that they report it instead of trying in vain at their own pace.
	Longest time.Duration
	// Once is the longest wait that they sit out in one go: told more they fail, or take
	// a pause of their own instead. Told this much they come back before their time, and
	// sit out the rest. 0: they sit out any.
	Once time.Duration
}

var (
	// Exact is for clients that read what is written for them: Fluxgate's own routes.
	Exact = Patience{Longest: 60 * time.Second}
	// Capped is for the routes of other APIs than Fluxgate's. The SDKs of OpenAI, Anthropic, Groq and
	// Vercel all read Retry-After-Ms first and Retry-After where it isn't there, and most take
	// only what is below 60 s (read in their sources of August 2026; .github/compatibility.md has a
	// table of them). They retry twice, so that they can sit out two waits.
	Capped = Patience{Longest: 2 * capped, Once: capped}
)

// PatienceOf returns how the clients of a route take a wait: those of Google's and
// OpenAI's APIs are libraries, which have limits of their own. Anthropic's are made by the same
// generator as OpenAI's.
func PatienceOf(f Format, path string) Patience {
	if f == OpenAI || f == Anthropic || strings.HasPrefix(path, "/v1") {
		return Capped
	}
	return Exact
}

const capped = 59_900 * time.Millisecond

const (
	// shouldRetry is what clients of OpenAI's go by, whatever the status says.
	shouldRetry = "X-Should-Retry"
	// RetryHeader says exactly how long to wait, in milliseconds. Retry-After is rounded
	// up, and what Retry-After-Ms says may be less. Waits of our own have it, also those beside
	// upstream's words where it failed; a 429 of upstream's that is passed on doesn't, unless it means overload.
	RetryHeader = "X-Fluxgate-Retry-Ms"
)

// setOwnRetry is setRetry for a refusal of our own.
func setOwnRetry(h http.Header, wait time.Duration, p Patience) {
	setRetry(h, wait, p)
	h.Set(RetryHeader, strconv.FormatInt(wait.Milliseconds(), 10))
}

// setRetry says how long to wait, in every form that clients are known to read.
func setRetry(h http.Header, wait time.Duration, p Patience) {
	millis := wait.Milliseconds()
	h.Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	if p.Once > 0 && wait <= p.Longest {
		millis = min(millis, p.Once.Milliseconds())
	}
	h.Set("Retry-After-Ms", strconv.FormatInt(millis, 10))
	h.Set(shouldRetry, strconv.FormatBool(wait <= p.Longest))
}
