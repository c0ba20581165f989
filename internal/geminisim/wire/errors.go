package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// Service is the name of the API.
const Service = "generativelanguage.googleapis.com"

// A Detail is one of google.rpc's error details, with its "@type".
type Detail map[string]any

// TypePrefix is what the "@type" of a detail begins with.
const TypePrefix = "type.googleapis.com/google.rpc."

// An Error is an error body and what the log says about it.
type Error struct {
	Code    int
	Status  string
	Message string
	Details []Detail
	Reason  string // for the log; empty: the reason of an ErrorInfo, or status
	Drop    Drop
}

// A Drop is a failure without a response.
type Drop int

// How a request ends that fails.
const (
	Respond         Drop = iota // with a response after all
	ResetConnection             // without a byte
	Hang                        // nothing comes
)

// LogReason is what the log says about it.
func (e *Error) LogReason() string {
	if e.Reason != "" {
		return e.Reason
	}
	for _, d := range e.Details {
		if reason, ok := d["reason"].(string); ok {
			return reason
		}
	}
	return e.Status
}

// Body returns the JSON of the error; inArray as the OpenAI-compatible routes
// and streams without server-sent events send it.
func (e *Error) Body(inArray bool) []byte {
	type inner struct {
		Code    int      `json:"code"`
		Message string   `json:"message"`
		Status  string   `json:"status"`
		Details []Detail `json:"details,omitempty"`
	}
	outer := struct {
		Error inner `json:"error"`
	}{inner{e.Code, e.Message, e.Status, e.Details}}
	var v any = outer
	if inArray {
		v = []any{outer}
	}
	return Encode(v)
}

// Encode returns a value as JSON. It leaves <, > and & alone, as the real service does.
func Encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("wire: a response can't be encoded: " + err.Error()) // its types are all ours
	}
	return b.Bytes()
}

// ErrorInfo returns the detail of that name.
func ErrorInfo(reason string, metadata map[string]string) Detail {
	return Detail{"@type": TypePrefix + "ErrorInfo", "reason": reason, "domain": "googleapis.com", "metadata": metadata}
}

// Localized returns the detail LocalizedMessage.
func Localized(message string) Detail {
	return Detail{"@type": TypePrefix + "LocalizedMessage", "locale": "en-US", "message": message}
}

// InvalidArgument is a 400.
func InvalidArgument(message string) *Error {
	return &Error{Code: http.StatusBadRequest, Status: "INVALID_ARGUMENT", Message: message}
}

// PermissionDenied is a 403.
func PermissionDenied(message string, details ...Detail) *Error {
	return &Error{Code: http.StatusForbidden, Status: "PERMISSION_DENIED", Message: message, Details: details}
}

// ModelNotFound is the 404 of a model that isn't there or doesn't know the method.
func ModelNotFound(version, model, method string) *Error {
	return &Error{Code: http.StatusNotFound, Status: "NOT_FOUND", Message: fmt.Sprintf(
		"models/%s is not found for API version %s, or is not supported for %s. Call ModelService.ListModels to see the list of available models and their supported methods.",
		model, version, method)}
}

// Retired is the 404 of a model that is listed still, and no longer to be had (captured).
func Retired(model string) *Error {
	return &Error{Code: http.StatusNotFound, Status: "NOT_FOUND", Reason: "retired",
		Message: "This model models/" + model + " is no longer available to new users. Please update your code to use a newer model for the latest features and improvements."}
}

// ProjectNumber makes up the twelve-digit number of a project.
func ProjectNumber(project string) string {
	sum := sha256.Sum256([]byte(project))
	return strconv.FormatUint(100_000_000_000+binary.BigEndian.Uint64(sum[:8])%900_000_000_000, 10)
}

// NoSuchURL is the 404 of a path that means nothing.
func NoSuchURL() *Error {
	return &Error{Code: http.StatusNotFound, Status: "NOT_FOUND", Message: "The requested URL was not found on this server."}
}

// StatusCancelled is what is logged of a request whose client hung up.
const StatusCancelled = 499

// Cancelled is what is answered to a client that hung up.
func Cancelled() *Error {
	return &Error{Code: StatusCancelled, Status: "CANCELLED", Message: "The operation was cancelled."}
}
