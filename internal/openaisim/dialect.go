package openaisim

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/simquota"
	"fluxgate.dev/fluxgate/internal/simserver"
)

// A Dialect is whose headers and errors are spoken. The format of requests and answers is
// OpenAI's in all of them.
type Dialect int

// The dialects. Of each it is said in dialects what is documented, captured or guessed.
const (
	OpenAI Dialect = iota
	Groq
	Azure
	Mistral
	Cerebras
	Together
	OpenRouter
	XAI
	DeepSeek
	Plain // no headers at all, OpenAI's errors: vLLM, Ollama
)

// dialect is how one provider tells of its limits.
type dialect struct {
	headers func(*answered) // nil: none
	refusal func(project, model string, r *simquota.Refusal, now time.Time) *apiError
	spent   *apiError
}

var dialects = map[Dialect]dialect{
	// Documented at developers.openai.com/api/docs/guides/rate-limits: the six headers. Captured: the errors; that
	// requests of a day are told where there are such ("10000", reset in "8.64s").
	OpenAI: {(*answered).requestsAndTokens, openAIRefusal, openAISpent},
	// Documented at console.groq.com/docs/rate-limits: requests are a day's, tokens a minute's, "2m59.56s". Captured: 413
	// for a request that is larger than the limit.
	Groq: {(*answered).requestsAndTokens, groqRefusal, openAISpent},
	// Captured: all headers, renewal periods of 10 and 60 s among them, and the errors.
	Azure: {azureHeaders, azureRefusal, openAISpent},
	// Captured: the headers and the error; no reset is told.
	Mistral: {mistralHeaders, mistralRefusal, openAISpent},
	// Documented at inference-docs.cerebras.ai/support/rate-limits: requests of a day and tokens of a minute, and seconds
	// with fractions. Captured: the same names for minutes and hours, and the error.
	Cerebras: {cerebrasHeaders, cerebrasRefusal, openAISpent},
	// Documented at docs.together.ai/docs/rate-limits: per second, and the reset in seconds.
	Together: {togetherHeaders, togetherRefusal, paymentRequired("Credit limit exceeded. Please add credits to your account.", "credit_limit", "")},
	// Captured: on refusals alone, the reset in milliseconds since 1970, also within the error.
	OpenRouter: {openRouterHeaders, openRouterRefusal, &apiError{Status: http.StatusPaymentRequired, Other: map[string]any{
		"error": map[string]any{"message": "Insufficient credits. Add more using https://openrouter.ai/settings/credits", "code": http.StatusPaymentRequired}}}},
	// Captured: limits and what remains, no reset; errors are strings.
	XAI: {xaiHeaders, xaiRefusal, &apiError{Status: http.StatusForbidden, Other: map[string]string{
		"code": "The caller does not have permission to execute the specified operation", "error": "Your team has either used all available credits or reached its monthly spending limit."}}},
	// Documented at api-docs.deepseek.com: no limits are told, 402 without balance.
	DeepSeek: {nil, openAIRefusal, paymentRequired("Insufficient Balance", "unknown_error", "invalid_request_error")},
	Plain:    {nil, openAIRefusal, openAISpent},
}

func paymentRequired(message, kind, code string) *apiError {
	return &apiError{http.StatusPaymentRequired, message, kind, "", code, nil}
}

// openAISpent is documented, and captured with this code; since 2026 the code is
// credit_balance_exhausted where no credit is left.
var openAISpent = &apiError{http.StatusTooManyRequests, "You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: " +
	"https://platform.openai.com/docs/guides/error-codes/api-errors.", "insufficient_quota", "", "insufficient_quota", nil}

// answered is an answer that is told the limits.
type answered struct {
	h       http.Header
	all     []simquota.Standing
	refused *simquota.Refusal // nil: it is served
	want    simquota.Amounts
	now     time.Time
}

