package refusals

import (
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/statuses"
)

// anthropicStatus are the statuses of types (documented), for errors within streams.
var anthropicStatus = map[string]int{
	"invalid_request_error": http.StatusBadRequest, "authentication_error": http.StatusUnauthorized, "billing_error": http.StatusPaymentRequired,
	"permission_error": http.StatusForbidden, "not_found_error": http.StatusNotFound, "request_too_large": http.StatusRequestEntityTooLarge,
	"rate_limit_error": http.StatusTooManyRequests, "api_error": http.StatusInternalServerError, "timeout_error": http.StatusGatewayTimeout, "overloaded_error": statuses.Overloaded,
}

// Anthropic reads an error in Anthropic's format. Of an error in an answer that began with 200, pass
// 200.
func Anthropic(status int, body []byte) Refusal {
	f := parse(body)
	r := f.refusal(status)
	if own := anthropicStatus[f.kind]; own != 0 && status < 300 {
		r.Status = own
	}
	if r.Code == "" {
		r.Code = f.detail
	}
	switch f.kind {
	case "rate_limit_error":
		r.rateLimit()
	case "overloaded_error":
		r.set(Overloaded, Everyone)
	case "authentication_error":
		r.set(KeyInvalid, Key)
	case "billing_error":
		r.set(Spent, Project)
	case "permission_error":
		r.set(Denied, Key)
	case "not_found_error":
		// "model: NAME" is captured; anything else is a route or a resource.
		r.set(Caller, Request)
		if strings.HasPrefix(r.Message, "model:") {
			r.set(ModelUnknown, Model)
		}
	case "invalid_request_error", "request_too_large":
		r.invalid()
	case "api_error":
		r.set(Server, Request)
	case "timeout_error": // it was at work on it
		r.set(Unsure, Request)
	default:
		r.byStatus(f)
	}
	r.stand()
	return r
}

// rateLimit tells limits from what only has their type.
func (r *Refusal) rateLimit() {
	switch {
	case r.Code == "enforced_spend_limit_reached", begins(r.Message, "You have reached your API usage limits"): // documented
		r.set(Spent, Project)
		r.Until = regained(r.Message)
	case begins(r.Message, "Extra usage is required for long context"): // captured
		r.set(Denied, Model)
	default: // with a limit; or one for a sharp increase, or for requests at a time, which name none (captured)
		r.limited()
	}
}

// invalid tells billing from requests that are at fault: both have this type.
func (r *Refusal) invalid() {
	switch {
	case begins(r.Message, "Your credit balance is too low"): // captured
		r.set(Spent, Project)
	case begins(r.Message, "You have reached your specified workspace API usage limits"): // documented; a key is of one workspace
		r.set(Spent, Key)
		r.Until = regained(r.Message)
	case begins(r.Message, "You have reached your specified API usage limits"): // documented
		r.set(Spent, Project)
		r.Until = regained(r.Message)
	default:
		r.set(Caller, Request)
	}
}
