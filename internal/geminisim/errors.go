package geminisim

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const service = "generativelanguage.googleapis.com"

// detail is one of google.rpc's error details, with its "@type".
type detail map[string]any

const typePrefix = "type.googleapis.com/google.rpc."

// apiError is an error body and what the log says about it.
type apiError struct {
	code    int
	status  string
	message string
	details []detail
	reason  string // for the log; empty: the reason of an ErrorInfo, or status
	drop    dropKind
}

// dropKind is a failure without a response.
type dropKind int

const (
	respond dropKind = iota
	resetConnection
	hang
)

func (e *apiError) logReason() string {
	if e.reason != "" {
		return e.reason
	}
	for _, d := range e.details {
		if reason, ok := d["reason"].(string); ok {
			return reason
		}
	}
	return e.status
}

// body returns the JSON of the error; inArray as the OpenAI-compatible routes
// and streams without server-sent events send it.
func (e *apiError) body(inArray bool) []byte {
	type inner struct {
		Code    int      `json:"code"`
		Message string   `json:"message"`
		Status  string   `json:"status"`
		Details []detail `json:"details,omitempty"`
	}
	outer := struct {
		Error inner `json:"error"`
	}{inner{e.code, e.message, e.status, e.details}}
	var v any = outer
	if inArray {
		v = []any{outer}
	}
	return encode(v)
}

// encode leaves <, > and & alone, as the real service does.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("geminisim: a response can't be encoded: " + err.Error()) // its types are all ours
	}
	return b.Bytes()
}

func errorInfo(reason string, metadata map[string]string) detail {
	return detail{"@type": typePrefix + "ErrorInfo", "reason": reason, "domain": "googleapis.com", "metadata": metadata}
}

func localized(message string) detail {
	return detail{"@type": typePrefix + "LocalizedMessage", "locale": "en-US", "message": message}
}

func invalidArgument(message string) *apiError {
	return &apiError{code: http.StatusBadRequest, status: "INVALID_ARGUMENT", message: message}
}

func permissionDenied(message string, details ...detail) *apiError {
	return &apiError{code: http.StatusForbidden, status: "PERMISSION_DENIED", message: message, details: details}
}

func errTooManyTokens() *apiError {
	return invalidArgument(fmt.Sprintf(
		"The input token count exceeds the maximum number of tokens allowed (%d).", inputTokenLimit))
}

func errNotFound(version, model, method string) *apiError {
	return &apiError{code: http.StatusNotFound, status: "NOT_FOUND", message: fmt.Sprintf(
		"models/%s is not found for API version %s, or is not supported for %s. Call ModelService.ListModels to see the list of available models and their supported methods.",
		model, version, method)}
}

func errNoKey() *apiError {
	return permissionDenied("Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.")
}

func errManyCredentials() *apiError {
	return invalidArgument("Multiple authentication credentials received. Please pass only one.")
}

func errBearer() *apiError {
	return &apiError{code: http.StatusUnauthorized, status: "UNAUTHENTICATED",
		message: "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.",
		details: []detail{{"@type": typePrefix + "ErrorInfo", "reason": "ACCESS_TOKEN_TYPE_UNSUPPORTED",
			"metadata": map[string]string{"service": service}}}}
}

func errInvalidKey(message string) *apiError {
	e := invalidArgument(message)
	e.details = []detail{errorInfo("API_KEY_INVALID", map[string]string{"service": service}), localized(message)}
	return e
}

// errKeyState returns the refusal of a key that isn't healthy, or nil.
func errKeyState(st KeyState, value, project, method string) *apiError {
	consumer := "projects/" + projectNumber(project)
	switch st {
	case KeyInvalid:
		return errInvalidKey("API key not valid. Please pass a valid API key.")
	case KeyExpired:
		return errInvalidKey("API key expired. Please renew the API key.")
	case KeyLeaked:
		return permissionDenied("Your API key was reported as leaked. Please use another API key.")
	case KeySuspended:
		return permissionDenied("Permission denied: Consumer 'api_key:"+value+"' has been suspended.",
			errorInfo("CONSUMER_SUSPENDED", map[string]string{
				"consumer": consumer, "service": service, "containerInfo": "api_key:" + value}))
	case KeyBlocked:
		message := "Requests to this API " + service + " method " + method + " are blocked."
		return permissionDenied(message, errorInfo("API_KEY_SERVICE_BLOCKED", map[string]string{
			"consumer": consumer, "service": service, "apiName": service, "methodName": method}), localized(message))
	case KeyDisabledAPI:
		return errAPIDisabled(projectNumber(project))
	default:
		return nil
	}
}

