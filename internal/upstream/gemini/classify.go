package gemini

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/statuses"
	"fluxgate.dev/fluxgate/internal/upstream"
)

const (
	// maxViolations bounds what one answer can make us remember; four are the most that have been seen.
	maxViolations = 16
	// maxRetryDelay is the longest Pacific day. No limit that Gemini names lasts longer, so a longer delay is nonsense.
	maxRetryDelay = 25 * time.Hour
)

// Classify implements upstream.Provider. It is pure and accepts any bytes: an empty body, HTML, truncated JSON, an error
// object, and the array that the OpenAI-compatible endpoint sends. The key, and whatever else looks like one, is redacted
// from all that is returned.
func (c *Client) Classify(status int, body []byte, key string) *upstream.Error {
	return classify(status, body, c.own.secret(key))
}

func classify(status int, body []byte, key string) *upstream.Error {
	r := upstream.NewRedactor(key)
	object, a := parseAnswer(body)
	page := status/100 == 2 && object == nil
	if status < 300 {
		status = a.httpStatus(status)
	}
	e := &failure{Error: upstream.Error{HTTPStatus: status, Status: identifier(a.Status, r), Message: a.Message}}
	if object != nil {
		e.Body = r.JSON(object)
	}
	e.Reason = identifier(a.reason(), r)
	e.RetryDelay = a.retryDelay()
	e.Violations = a.violations(r)
	e.decide(a, body)
	e.Message = upstream.Clip(r.Text(strings.ToValidUTF8(e.Message, "\uFFFD")))
	switch {
	case e.Message == "" && page:
		e.Message = "Upstream answered with success but with what is no answer, such as a page. It isn't passed on; the request may have been served."
	case e.Message == "":
		e.Message = http.StatusText(e.HTTPStatus)
	}
	return &e.Error
}

// failure is an error that is being classified.
type failure struct{ upstream.Error }

// decide sets Class, and Reason where upstream sent no code. Text decides only where there is no code to go by.
func (e *failure) decide(a answer, body []byte) {
	switch s := e.HTTPStatus; {
	case s == http.StatusTooManyRequests:
		e.decideQuota(a)
	case s == http.StatusPaymentRequired:
		e.set(upstream.ClassBilling, upstream.ReasonBilling)
	case s == http.StatusBadRequest, s == http.StatusUnauthorized, s == http.StatusForbidden:
		e.decideAccess(a)
	case s == http.StatusNotFound:
		e.decideModel(a)
	case s == statuses.ClientClosed:
		// Not our caller's doing, or we wouldn't be reading an answer. Whatever canceled it, it may have been served till then.
		e.set(upstream.ClassBroken, "")
	case s == http.StatusRequestTimeout, s >= 500:
		// Google doesn't charge for what it answers with an error (ai.google.dev/gemini-api/docs/billing). What isn't
		// Google's error, such as a gateway's page or JSON, says nothing of what became of the request behind it, but for a
		// page with 503: mostly that one wasn't taken.
		if errorObject(e.Body) || s == http.StatusServiceUnavailable && e.Body == nil && !forwarded(body) {
			e.set(upstream.ClassServer, "")
			return
		}
		e.set(upstream.ClassBroken, "")
	case s >= 400:
		e.set(upstream.ClassCaller, "")
	case s >= 300:
		e.HTTPStatus = http.StatusBadGateway
		e.set(upstream.ClassServer, upstream.ReasonRedirect)
	default:
		e.HTTPStatus = http.StatusBadGateway
		e.set(upstream.ClassBroken, upstream.ReasonBadResponse)
	}
}

// errorObject tells whether raw is a JSON object whose error is an object, as in Google's errors and those of OpenAI's
// format. Some gateways send {"error": "text"}.
func errorObject(raw []byte) bool {
	var outer struct {
		Error map[string]json.RawMessage `json:"error"`
	}
	return json.Unmarshal(raw, &outer) == nil && outer.Error != nil
}

// forwarded tells whether a gateway's page speaks of a connection that broke, as Envoy's does ("upstream connect error
// or disconnect/reset before headers"): the request may have been forwarded on it.
func forwarded(page []byte) bool {
	return containsAny(strings.ToLower(string(page)), "reset", "disconnect")
}

func (e *failure) set(c upstream.Class, reason string) {
	e.Class = c
	if e.Reason == "" {
		e.Reason = reason
	}
}

