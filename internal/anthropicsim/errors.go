package anthropicsim

import "net/http"

// apiError is an error in Anthropic's format.
type apiError struct {
	Status        int
	Type, Message string
	Details       map[string]string // nil: none
}

// body is the whole body, as documented at platform.claude.com/docs/en/api/errors.
func (e *apiError) body(requestID string) any {
	type fields struct {
		Type    string            `json:"type"`
		Message string            `json:"message"`
		Details map[string]string `json:"details,omitempty"`
	}
	return struct {
		Type      string `json:"type"`
		Error     fields `json:"error"`
		RequestID string `json:"request_id"`
	}{"error", fields{e.Type, e.Message, e.Details}, requestID}
}

// compat is the error in OpenAI's format (guessed; documented is that messages differ from OpenAI's).
func (e *apiError) compat() any {
	return map[string]any{"error": map[string]any{"code": e.Type, "message": e.Message, "type": e.Type, "param": nil}}
}

// invalid is the error for a request that is at fault.
func invalid(message string) *apiError {
	return &apiError{http.StatusBadRequest, "invalid_request_error", message, nil}
}

// errSpent is captured.
func errSpent() *apiError {
	return invalid("Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.")
}

// errCapped is documented at platform.claude.com/docs/en/api/rate-limits: it has the type of a
// rate limit, and no retry-after.
func errCapped(regain string) *apiError {
	return &apiError{http.StatusTooManyRequests, "rate_limit_error", "You have reached your API usage limits: your organization has crossed its monthly API usage threshold, " +
		"set based on your organization's API tier. You will regain access on " + regain + " at 00:00 UTC.", map[string]string{"error_code": "enforced_spend_limit_reached"}}
}
