package upstream

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
)

// Class says what an upstream error means for quota, keys and the caller. The zero value is no class.
type Class int

const (
	// ClassDay: the model's day is spent on this project, until Pacific midnight whatever RetryDelay claims.
	ClassDay Class = iota + 1
	// ClassMinute: a per-minute limit of the model is spent on this project, for RetryDelay.
	ClassMinute
	// ClassNoQuota: this project has a limit of zero for the model; waiting doesn't help.
	ClassNoQuota
	// ClassBare429: a 429 that names no limit; often overload rather than quota.
	ClassBare429
	// ClassBilling: the project's credits or spending cap are used up; terminal for the project.
	ClassBilling
	// ClassKeyInvalid: this key can't be used (unknown, expired, leaked, suspended, restricted, API switched off). Other
	// keys may work.
	ClassKeyInvalid
	// ClassModelGone: the model exists but no longer for this project.
	ClassModelGone
	// ClassModelUnknown: no such model, or it doesn't support the method.
	ClassModelUnknown
	// ClassCaller: the request itself is at fault; it would fail with every key.
	ClassCaller
	// ClassServer: upstream said that it failed, which it doesn't charge for, or answered in full without having produced
	// anything, or the request never reached it in full, or a gateway's 503 suggests so.
	ClassServer
	// ClassTimeout: no complete answer in time. Unless SentAt is zero the request may have been served and billed.
	ClassTimeout
	// ClassCanceled: our own caller gave up.
	ClassCanceled
	// ClassBroken: the request was sent in full, and what came was no answer: the connection broke, or the answer is
	// cut, malformed, a proxy's, or that it was canceled. It may have been served and billed.
	ClassBroken
	// ClassDenied: this project, or this key of it, may not do what was asked, although the key is valid. Another project
	// may.
	ClassDenied
	// ClassForeignQuota: a quota of something else is spent than the model's requests and input tokens, such as grounding
	// or images. It says nothing of requests without that.
	ClassForeignQuota
	// ClassSpend: the project, or its billing account, spends faster than it may, for RetryDelay.
	ClassSpend
	// ClassProject: the project can't be used from here at all, for another reason than its credits.
	ClassProject
)

var classNames = [...]string{
	ClassDay: "day", ClassMinute: "minute", ClassNoQuota: "no_quota", ClassBare429: "bare_429", ClassBilling: "billing",
	ClassKeyInvalid: "key_invalid", ClassModelGone: "model_gone", ClassModelUnknown: "model_unknown",
	ClassCaller: "caller", ClassServer: "server", ClassTimeout: "timeout", ClassCanceled: "canceled", ClassBroken: "broken",
	ClassDenied: "denied", ClassForeignQuota: "foreign_quota", ClassSpend: "spend", ClassProject: "project",
}

// String returns a short lower-case name that is stable enough for metrics and log fields.
func (c Class) String() string {
	if c <= 0 || int(c) >= len(classNames) {
		return "unknown"
	}
	return classNames[c]
}

// Reasons that this package assigns where upstream sends no machine-readable one. Others, such as API_KEY_INVALID or
// CONSUMER_SUSPENDED, are Google's own ErrorInfo reasons.
const (
	ReasonLeaked           = "leaked"             // 403: the key was reported as leaked
	ReasonFreeTier         = "FREE_TIER"          // 400: the project has no billing, and there is no free tier here
	ReasonUnregistered     = "unregistered"       // 403: upstream saw no key
	ReasonDenied           = "denied"             // 403: the whole project was denied access
	ReasonPermission       = "PERMISSION"         // 403: the project may not use the model
	ReasonKeyMalformed     = "malformed"          // the key can't be a header value; it was not sent
	ReasonLocation         = "LOCATION"           // 400: not available from where this process runs
	ReasonInputTooLarge    = "INPUT_TOO_LARGE"    // 400: more tokens than the model accepts
	ReasonLimitZero        = "LIMIT_ZERO"         // 429: the limit is 0
	ReasonBilling          = "BILLING"            // 402, 429: credits or spending cap used up
	ReasonPlan             = "PLAN"               // 429: a quota of the project's plan, of which nothing more is said
	ReasonSpendLimit       = "SPEND_LIMIT"        // 429: what the key's own part of the project may spend is used up
	ReasonModelName        = "MODEL_NAME"         // the model name can't be part of a URL; it was not sent
	ReasonInvalidRequest   = "INVALID_REQUEST"    // the request can't be encoded; it was not sent
	ReasonBadResponse      = "BAD_RESPONSE"       // 2xx with a body that isn't an answer
	ReasonNoAnswer         = "NO_ANSWER"          // 2xx that is whole and says nothing
	ReasonResponseTooLarge = "RESPONSE_TOO_LARGE" // 2xx with more than the client accepts
	ReasonRedirect         = "REDIRECT"           // 3xx: the base URL is probably wrong
	ReasonConnection       = "CONNECTION"         // no connection, or it broke
	ReasonLoop             = "LOOP"               // 508: the base URL leads to a Fluxgate
)