// decideQuota reads a 429. The quotaId tells a day from a minute, never the delay: a
// daily violation often carries a delay of some 20 seconds. What isn't a quota of the
// model's requests or input tokens says nothing of the model.
func (e *failure) decideQuota(a answer) {
	var own, foreign, day, minute, zero bool
	for _, v := range e.Violations {
		if v.Foreign {
			foreign = true
			continue
		}
		own = true
		zero = zero || v.Value == 0
		day = day || strings.Contains(v.QuotaID, "PerDay")
		minute = minute || strings.Contains(v.QuotaID, "PerMinute")
	}
	for _, l := range messageLimits(a.Message) {
		switch {
		case l.metric != "" && foreignQuota(l.metric, ""):
			foreign = true
		case l.metric == "" && foreign && !own: // what it is of has been said
		default:
			own, zero = true, zero || l.value == 0
		}
	}
	switch {
	case containsAny(a.Message, "spend-based rate limit"):
		e.set(upstream.ClassSpend, "")
	case foreign && !own:
		e.set(upstream.ClassForeignQuota, "")
	case zero:
		e.set(upstream.ClassNoQuota, upstream.ReasonLimitZero)
	case day:
		e.set(upstream.ClassDay, "")
	case minute:
		e.set(upstream.ClassMinute, "")
	case e.Reason == "BILLING_DISABLED" || containsAny(a.Message, "prepayment credits are depleted", "spending cap"):
		// "check your plan and billing details" stands in every quota message, so "billing" alone means nothing.
		e.set(upstream.ClassBilling, upstream.ReasonBilling)
	case containsAny(a.Message, "check your plan and billing"):
		e.set(upstream.ClassBare429, upstream.ReasonPlan)
	default:
		e.set(upstream.ClassBare429, "")
	}
}

// messageLimit finds the limits in messages like "Quota exceeded for metric: m, limit: 0, model: x".
var messageLimit = regexp.MustCompile(`(?:metric: ([A-Za-z0-9_./-]+), )?\blimit: ([0-9]+)`)

// A namedLimit is a limit that a message names.
type namedLimit struct {
	metric string // "" if it doesn't say
	value  int64  // -1: more than a number can be
}

func messageLimits(message string) []namedLimit {
	var out []namedLimit
	for _, m := range messageLimit.FindAllStringSubmatch(message, maxViolations) {
		out = append(out, namedLimit{m[1], quotaValue(m[2])})
	}
	return out
}

// The beginnings of the metrics and quotaIds of a model's own requests and input
// tokens, embeddings included, after the metric's service. All that were captured
// begin so; those of grounding, of batch jobs and of Live sessions are captured or
// documented to begin otherwise.
var (
	ownMetrics = []string{"generate_content_", "generate_requests_per_model", "embed_content_"}
	ownQuotas  = []string{"GenerateRequests", "GenerateContent", "EmbedContent", "GenerateTokens"}
	// otherUnits are what such a quota counts where it is neither requests nor input tokens. Guessed from the units that
	// documentation limits: images, audio and output tokens.
	otherUnits = []string{"image", "audio", "video", "output", "search", "grounding"}
)

// foreignQuota tells whether a quota is none of the model's own. Either name may be empty.
func foreignQuota(metric, id string) bool {
	metric = metric[strings.LastIndexByte(metric, '/')+1:]
	begins := func(s string, prefixes []string) bool {
		for _, p := range prefixes {
			if strings.HasPrefix(s, p) {
				return true
			}
		}
		return s == ""
	}
	return !begins(metric, ownMetrics) || !begins(id, ownQuotas) ||
		containsAny(strings.ToLower(metric), otherUnits...) || containsAny(strings.ToLower(id), otherUnits...)
}

// features are the words by which a quota says what it is of. Those of search stand in public test fixtures; the
// others are guessed.
var features = []struct{ word, feature string }{
	{"map", payload.MapsFeature}, {"url", payload.URLFeature}, {"image", payload.ImageFeature},
	{"search", payload.SearchFeature}, {"grounding", payload.SearchFeature},
}

// featureOf returns what feature a quota is of; "" for none that is known.
func featureOf(metric, id string) string {
	names := strings.ToLower(metric[strings.LastIndexByte(metric, '/')+1:] + " " + id)
	for _, f := range features {
		if strings.Contains(names, f.word) {
			return f.feature
		}
	}
	return ""
}

