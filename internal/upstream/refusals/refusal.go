package refusals

import (
	"net/http"
	"regexp"
	"time"

	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
)

// A Class says what a refusal means.
type Class int

// The classes.
const (
	// RateLimit: a limit is used up. It is free again after Wait, if that is said.
	RateLimit Class = iota + 1
	// TooLarge: the request is larger than a limit, so that it fits here at no time.
	TooLarge
	// NoQuota: the limit is 0.
	NoQuota
	// Spent: there is no credit, or a spending limit is reached. Waiting doesn't help before Until.
	Spent
	// KeyInvalid: the key is unknown, revoked or of nobody.
	KeyInvalid
	// Denied: the key is valid and may not do that.
	Denied
	// ModelUnknown: there is no such model, or not for this project.
	ModelUnknown
	// Overloaded: the provider has too much to do. It wasn't served.
	Overloaded
	// Caller: the request is at fault, and would be with every key.
	Caller
	// Server: the provider says that it failed, or sends the request elsewhere.
	Server
	// Unsure: it is no error of the provider's, but a gateway's page or the like. The request may
	// have been served.
	Unsure
)

var classNames = [...]string{
	RateLimit: "rate_limit", TooLarge: "too_large", NoQuota: "no_quota", Spent: "spent", KeyInvalid: "key_invalid", Denied: "denied",
	ModelUnknown: "model_unknown", Overloaded: "overloaded", Caller: "caller", Server: "server", Unsure: "unsure",
}

// String returns a short name in small letters.
func (c Class) String() string {
	if c <= 0 || int(c) >= len(classNames) {
		return "unknown"
	}
	return classNames[c]
}

// A Scope says whom a refusal concerns, from the narrowest to the widest.
type Scope int

// The scopes.
const (
	Request  Scope = iota // this request alone
	Model                 // the model on this project
	Key                   // the key; other keys of its project may do it
	Project               // the project: what the provider limits and bills
	Everyone              // every project of the provider, or of the model there
)

var scopeNames = [...]string{"request", "model", "key", "project", "everyone"}

// String returns a short name in small letters.
func (s Scope) String() string {
	if s < 0 || int(s) >= len(scopeNames) {
		return "unknown"
	}
	return scopeNames[s]
}

// A Refusal is what an error says.
type Refusal struct {
	Class Class
	Scope Scope
	// Status is the HTTP status that the error stands for: that of the answer, or the error's own
	// where it came within an answer of 200.
	Status  int
	Type    string // the provider's; "" if there is none, or it is no plain word
	Code    string // likewise
	Message string // the provider's, as it came; "" if there is none
	// Limit is the one that the message names; its Dimension is Unknown if it names none.
	Limit ratelimits.Limit
	// Requested is how much of that dimension the request was counted as; -1: not said.
	Requested int64
	// Wait is how long to wait, as the message says; 0: it doesn't. Headers may say it too.
	Wait time.Duration
	// Until is when what was spent is there again; zero: not said.
	Until time.Time
}

// set decides the class and scope.
func (r *Refusal) set(c Class, s Scope) { r.Class, r.Scope = c, s }

// stands are what an error within an answer of 200 stands for that has no status of its own.
var stands = map[Class]int{
	RateLimit: http.StatusTooManyRequests, TooLarge: http.StatusRequestEntityTooLarge, NoQuota: http.StatusTooManyRequests, Spent: http.StatusPaymentRequired,
	KeyInvalid: http.StatusUnauthorized, Denied: http.StatusForbidden, ModelUnknown: http.StatusNotFound, Overloaded: http.StatusServiceUnavailable,
	Caller: http.StatusBadRequest, Server: http.StatusInternalServerError,
}

// stand sets the status where it is that of no error.
func (r *Refusal) stand() {
	if r.Status >= 400 {
		return
	}
	if r.Status = stands[r.Class]; r.Status == 0 {
		r.Status = http.StatusBadGateway
	}
}

// limited reads the message of a RateLimit, which may turn out to be none that passes.
func (r *Refusal) limited() {
	s := ratelimits.ReadMessage(r.Message)
	r.Limit, r.Requested, r.Wait = s.Limit, s.Requested, s.Wait
	switch {
	case s.Limit.Limit == 0:
		r.set(NoQuota, Model)
	case s.TooLarge:
		r.set(TooLarge, Request)
	default:
		r.set(RateLimit, Model)
	}
}

// regain finds when access resumes: "You will regain access on 2026-09-01 at 00:00 UTC."
var regain = regexp.MustCompile(`regain access on (\d{4}-\d{2}-\d{2}) at (\d{2}:\d{2}) UTC`)

func regained(message string) time.Time {
	m := regain.FindStringSubmatch(message)
	if m == nil {
		return time.Time{}
	}
	t, err := time.Parse("2006-01-02 15:04", m[1]+" "+m[2])
	if err != nil {
		return time.Time{}
	}
	return t
}