// of returns the standing of a limit; of several periods the longest, or the shortest.
func (a *answered) of(d simquota.Dimension, longest bool) (out simquota.Standing, ok bool) {
	for _, s := range a.all {
		if s.Limit.Dimension != d || s.Limit.Per == 0 || s.Limit.Amount < 0 {
			continue
		}
		if !ok || longest == (s.Limit.Per > out.Limit.Per) {
			out, ok = s, true
		}
	}
	return out, ok
}

func (a *answered) set(name string, value any) {
	switch v := value.(type) {
	case int64:
		a.h.Set(name, strconv.FormatInt(v, 10))
	case string:
		a.h.Set(name, v)
	}
}

// retryAfter tells a refusal's wait in whole seconds, rounded up.
func (a *answered) retryAfter() {
	if a.refused != nil && !a.refused.Never {
		a.set("Retry-After", simserver.Seconds(a.refused.Wait))
	}
}

// short is a duration as OpenAI and Groq tell it: "12ms", "8.64s", "2m59.56s", "6m0s".
func short(d time.Duration) string { return d.Round(time.Millisecond).String() }

// requestsAndTokens tells the requests of the longest period that there is, and the tokens of the
// shortest.
func (a *answered) requestsAndTokens() {
	for name, longest := range map[string]bool{"requests": true, "tokens": false} {
		d := simquota.Requests
		if name == "tokens" {
			d = simquota.Tokens
		}
		if s, ok := a.of(d, longest); ok {
			a.set("X-Ratelimit-Limit-"+name, s.Limit.Amount)
			a.set("X-Ratelimit-Remaining-"+name, s.Remaining)
			a.set("X-Ratelimit-Reset-"+name, short(s.Full))
		}
	}
	a.retryAfter()
}

func azureHeaders(a *answered) {
	for name, d := range map[string]simquota.Dimension{"requests": simquota.Requests, "tokens": simquota.Tokens} {
		if s, ok := a.of(d, false); ok {
			a.set("X-Ratelimit-Limit-"+name, s.Limit.Amount)
			a.set("X-Ratelimit-Remaining-"+name, s.Remaining)
			a.set("X-Ratelimit-Renewalperiod-"+name, simserver.Seconds(s.Limit.Per))
			a.set("X-Ratelimit-Reset-"+name, simserver.Seconds(s.Full))
		}
	}
	if a.retryAfter(); a.refused != nil && !a.refused.Never {
		a.set("Retry-After-Ms", int64((a.refused.Wait+time.Millisecond-1)/time.Millisecond))
		a.set("X-Ratelimit-Type", map[bool]string{true: "Requests", false: "Tokens"}[a.refused.Limit.Dimension == simquota.Requests])
	}
}

func mistralHeaders(a *answered) {
	for _, s := range a.all {
		if s.Limit.Per != time.Minute {
			continue
		}
		name := "req"
		if s.Limit.Dimension != simquota.Requests {
			name = "tokens"
		}
		a.set("X-Ratelimit-Limit-"+name+"-Minute", s.Limit.Amount)
		a.set("X-Ratelimit-Remaining-"+name+"-Minute", s.Remaining)
	}
	a.set("X-Ratelimit-Tokens-Query-Cost", a.want[simquota.Tokens])
}

func cerebrasHeaders(a *answered) {
	periods := map[time.Duration]string{time.Minute: "minute", time.Hour: "hour", 24 * time.Hour: "day"}
	for _, s := range a.all {
		period, ok := periods[s.Limit.Per]
		if !ok {
			continue
		}
		name := "requests-"
		if s.Limit.Dimension != simquota.Requests {
			name = "tokens-"
		}
		a.set("X-Ratelimit-Limit-"+name+period, s.Limit.Amount)
		a.set("X-Ratelimit-Remaining-"+name+period, s.Remaining)
		a.set("X-Ratelimit-Reset-"+name+period, strconv.FormatFloat(s.Full.Seconds(), 'f', -1, 64))
	}
	a.retryAfter()
}