// ReasonAPIOff is Google's own: the API isn't switched on in the project, so that all its keys are refused alike.
const ReasonAPIOff = "SERVICE_DISABLED"

// Kind is the quantity that a violated limit counts. Days are Pacific calendar days.
type Kind int

// The limits that providers are known to name. KindUnknown is any other, such as images per minute.
const (
	KindUnknown Kind = iota
	RequestsPerMinute
	RequestsPerDay
	TokensPerMinute
	TokensPerDay
)

// String returns the field's usual abbreviation.
func (k Kind) String() string {
	switch k {
	case RequestsPerMinute:
		return "RPM"
	case RequestsPerDay:
		return "RPD"
	case TokensPerMinute:
		return "TPM"
	case TokensPerDay:
		return "TPD"
	default:
		return "unknown"
	}
}

// Violation is one limit that a 429 names.
type Violation struct {
	Metric  string // for example generativelanguage.googleapis.com/generate_content_free_tier_requests
	QuotaID string // for example GenerateRequestsPerDayPerProjectPerModel-FreeTier
	Model   string // the model that is counted; for an alias the one it resolves to; "" if not named
	Value   int64  // the limit, in requests or input tokens per the Kind's period; -1 if not named
	Kind    Kind
	// Foreign says that it is no limit of the model's requests or input tokens, whatever its Kind.
	Foreign bool
	// Feature is what such a limit is of, as package payload names it; "" if that isn't plain.
	Feature string
}

// Error is a failed upstream call. Every string and the body have been redacted: none holds an API key. Message and Body
// may quote the caller's own input, so they are for that caller alone: see [Error.Error] and [Error.ForOthers].
type Error struct {
	Class Class
	// Provider is the name of the provider that it is of; empty: Gemini.
	Provider string
	// HTTPStatus is the status the error stands for: that of the answer, or of the error inside a stream that began with
	// 200. An unusable 2xx or a redirect is 502. It is 0 when there was no answer, and then Class says why.
	HTTPStatus int
	Status     string // upstream's status name, such as RESOURCE_EXHAUSTED
	Reason     string // Google's ErrorInfo reason, or one of the Reason constants; "" if there is none
	Message    string // upstream's message, or a description of the transport failure
	// RetryDelay is from RetryInfo, else from the message; at most 25 hours, 0 when none was given. RetryInfo is rounded
	// down to whole seconds, so a message that names the same second more finely wins.
	RetryDelay time.Duration
	Violations []Violation
	// Wait is how long to wait before the same is tried again, where that is known; negative: waiting doesn't help. It is
	// no word of upstream's.
	Wait time.Duration
	// Body is upstream's JSON answer as an object, to be passed on; nil if the answer wasn't JSON.
	Body []byte
	// Header is what of the answer's header is for the caller: see ErrorHeader. Nil if there is nothing.
	Header http.Header
	// Limits are what the answer's header said of the provider's limits, and Named, where its words name one that headers don't; nil: nothing.
	Limits []ratelimits.Limit
	Named  *ratelimits.Limit
	// SentAt estimates when the request reached upstream. Zero means that it was never sent in full and wasn't counted.
	SentAt time.Time

	cause error
}

// Error returns one line for logs. It never holds a key, nor what a caller asked: of the message it holds the words that
// are known, and for [ClassCaller] none.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(cmp.Or(e.Provider, Gemini) + ": ")
	b.WriteString(e.Class.String())
	if e.HTTPStatus != 0 {
		fmt.Fprintf(&b, ", HTTP %d", e.HTTPStatus)
	}
	if e.Status != "" {
		b.WriteString(" " + e.Status)
	}
	if e.Reason != "" {
		b.WriteString(" (" + e.Reason + ")")
	}
	if e.Message != "" && e.Class != ClassCaller {
		b.WriteString(": " + e.forLog())
	}
	return b.String()
}

