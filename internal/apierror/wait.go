package apierror

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// The headers by which a wait says what is kept, and what to send back.
const (
	TicketHeader = "X-Fluxgate-Ticket"
	BookedHeader = "X-Fluxgate-Booked"
	// InsteadHeader names a model of the chain that is free now.
	InsteadHeader = "X-Fluxgate-Free-Model"
)

// A Wait is a refusal for want of quota, with the exact time to come back.
type Wait struct {
	Left   time.Duration // of the wait, at the instant of writing
	Cause  scheduler.Cause
	Limits scheduler.Limits // of what stands in the way
	// Caller is set where the caller's own limits stand in the way. Nothing is kept
	// for it then, and there is no ticket.
	Caller string
	// Budget is the ID of the caller's budget that is used up, and BudgetLimit what it is, where
	// that stands in the way.
	Budget, BudgetLimit string
	// Of a wait for a project: the model, what stands in the way beside it, in words,
	// whether its slot is kept, and the ticket.
	Model  string
	Beside string
	// On is the calendar that stands in the way, as package scheduler names it; empty: the model's.
	On     string
	Booked bool
	Ticket string
	// Contested says that other callers wait for the model, or were served lately.
	Contested bool
	// Preferred says that only the project of the key that the caller prefers was asked.
	Preferred bool
	// Patience is that of the route's clients.
	Patience Patience
	// Within, if not nil, is how long the caller said that it can wait.
	Within *time.Duration
	// Models are those that the request could go to, Projects how many projects, and At is
	// when it can.
	Models   []string
	Projects int
	At       time.Time
	// Instead is a model of the chain that could serve it sooner, in InsteadIn; empty: none.
	Instead   string
	InsteadIn time.Duration
}

// late reports whether the wait is longer than the caller can wait.
func (w *Wait) late() bool { return w.Within != nil && w.Left > *w.Within }

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

// WriteWait answers a wait: 429 in Gemini's own error shape, or OpenAI's. It is
// told in milliseconds, and rounded up to seconds.
func WriteWait(w http.ResponseWriter, f Format, wait Wait) {
	h := w.Header()
	setOwnRetry(h, wait.Left, wait.Patience)
	if wait.late() {
		h.Set(shouldRetry, "false")
	}
	h.Set(BookedHeader, strconv.FormatBool(wait.Booked))
	if wait.Ticket != "" {
		h.Set(TicketHeader, wait.Ticket)
	}
	if wait.Instead != "" && wait.InsteadIn == 0 {
		h.Set(InsteadHeader, wait.Instead)
	}
	delay := inSeconds(wait.Left)
	v, message := wait.ofProject(delay)
	if wait.Caller != "" {
		v, message = wait.ofCaller(delay)
	}
	writeOwn(w, f, status{
		Code: http.StatusTooManyRequests, Status: "RESOURCE_EXHAUSTED", Message: message,
		Details: []any{
			quotaFailure{typeQuotaFailure, []violation{v}},
			retryInfo{typeRetryInfo, delay},
		},
	})
}

// ofProject names the limit of a project that stands in the way.
func (w *Wait) ofProject(delay string) (v violation, message string) {
	if scheduler.FamilyOf(w.Model) == scheduler.Foreign {
		v, message = w.ofOther()
	} else {
		v, message = w.ofGemini()
	}
	return v, fmt.Sprintf("%s %s\n%s%s", w.busy(), message, w.advice(delay), w.sooner())
}

// ofGemini names it with Google's own ids: clients act upon them, and give up at once on one per
// day.
func (w *Wait) ofGemini() (v violation, message string) {
	limit, period := w.Limits.RPM, "Minute"
	if w.Cause.Daily() {
		limit, period = w.Limits.RPD, "Day"
	} else if w.Cause == scheduler.ByTest {
		limit = 0 // the minute's isn't reached, and the day's name would have clients give up
	}
	v = violation{
		Metric:     "generativelanguage.googleapis.com/generate_requests_per_model",
		ID:         "GenerateRequestsPer" + period + "PerProjectPerModel",
		Dimensions: map[string]string{"location": "global", "model": w.Model},
	}
	switch {
	case w.Beside != "":
		// Google's names of these aren't known: ours say that they are ours.
		v.Metric, v.ID = "fluxgate.dev/requests_per_feature", "RequestsPer"+period+"PerProjectPerFeature"
		v.Dimensions = map[string]string{"model": w.Model, "feature": w.Beside}
		if w.Cause == scheduler.ByTPM {
			v.Metric, v.ID, limit = "fluxgate.dev/tokens_per_feature", "TokensPerMinutePerProjectPerFeature", w.Limits.TPM
		}
	case w.Cause == scheduler.ByTPM:
		v.Metric = "generativelanguage.googleapis.com/generate_content_input_token_count"
		v.ID = "GenerateContentInputTokensPerModelPerMinute"
		limit = w.Limits.TPM
	}
	said := ""
	if limit > 0 { // it may be unlimited as far as we know, and busy all the same
		v.Value = strconv.FormatInt(limit, 10)
		said = ", limit: " + v.Value
	}
	return v, fmt.Sprintf("Quota exceeded for metric: %s%s, model: %s", v.Metric, said, w.Model)
}