// decideAccess reads 400, 401 and 403: the key's fault, the project's, or the caller's.
func (e *failure) decideAccess(a answer) {
	if e.Reason == "BILLING_DISABLED" {
		e.Class = upstream.ClassBilling
		return
	}
	if e.HTTPStatus == http.StatusUnauthorized || keyReason(e.Reason) {
		e.Class = upstream.ClassKeyInvalid
		return
	}
	e.Class = upstream.ClassCaller
	switch {
	case e.HTTPStatus == http.StatusForbidden && projectReason(e.Reason):
		e.Class, e.Reason = upstream.ClassDenied, upstream.ReasonPermission
		return
	case e.Reason != "":
		return
	}
	// No code. Messages quote the caller's input, but never at their start: only prefixes may blame a key.
	for _, t := range accessTexts {
		if t.status == e.HTTPStatus && strings.HasPrefix(a.Message, t.prefix) && strings.Contains(a.Message, t.contains) {
			e.Class, e.Reason = t.class, t.reason
			return
		}
	}
}

var accessTexts = []struct {
	status           int
	prefix, contains string
	class            upstream.Class
	reason           string
}{
	{403, "Your API key was reported as leaked", "", upstream.ClassKeyInvalid, upstream.ReasonLeaked},
	{403, "Generative Language API has not been used in project", "", upstream.ClassKeyInvalid, upstream.ReasonAPIOff},
	{403, "Requests to this API generativelanguage.googleapis.com", "are blocked", upstream.ClassKeyInvalid, "API_KEY_SERVICE_BLOCKED"},
	{403, "This API method requires billing to be enabled", "", upstream.ClassBilling, upstream.ReasonBilling},
	{403, "Method doesn't allow unregistered callers", "", upstream.ClassKeyInvalid, upstream.ReasonUnregistered},
	{403, "Your project has been denied access", "", upstream.ClassProject, upstream.ReasonDenied}, // free calls pass: captured
	{403, "Permission denied: Consumer", "has been suspended", upstream.ClassKeyInvalid, "CONSUMER_SUSPENDED"},
	{400, "API key not valid", "", upstream.ClassKeyInvalid, "API_KEY_INVALID"},
	{400, "API Key not found", "", upstream.ClassKeyInvalid, "API_KEY_INVALID"},
	{400, "API key expired", "", upstream.ClassKeyInvalid, "API_KEY_INVALID"},
	{400, "User location is not supported", "", upstream.ClassCaller, upstream.ReasonLocation},
	{400, "Gemini API free tier is not available in your country", "", upstream.ClassProject, upstream.ReasonFreeTier},
	{403, "The caller does not have permission", "", upstream.ClassDenied, upstream.ReasonPermission},
	{400, "The input token count", "exceeds the maximum number of tokens allowed", upstream.ClassCaller, upstream.ReasonInputTooLarge},
}

// modelGone and modelUnknown say so of a model with which the message begins, or with what one is called: further on it
// may quote the caller's input, by which nobody else is to lose a model.
var (
	modelGone = regexp.MustCompile("^(?i:(?:the |this |requested )?models?\\b|" + families + "|[`'\"](?:models/)?" + families + "[a-z0-9.@-]*[`'\"])" +
		"(?:[A-Za-z0-9 ./_@-]|[`'\"][A-Za-z0-9./_@-]+[`'\"]){0,100}?" +
		`\b(?:no longer available|(?:has|have) been (?:deprecated|retired|shut down|discontinued)|was shut down)`)
	modelUnknown = regexp.MustCompile(`^(?:models/)?\S+ is not found for API version`)
)

// families are how the names of Gemini's models begin.
const families = `(?:gemini|gemma|imagen|veo|text-|embedding)`

// decideModel reads a 404. One that names no model, such as a missing file, is the caller's.
func (e *failure) decideModel(a answer) {
	switch {
	case modelGone.MatchString(a.Message):
		e.set(upstream.ClassModelGone, "")
	case modelUnknown.MatchString(a.Message),
		strings.HasPrefix(a.Message, "models/") && containsAny(a.Message, "not found", "is not supported for"):
		e.set(upstream.ClassModelUnknown, "")
	default:
		e.set(upstream.ClassCaller, "")
	}
}

func containsAny(s string, texts ...string) bool {
	for _, t := range texts {
		if strings.Contains(s, t) {
			return true
		}
	}
	return false
}

