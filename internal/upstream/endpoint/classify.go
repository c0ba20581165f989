package endpoint

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/upstream"
)

// said is what is read of an error, in either format. Each member is read by itself, so that
// one of another type costs only itself: code is a number with some endpoints.
type said struct{ kind, code, message string }

// read reads an error's body. Some endpoints send {"error":"text"}, {"message":"text"}, or
// the members of an error without an error around them.
func read(body []byte) (s said, object []byte) {
	body = bytes.TrimSpace(body)
	var outer map[string]json.RawMessage
	if json.Unmarshal(body, &outer) != nil || outer == nil {
		return said{}, nil
	}
	inner := outer
	if raw, ok := outer["error"]; ok {
		inner = nil
		if json.Unmarshal(raw, &inner) != nil {
			_ = json.Unmarshal(raw, &s.message) // else it says nothing
		}
	}
	for name, into := range map[string]*string{"type": &s.kind, "code": &s.code, "message": &s.message} {
		if raw, ok := inner[name]; ok {
			_ = json.Unmarshal(raw, into) // of another type, it says nothing
		}
	}
	return s, body
}

// statuses are those of errors in streams that began with 200, by their type.
// https://docs.claude.com/en/api/errors
var statuses = map[string]int{
	"invalid_request_error": http.StatusBadRequest, "authentication_error": http.StatusUnauthorized,
	"billing_error": http.StatusPaymentRequired, "permission_error": http.StatusForbidden,
	"not_found_error": http.StatusNotFound, "request_too_large": http.StatusRequestEntityTooLarge,
	"rate_limit_error": http.StatusTooManyRequests, "api_error": http.StatusInternalServerError,
	"timeout_error": http.StatusGatewayTimeout, "overloaded_error": statusOverloaded, "server_error": http.StatusInternalServerError,
}

// statusOverloaded is Anthropic's for that it has more to do than it can, for everybody.
const statusOverloaded = 529

// Classify implements upstream.Provider. It is pure and accepts any bytes.
func (c *Client) Classify(status int, body []byte, key string) *upstream.Error {
	r := upstream.NewRedactor(key)
	s, object := read(body)
	unusable := status/100 == 2
	if known := statuses[s.kind]; unusable && known != 0 {
		status, unusable = known, false
	}
	e := &upstream.Error{Provider: c.name, HTTPStatus: status, Status: word(s.kind, r), Reason: word(s.code, r)}
	if object != nil {
		e.Body = r.JSON(object)
	}
	e.Class = classOf(status, s, object != nil && s != said{})
	switch e.Class {
	case upstream.ClassBilling:
		e.Reason = upstream.ReasonBilling
	case upstream.ClassDenied:
		e.Reason = upstream.ReasonPermission
	}
	if unusable || status/100 == 3 {
		e.HTTPStatus = http.StatusBadGateway
	}
	if e.Message = upstream.Clip(r.Text(strings.ToValidUTF8(s.message, "\uFFFD"))); e.Message == "" {
		e.Message = http.StatusText(e.HTTPStatus)
	}
	return e
}

// classOf says what an error means. Its words decide before its status, and ours says whether
// it is one of the endpoint's own and not of something on the way there.
func classOf(status int, s said, own bool) upstream.Class {
	switch {
	case s.code == "insufficient_quota", s.kind == "insufficient_quota", s.kind == "billing_error",
		status == http.StatusPaymentRequired, status == http.StatusBadRequest && strings.Contains(s.message, "credit balance is too low"):
		// OpenAI has 429 for that credits are used up, and Anthropic 400, by a text that was
		// captured often (github.com/anthropics/claude-code/issues/2097).
		return upstream.ClassBilling
	case status == http.StatusTooManyRequests:
		return upstream.ClassMinute
	case status == http.StatusUnauthorized:
		return upstream.ClassKeyInvalid
	case s.code == "model_not_found", s.code == "DeploymentNotFound": // with 404, and with 403 where a project may not use it
		return upstream.ClassModelUnknown
	case status == http.StatusForbidden:
		return upstream.ClassDenied
	case status == http.StatusNotFound && (s.kind == "not_found_error" && strings.HasPrefix(s.message, "model:") || strings.Contains(s.message, "model")):
		return upstream.ClassModelUnknown
	case status == statusOverloaded, status == http.StatusServiceUnavailable && own:
		return upstream.ClassServer
	case status == http.StatusRequestTimeout, status >= 500:
		// Nobody of them charges for what failed (guessed of most, documented by none). What
		// isn't the endpoint's error says nothing of what became of the request behind it.
		if own {
			return upstream.ClassServer
		}
		return upstream.ClassBroken
	case status >= 400:
		return upstream.ClassCaller
	case status >= 300:
		return upstream.ClassServer
	}
	return upstream.ClassBroken
}

// maxWord bounds a type or a code, in bytes.
const maxWord = 64

// word returns a type or a code if it is one, as they are named in both formats: it is logged.
func word(text string, r upstream.Redactor) string {
	plain := func(r rune) bool {
		return r == '_' || r == '.' || r == '-' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	if len(text) > maxWord || r.Holds(text) || strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }) {
		return ""
	}
	return text
}