func togetherHeaders(a *answered) {
	if s, ok := a.of(simquota.Requests, false); ok {
		a.set("X-Ratelimit-Limit", s.Limit.Amount)
		a.set("X-Ratelimit-Remaining", s.Remaining)
		a.set("X-Ratelimit-Reset", simserver.Seconds(s.Full))
	}
	if s, ok := a.of(simquota.Tokens, false); ok {
		a.set("X-Tokenlimit-Limit", s.Limit.Amount)
		a.set("X-Tokenlimit-Remaining", s.Remaining)
	}
}

func openRouterHeaders(a *answered) {
	if a.refused == nil {
		return
	}
	for name, value := range openRouterLimits(a.refused, a.now) {
		a.set(name, value)
	}
}

func openRouterLimits(r *simquota.Refusal, now time.Time) map[string]string {
	return map[string]string{
		"X-RateLimit-Limit": strconv.FormatInt(r.Limit.Amount, 10), "X-RateLimit-Remaining": "0",
		"X-RateLimit-Reset": strconv.FormatInt(now.Add(r.Wait).UnixMilli(), 10),
	}
}

func xaiHeaders(a *answered) {
	for name, d := range map[string]simquota.Dimension{"requests": simquota.Requests, "tokens": simquota.Tokens} {
		if s, ok := a.of(d, false); ok {
			a.set("X-Ratelimit-Limit-"+name, s.Limit.Amount)
			a.set("X-Ratelimit-Remaining-"+name, s.Remaining)
		}
	}
}

// limitName is how messages call a limit, and its abbreviation.
func limitName(l simquota.Limit) (long, short string) {
	dimension := map[simquota.Dimension][2]string{
		simquota.Requests: {"requests", "R"}, simquota.Tokens: {"tokens", "T"}, simquota.InputTokens: {"input tokens", "IT"}, simquota.OutputTokens: {"output tokens", "OT"},
	}[l.Dimension]
	period := map[time.Duration][2]string{
		time.Second: {"sec", "PS"}, time.Minute: {"min", "PM"}, time.Hour: {"hour", "PH"}, 24 * time.Hour: {"day", "PD"},
	}[l.Per]
	if period[0] == "" {
		period = [2]string{l.Per.String(), "P?"}
	}
	return dimension[0] + " per " + period[0], dimension[1] + period[1]
}

func openAIRefusal(project, model string, r *simquota.Refusal, _ time.Time) *apiError {
	e := &apiError{Status: http.StatusTooManyRequests, Type: "tokens", Code: "rate_limit_exceeded"}
	if r.Limit.Dimension == simquota.Requests {
		e.Type = "requests"
	}
	long, abbreviation := limitName(r.Limit)
	limit := strconv.FormatInt(r.Limit.Amount, 10)
	requested := strconv.FormatInt(r.Requested, 10)
	if r.Never {
		e.Message = "Request too large for " + model + " in organization " + project + " on " + long + " (" + abbreviation + "): Limit " + limit + ", Requested " + requested +
			". The input or output tokens must be reduced in order to run successfully. Visit https://platform.openai.com/account/rate-limits to learn more."
		return e
	}
	e.Message = "Rate limit reached for " + model + " in organization " + project + " on " + long + " (" + abbreviation + "): Limit " + limit + ", Used " +
		strconv.FormatInt(r.Used, 10) + ", Requested " + requested + ". Please try again in " + short(r.Wait) +
		". Visit https://platform.openai.com/account/rate-limits to learn more."
	return e
}

