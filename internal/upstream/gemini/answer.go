package gemini

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/statuses"
)

// answer is what this package reads of an upstream error. Each field is decoded on its own, so that one of an
// unexpected type costs only itself.
type answer struct {
	Code    int
	Message string
	Status  string
	details []detail
}

// detail is one google.rpc message of an error's details; which fields are set depends on its type.
type detail struct {
	Type       string           `json:"@type"`
	Reason     string           `json:"reason"`
	Metadata   map[string]any   `json:"metadata"`
	RetryDelay string           `json:"retryDelay"`
	Violations []quotaViolation `json:"violations"`
}

type quotaViolation struct {
	QuotaMetric     string         `json:"quotaMetric"`
	QuotaID         string         `json:"quotaId"`
	QuotaDimensions map[string]any `json:"quotaDimensions"`
	QuotaValue      any            `json:"quotaValue"`
}

// is compares the type by its last element: "type.googleapis.com/google.rpc.RetryInfo" is RetryInfo.
func (d detail) is(name string) bool { return strings.HasSuffix(d.Type, "google.rpc."+name) }

func (d detail) meta(key string) string {
	s, _ := d.Metadata[key].(string)
	return s
}

// reason returns the reason of the first ErrorInfo that has one; one that condemns the key goes before any other.
func (a answer) reason() string {
	var first string
	for _, d := range a.details {
		if !d.is("ErrorInfo") || d.Reason == "" {
			continue
		}
		if keyReason(d.Reason) {
			return d.Reason
		}
		if first == "" {
			first = d.Reason
		}
	}
	return first
}

// httpStatus returns the status of an error that was found in an answer whose own status says success.
func (a answer) httpStatus(status int) int {
	if a.Code >= 400 && a.Code < 600 {
		return a.Code
	}
	if s, ok := statusCodes[a.Status]; ok {
		return s
	}
	return status
}

// statusCodes maps google.rpc.Code names to HTTP as google/rpc/code.proto does.
var statusCodes = map[string]int{
	"INVALID_ARGUMENT":    http.StatusBadRequest,
	"FAILED_PRECONDITION": http.StatusBadRequest,
	"OUT_OF_RANGE":        http.StatusBadRequest,
	"UNAUTHENTICATED":     http.StatusUnauthorized,
	"PERMISSION_DENIED":   http.StatusForbidden,
	"NOT_FOUND":           http.StatusNotFound,
	"ABORTED":             http.StatusConflict,
	"ALREADY_EXISTS":      http.StatusConflict,
	"RESOURCE_EXHAUSTED":  http.StatusTooManyRequests,
	"CANCELLED":           statuses.ClientClosed,
	"DATA_LOSS":           http.StatusInternalServerError,
	"UNKNOWN":             http.StatusInternalServerError,
	"INTERNAL":            http.StatusInternalServerError,
	"UNIMPLEMENTED":       http.StatusNotImplemented,
	"UNAVAILABLE":         http.StatusServiceUnavailable,
	"DEADLINE_EXCEEDED":   http.StatusGatewayTimeout,
}

// parseAnswer finds the error in body. The object it returns is the JSON to pass on: of an array the element that holds
// the error; nil if body isn't a JSON object or array of objects. Plain text becomes the message, HTML doesn't.
func parseAnswer(body []byte) (object []byte, a answer) {
	body = trimmed(body)
	if !json.Valid(body) || len(body) == 0 || (body[0] != '{' && body[0] != '[') {
		if len(body) > 0 && bytes.IndexByte([]byte("<{[\""), body[0]) < 0 {
			a.Message = string(body)
		}
		return nil, a
	}
	if body[0] == '[' {
		var elements []json.RawMessage
		if json.Unmarshal(body, &elements) != nil {
			return nil, a
		}
		body = nil
		for _, el := range elements {
			if hasError(el) {
				body = el
				break
			}
		}
		if body == nil {
			return nil, a
		}
	}
	var outer struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &outer) != nil {
		return nil, a
	}
	return body, parseError(outer.Error)
}

// hasError tells whether raw is a JSON object with an error in it.
func hasError(raw []byte) bool {
	var outer struct {
		Error json.RawMessage `json:"error"`
	}
	return json.Unmarshal(raw, &outer) == nil && len(outer.Error) > 0 && string(outer.Error) != "null"
}

func parseError(raw json.RawMessage) (a answer) {
	if json.Unmarshal(raw, &a.Message) == nil {
		return a // some gateways send {"error": "text"}
	}
	var fields struct {
		Code, Message, Status, Details json.RawMessage
	}
	if json.Unmarshal(raw, &fields) != nil {
		return answer{}
	}
	lenient(fields.Code, &a.Code)
	lenient(fields.Message, &a.Message)
	lenient(fields.Status, &a.Status)
	var name string // the Interactions API has one for a code
	if lenient(fields.Code, &name); a.Status == "" && statusCodes[strings.ToUpper(name)] != 0 {
		a.Status = strings.ToUpper(name)
	}
	var details []json.RawMessage
	lenient(fields.Details, &details)
	for _, raw := range details {
		var d detail
		lenient(raw, &d)
		a.details = append(a.details, d)
	}
	return a
}

// lenient decodes what it can of raw into v. The decoder goes on after a field of the wrong type, so the other fields
// are still set, and numbers keep all their digits.
func lenient(raw json.RawMessage, v any) {
	if len(raw) == 0 {
		return
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	_ = dec.Decode(v)
}

// keyReason tells whether an ErrorInfo reason (google.api.ErrorReason) condemns the key or its project's use of the API.
func keyReason(reason string) bool {
	switch reason {
	case "CONSUMER_SUSPENDED", "CONSUMER_INVALID", "SERVICE_DISABLED", "CREDENTIALS_MISSING", "USER_PROJECT_DENIED",
		"ACCOUNT_STATE_INVALID", "USER_BLOCKED_BY_ADMIN":
		return true
	}
	return strings.HasPrefix(reason, "API_KEY_") || strings.HasPrefix(reason, "ACCESS_TOKEN_")
}

// projectReason tells whether an ErrorInfo reason says that the project, or whoever a key of it speaks for, may not do
// this by what its operators or Google have set: it is documented for all of Google's APIs, and of Gemini's not captured.
func projectReason(reason string) bool {
	switch reason {
	case "IAM_PERMISSION_DENIED", "SECURITY_POLICY_VIOLATED", "SERVICE_NOT_VISIBLE", "GCP_SUSPENDED":
		return true
	}
	return strings.HasSuffix(reason, "_RESTRICTION_VIOLATED") || reason == "ORG_RESTRICTION_VIOLATION" ||
		strings.HasPrefix(reason, "LOCATION_") && strings.HasSuffix(reason, "POLICY_VIOLATED")
}

// trimmed returns body without surrounding white space and a UTF-8 byte order mark.
func trimmed(body []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(body), []byte("\uFEFF")))
}
