package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"fluxgate.dev/fluxgate/internal/gate"
	"fluxgate.dev/fluxgate/internal/gemini"
	"fluxgate.dev/fluxgate/storage"
)

// A code is what an error means to the caller. There are few of them, and one
// table from code to HTTP status and Google's status name.
type code int

const (
	invalidArgument code = iota // the caller can fix it
	neverFits                   // no project can ever take a request of this size
	bodyTooLarge
	bodyTooSlow
	unauthenticated
	forbidden
	notFound
	methodNotAllowed
	noUsableKey // every key is disabled, invalid or without quota: waiting doesn't help
	unguarded   // nobody is let in before an operator says who may be
	unavailable // it may pass: the store or the keys can't be had, or a key failed
	timedOut
	canceled
	internal
)

var codes = map[code]struct {
	http   int
	status string
}{
	invalidArgument:  {http.StatusBadRequest, "INVALID_ARGUMENT"},
	neverFits:        {http.StatusBadRequest, "INVALID_ARGUMENT"},
	bodyTooLarge:     {http.StatusRequestEntityTooLarge, "INVALID_ARGUMENT"},
	bodyTooSlow:      {http.StatusRequestTimeout, "DEADLINE_EXCEEDED"},
	unauthenticated:  {http.StatusUnauthorized, "UNAUTHENTICATED"},
	forbidden:        {http.StatusForbidden, "PERMISSION_DENIED"},
	notFound:         {http.StatusNotFound, "NOT_FOUND"},
	methodNotAllowed: {http.StatusMethodNotAllowed, "UNIMPLEMENTED"},
	noUsableKey:      {http.StatusServiceUnavailable, "UNAVAILABLE"},
	unguarded:        {http.StatusServiceUnavailable, "UNAVAILABLE"},
	unavailable:      {http.StatusServiceUnavailable, "UNAVAILABLE"},
	timedOut:         {http.StatusGatewayTimeout, "DEADLINE_EXCEEDED"},
	canceled:         {499, "CANCELLED"},
	internal:         {http.StatusInternalServerError, "INTERNAL"},
}

// retryUnavailable is the Retry-After of what may have passed by then.
const retryUnavailable = 5 * time.Second

// A problem is an error with a text for the caller and a cause for the log.
type problem struct {
	code   code
	public string
	cause  error
}

func (p *problem) Error() string {
	if p.cause == nil {
		return p.public
	}
	return p.public + ": " + p.cause.Error()
}

func (p *problem) Unwrap() error { return p.cause }

// invalid is a field that the caller got wrong. The text must not repeat what it
// holds: that may be a prompt in the wrong place, and the text is logged.
func invalid(field, text string) error {
	return &problem{code: invalidArgument, public: field + ": " + text}
}

// problemOf says what an error means to the caller.
func problemOf(err error) *problem {
	var p *problem
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &tooLarge):
		return &problem{bodyTooLarge, "The request body is larger than this server takes.", err}
	case errors.Is(err, gate.ErrTooLarge):
		return &problem{neverFits, "The request is larger than any usable project and model can take, now or later. Send less input.", err}
	case errors.Is(err, gate.ErrNoProject):
		return &problem{noUsableKey, "No usable key is left for this request: all are disabled, invalid or without quota for the model. See /status.", err}
	case errors.Is(err, gate.ErrTicket):
		return &problem{invalidArgument, "The ticket is not one of this deployment, or not yours.", err}
	case errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrClosed):
		// Before the timeout: a store has deadlines of its own.
		return &problem{unavailable, "The quota store can't be reached, so nothing was sent. Please retry.", err}
	case errors.Is(err, context.DeadlineExceeded):
		return &problem{timedOut, "The request took longer than its timeout.", err}
	case errors.Is(err, context.Canceled):
		return &problem{canceled, "The caller hung up.", err}
	default:
		return &problem{internal, "Internal error.", err}
	}
}

// errorBody is Google's error shape.
type errorBody struct {
	Error errorStatus `json:"error"`
}

type errorStatus struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Status  string `json:"status"`
	Details []any  `json:"details,omitempty"`
}

// writeProblem answers with a problem.
func writeProblem(w http.ResponseWriter, d dialect, p *problem) {
	c := codes[p.code]
	if p.code == unavailable {
		setRetry(w.Header(), retryUnavailable)
	}
	writeError(w, d, errorStatus{Code: c.http, Message: p.public, Status: c.status})
}

// writeUpstream passes an upstream error on as it is, redacted. What was no
// answer of upstream's is put in our words: the cause names addresses.
func writeUpstream(w http.ResponseWriter, d dialect, e *gemini.Error) {
	status, name, text := e.HTTPStatus, e.Status, e.Message
	switch {
	case e.Class == gemini.ClassTimeout:
		status, name, text = http.StatusGatewayTimeout, "DEADLINE_EXCEEDED", "Gemini didn't answer in time. It may have served the request, so it is not sent again."
	case status == 0:
		status, name, text = http.StatusBadGateway, "UNAVAILABLE", "Gemini can't be reached, or the connection to it broke."
	case status == http.StatusTooManyRequests:
		// There is room elsewhere, or the caller would have been told our own wait.
		setRetry(w.Header(), time.Second)
	}
	if len(e.Body) > 0 {
		writeBody(w, d, status, e.Body)
		return
	}
	if name == "" {
		name = "UNAVAILABLE"
	}
	writeError(w, d, errorStatus{Code: status, Message: text, Status: name})
}

const contentType = "application/json; charset=utf-8"

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(body) // the caller may have left
}