func groqRefusal(project, model string, r *simquota.Refusal, now time.Time) *apiError {
	e := openAIRefusal(project, model, r, now)
	long, abbreviation := limitName(r.Limit)
	long = strings.Replace(long, " min", " minute", 1)
	if r.Never {
		e.Status = http.StatusRequestEntityTooLarge
		e.Message = "Request too large for model `" + model + "` in organization `" + project + "` service tier `on_demand` on " + long + " (" + abbreviation + "): Limit " +
			strconv.FormatInt(r.Limit.Amount, 10) + ", Requested " + strconv.FormatInt(r.Requested, 10) + ", please reduce your message size and try again. Need more tokens? Upgrade to Dev Tier today at https://console.groq.com/settings/billing"
		return e
	}
	e.Message = "Rate limit reached for model `" + model + "` in organization `" + project + "` service tier `on_demand` on " + long + " (" + abbreviation + "): Limit " +
		strconv.FormatInt(r.Limit.Amount, 10) + ", Used " + strconv.FormatInt(r.Used, 10) + ", Requested " + strconv.FormatInt(r.Requested, 10) +
		". Please try again in " + short(r.Wait) + ". Need more tokens? Upgrade to Dev Tier today at https://console.groq.com/settings/billing"
	return e
}

func azureRefusal(_, _ string, r *simquota.Refusal, _ time.Time) *apiError {
	what := map[bool]string{true: "call", false: "token"}[r.Limit.Dimension == simquota.Requests]
	return &apiError{Status: http.StatusTooManyRequests, Other: map[string]any{"error": map[string]string{"code": "429",
		"message": "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-10-21 have exceeded " + what +
			" rate limit of your current OpenAI S0 pricing tier. Please retry after " + simserver.Seconds(r.Wait) +
			" seconds. Please go here: https://aka.ms/oai/quotaincrease if you would like to further increase the default rate limit."}}}
}

func mistralRefusal(string, string, *simquota.Refusal, time.Time) *apiError {
	return &apiError{Status: http.StatusTooManyRequests, Other: map[string]any{
		"object": "error", "message": "Rate limit exceeded", "type": "rate_limited", "param": nil, "code": "1300"}}
}

func cerebrasRefusal(_, _ string, r *simquota.Refusal, _ time.Time) *apiError {
	period := map[time.Duration]string{time.Hour: "hour", 24 * time.Hour: "day"}[r.Limit.Per]
	if period == "" {
		period = "minute"
	}
	body := map[string]string{"type": "too_many_requests_error", "param": "quota", "code": "request_quota_exceeded",
		"message": "Requests per " + period + " limit exceeded - too many requests sent."}
	if r.Limit.Dimension != simquota.Requests {
		body["code"], body["message"] = "token_quota_exceeded", "Tokens per "+period+" limit exceeded - too many tokens processed."
	}
	return &apiError{Status: http.StatusTooManyRequests, Other: body}
}

func togetherRefusal(_, _ string, r *simquota.Refusal, _ time.Time) *apiError {
	what := map[bool]string{true: "request", false: "token"}[r.Limit.Dimension == simquota.Requests]
	return &apiError{Status: http.StatusTooManyRequests, Type: "rate_limit", Message: "Request was rejected due to " + what + " rate limiting."}
}

func openRouterRefusal(_, _ string, r *simquota.Refusal, now time.Time) *apiError {
	long, _ := limitName(r.Limit)
	return &apiError{Status: http.StatusTooManyRequests, Other: map[string]any{"error": map[string]any{
		"message": "Rate limit exceeded: free-models-per-" + long[strings.LastIndexByte(long, ' ')+1:] + ". Add 10 credits to unlock 1000 free model requests per day",
		"code":    http.StatusTooManyRequests, "metadata": map[string]any{"headers": openRouterLimits(r, now), "provider_name": nil}}}}
}

func xaiRefusal(project, model string, r *simquota.Refusal, _ time.Time) *apiError {
	long, _ := limitName(r.Limit)
	return &apiError{Status: http.StatusTooManyRequests, Other: map[string]string{"code": "Some resource has been exhausted",
		"error": "Too many requests for team " + project + " and model " + model + ". Your team's rate limit is — " + long + ": " + strconv.FormatInt(r.Limit.Amount, 10) + "."}}
}