// identifier returns s if it looks like one of Google's machine-readable names, and "" for anything else, so that it is
// short and safe wherever it is shown.
func identifier(s string, r upstream.Redactor) string {
	if len(s) > 64 || r.Holds(s) {
		return ""
	}
	for _, c := range []byte(s) {
		if c != '_' && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return ""
		}
	}
	return s
}

var retryText = regexp.MustCompile(`(?i)please retry in ((?:[0-9]+(?:\.[0-9]+)?(?:h|ms|µs|us|ns|m|s))+)`)

// retryDelay prefers RetryInfo. Its value is usually cut to whole seconds while the message keeps the fraction; coming
// back after the cut value would earn another 429, so a message within the same second refines it.
func (a answer) retryDelay() time.Duration {
	var text time.Duration
	if m := retryText.FindStringSubmatch(a.Message); m != nil {
		text, _ = time.ParseDuration(m[1])
	}
	delay := text
	for _, d := range a.details {
		if !d.is("RetryInfo") {
			continue
		}
		info, err := time.ParseDuration(d.RetryDelay)
		if err != nil {
			continue
		}
		if text < info || text >= info+time.Second {
			delay = info
		}
		break
	}
	return min(max(delay, 0), maxRetryDelay)
}

// violations lists the limits of every QuotaFailure; where there is none, the one that an ErrorInfo's metadata names.
func (a answer) violations(r upstream.Redactor) []upstream.Violation {
	var out []upstream.Violation
	add := func(metric, id, model string, value int64) {
		if len(out) < maxViolations && (metric != "" || id != "") {
			out = append(out, upstream.Violation{Metric: r.Text(metric), QuotaID: r.Text(id), Model: r.Text(model),
				Value: value, Kind: quotaKind(id), Foreign: foreignQuota(metric, id), Feature: featureOf(metric, id)})
		}
	}
	for _, d := range a.details {
		if d.is("QuotaFailure") {
			said := saidLimits(a.Message, d.Violations)
			for i, v := range d.Violations {
				model, _ := v.QuotaDimensions["model"].(string)
				value := quotaValue(v.QuotaValue)
				if value < 0 {
					value = said[i]
				}
				add(v.QuotaMetric, v.QuotaID, model, value)
			}
		}
	}
	if len(out) > 0 {
		return out
	}
	for _, d := range a.details {
		if d.is("ErrorInfo") {
			add(d.meta("quota_metric"), d.meta("quota_limit"), d.meta("model"), quotaValue(d.Metadata["quota_limit_value"]))
		}
	}
	return out
}

// saidLimits returns the limits that a message names for violations, whose order it keeps; -1 where it
// names none, or not one for each of a metric's. That there is none at all isn't taken from it: only the class is.
func saidLimits(message string, violations []quotaViolation) []int64 {
	lines, of := make(map[string][]int64), make(map[string]int)
	for _, l := range messageLimits(message) {
		lines[l.metric] = append(lines[l.metric], l.value)
	}
	for _, v := range violations {
		of[v.QuotaMetric]++
	}
	said, next := make([]int64, len(violations)), make(map[string]int)
	for i, v := range violations {
		m := v.QuotaMetric
		if said[i] = -1; m != "" && len(lines[m]) == of[m] && lines[m][next[m]] > 0 {
			said[i] = lines[m][next[m]]
		}
		next[m]++
	}
	return said
}

func quotaKind(id string) upstream.Kind {
	day, minute := strings.Contains(id, "PerDay"), strings.Contains(id, "PerMinute")
	switch tokens := strings.Contains(id, "Token"); {
	case tokens && day:
		return upstream.TokensPerDay
	case tokens && minute:
		return upstream.TokensPerMinute
	case day && strings.Contains(id, "Request"):
		return upstream.RequestsPerDay
	case minute && strings.Contains(id, "Request"):
		return upstream.RequestsPerMinute
	default:
		return upstream.KindUnknown
	}
}

// quotaValue reads a limit that is a decimal string (the proto JSON form of int64) or a number; -1 if it is neither.
func quotaValue(v any) int64 {
	s, ok := v.(string)
	if n, isNumber := v.(json.Number); isNumber {
		s, ok = n.String(), true
	}
	if n, err := strconv.ParseInt(s, 10, 64); ok && err == nil && n >= 0 {
		return n
	}
	return -1
}
