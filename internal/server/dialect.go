package server

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"

	"fluxgate.dev/fluxgate/internal/callers"
)

// A dialect is the shape in which a route's clients expect errors.
type dialect int

const (
	native  dialect = iota // Google's, and that of Fluxgate's own routes
	openAIs                // OpenAI's
)

// An arrival is what is known of a request before its handler runs.
type arrival struct {
	dialect dialect
	caller  callers.Caller
	log     *slog.Logger
}

type arrivalKey struct{}

func withArrival(ctx context.Context, a arrival) context.Context {
	return context.WithValue(ctx, arrivalKey{}, a)
}

func dialectOf(r *http.Request) dialect { return arrivalOf(r).dialect }

// callerOf returns the public name of the caller; empty where callers aren't
// told apart.
func callerOf(r *http.Request) string { return arrivalOf(r).caller.Name }

func arrivalOf(r *http.Request) arrival { return arrivalIn(r.Context()) }

func arrivalIn(ctx context.Context) arrival {
	a, _ := ctx.Value(arrivalKey{}).(arrival)
	return a
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

// writeError answers an error in the dialect of the route.
func writeError(w http.ResponseWriter, d dialect, e errorStatus) {
	if d == native {
		writeJSON(w, e.Code, errorBody{e})
		return
	}
	var out openAIError
	out.Error.Message, out.Error.Status = e.Message, e.Status
	out.Error.Type, out.Error.Code = openAIKind(e.Code)
	if len(e.Details) > 0 {
		out.Error.Details = e.Details
	}
	writeJSON(w, e.Code, out)
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

// writeBody passes an upstream error's body on: as it is, or in OpenAI's shape.
func writeBody(w http.ResponseWriter, d dialect, status int, body []byte) {
	if d == native {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write(body) // the caller may have left
		return
	}
	var upstream struct {
		Error struct {
			Message string `json:"message"`
			Status  string `json:"status"`
			Details []any  `json:"details"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &upstream) != nil || upstream.Error.Message == "" {
		upstream.Error.Message = http.StatusText(status)
	}
	writeError(w, d, errorStatus{Code: status, Message: upstream.Error.Message, Status: upstream.Error.Status, Details: upstream.Error.Details})
}
