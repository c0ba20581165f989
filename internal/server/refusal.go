package server

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"fluxgate.dev/fluxgate/internal/gate"
	"fluxgate.dev/fluxgate/scheduler"
)

// longestRetry is the wait up to which client libraries retry by themselves.
// Beyond it they are told not to, so that they report it instead of trying in
// vain at their own pace.
const longestRetry = 60 * time.Second

// Google's type names of error details.
const (
	typeQuotaFailure = "type.googleapis.com/google.rpc.QuotaFailure"
	typeRetryInfo    = "type.googleapis.com/google.rpc.RetryInfo"
)

type quotaFailure struct {
	Type       string      `json:"@type"`
	Violations []violation `json:"violations"`
}

type violation struct {
	Metric     string            `json:"quotaMetric"`
	ID         string            `json:"quotaId"`
	Dimensions map[string]string `json:"quotaDimensions"`
	Value      string            `json:"quotaValue,omitempty"`
}

type retryInfo struct {
	Type  string `json:"@type"`
	Delay string `json:"retryDelay"`
}

// writeWait answers a refusal: 429 in Gemini's own error shape. What is
// left of the wait is taken at the instant of writing (gate.Gate.Left), and told
// in milliseconds and rounded up to seconds.
func writeWait(w http.ResponseWriter, d dialect, wait *gate.Wait, left time.Duration) {
	h := w.Header()
	setRetry(h, left)
	h.Set(ticketHeader, wait.Ticket)
	h.Set(bookedHeader, strconv.FormatBool(wait.Booked))

	v := violationOf(wait)
	delay := strconv.FormatFloat(left.Seconds(), 'f', 3, 64) + "s"
	kept := "Nothing is kept for you yet: come back then, and if there is still no room a slot will be."
	if wait.Booked {
		kept = "A slot is kept for you."
	}
	limit := ""
	if v.Value != "" {
		limit = ", limit: " + v.Value
	}
	writeError(w, d, errorStatus{
		Code:   http.StatusTooManyRequests,
		Status: "RESOURCE_EXHAUSTED",
		Message: fmt.Sprintf("Every usable project is busy. Quota exceeded for metric: %s%s, model: %s\n%s Please retry in %s.",
			v.Metric, limit, wait.Model, kept, delay),
		Details: []any{
			quotaFailure{typeQuotaFailure, []violation{v}},
			retryInfo{typeRetryInfo, delay},
		},
	})
}

// violationOf names the limit that stands in the way, with Google's own ids:
// clients act upon them, and give up at once on one per day.
func violationOf(wait *gate.Wait) violation {
	v := violation{
		Metric:     "generativelanguage.googleapis.com/generate_requests_per_model",
		Dimensions: map[string]string{"location": "global", "model": wait.Model},
	}
	limit := wait.Limit.RPM
	switch wait.Cause {
	case scheduler.ByTPM:
		v.Metric = "generativelanguage.googleapis.com/generate_content_input_token_count"
		v.ID = "GenerateContentInputTokensPerModelPerMinute"
		limit = wait.Limit.TPM
	case scheduler.ByRPD, scheduler.ByDay:
		v.ID = "GenerateRequestsPerDayPerProjectPerModel"
		limit = wait.Limit.RPD
	default:
		v.ID = "GenerateRequestsPerMinutePerProjectPerModel"
	}
	if limit > 0 { // it may be unlimited as far as we know, and busy all the same
		v.Value = strconv.FormatInt(limit, 10)
	}
	return v
}

// setRetry says how long to wait, in every form that clients are known to read.
func setRetry(h http.Header, wait time.Duration) {
	h.Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	h.Set("Retry-After-Ms", strconv.FormatInt(wait.Milliseconds(), 10))
	h.Set("X-Should-Retry", strconv.FormatBool(wait <= longestRetry))
}