func errAPIDisabled(number string) *apiError {
	link := "https://console.developers.google.com/apis/api/" + service + "/overview?project=" + number
	message := "Generative Language API has not been used in project " + number +
		" before or it is disabled. Enable it by visiting " + link +
		" then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems and retry."
	return permissionDenied(message,
		detail{"@type": typePrefix + "Help", "links": []map[string]string{
			{"description": "Google developers console API activation", "url": link}}},
		errorInfo("SERVICE_DISABLED", map[string]string{
			"activationUrl": link, "consumer": "projects/" + number, "containerInfo": number,
			"service": service, "serviceTitle": "Generative Language API"}),
		localized(message))
}

// projectNumber makes up the twelve-digit number of a project.
func projectNumber(project string) string {
	sum := sha256.Sum256([]byte(project))
	return strconv.FormatUint(100_000_000_000+binary.BigEndian.Uint64(sum[:8])%900_000_000_000, 10)
}

// errQuota returns the 429 for a set of violations.
func errQuota(model string, embed bool, violations []violation, dailyDelay time.Duration) *apiError {
	const help = "https://ai.google.dev/gemini-api/docs/rate-limits"
	var (
		lines  strings.Builder
		list   []detail
		short  []string
		delay  time.Duration
		daily  bool
		noneOf = true
	)
	for _, v := range violations {
		metric, id, name := quotaNames(v.kind, embed)
		fmt.Fprintf(&lines, "\n* Quota exceeded for metric: %s, limit: %d, model: %s", metric, v.limit, model)
		d := detail{"quotaMetric": metric, "quotaId": id,
			"quotaDimensions": map[string]string{"location": "global", "model": model}}
		if v.limit > 0 {
			d["quotaValue"] = strconv.FormatInt(v.limit, 10)
			short = append(short, name)
			noneOf = false
		}
		list = append(list, d)
		daily = daily || v.limit == 0 || v.kind == perDayRequests
		delay = max(delay, v.wait)
	}
	if daily {
		delay = dailyDelay
	}
	reason := strings.Join(short, "+")
	if noneOf {
		reason = "no_quota"
	}
	return &apiError{
		code:   http.StatusTooManyRequests,
		status: "RESOURCE_EXHAUSTED",
		reason: reason,
		message: "You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: " +
			help + ". To monitor your current usage, head to: https://ai.dev/rate-limit. " + lines.String() +
			"\nPlease retry in " + delay.String() + ".",
		details: []detail{
			{"@type": typePrefix + "Help", "links": []map[string]string{
				{"description": "Learn more about Gemini API quotas", "url": help}}},
			{"@type": typePrefix + "QuotaFailure", "violations": list},
			{"@type": typePrefix + "RetryInfo", "retryDelay": strconv.FormatInt(int64(delay/time.Second), 10) + "s"},
		},
	}
}

// quotaNames returns quotaMetric, quotaId and this package's short name.
func quotaNames(kind limitKind, embed bool) (metric, id, name string) {
	const prefix = service + "/"
	requests, tokens, family := "generate_content_free_tier_requests", "generate_content_free_tier_input_token_count", "Generate"
	perMinute, perDay := "GenerateContentInputTokensPerModelPerMinute-FreeTier", "GenerateContentInputTokensPerModelPerDay-FreeTier"
	if embed {
		requests, tokens, family = "embed_content_free_tier_requests", "embed_content_free_tier_input_token_count", "EmbedContent"
		perMinute, perDay = "EmbedContentInputTokensPerMinutePerProjectPerModel-FreeTier", "EmbedContentInputTokensPerDayPerProjectPerModel-FreeTier"
	}
	switch kind {
	case perMinuteTokens:
		return prefix + tokens, perMinute, "tpm"
	case perDayTokens:
		return prefix + tokens, perDay, "tpd"
	case perDayRequests:
		return prefix + requests, family + "RequestsPerDayPerProjectPerModel-FreeTier", "rpd"
	default:
		return prefix + requests, family + "RequestsPerMinutePerProjectPerModel-FreeTier", "rpm"
	}
}

func errNoSuchURL() *apiError {
	return &apiError{code: http.StatusNotFound, status: "NOT_FOUND", message: "The requested URL was not found on this server."}
}

// statusCancelled is what is logged of a request whose client hung up.
const statusCancelled = 499

func errCancelled() *apiError {
	return &apiError{code: statusCancelled, status: "CANCELLED", message: "The operation was cancelled."}
}