// ForOthers returns the error as it is told to later callers: when to come back has been said to one, and words
// of which nothing is known may quote what that one sent.
func (e *Error) ForOthers() *Error {
	told := *e
	if told.Header = nil; !e.repeatable() {
		told.Body = nil
		told.Message = fmt.Sprintf("%s refused an earlier request like this with HTTP %d. What it said isn't repeated: it may quote that request.", e.From(), e.HTTPStatus)
	}
	return &told
}

// From names the provider that it is of, as people know it.
func (e *Error) From() string {
	if e.Provider == "" {
		return "Gemini"
	}
	return e.Provider
}

// ErrorHeader returns what an error's header says to the caller: when to come back, and how it was served.
func ErrorHeader(h http.Header) http.Header {
	var said http.Header
	for _, name := range []string{"Retry-After", "X-Gemini-Service-Tier"} {
		if values := h[name]; len(values) > 0 {
			if said == nil {
				said = make(http.Header)
			}
			said[name] = values
		}
	}
	return said
}

// ReadHeader takes over what the header of an answer says of an error: what is for the caller,
// and, of other providers than Gemini, how long to wait. Gemini says that in the body.
func (e *Error) ReadHeader(h http.Header) {
	e.Header = ErrorHeader(h)
	if e.Provider != "" && e.RetryDelay == 0 {
		e.RetryDelay = min(ratelimits.RetryAfter(h, time.Now()), maxRetryAfter)
	}
}

// Told takes over what the header of an answer said of limits. A refusal that says by nothing else until when
// it lasts lasts until what is used up is there again (OpenRouter's and Together's say no more); and where nothing is
// allowed at all, waiting is of no use.
func (e *Error) Told(limits []ratelimits.Limit) {
	e.Limits = limits
	if e.Named != nil {
		e.Limits = append(slices.Clip(limits), *e.Named)
	}
	if e.Class != ClassMinute || e.HTTPStatus != http.StatusTooManyRequests {
		return
	}
	if ratelimits.None(limits) {
		e.Class = ClassNoQuota
	} else if e.RetryDelay == 0 {
		e.RetryDelay = min(ratelimits.Until(limits, time.Now()), maxRetryAfter)
	}
}

// maxRetryAfter bounds what is believed of a delay: the longest limits are of a day.
const maxRetryAfter = 25 * time.Hour

// maxKeyReason bounds, in bytes, the reason that is kept for a key.
const maxKeyReason = 40

// KeyReason returns why a key is invalid, in a word; it is never empty.
func (e *Error) KeyReason() string {
	if e.Reason == "" {
		return "rejected"
	}
	return e.Reason[:min(len(e.Reason), maxKeyReason)]
}

// OfProject reports whether a reason for which a key is marked is its project's, or its part of
// that: a free call with the key then proves nothing, only a request that needs quota does.
func OfProject(reason string) bool {
	return reason == ReasonBilling || reason == ReasonFreeTier || reason == ReasonDenied || reason == ReasonSpendLimit
}

// OfOurs reports whether an error is the fault of one of our keys or of its project, about
// which a caller can do nothing.
func (e *Error) OfOurs() bool {
	return e.Class == ClassKeyInvalid || e.Class == ClassBilling || e.Class == ClassProject && e.Reason == ReasonDenied
}

// Unwrap returns the cause, if the failure was not an upstream answer. Its text is redacted; errors.Is and errors.As
// reach the original.
func (e *Error) Unwrap() error { return e.cause }

// cause carries an error whose own text may hold what upstream sent, such as the start of a malformed answer. It prints
// the redacted text under every verb; matching still sees the original.
type cause struct {
	text string
	err  error
}

func (c *cause) Error() string                 { return c.text }
func (c *cause) Is(target error) bool          { return errors.Is(c.err, target) }
func (c *cause) As(target any) bool            { return errors.As(c.err, target) }
func (c *cause) Format(s fmt.State, verb rune) { fmt.Fprintf(s, "%s", c.text) }
func newCause(err error, r Redactor) *cause    { return &cause{text: r.Text(err.Error()), err: err} }

// maxMessage bounds Error.Message, in bytes. The body keeps the whole text.
const maxMessage = 2048

// Clip cuts a text that becomes an Error's Message to the most that it may have.
func Clip(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	return strings.ToValidUTF8(s[:maxMessage], "") + "…"
}
