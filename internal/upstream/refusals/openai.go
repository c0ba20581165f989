package refusals

import (
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/statuses"
)

// verdict is what a code or type means.
type verdict struct {
	class Class
	scope Scope
}

// codes are those of OpenAI and of those that speak like it. A RateLimit's words are read for more.
var codes = map[string]verdict{
	// Documented in OpenAI's guide to error codes.
	"insufficient_quota": {Spent, Project}, "credit_balance_exhausted": {Spent, Project},
	"organization_spend_limit_exceeded": {Spent, Project}, "organization_usage_limit_exceeded": {Spent, Project},
	"project_spend_limit_exceeded": {Spent, Key}, // OpenAI's projects are parts of what is one here; "other projects keep working"
	"slow_down":                    {RateLimit, Model}, "server_is_overloaded": {Overloaded, Everyone}, "service_unavailable_error": {Overloaded, Everyone},
	"invalid_api_key": {KeyInvalid, Key}, "rate_limit_exceeded": {RateLimit, Model}, "model_not_found": {ModelUnknown, Model},
	"unsupported_country_region_territory": {Denied, Everyone}, "context_length_exceeded": {Caller, Request},
	// Captured of OpenAI.
	"billing_not_active": {Spent, Project}, "billing_hard_limit_reached": {Spent, Project},
	// Azure's, documented and captured.
	"DeploymentNotFound": {ModelUnknown, Model}, "content_filter": {Caller, Request},
	// In the tables of public clients, not captured.
	"account_deactivated": {KeyInvalid, Key}, "insufficient_permissions": {Denied, Key}, "missing_scope": {Denied, Key}, "ip_not_authorized": {Denied, Everyone},
	"previous_response_not_found": {Caller, Request}, "content_policy_violation": {Caller, Request}, "NoCapacity": {Overloaded, Everyone},
	"model_rate_limit": {RateLimit, Model}, "model_not_available": {ModelUnknown, Model},
	// Groq's, captured: a model that was taken from service.
	"model_decommissioned": {ModelUnknown, Model}, "model_permission_blocked_org": {Denied, Model}, "model_permission_blocked_project": {Denied, Model},
	"organization_restricted": {Denied, Project},
	// Mistral's, captured: its codes are numbers.
	"1300": {RateLimit, Model}, "1500": {ModelUnknown, Model}, "rate_limited": {RateLimit, Model}, "invalid_model": {ModelUnknown, Model},
	"3505": {Overloaded, Everyone}, "service_tier_capacity_exceeded": {Overloaded, Everyone},
	// Cerebras's, captured.
	"request_quota_exceeded": {RateLimit, Model}, "token_quota_exceeded": {RateLimit, Model}, "too_many_requests_error": {RateLimit, Model}, "wrong_api_key": {KeyInvalid, Key},
	"queue_exceeded": {Overloaded, Everyone},
	// Together's, captured or documented.
	"rate_limit": {RateLimit, Model}, "credit_limit": {Spent, Project}, "dynamic_request_limited": {RateLimit, Model}, "dynamic_token_limited": {RateLimit, Model},
}

// types say less, and some endpoints have them for codes.
var types = map[string]verdict{
	"rate_limit_error": {RateLimit, Model}, "requests": {RateLimit, Model}, "tokens": {RateLimit, Model}, "authentication_error": {KeyInvalid, Key},
	"permission_error": {Denied, Key}, "overloaded_error": {Overloaded, Everyone}, "billing_error": {Spent, Project}, "server_error": {Server, Request}, "api_error": {Server, Request},
}

// texts decide where no code does, by how a message begins and the status.
var texts = []struct {
	status  int
	text    string
	verdict verdict
}{
	{http.StatusTooManyRequests, "You exceeded your current quota", verdict{Spent, Project}},                // OpenAI, captured with a code of null
	{http.StatusTooManyRequests, "You have no credits remaining", verdict{Spent, Project}},                  // likewise
	{http.StatusTooManyRequests, "The engine is currently overloaded", verdict{Overloaded, Everyone}},       // documented
	{http.StatusTooManyRequests, "That model is currently overloaded", verdict{Overloaded, Everyone}},       // captured
	{http.StatusTooManyRequests, "Service tier capacity exceeded", verdict{Overloaded, Everyone}},           // Mistral, captured
	{http.StatusUnauthorized, "You have insufficient permissions for this operation", verdict{Denied, Key}}, // OpenAI, captured
	{http.StatusForbidden, "You have insufficient permissions for this operation", verdict{Denied, Key}},    // likewise
	{http.StatusForbidden, "Country, region, or territory not supported", verdict{Denied, Everyone}},        // documented
	{http.StatusBadRequest, "Incorrect API key provided", verdict{KeyInvalid, Key}},                         // xAI, captured
	{http.StatusBadRequest, "Invalid model", verdict{ModelUnknown, Model}},                                  // Mistral, captured
	{http.StatusNotFound, "The model ", verdict{ModelUnknown, Model}},                                       // OpenAI, vLLM
	{http.StatusNotFound, "model: ", verdict{ModelUnknown, Model}},                                          // Anthropic's endpoint of this format
	{http.StatusNotFound, "model ", verdict{ModelUnknown, Model}},                                           // Ollama: model "x" not found
	{http.StatusNotFound, "No endpoints found", verdict{ModelUnknown, Model}},                               // OpenRouter, captured
	{http.StatusTooManyRequests, "You have reached your API usage limits", verdict{Spent, Project}},         // Anthropic's endpoint of this format, documented of its own; and the next three
	{http.StatusBadRequest, "You have reached your specified API usage limits", verdict{Spent, Project}},
	{http.StatusBadRequest, "You have reached your specified workspace API usage limits", verdict{Spent, Key}},
	{http.StatusBadRequest, "Your credit balance is too low", verdict{Spent, Project}},
	{http.StatusServiceUnavailable, "The server is currently overloaded", verdict{Overloaded, Everyone}}, // OpenAI, documented
	{http.StatusServiceUnavailable, "The engine is currently overloaded", verdict{Overloaded, Everyone}}, // documented
}