// busy says what can't take the request.
func (w *Wait) busy() string {
	switch {
	case w.Cause.Daily() && w.Beside == "":
		return w.spent()
	case w.Cause == scheduler.ByTest:
		return fmt.Sprintf("The day's requests that are known of %s are used up. Whether there are more is being tried, one request at a time.", inWords(w.Models))
	case w.Preferred:
		return "The project of the key that you prefer is busy; others may not be."
	}
	return "Every usable project is busy."
}

// spent says whose day is spent, and when the next begins.
func (w *Wait) spent() string {
	where := "the project that could serve it"
	if w.Projects > 1 && !w.Preferred {
		where = fmt.Sprintf("all %d projects that could serve it", w.Projects)
	}
	return fmt.Sprintf("The day's requests of %s are spent on %s. The next day begins at %s, Pacific midnight, in %s. Until then only another model or project can help.",
		inWords(w.Models), where, w.At.UTC().Format("2006-01-02 15:04 UTC"), w.Left.Round(time.Minute))
}

// inWords lists names in a sentence.
func inWords(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// sooner says which model could serve the caller before the one that it is to wait for, and
// how to have that.
func (w *Wait) sooner() string {
	switch {
	case w.Instead == "":
		return ""
	case w.InsteadIn == 0:
		return fmt.Sprintf(" %s is free now: send X-Fluxgate-Max-Wait: 0 (max_wait 0 in a body of /generate) to take whichever model is.", w.Instead)
	}
	return fmt.Sprintf(" %s could take it in %s: send that as X-Fluxgate-Max-Wait (max_wait in a body of /generate).", w.Instead, inSeconds(w.InsteadIn))
}

// advice says when to come back, in the words that clients look for: gemini-cli "retry
// in 45.000s", as Google has it, LangChain and many applications "try again in 45.000s",
// as OpenAI has it.
func (w *Wait) advice(delay string) string {
	switch {
	case w.late() && !w.Booked:
		return fmt.Sprintf("You can wait for %s only, so nothing is kept for you. It would be possible to retry in %s.", inSeconds(*w.Within), delay)
	case w.Cause == scheduler.ByTest:
		return fmt.Sprintf("Nothing is kept for you: try again in %s. Please retry in %s.", delay, delay)
	case w.Cause.Daily() && !w.Booked && w.Beside == "":
		return fmt.Sprintf("Nothing is kept for you. Please retry in %s.", delay)
	case w.Booked:
		return fmt.Sprintf("A slot is kept for you: try again in %s. Please retry in %s.", delay, delay)
	case w.Contested:
		return fmt.Sprintf("Nothing is kept for you yet: try again in %s. Others wait, or were served lately; it is the turn of whoever has been served least. Please retry in %s.", delay, delay)
	}
	return fmt.Sprintf("Nothing is kept for you yet: try again in %s, and if there is still no room a slot will be. Please retry in %s.", delay, delay)
}

func inSeconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) + "s" }

// ofCaller names the caller's own limit that stands in the way.
func (w *Wait) ofCaller(delay string) (v violation, message string) {
	v = violation{
		Metric:     "fluxgate.dev/requests_per_caller",
		ID:         "RequestsPerMinutePerCaller",
		Dimensions: map[string]string{"caller": w.Caller},
		Value:      strconv.FormatInt(w.Limits.RPM, 10),
	}
	if w.Budget != "" {
		v.Metric, v.ID, v.Value = "fluxgate.dev/budget_per_caller", w.Budget, w.BudgetLimit
		return v, fmt.Sprintf("Your own budget here is used up (caller %s, quota %s, limit: %s), with what is on its way, whatever the projects could take. Nothing is kept for you: there is room again at %s. An administrator can give you more. Please retry in %s.",
			w.Caller, v.ID, v.Value, w.At.UTC().Format(time.RFC3339), delay)
	}
	switch w.Cause {
	case scheduler.ByTPM:
		v.Metric, v.ID, v.Value = "fluxgate.dev/input_tokens_per_caller", "InputTokensPerMinutePerCaller", strconv.FormatInt(w.Limits.TPM, 10)
	case scheduler.ByRPD:
		v.ID, v.Value = "RequestsPerDayPerCaller", strconv.FormatInt(w.Limits.RPD, 10)
	}
	return v, fmt.Sprintf("Your own limit here is used up (caller %s, quota %s, limit: %s), whatever the projects could take. Nothing is kept for you: try again in %s. Please retry in %s.",
		w.Caller, v.ID, v.Value, delay, delay)
}