// OpenAI reads an error in OpenAI's format. Of an error in an answer that began with 200, pass 200.
func OpenAI(status int, body []byte) Refusal {
	r := openAI(status, body)
	r.stand()
	return r
}

func openAI(status int, body []byte) Refusal {
	f := parse(body)
	r := f.refusal(f.status(status))
	if v, ok := codes[r.Code]; ok {
		r.decide(v, f)
		return r
	}
	for _, t := range texts {
		if t.status == r.Status && strings.HasPrefix(r.Message, t.text) {
			r.decide(t.verdict, f)
			return r
		}
	}
	for _, word := range []string{r.Code, r.Type} {
		for _, known := range []map[string]verdict{codes, types} {
			if v, ok := known[word]; ok {
				r.decide(v, f)
				return r
			}
		}
	}
	if begins(r.Message, "Your team ") && strings.Contains(r.Message, "used all available credits") { // xAI, captured with 403, 429 and 200
		r.set(Spent, Project)
		return r
	}
	if r.Status == http.StatusForbidden && r.flagged() {
		r.set(Caller, Request)
		return r
	}
	r.byStatus(f)
	return r
}

// flagged reports whether what was asked isn't allowed, whoever asks it of whichever project: OpenRouter's moderation
// (documented) and xAI's (in public reports) say so with 403. That is at worst the one caller's loss, so any words will do.
func (r *Refusal) flagged() bool {
	for _, words := range []string{"requires moderation", "input was flagged", "violates usage guidelines"} {
		if strings.Contains(r.Message, words) {
			return true
		}
	}
	return false
}

// decide takes a verdict, and looks closer where it is about a limit or a key.
func (r *Refusal) decide(v verdict, f failure) {
	r.set(v.class, v.scope)
	switch {
	case v.class == RateLimit && r.Code == "slow_down": // a rate that rose too fast, not a limit
	case v.class == RateLimit && begins(r.Message, "The engine is currently overloaded", "That model is currently overloaded"):
		r.set(Overloaded, Everyone)
	case v.class == RateLimit:
		r.limited()
	case v.class == Spent:
		r.Until = regained(r.Message)
	case v.class == ModelUnknown && r.Status == http.StatusForbidden:
		// "Project `p` does not have access to model `m`" has the code model_not_found (captured).
		r.set(Denied, Model)
	case v.class == Server && !f.found:
		r.set(Unsure, Request)
	}
}

// byStatus decides where only the status says something.
func (r *Refusal) byStatus(f failure) {
	switch s := r.Status; {
	case s == http.StatusTooManyRequests:
		r.limited()
	case s == http.StatusPaymentRequired:
		r.set(Spent, Project)
	case s == http.StatusUnauthorized:
		r.set(KeyInvalid, Key)
	case s == http.StatusForbidden:
		r.set(Denied, Key)
	case s == http.StatusRequestEntityTooLarge:
		r.limited()
		if r.Class != TooLarge {
			r.set(Caller, Request)
		}
	case s == http.StatusServiceUnavailable, s == statuses.Overloaded, s == statuses.NoCapacity:
		r.set(Overloaded, Everyone)
		if !f.found {
			r.set(Unsure, Request)
		}
	case s == http.StatusRequestTimeout, s == statuses.ClientClosed, s >= 500:
		r.set(Server, Request)
		if !f.found || s == statuses.ClientClosed || s == http.StatusRequestTimeout || s == http.StatusGatewayTimeout {
			r.set(Unsure, Request)
		}
	case s >= 400:
		r.set(Caller, Request)
	case s >= 300: // it wasn't served: the address is wrong
		r.set(Server, Request)
	default:
		r.set(Unsure, Request)
	}
}
